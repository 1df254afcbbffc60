//! sdp_dal_buffer: the bytes of a sealed object, held.

use std::ffi::c_void;

use super::guard::guard;
use super::handle::{make, word, Handle};
use super::status::sdp_dal_status;
use crate::store::Buffer;

/// The bytes of a complete object: they stay as long as the handle. Ended by sdp_dal_buffer_free().
pub struct sdp_dal_buffer {
    _opaque: [u8; 0],
}

impl Handle for sdp_dal_buffer {
    type Value = Buffer;
    const WORD: u64 = word(b"sdpBuffr");
}

/// The data of an object.
///
/// out, out_size: address and number of bytes. Borrowed: valid until the buffer is freed; must not be written.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_buffer_data(
    buffer: *const sdp_dal_buffer,
    out: *mut *const c_void,
    out_size: *mut usize,
) -> sdp_dal_status {
    guard("sdp_dal_buffer_data", |site| {
        // SAFETY: the header's rules for pointers.
        let ((out, out_size), buffer) =
            unsafe { (site.outs((out, "out"), (out_size, "out_size"))?, site.handle(buffer, "buffer")?) };
        out.set(buffer.data().as_ptr().cast());
        out_size.set(buffer.data().len());
        Ok(())
    })
}

/// The metadata of an object.
///
/// out, out_size: address and number of bytes. Borrowed: valid until the buffer is freed; must not be written.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_buffer_metadata(
    buffer: *const sdp_dal_buffer,
    out: *mut *const c_void,
    out_size: *mut usize,
) -> sdp_dal_status {
    guard("sdp_dal_buffer_metadata", |site| {
        // SAFETY: the header's rules for pointers.
        let ((out, out_size), buffer) =
            unsafe { (site.outs((out, "out"), (out_size, "out_size"))?, site.handle(buffer, "buffer")?) };
        out.set(buffer.metadata().as_ptr().cast());
        out_size.set(buffer.metadata().len());
        Ok(())
    })
}

/// The ID of an object.
///
/// out_id: room for SDP_DAL_ID_SIZE bytes.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_buffer_id(buffer: *const sdp_dal_buffer, out_id: *mut u8) -> sdp_dal_status {
    guard("sdp_dal_buffer_id", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, buffer) = unsafe { (site.id_out(out_id, "out_id")?, site.handle(buffer, "buffer")?) };
        out.set(buffer.id());
        Ok(())
    })
}

/// A second handle on the same bytes, with an end of its own.
///
/// out: The caller owns *out and must call sdp_dal_buffer_free().
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_buffer_clone(
    buffer: *const sdp_dal_buffer,
    out: *mut *mut sdp_dal_buffer,
) -> sdp_dal_status {
    guard("sdp_dal_buffer_clone", |site| {
        // SAFETY: the header's rules for pointers.
        let (out, buffer) = unsafe { (site.out(out, "out")?, site.handle(buffer, "buffer")?) };
        out.set(make(buffer.clone()));
        Ok(())
    })
}

/// Lets go of the bytes. NULL is allowed. Waits at most 100 ms.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_buffer_free(buffer: *mut sdp_dal_buffer) {
    guard("sdp_dal_buffer_free", |site| {
        // SAFETY: the header's rules for pointers.
        drop(unsafe { site.end(buffer, "buffer")? });
        Ok(())
    });
}
