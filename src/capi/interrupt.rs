//! The check that ends waits.

use std::ffi::c_void;
use std::sync::Arc;

use super::failures;
use super::guard::guard;
use super::status::sdp_dal_status;
use crate::interrupt::{self, Check};

/// Says whether the wait of the thread that calls it is to end, with SDP_DAL_INTERRUPTED.
///
/// user_data: what was given to sdp_dal_set_interrupt_check().
///
/// It may use the library, whose waits it does not end, and the last error of the thread stays. It must not fork, and no
/// C++ exception may leave it.
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

/// Says what every thread of this process asks that waits in the library: soon after a signal was handled in it, and
/// otherwise about every 250 ms. For languages that run signal handlers only when they are in control (Python, Julia, R):
/// the check lets them run, and ends the wait if one of them says so. In C a handler can call sdp_dal_store_interrupt().
///
/// check: what is asked; NULL: nothing any more. user_data: handed to it; it must stay valid until another check was set.
///
/// When this has returned, the check that was set before is not running any more and will not be called again: so do not
/// hold a lock which it takes. Called from within it, it does not wait.
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
