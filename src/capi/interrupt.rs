//! The check that ends waits.

use std::ffi::c_void;
use std::sync::Arc;

use super::failures;
use super::guard::guard;
use super::status::sdp_dal_status;
use crate::interrupt::{self, Check};

/// Returns true if the wait of the thread that calls it must end, with SDP_DAL_INTERRUPTED.
///
/// user_data: the pointer that was passed to sdp_dal_set_interrupt_check().
///
/// It may use the library: it does not end waits that it starts itself, and the last error of the thread does not
/// change. It must not fork, and no C++ exception may leave it.
pub type sdp_dal_interrupt_check = Option<unsafe extern "C" fn(user_data: *mut c_void) -> bool>;

/// A check of C's.
struct Asked {
    check: unsafe extern "C" fn(user_data: *mut c_void) -> bool,
    user_data: *mut c_void,
}

// SAFETY: the library only hands the pointer back; the header says that any thread does so.
unsafe impl Send for Asked {}
// SAFETY: as above.
unsafe impl Sync for Asked {}

impl Asked {
    fn call(&self) -> bool {
        // SAFETY: the header's rules for callbacks.
        failures::unchanged(|| unsafe { (self.check)(self.user_data) })
    }
}

/// Sets a check that every thread of this process calls while it waits in the library, for the whole process. It is
/// called soon after a signal was handled in the thread, and otherwise about every 250 ms. It is for languages that run
/// signal handlers only while their own code runs (Python, Julia, R): the check runs the handlers, and can end the
/// wait. In C a signal handler can call sdp_dal_store_interrupt().
///
/// check: the check. NULL removes it. user_data: passed to it. It must stay valid until another check is set.
///
/// When this returns, the check that was set before is not running and will not be called again. So do not hold a lock
/// that the check takes. If it is called from within the check, it does not wait.
///
/// Errors: none. Blocks while the check that was set before runs in other threads.
#[no_mangle]
pub unsafe extern "C" fn sdp_dal_set_interrupt_check(
    check: sdp_dal_interrupt_check,
    user_data: *mut c_void,
) -> sdp_dal_status {
    guard("sdp_dal_set_interrupt_check", |_| {
        interrupt::set(check.map(|check| {
            let asked = Asked { check, user_data };
            let check: Check = Arc::new(move || asked.call());
            check
        }));
        Ok(())
    })
}
