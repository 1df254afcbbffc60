//! A descriptor for event loops, and the thread that writes it.

use std::fs::File;
use std::io::{Read, Write};
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::thread::JoinHandle;

use super::atomic::{AtomicU32, Ordering};

/// A counter behind a descriptor that is readable while it is not 0.
pub struct EventFd {
    file: ManuallyDrop<File>,
    /// The program has closed it; the number may be another file's by now.
    lost: AtomicU32,
}

impl EventFd {
    /// A new one, not blocking, closed on exec.
    pub fn new() -> std::io::Result<EventFd> {
        // SAFETY: makes a descriptor or fails.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if fd < 0 {
            return Err(std::io::Error::last_os_error());
        }
        // SAFETY: the descriptor is new and nobody else's.
        let file = unsafe { File::from_raw_fd(fd) };
        Ok(EventFd { file: ManuallyDrop::new(file), lost: AtomicU32::new(0) })
    }

    /// Its number, for poll(2) and its kin.
    pub fn number(&self) -> RawFd {
        self.file.as_raw_fd()
    }

    /// Makes it readable.
    pub fn signal(&self) {
        if self.lost.load(Ordering::Relaxed) == 0 {
            // Fails only if the counter is full, and then it is readable.
            let _ = (&*self.file).write(&1u64.to_ne_bytes());
        }
    }

    /// Makes it unreadable until the next signal.
    pub fn clear(&self) {
        if self.lost.load(Ordering::Relaxed) == 0 {
            // Fails only if the counter is 0, which is what is wanted.
            let _ = (&*self.file).read(&mut [0; 8]);
        }
    }

    /// It was closed by somebody else: whoever has the number now keeps it, and is neither written nor read.
    pub fn let_go(&self) {
        self.lost.store(1, Ordering::Relaxed);
    }
}

impl Drop for EventFd {
    fn drop(&mut self) {
        if self.lost.load(Ordering::Relaxed) == 0 {
            // SAFETY: dropped only here.
            unsafe { ManuallyDrop::drop(&mut self.file) };
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// One whose number no other test is given meanwhile.
    fn of_high_number() -> EventFd {
        let new = EventFd::new().unwrap();
        // SAFETY: makes a descriptor or fails; it is nobody else's.
        let file = unsafe {
            let high = libc::fcntl(new.number(), libc::F_DUPFD_CLOEXEC, 700);
            assert!(high >= 700);
            File::from_raw_fd(high)
        };
        EventFd { file: ManuallyDrop::new(file), lost: AtomicU32::new(0) }
    }

    fn is_open(number: RawFd) -> bool {
        // SAFETY: asks, whatever the number is.
        unsafe { libc::fcntl(number, libc::F_GETFD) >= 0 }
    }

    fn is_readable(fd: &EventFd) -> bool {
        let mut poll = libc::pollfd { fd: fd.number(), events: libc::POLLIN, revents: 0 };
        // SAFETY: points to one valid pollfd.
        assert!(unsafe { libc::poll(&raw mut poll, 1, 0) } >= 0);
        poll.revents & libc::POLLIN != 0
    }

    #[test]
    fn it_is_readable_from_a_signal_until_it_is_cleared() {
        let fd = EventFd::new().unwrap();
        fd.clear();
        assert!(!is_readable(&fd));
        for _ in 0..2 {
            fd.signal();
            fd.signal();
            assert!(is_readable(&fd));
            fd.clear();
            assert!(!is_readable(&fd));
        }
    }

    #[test]
    fn its_descriptor_is_closed_with_it() {
        let fd = of_high_number();
        let number = fd.number();
        assert!(is_open(number));
        drop(fd);
        assert!(!is_open(number));
        // Unless it is somebody else's by now, who also keeps what there is to read.
        let fd = of_high_number();
        let number = fd.number();
        fd.signal();
        fd.let_go();
        fd.clear();
        assert!(is_readable(&fd));
        drop(fd);
        assert!(is_open(number));
        // SAFETY: it is this test's own.
        drop(unsafe { File::from_raw_fd(number) });
    }
}
