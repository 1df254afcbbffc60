//! Object IDs: 20 bytes, of which the first 4 name the namespace.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// Bytes in an object ID.
pub const ID_SIZE: usize = 20;
/// Bytes of an object ID that name its namespace.
pub const PREFIX_SIZE: usize = 4;

/// A namespace's four bytes.
pub type Prefix = [u8; PREFIX_SIZE];

/// The name of an object.
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

    /// The namespace's part.
    pub const fn prefix(&self) -> Prefix {
        [self.0[0], self.0[1], self.0[2], self.0[3]]
    }

    /// Whether this names a namespace's declaration.
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
        let wrong = || Error::invalid(format!("'{text}' is not an object ID: it has 40 hexadecimal digits"));
        if text.len() != 2 * ID_SIZE || !text.is_ascii() {
            return Err(wrong());
        }
        let mut bytes = [0; ID_SIZE];
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).map_err(|_| wrong())?;
        }
        Ok(ObjectId(bytes))
    }
}
