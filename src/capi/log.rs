//! Log messages of the library.

use std::ffi::{c_char, c_void, CString};
use std::sync::Arc;

use super::failures;
use super::guard::{guard, Site};
use super::status::sdp_dal_status;
use crate::error::Result;
use crate::log::{self, Level, Sink};

/// Severity of a message.
#[repr(C)]
#[allow(dead_code, reason = "some only name what C passes in")]
pub enum sdp_dal_log_level {
    /// No messages.
    SDP_DAL_LOG_OFF = 0,
    /// Something that was requested is lost, for instance a call without outputs has failed.
    SDP_DAL_LOG_ERROR = 1,
    /// The library recovered from a fault: a client crashed, or the bookkeeping was rebuilt.
    SDP_DAL_LOG_WARNING = 2,
    /// Of interest to operators, for instance an object was evicted.
    SDP_DAL_LOG_INFO = 3,
    /// Details for debugging.
    SDP_DAL_LOG_DEBUG = 4,
}

const _: () = assert!(
    Level::Error as i32 == sdp_dal_log_level::SDP_DAL_LOG_ERROR as i32
        && Level::Warning as i32 == sdp_dal_log_level::SDP_DAL_LOG_WARNING as i32
        && Level::Info as i32 == sdp_dal_log_level::SDP_DAL_LOG_INFO as i32
        && Level::Debug as i32 == sdp_dal_log_level::SDP_DAL_LOG_DEBUG as i32
);

/// Receives the messages of the library.
///
/// level: one of sdp_dal_log_level. message: one line, without an end of line. Borrowed: valid until the function
/// returns. user_data: the pointer that was passed to sdp_dal_set_log().
///
/// It is called in the thread that produces the message, possibly in several threads at the same time, and that thread
/// waits for it. It may use the library: messages that this produces are dropped, and the last error of the thread does
/// not change. It must not fork, and no C++ exception may leave it.
pub type sdp_dal_log_function =
    Option<unsafe extern "C" fn(level: i32, message: *const c_char, user_data: *mut c_void)>;

/// A hook of C's.
struct Hook {
    function: unsafe extern "C" fn(level: i32, message: *const c_char, user_data: *mut c_void),
    user_data: *mut c_void,
}

// SAFETY: the library only hands the pointer back; the header says that any thread does so.
unsafe impl Send for Hook {}
// SAFETY: as above.
unsafe impl Sync for Hook {}

impl Hook {
    fn call(&self, level: Level, text: &str) {
        // A message with a NUL inside (in somebody's name) is told without it.
        let text = CString::new(text.replace('\0', " ")).unwrap_or_default();
        // SAFETY: the header's rules for callbacks; the text lives until it has returned.
        failures::unchanged(|| unsafe { (self.function)(level as i32, text.as_ptr(), self.user_data) });
    }
}

impl Site {
    fn log_level(self, level: i32) -> Result<Option<Level>> {
        if level == sdp_dal_log_level::SDP_DAL_LOG_OFF as i32 {
            return Ok(None);
        }
        let known = Level::ALL.into_iter().find(|known| *known as i32 == level);
        known.map(Some).ok_or_else(|| {
            self.wrong(format_args!("'level' is {level}: pass a value of sdp_dal_log_level (0 to 4)"))
        })
    }
}

/// Sets the function that receives the messages of the library, for the whole process. Default: messages are dropped.
/// With the environment variable SDP_DAL_LOG (error, warning, info or debug) they go to standard error.
///
/// level: one of sdp_dal_log_level. Less severe messages are dropped.
/// function: receives the messages. NULL: they are written to standard error.
/// user_data: passed to the function. It must stay valid until another function is set.
///
/// When this returns, the function that was set before is not running and will not be called again. So do not hold a
/// lock that the function takes. If it is called from within that function, it does not wait.
///
/// Errors: SDP_DAL_INVALID_ARGUMENT. Blocks while the function that was set before runs in other threads.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_set_log(
    level: i32,
    function: sdp_dal_log_function,
    user_data: *mut c_void,
) -> sdp_dal_status {
    guard("sdp_dal_set_log", |site| {
        let most = site.log_level(level)?;
        let sink = function.map(|function| {
            let hook = Hook { function, user_data };
            let sink: Sink = Arc::new(move |level, text| hook.call(level, text));
            sink
        });
        log::set(most, sink);
        Ok(())
    })
}
