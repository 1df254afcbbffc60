//! The text of a thread's last failure.

use std::ffi::c_char;

use super::failures;
use super::guard::guard;
use super::status::sdp_dal_status;
use crate::error::MESSAGE_MAX;

/// Copies the text of this thread's last failure: one sentence, or a few, in UTF-8.
///
/// The text is kept per thread and is not changed by calls that succeed; before the first failure it is empty.
/// It has up to 2048 bytes: a buffer of SDP_DAL_MESSAGE_SIZE bytes always holds it.
///
/// buffer: room for the text and its final NUL; may be NULL if *length is 0.
/// length: in, the size of buffer in bytes; out, the bytes that the text and its NUL need. If that is more than
/// there is room, nothing is written and the function still returns SDP_DAL_OK.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Does not block.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_last_error(buffer: *mut c_char, length: *mut usize) -> sdp_dal_status {
    guard("sdp_dal_last_error", |site| {
        // SAFETY: the header's rules for pointers.
        let out = unsafe { site.text_out(buffer, length)? };
        out.set(&failures::last_text());
        Ok(())
    })
}

const _: () = assert!(MESSAGE_MAX == 2048, "the header promises it, and SDP_DAL_MESSAGE_SIZE builds on it");
