//! An object's metadata: a short text that says what the object is.
//!
//! `sdp:kind=tensor;sdp:elem=complex128`: pairs joined by `;`, the kind first. Readers pass over keys that they do
//! not know, so that later versions can add some.

use crate::error::{Error, Kind, Result};

use super::Elem;

/// Key of the kind of object.
const KIND: &str = "sdp:kind";
/// Key of a tensor's element type.
const ELEM: &str = "sdp:elem";
/// Key of a call's function.
const FUNCTION: &str = "sdp:func";
/// Key of the columns of a call whose objects were there when it was issued.
const THERE: &str = "sdp:there";
/// What stands before the digits behind a function's name.
const THERE_PAIR: &str = ";sdp:there=";
/// Key of the columns of a call whose objects its caller gives away.
const GIVEN: &str = "sdp:given";
/// What stands before the digits of those.
const GIVEN_PAIR: &str = ";sdp:given=";

/// The metadata of a table object.
pub const TABLE_METADATA: &[u8] = b"sdp:kind=table";

/// The metadata of a declaration object.
pub(crate) const DECLARATION_METADATA: &[u8] = b"sdp:kind=declaration";

/// What kind of object this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectKind {
    /// An Arrow IPC Tensor message.
    Tensor,
    /// An Arrow IPC stream.
    Table,
    /// A call of a function.
    Call,
    /// A namespace's declaration.
    Declaration,
    /// Raw bytes.
    Raw,
}

impl ObjectKind {
    /// The word for it, as in metadata.
    pub fn name(self) -> &'static str {
        match self {
            ObjectKind::Tensor => "tensor",
            ObjectKind::Table => "table",
            ObjectKind::Call => "call",
            ObjectKind::Declaration => "declaration",
            ObjectKind::Raw => "raw",
        }
    }
}

impl std::fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// The kind of the object with this metadata. Unknown metadata mean raw bytes.
pub fn object_kind(metadata: &[u8]) -> ObjectKind {
    match value(metadata, KIND) {
        Some("tensor") => ObjectKind::Tensor,
        Some("table") => ObjectKind::Table,
        Some("call") => ObjectKind::Call,
        Some("declaration") => ObjectKind::Declaration,
        _ => ObjectKind::Raw,
    }
}

/// The metadata of a tensor object.
pub(crate) fn tensor_metadata(elem: Elem) -> Vec<u8> {
    format!("{KIND}=tensor;{ELEM}={elem}").into_bytes()
}

/// The metadata of a call of this function.
pub(crate) fn call_metadata(function: &str) -> Vec<u8> {
    format!("{KIND}=call;{FUNCTION}={function}").into_bytes()
}

/// Adds to the metadata of a call which columns name objects that are there as it is issued: a hexadecimal digit for every four
/// columns, the first of them in its lowest bit; what comes after the last such column is left out.
pub(crate) fn add_there(there: impl Iterator<Item = bool>, metadata: &mut Vec<u8>) {
    add_bits(THERE_PAIR, there, metadata);
}

/// Adds which columns name objects that the caller gives away, in the same way: no call without any says anything.
pub(crate) fn add_given(given: impl Iterator<Item = bool>, metadata: &mut Vec<u8>) {
    add_bits(GIVEN_PAIR, given, metadata);
}

fn add_bits(pair: &str, bits: impl Iterator<Item = bool>, metadata: &mut Vec<u8>) {
    let start = metadata.len() + pair.len();
    for place in bits.enumerate().filter_map(|(place, set)| set.then_some(place)) {
        if metadata.len() < start {
            metadata.extend_from_slice(pair.as_bytes());
        }
        metadata.resize(start + place / 4 + 1, b'0');
        let digit = &mut metadata[start + place / 4];
        let before = char::from(*digit).to_digit(16).unwrap_or(0);
        *digit = b"0123456789abcdef"[(before | 1 << (place % 4)) as usize];
    }
}

/// Whether the objects of each column were there when the call was issued; those of the columns behind these were not, or
/// that is not known.
pub(crate) fn there_of(metadata: &[u8]) -> Vec<bool> {
    bits_of(value(metadata, THERE).unwrap_or_default())
}

/// Whether the caller gives the objects of each column away.
pub(crate) fn given_of(metadata: &[u8]) -> Vec<bool> {
    bits_of(value(metadata, GIVEN).unwrap_or_default())
}

/// The same, of what stands behind a function's name in a call's metadata: mostly nothing, or this pair alone.
pub(crate) fn there_behind(rest: &[u8]) -> Vec<bool> {
    match rest.strip_prefix(THERE_PAIR.as_bytes()).and_then(|digits| std::str::from_utf8(digits).ok()) {
        _ if rest.is_empty() => Vec::new(),
        Some(digits) if !digits.contains(';') => bits_of(digits),
        _ => there_of(rest),
    }
}

/// As [`given_of`], of what stands behind a function's name.
pub(crate) fn given_behind(rest: &[u8]) -> Vec<bool> {
    match rest.strip_prefix(THERE_PAIR.as_bytes()) {
        Some(digits) if !digits.contains(&b';') => Vec::new(),
        None if rest.is_empty() => Vec::new(),
        _ => given_of(rest),
    }
}

fn bits_of(digits: &str) -> Vec<bool> {
    let bits = |digit: char| {
        let digit = digit.to_digit(16).unwrap_or(0);
        (0..4).map(move |bit| digit >> bit & 1 == 1)
    };
    digits.chars().flat_map(bits).collect()
}

/// The element type that a tensor's metadata names. None if there is no metadata at all: an Arrow Tensor message that
/// some other program has put. Corrupt if the type is unknown, InvalidArgument if this is no tensor.
pub(crate) fn tensor_elem(metadata: &[u8]) -> Result<Option<Elem>> {
    if metadata.is_empty() {
        return Ok(None);
    }
    expect_kind(metadata, ObjectKind::Tensor)?;
    let name = value(metadata, ELEM).ok_or_else(|| {
        Error::new(Kind::Corrupt, format!("the tensor's metadata names no element type ({ELEM}=...)"))
    })?;
    let elem = Elem::from_name(name).ok_or_else(|| {
        Error::new(Kind::Corrupt, format!("the tensor's metadata names an unknown element type '{name}'"))
    })?;
    Ok(Some(elem))
}

/// Checks that an object is what it is about to be read as.
pub(crate) fn expect_kind(metadata: &[u8], expected: ObjectKind) -> Result<()> {
    let found = object_kind(metadata);
    if found == expected {
        return Ok(());
    }
    Err(Error::invalid(format!("found a {found} object, expected a {expected} object")))
}

/// The value of a key, if the metadata is of our form and has it.
fn value<'a>(metadata: &'a [u8], key: &str) -> Option<&'a str> {
    let text = std::str::from_utf8(metadata).ok()?;
    text.split(';').filter_map(|pair| pair.split_once('=')).find(|(k, _)| *k == key).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_apart() {
        assert_eq!(object_kind(&tensor_metadata(Elem::Bool)), ObjectKind::Tensor);
        assert_eq!(object_kind(&call_metadata("f")), ObjectKind::Call);
        assert_eq!(object_kind(TABLE_METADATA), ObjectKind::Table);
        assert_eq!(object_kind(DECLARATION_METADATA), ObjectKind::Declaration);
        for raw in [&b""[..], b"\xff\xfe", b"sdp:kind", b"sdp:kind=cube", b"kind=tensor"] {
            assert_eq!(object_kind(raw), ObjectKind::Raw);
        }
        assert_eq!(object_kind(b"sdp:kind=table;sdp:later=1"), ObjectKind::Table);
    }

    #[test]
    fn columns_that_were_there_are_read_back() {
        let call = call_metadata("f");
        for (there, text) in [
            (&[][..], ""),
            (&[false; 5][..], ""),
            (&[true][..], ";sdp:there=1"),
            (&[false, true, true, false, false, true, false][..], ";sdp:there=62"),
            (&[true; 70][..], ";sdp:there=fffffffffffffffff3"),
        ] {
            let mut metadata = call.clone();
            add_there(there.iter().copied(), &mut metadata);
            assert_eq!(std::str::from_utf8(&metadata[call.len()..]), Ok(text));
            assert_eq!(object_kind(&metadata), ObjectKind::Call);
            let back = there_of(&metadata);
            let column = |place: usize| back.get(place).copied().unwrap_or(false);
            assert!((0..100).all(|place| column(place) == there.get(place).copied().unwrap_or(false)));
            assert_eq!(there_behind(&metadata[call.len()..]), back);
        }
        assert_eq!(there_of(b"sdp:kind=call;sdp:func=f;sdp:there=x"), [false; 4]);
        assert_eq!(there_behind(b";sdp:later=1;sdp:there=1"), [true, false, false, false]);
        assert_eq!(there_behind(b";sdp:there=1;sdp:later=1"), [true, false, false, false]);
        assert!(there_behind(b";sdp:there=\xff1").is_empty());
    }

    #[test]
    fn columns_that_are_given_are_read_back() {
        for (there, given, text) in [
            ([false, true], [false, true], ";sdp:there=2;sdp:given=2"),
            ([false, false], [true, false], ";sdp:given=1"),
            ([true, false], [false, false], ";sdp:there=1"),
            ([false, false], [false, false], ""),
        ] {
            let mut metadata = call_metadata("f");
            let start = metadata.len();
            add_there(there.into_iter(), &mut metadata);
            add_given(given.into_iter(), &mut metadata);
            assert_eq!(std::str::from_utf8(&metadata[start..]), Ok(text));
            let first = |bits: Vec<bool>| [0, 1].map(|place| bits.get(place).copied().unwrap_or(false));
            assert_eq!(first(given_of(&metadata)), given);
            assert_eq!(first(given_behind(&metadata[start..])), given);
            assert_eq!((first(there_of(&metadata)), first(there_behind(&metadata[start..]))), (there, there));
        }
    }

    #[test]
    fn element_types_are_read_back() {
        for elem in Elem::ALL {
            assert_eq!(tensor_elem(&tensor_metadata(elem)).unwrap(), Some(elem));
        }
        assert_eq!(tensor_elem(b"").unwrap(), None);
        assert_eq!(tensor_elem(b"sdp:kind=tensor").unwrap_err().kind(), Kind::Corrupt);
        assert_eq!(tensor_elem(b"sdp:kind=tensor;sdp:elem=x").unwrap_err().kind(), Kind::Corrupt);
        let wrong = tensor_elem(TABLE_METADATA).unwrap_err();
        assert_eq!(wrong.message(), "found a table object, expected a tensor object");
    }
}
