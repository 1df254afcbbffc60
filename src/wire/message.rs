//! Encapsulated Arrow IPC messages: a marker, a length, a flatbuffer, and behind it the body.

use std::ops::Range;

use crate::arrow::buffer::Buffer;
use crate::arrow::ipc::{root_as_message_with_opts, Message};
use flatbuffers::VerifierOptions;

use crate::error::{Error, Kind, Result};

use super::types::MAX_DEPTH;

/// Starts every message.
const CONTINUATION: [u8; 4] = [0xff; 4];
/// The marker and the length.
const PREFIX: usize = 8;
/// Bodies start at multiples of this from the start of the object.
pub(crate) const ALIGNMENT: usize = 64;
/// How often larger than itself a flatbuffer may be if what is referred to twice counts twice (as what writers share: field
/// lists, names).
const EXPANDED: usize = 64;
/// Ends a stream: a message without a flatbuffer.
pub(crate) const END_OF_STREAM: [u8; 8] = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];

/// The error of bytes that are not what their writer says.
pub(crate) fn corrupt(message: impl Into<String>) -> Error {
    Error::new(Kind::Corrupt, message)
}

/// The next multiple of `unit` (a power of two).
pub(crate) fn round_up(size: usize, unit: usize) -> usize {
    (size + (unit - 1)) & !(unit - 1)
}

/// The message of this flatbuffer, padded so that a body behind it is aligned.
pub(crate) fn encapsulate(flatbuffer: &[u8]) -> Result<Vec<u8>> {
    let total = round_up(PREFIX + flatbuffer.len(), ALIGNMENT);
    let length = i32::try_from(total - PREFIX).map_err(|_| {
        Error::invalid(format!("{total} bytes of Arrow metadata, but at most 2^31 are allowed"))
    })?;
    let mut message = Vec::with_capacity(total);
    message.extend_from_slice(&CONTINUATION);
    message.extend_from_slice(&length.to_le_bytes());
    message.extend_from_slice(flatbuffer);
    message.resize(total, 0);
    Ok(message)
}

/// A message's own, aligned copy of its flatbuffer: what is verified is what is parsed, whoever writes to the
/// original.
pub(crate) struct Head {
    flatbuffer: Buffer,
    /// Where the body starts in the object.
    pub(crate) body_start: usize,
}

impl Head {
    /// The message at offset `at` of an object; none at the end of a stream (or of the bytes).
    pub(crate) fn read(data: &[u8], at: usize) -> Result<Option<Head>> {
        let short = || {
            corrupt(format!("the object ends after {} bytes, in the middle of an Arrow message", data.len()))
        };
        let rest = data.get(at..).ok_or_else(short)?;
        if rest.is_empty() {
            return Ok(None);
        }
        let prefix = rest.get(..PREFIX).ok_or_else(short)?;
        if prefix[..4] != CONTINUATION {
            return Err(corrupt(format!(
                "no Arrow message at byte {at} of the object: it must start with ffffffff"
            )));
        }
        let length = i32::from_le_bytes([prefix[4], prefix[5], prefix[6], prefix[7]]);
        if length == 0 {
            return Ok(None);
        }
        let length = usize::try_from(length)
            .map_err(|_| corrupt(format!("the Arrow message at byte {at} has length {length}")))?;
        let flatbuffer = rest.get(PREFIX..PREFIX + length).ok_or_else(short)?;
        Ok(Some(Head { flatbuffer: Buffer::from(flatbuffer), body_start: at + PREFIX + length }))
    }

    /// The bytes that this was read from, as they were then; none if they are more than is worth keeping.
    pub(crate) fn encapsulated(&self) -> Option<Vec<u8>> {
        const MOST: usize = 4096;
        let length = i32::try_from(self.flatbuffer.len()).ok()?;
        let kept = self.flatbuffer.len() <= MOST;
        kept.then(|| [&CONTINUATION, &length.to_le_bytes()[..], &self.flatbuffer].concat())
    }

    /// The verified message.
    pub(crate) fn message(&self) -> Result<Message<'_>> {
        let limits = VerifierOptions {
            max_depth: 2 * MAX_DEPTH,
            // Tables of a flatbuffer may be referred to many times, and are copied each time; nobody writes such.
            max_tables: self.flatbuffer.len(),
            max_apparent_size: self.flatbuffer.len().saturating_mul(EXPANDED),
            ..VerifierOptions::default()
        };
        root_as_message_with_opts(&limits, &self.flatbuffer)
            .map_err(|wrong| corrupt(format!("the metadata of an Arrow message are invalid: {wrong}")))
    }

    /// Where the message's body lies in the object.
    pub(crate) fn body(&self, message: &Message<'_>, data: &[u8]) -> Result<Range<usize>> {
        let range = usize::try_from(message.bodyLength())
            .ok()
            .and_then(|length| self.body_start.checked_add(length))
            .filter(|end| *end <= data.len())
            .map(|end| self.body_start..end);
        range.ok_or_else(|| {
            corrupt(format!(
                "an Arrow message says that its body has {} bytes, but the object has {} there",
                message.bodyLength(),
                data.len().saturating_sub(self.body_start)
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn framing() {
        let message = encapsulate(&[7; 57]).unwrap();
        assert_eq!(message.len(), 128);
        assert_eq!(message[..8], [0xff, 0xff, 0xff, 0xff, 120, 0, 0, 0]);
        assert_eq!(encapsulate(&[7; 56]).unwrap().len(), 64);
        assert_eq!(Head::read(&message, 0).unwrap().unwrap().body_start, 128);
        assert!(Head::read(&END_OF_STREAM, 0).unwrap().is_none());
        assert!(Head::read(&message, 128).unwrap().is_none());
        assert!(Head::read(&message, 129).is_err());
        assert!(Head::read(&message, 1).is_err());
        assert!(Head::read(&message[..127], 0).is_err());
        assert!(Head::read(&[0xff; 16], 0).is_err());
        assert!(Head::read(&message, 0).unwrap().unwrap().message().is_err());
    }
}
