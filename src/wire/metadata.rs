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
    /// Bytes that say nothing about themselves.
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

/// What kind of object has this metadata. Metadata that names no kind known here is that of raw bytes.
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
