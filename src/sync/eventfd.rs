//! A descriptor for event loops, and the thread that writes it.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::thread::JoinHandle;

/// A counter behind a descriptor that is readable while it is not 0.
pub struct EventFd(File);

impl EventFd {
    /// A new one, not blocking, closed on exec.
    pub fn new() -> std::io::Result<EventFd> {
        // SAFETY: makes a descriptor or fails.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if fd < 0 {
            return Err(std::io::Error::last_os_error());
        }
        // SAFETY: the descriptor is new and nobody else's.
        Ok(EventFd(unsafe { File::from_raw_fd(fd) }))
    }

    /// Its number, for poll(2) and its kin.
    pub fn number(&self) -> RawFd {
        self.0.as_raw_fd()
    }

    /// Makes it readable.
    pub fn signal(&self) {
        // Fails only if the counter is full, and then it is readable.
        let _ = (&self.0).write(&1u64.to_ne_bytes());
    }

    /// Makes it unreadable until the next signal.
    pub fn clear(&self) {
        // Fails only if the counter is 0, which is what is wanted.
        let _ = (&self.0).read(&mut [0; 8]);
    }
}

/// Starts a thread that no signal is delivered to: they are for the program's own.
pub fn spawn_quiet(name: &str, run: impl FnOnce() + Send + 'static) -> std::io::Result<JoinHandle<()>> {
    // SAFETY: a signal set is plain data; the calls fill it.
    let (mut all, mut before) = unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
    // SAFETY: both point to signal sets that live long enough. The new thread inherits the mask.
    unsafe {
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before);
    }
    let started = std::thread::Builder::new().name(name.to_owned()).spawn(run);
    // SAFETY: puts back what was there.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &before, std::ptr::null_mut()) };
    started
}
