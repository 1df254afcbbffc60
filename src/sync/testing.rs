//! What tests beside the code share: a thread that is stopped anywhere, and sleepers that are woken without a ring.
//!
//! A signal stops the thread wherever it is, between any two of its instructions, until it may go on. What happens once in
//! minutes by itself, because a thread lost its processor just there, so happens at once.

use super::atomic::{AtomicU32, Ordering};
use super::doorbell::Bell;

const GOES: u32 = 0;
const TOLD: u32 = 1;
const STOPPED: u32 = 2;

/// Of the one thread that is stopped at a time.
static STATE: AtomicU32 = AtomicU32::new(GOES);

/// A thread that can be stopped: one in a process. It goes on when this is dropped.
pub struct Stoppable(libc::pthread_t);

fn pause() {
    // SAFETY: has no preconditions, and is a bare system call.
    unsafe { libc::sched_yield() };
}

extern "C" fn stop_here(_: libc::c_int) {
    STATE.store(STOPPED, Ordering::SeqCst);
    while STATE.load(Ordering::SeqCst) == STOPPED {
        pause();
    }
}

impl Stoppable {
    /// This thread.
    pub fn this_thread() -> Stoppable {
        // SAFETY: the handler only uses an atomic and yields; an all-zero sigaction is valid.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = stop_here as *const () as usize;
            action.sa_flags = libc::SA_RESTART;
            assert_eq!(libc::sigaction(libc::SIGUSR2, &raw const action, std::ptr::null_mut()), 0);
            Stoppable(libc::pthread_self())
        }
    }

    /// Stops it, wherever it is. It must not have ended.
    pub fn stop(&self) {
        STATE.store(TOLD, Ordering::SeqCst);
        // SAFETY: the thread has not ended, as the caller knows.
        unsafe { libc::pthread_kill(self.0, libc::SIGUSR2) };
        while STATE.load(Ordering::SeqCst) == TOLD {
            pause();
        }
    }

    /// Lets it go on, until it has done so much that `done` is true.
    pub fn go_on(&self, done: impl Fn() -> bool) {
        STATE.store(GOES, Ordering::SeqCst);
        while !done() {
            pause();
        }
    }
}

impl Drop for Stoppable {
    fn drop(&mut self) {
        STATE.store(GOES, Ordering::SeqCst);
    }
}

/// Wakes who sleeps on a bell with one of these bits, and does not ring. How many there were.
pub fn wake(bell: &Bell, bits: u32) -> i64 {
    let (op, time) = (libc::FUTEX_WAKE_BITSET, std::ptr::null::<libc::timespec>());
    let word = std::ptr::from_ref(bell).cast::<u32>();
    // SAFETY: a bell begins with the word that is slept on; it lives, and the kernel takes its address as a key only.
    unsafe { libc::syscall(libc::SYS_futex, word, op, i32::MAX, time, std::ptr::null::<u32>(), bits) }
}
