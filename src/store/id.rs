//! Object IDs: 20 bytes, of which the first 4 name the namespace.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// Bytes in an object ID.
pub const ID_SIZE: usize = 20;
/// Bytes of an object ID that are the prefix of its namespace.
pub const PREFIX_SIZE: usize = 4;

/// The prefix of a namespace.
pub type Prefix = [u8; PREFIX_SIZE];

/// The ID of an object.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId([u8; ID_SIZE]);

impl ObjectId {
    /// An ID of these bytes.
    pub const fn new(bytes: [u8; ID_SIZE]) -> ObjectId {
        ObjectId(bytes)
    }

    /// An ID from a slice, which must have 20 bytes.
    pub fn from_slice(bytes: &[u8]) -> Result<ObjectId> {
        let bytes = <[u8; ID_SIZE]>::try_from(bytes)
            .map_err(|_| Error::invalid(format!("an object ID has {ID_SIZE} bytes, not {}", bytes.len())))?;
        Ok(ObjectId(bytes))
    }

    /// The ID of the declaration of a namespace: its prefix and sixteen zero bytes.
    pub const fn declaration(prefix: Prefix) -> ObjectId {
        let mut bytes = [0; ID_SIZE];
        let mut i = 0;
        while i < PREFIX_SIZE {
            bytes[i] = prefix[i];
            i += 1;
        }
        ObjectId(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; ID_SIZE] {
        &self.0
    }

    /// The prefix of its namespace.
    pub const fn prefix(&self) -> Prefix {
        [self.0[0], self.0[1], self.0[2], self.0[3]]
    }

    /// Whether it is the ID of the declaration of a namespace.
    pub fn is_declaration(&self) -> bool {
        self.0[PREFIX_SIZE..].iter().all(|byte| *byte == 0)
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectId({self})")
    }
}

impl FromStr for ObjectId {
    type Err = Error;

    fn from_str(text: &str) -> Result<ObjectId> {
        match parse_id_start(text) {
            Ok((id, ID_SIZE)) => Ok(id),
            _ => Err(Error::invalid(format!("'{text}' is not an object ID: expected 40 hexadecimal digits"))),
        }
    }
}

/// An ID, or the first bytes of one, as hexadecimal digits.
pub fn id_text(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Parses an ID, or the first bytes of one. Returns also how many bytes there are. Bytes that the text does not contain
/// are 0.
pub fn parse_id_start(text: &str) -> Result<(ObjectId, usize)> {
    let wrong = || {
        Error::invalid(format!(
            "'{text}' is not the start of an object ID: expected an even number of hexadecimal digits, at most {}",
            2 * ID_SIZE
        ))
    };
    if text.len() > 2 * ID_SIZE
        || !text.len().is_multiple_of(2)
        || !text.bytes().all(|digit| digit.is_ascii_hexdigit())
    {
        return Err(wrong());
    }
    let mut bytes = [0; ID_SIZE];
    for (byte, at) in bytes.iter_mut().zip((0..text.len()).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).map_err(|_| wrong())?;
    }
    Ok((ObjectId(bytes), text.len() / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_their_starts_are_read_and_written() {
        let text = "000102030405060708090a0b0c0d0e0f10111213";
        let id: ObjectId = text.parse().unwrap();
        assert_eq!((id.to_string(), id_text(id.as_bytes())), (text.to_owned(), text.to_owned()));
        assert_eq!(parse_id_start("").unwrap(), (ObjectId::new([0; ID_SIZE]), 0));
        let (start, size) = parse_id_start("AbCd").unwrap();
        assert_eq!((&start.as_bytes()[..3], size), (&[0xab, 0xcd, 0][..], 2));
        for wrong in ["a", "0x", "é0", "+1", &text.repeat(2)] {
            assert!(parse_id_start(wrong).unwrap_err().message().contains("even number"), "{wrong}");
        }
        assert!("abcd".parse::<ObjectId>().unwrap_err().message().contains("40 hexadecimal"));
    }
}
