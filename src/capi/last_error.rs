//! The text of a thread's last failure.

use std::ffi::c_char;

use super::failures;
use super::guard::guard;
use super::status::sdp_dal_status;
use crate::error::MESSAGE_MAX;

/// Copies the message of the last failure in this thread, in UTF-8.
///
/// The message is kept per thread, and functions that succeed do not change it. It is empty before the first failure.
/// It has up to 2048 bytes, so a buffer of SDP_DAL_MESSAGE_SIZE bytes is always large enough.
///
/// buffer: receives the text and its final NUL. May be NULL if *length is 0.
/// length: on entry the size of buffer in bytes, on return the bytes that the text and its NUL need. If that is more
/// than the size of buffer, nothing is written and the function still returns SDP_DAL_OK.
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
