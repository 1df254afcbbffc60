//! Protects a thread that must run to the end from `pthread_cancel`.
//!
//! A thread that is cancelled at one of libc's cancellation points (`fallocate` is one) is unwound from there. Under
//! the store's lock, that would leave every other process waiting for a running process that does not continue.

extern "C" {
    // Not declared by the libc crate.
    fn pthread_setcancelstate(state: libc::c_int, old: *mut libc::c_int) -> libc::c_int;
}

const PTHREAD_CANCEL_DISABLE: libc::c_int = 1;

/// While it lives, a request to cancel this thread has to wait.
pub struct Uncancelled {
    before: libc::c_int,
    /// The state is this thread's own.
    _here: std::marker::PhantomData<*const ()>,
}

impl Uncancelled {
    /// From now on.
    pub fn from_now() -> Uncancelled {
        let mut before = 0;
        // SAFETY: the state is a valid one and the pointer is to a local. It cannot fail otherwise.
        unsafe { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &raw mut before) };
        Uncancelled { before, _here: std::marker::PhantomData }
    }
}

impl Drop for Uncancelled {
    fn drop(&mut self) {
        // SAFETY: the state is one that the function itself gave; NULL is allowed.
        unsafe { pthread_setcancelstate(self.before, std::ptr::null_mut()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn can_be_cancelled() -> bool {
        let mut state = PTHREAD_CANCEL_DISABLE;
        // SAFETY: as above; what it was is put back.
        unsafe {
            pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &raw mut state);
            pthread_setcancelstate(state, std::ptr::null_mut());
        }
        state != PTHREAD_CANCEL_DISABLE
    }

    #[test]
    fn a_thread_cannot_be_cancelled_until_the_outermost_goes() {
        assert!(can_be_cancelled());
        let outer = Uncancelled::from_now();
        let inner = Uncancelled::from_now();
        assert!(!can_be_cancelled());
        drop(inner);
        assert!(!can_be_cancelled());
        drop(outer);
        assert!(can_be_cancelled());
    }
}
