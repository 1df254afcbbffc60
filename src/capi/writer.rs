//! sdp_dal_writer: a raw object that is being written.

use super::guard::guard;
use super::handle::{word, Exclusive, Handle};
use super::status::sdp_dal_status;
use crate::error::{Error, Kind, Result};
use crate::store::{ObjectId, Want, Writer};

/// A raw object that is being written. Created by sdp_dal_object_create(), freed by sdp_dal_writer_free().
pub struct sdp_dal_writer {
    _opaque: [u8; 0],
}

impl Handle for sdp_dal_writer {
    type Value = WriterState;
    const WORD: u64 = word(b"sdpWrite");
}

/// The writer until it is sealed, then the claim on what it made.
pub(super) struct WriterState {
    id: ObjectId,
    writer: Exclusive<Option<Writer>>,
    want: Exclusive<Option<Want>>,
}

impl WriterState {
    pub(super) fn new(writer: Writer) -> WriterState {
        WriterState { id: writer.id(), writer: Exclusive::new(Some(writer)), want: Exclusive::new(None) }
    }

    fn take(&mut self) -> Result<Writer> {
        let id = self.id;
        let ended = || Error::new(Kind::AlreadyExists, format!("object {id} was already sealed"));
        self.writer.get_mut().take().ok_or_else(ended)
    }
}

/// Makes an object that is being written smaller, without a copy. Its first bytes and its metadata stay, and the store
/// gets the rest of the memory back at once.
///
/// size: bytes of data, no more than it has.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_ALREADY_EXISTS (sealed before), SDP_DAL_BUSY, SDP_DAL_FORKED. Does not wait
/// for other clients.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_writer_shrink(writer: *mut sdp_dal_writer, size: usize) -> sdp_dal_status {
    guard("sdp_dal_writer_shrink", |site| {
        // SAFETY: the header's rules for pointers.
        let state = unsafe { site.handle_mut(writer, "writer")? };
        let id = state.id;
        let ended = || Error::new(Kind::AlreadyExists, format!("object {id} was already sealed"));
        state.writer.get_mut().as_mut().ok_or_else(ended)?.shrink(size)
    })
}

/// Seals the object: it is complete and visible, and its memory must not be written any more.
///
/// The handle stays valid and must be freed.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT, SDP_DAL_ALREADY_EXISTS (sealed before), SDP_DAL_OBJECT_DELETED (the object was
/// deleted while it was written), SDP_DAL_FORKED. Does not wait for other clients.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_writer_seal(writer: *mut sdp_dal_writer) -> sdp_dal_status {
    guard("sdp_dal_writer_seal", |site| {
        // SAFETY: the header's rules for pointers.
        let state = unsafe { site.handle_mut(writer, "writer")? };
        *state.want.get_mut() = state.take()?.seal()?;
        Ok(())
    })
}

/// Frees a writer. If its object was not sealed, the object is aborted and its memory is freed. NULL is allowed. Waits
/// at most 100 ms.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_writer_free(writer: *mut sdp_dal_writer) {
    guard("sdp_dal_writer_free", |site| {
        // SAFETY: the header's rules for pointers.
        unsafe { site.end(writer, "writer") }
    });
}
