//! Statuses and their names.

use std::ffi::{c_char, CStr};

use crate::error::Kind;

/// Result of a function: SDP_DAL_OK, or one of the negative values of sdp_dal_status_code.
pub type sdp_dal_status = i32;

/// The values of sdp_dal_status.
///
/// The numbers never change and are never reused. New ones may be added in any version: treat an unknown negative value
/// as an error. sdp_dal_status_name() returns its name.
#[repr(C)]
#[allow(dead_code, reason = "the header's constants; Rust uses error::Kind")]
pub enum sdp_dal_status_code {
    /// Success.
    SDP_DAL_OK = 0,
    /// An argument is wrong; the message names it.
    SDP_DAL_INVALID_ARGUMENT = -1,
    /// No such store, object, function, parameter or namespace.
    SDP_DAL_NOT_FOUND = -2,
    /// The object exists, or is being created by another client.
    SDP_DAL_ALREADY_EXISTS = -3,
    /// The timeout has passed.
    SDP_DAL_TIMEOUT = -4,
    /// The store (or the memory under it) is full.
    SDP_DAL_OUT_OF_MEMORY = -5,
    /// The object existed and was deleted.
    SDP_DAL_OBJECT_DELETED = -6,
    /// The processor that was to produce this crashed, was closed, or was replaced.
    SDP_DAL_PROCESSOR_LOST = -7,
    /// The processing function reported an error; the message is the function's.
    SDP_DAL_FUNCTION_FAILED = -8,
    /// An input of the call was deleted before the call ran.
    SDP_DAL_INPUT_LOST = -9,
    /// The processing function ended without writing this output.
    SDP_DAL_OUTPUT_NOT_WRITTEN = -10,
    /// There are fewer compatible processors than requested.
    SDP_DAL_NO_PROCESSOR = -11,
    /// The requested prefix is in use by another client.
    SDP_DAL_NAMESPACE_IN_USE = -12,
    /// The processor has already started, and no function can be added.
    SDP_DAL_ALREADY_STARTED = -13,
    /// The handle was inherited through fork() and cannot be used in the child: open the store again there.
    SDP_DAL_FORKED = -14,
    /// The wait was ended by sdp_dal_store_interrupt().
    SDP_DAL_INTERRUPTED = -15,
    /// The operating system or the owner of the store does not allow it.
    SDP_DAL_PERMISSION_DENIED = -16,
    /// The file is not a store, or its bookkeeping is inconsistent.
    SDP_DAL_CORRUPT = -17,
    /// The store was created by an incompatible version, or the system lacks something that a store needs.
    SDP_DAL_UNSUPPORTED = -18,
    /// The operating system reported an error.
    SDP_DAL_IO = -19,
    /// All client slots or all entries are taken.
    SDP_DAL_LIMIT_REACHED = -20,
    /// The lock of the store was not available for ten seconds. The process that holds it is stopped or gets no CPU
    /// time.
    SDP_DAL_BUSY = -21,
    /// An internal error of the library.
    SDP_DAL_INTERNAL = -22,
    /// The call was cancelled: no client wants its outputs any more.
    SDP_DAL_CANCELLED = -23,
}

/// Success.
pub(super) const OK: sdp_dal_status = 0;

/// The name of a status as text, without SDP_DAL_.
pub(super) fn name(code: sdp_dal_status) -> &'static CStr {
    let Some(kind) = Kind::from_code(code) else {
        return if code == OK { c"OK" } else { c"UNKNOWN" };
    };
    match kind {
        Kind::InvalidArgument => c"INVALID_ARGUMENT",
        Kind::NotFound => c"NOT_FOUND",
        Kind::AlreadyExists => c"ALREADY_EXISTS",
        Kind::Timeout => c"TIMEOUT",
        Kind::OutOfMemory => c"OUT_OF_MEMORY",
        Kind::ObjectDeleted => c"OBJECT_DELETED",
        Kind::ProcessorLost => c"PROCESSOR_LOST",
        Kind::FunctionFailed => c"FUNCTION_FAILED",
        Kind::InputLost => c"INPUT_LOST",
        Kind::OutputNotWritten => c"OUTPUT_NOT_WRITTEN",
        Kind::NoProcessor => c"NO_PROCESSOR",
        Kind::NamespaceInUse => c"NAMESPACE_IN_USE",
        Kind::AlreadyStarted => c"ALREADY_STARTED",
        Kind::Forked => c"FORKED",
        Kind::Interrupted => c"INTERRUPTED",
        Kind::PermissionDenied => c"PERMISSION_DENIED",
        Kind::Corrupt => c"CORRUPT",
        Kind::Unsupported => c"UNSUPPORTED",
        Kind::Io => c"IO",
        Kind::LimitReached => c"LIMIT_REACHED",
        Kind::Busy => c"BUSY",
        Kind::Internal => c"INTERNAL",
        Kind::Cancelled => c"CANCELLED",
    }
}

/// Returns the name of a status without SDP_DAL_, such as "OK" or "TIMEOUT". Returns "UNKNOWN" for a value that is not
/// a status.
///
/// Returns a static text. Does not block.
#[no_mangle]
pub extern "C" fn sdp_dal_status_name(status: i32) -> *const c_char {
    name(status).as_ptr()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_errors() {
        for kind in Kind::ALL {
            assert_eq!(name(kind.code()).to_str(), Ok(kind.name()));
        }
        assert_eq!(name(0), c"OK");
        assert_eq!(name(12345), c"UNKNOWN");
    }

    #[test]
    fn the_header_has_every_error() {
        let source = include_str!("status.rs");
        for kind in Kind::ALL {
            let line = format!("    SDP_DAL_{} = {},\n", kind.name(), kind.code());
            assert!(source.contains(&line), "sdp_dal_status_code lacks {line}");
        }
    }
}
