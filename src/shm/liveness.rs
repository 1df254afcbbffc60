//! Who is dead: a byte lock of the kernel per attachment.
//!
//! Before an attachment touches anything it locks byte `2^40 + 2·number` of the file with an open-file-description lock.
//! The kernel drops the lock when the process ends, however it ends and in whatever container. Numbers are never drawn
//! twice, so a free byte means dead for ever, and "test, then act" cannot hit a successor. Byte `2·number + 1` is taken by
//! whoever reaps that number, so that a reaper who dies is replaced.
//!
//! The lock's file description is an open of its own: never mapped, never duplicated (a mapping or a forked child's copy
//! would keep the lock). A forked child closes its copy at once, in the handler that `pthread_atfork` runs.

use std::fs::File;
use std::os::fd::{AsRawFd, RawFd};

use once_cell::sync::Lazy;

use crate::error::{Error, Kind, Result};
use crate::sync::atomic::{AtomicU32, Ordering};

const BASE: i64 = 1 << 40;
/// Locked by a creator until its store can be found under its path.
const BIRTH: i64 = BASE - 1;
/// Locked by whoever removes the store's names.
const REMOVAL: i64 = BASE - 2;

/// Attachments that one process may have at a time.
const MOST: usize = 256;
/// File descriptors (plus one) that a forked child must close.
static LOCK_FILES: [AtomicU32; MOST] = [const { AtomicU32::new(0) }; MOST];
/// How often this process's ancestors forked after they attached.
static FORKS: AtomicU32 = AtomicU32::new(0);

static HANDLER: Lazy<()> = Lazy::new(|| {
    // SAFETY: the handler only loads and stores static atomics and closes descriptors: all is allowed between fork and exec.
    unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
});

extern "C" fn in_child() {
    FORKS.fetch_add(1, Ordering::SeqCst);
    for place in &LOCK_FILES {
        let held = place.swap(0, Ordering::SeqCst);
        if let Ok(fd @ 0..) = RawFd::try_from(i64::from(held) - 1) {
            // SAFETY: the descriptor is this child's copy; its owner, the `Liveness`, never uses it after a fork. It is
            // closed, not unlocked: unlocking would take the parent's lock away.
            unsafe { libc::close(fd) };
        }
    }
}

/// The present generation of forks: an attachment made in another one is the parent's.
pub fn forks() -> u32 {
    FORKS.load(Ordering::Relaxed)
}

/// The lock file of one attachment, and what it can ask with it.
pub struct Liveness {
    file: Option<File>,
    place: usize,
    forks: u32,
}

/// What the kernel says of a byte.
enum Answer {
    /// Nobody else's description has it locked.
    Free,
    /// Somebody's has.
    Held,
}

impl Liveness {
    /// Takes charge of a freshly opened description.
    pub fn new(file: File) -> Result<Liveness> {
        Lazy::force(&HANDLER);
        let fd = u32::try_from(file.as_raw_fd()).map_err(|_| Error::internal("a negative descriptor"))?;
        let free = LOCK_FILES
            .iter()
            .position(|place| place.compare_exchange(0, fd + 1, Ordering::SeqCst, Ordering::Relaxed).is_ok());
        let place = free.ok_or_else(|| {
            Error::new(Kind::LimitReached, format!("this process has {MOST} stores open: close some"))
        })?;
        Ok(Liveness { file: Some(file), place, forks: forks() })
    }

    /// Locks the byte of `number` for as long as this lives. Refuses where the file system does not answer truthfully.
    pub fn be(&self, number: u32, other: &File) -> Result<()> {
        let byte = BASE + 2 * i64::from(number);
        if !self.lock(byte)? {
            return Err(Error::new(Kind::Corrupt, format!("attachment number {number} was drawn twice")));
        }
        match ask(other, byte)? {
            Answer::Held => Ok(()),
            Answer::Free => Err(Error::new(
                Kind::Unsupported,
                "this file system does not report locks (F_OFD_GETLK): put the store on a tmpfs volume",
            )),
        }
    }

    /// Whether the attachment `number` is dead. When the kernel does not answer, it counts as living.
    pub fn is_dead(&self, number: u32) -> bool {
        let Some(file) = &self.file else { return false };
        matches!(ask(file, BASE + 2 * i64::from(number)), Ok(Answer::Free))
    }

    /// Takes the right to reap `number`; false while another living process has it.
    pub fn begin_reaping(&self, number: u32) -> Result<bool> {
        self.lock(BASE + 2 * i64::from(number) + 1)
    }

    /// Gives the right back.
    pub fn end_reaping(&self, number: u32) {
        if let Some(file) = &self.file {
            set(file, libc::F_UNLCK, BASE + 2 * i64::from(number) + 1);
        }
    }

    fn lock(&self, byte: i64) -> Result<bool> {
        let Some(file) = &self.file else { return Err(Error::internal("no lock file")) };
        match set(file, libc::F_WRLCK, byte) {
            0 => Ok(true),
            libc::EAGAIN | libc::EACCES => Ok(false),
            code => Err(Error::io(
                "locking a byte of the store (F_OFD_SETLK)",
                &std::io::Error::from_raw_os_error(code),
            )),
        }
    }
}

impl Drop for Liveness {
    fn drop(&mut self) {
        if self.forks == forks() {
            LOCK_FILES[self.place].store(0, Ordering::SeqCst);
        } else if let Some(file) = self.file.take() {
            // The fork handler has closed it; the number may be somebody else's by now.
            let _ = std::os::fd::IntoRawFd::into_raw_fd(file);
        }
    }
}

/// Marks a file as one whose name is still being made. Gone with `file`.
pub fn mark_birth(file: &File) {
    set(file, libc::F_WRLCK, BIRTH);
}

/// Whether somebody is still making this file's name.
pub fn being_born(file: &File) -> bool {
    matches!(ask(file, BIRTH), Ok(Answer::Held))
}

/// Takes the right to remove this file's names; false while another process does it.
pub fn begin_removal(file: &File) -> bool {
    set(file, libc::F_WRLCK, REMOVAL) == 0
}

/// Gives the right back.
pub fn end_removal(file: &File) {
    set(file, libc::F_UNLCK, REMOVAL);
}

/// Whether `number` is alive, asked through any description of the file.
pub fn lives(file: &File, number: u32) -> bool {
    !matches!(ask(file, BASE + 2 * i64::from(number)), Ok(Answer::Free))
}

fn request(kind: libc::c_int, byte: i64) -> libc::flock {
    // SAFETY: an all-zero flock is a valid one; `l_pid` must be zero for these commands.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = i16::try_from(kind).unwrap_or(0);
    lock.l_whence = 0;
    lock.l_start = byte;
    lock.l_len = 1;
    lock
}

fn set(file: &File, kind: libc::c_int, byte: i64) -> i32 {
    let lock = request(kind, byte);
    // SAFETY: the descriptor is open and the kernel reads one flock.
    let done = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_SETLK, &raw const lock) };
    if done == 0 {
        0
    } else {
        std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)
    }
}

fn ask(file: &File, byte: i64) -> Result<Answer> {
    let mut lock = request(libc::F_WRLCK, byte);
    // SAFETY: the descriptor is open and the kernel reads and writes one flock.
    let done = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_GETLK, &raw mut lock) };
    if done != 0 {
        return Err(Error::io("asking for a lock (F_OFD_GETLK)", &std::io::Error::last_os_error()));
    }
    Ok(if i32::from(lock.l_type) == libc::F_UNLCK { Answer::Free } else { Answer::Held })
}
