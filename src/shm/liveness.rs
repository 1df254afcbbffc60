//! Which clients have crashed: a byte lock of the kernel per attachment.
//!
//! Before an attachment touches anything, it locks byte `2^40 + 2·number` of the file with an open-file-description
//! lock. The kernel releases the lock when the process ends, for whatever reason and in whatever container. Numbers are
//! never drawn twice, so a free byte means that the client has crashed, for ever, and "test, then act" cannot hit a
//! successor. A reaper of that number takes byte `2·number + 1`, so that a reaper that crashes is replaced.
//!
//! The lock's file description is an open of its own. It is never mapped and never duplicated, because a mapping or a
//! forked child's copy would keep the lock (see `fork`). A program that closes the descriptor loses the lock. Other
//! clients then conclude that this client has crashed, and it must not touch their data any more. Therefore a client
//! that is about to wait, to grow or to reap first checks that the lock is [kept](Liveness::kept).

use std::fs::File;
use std::os::fd::AsRawFd;

use super::fork::{LockFile, ATTACHED};
use super::own_file::{Identity, OwnFile};
use crate::error::{Error, Kind, Result};
use crate::sync::atomic::{AtomicU32, Ordering};

pub use super::fork::forks;

const BASE: i64 = 1 << 40;
/// Locked by a creator until it is a client of its store.
const BIRTH: i64 = BASE - 1;
/// Locked by whoever removes the store's names.
const REMOVAL: i64 = BASE - 2;

/// The lock file of one attachment, and what it can ask with it.
pub struct Liveness {
    file: LockFile,
    /// Whose byte we hold; 0: none yet.
    number: AtomicU32,
    /// The descriptors were closed behind our back. For ever.
    lost: AtomicU32,
}

/// What the kernel says of a byte.
enum Answer {
    /// Nobody else's description has it locked.
    Free,
    /// Somebody's has.
    Held,
}

impl Liveness {
    /// Opens a description of the file, which must be this one.
    pub fn open(identity: Identity, open: impl FnOnce() -> Result<File>) -> Result<Liveness> {
        let file = LockFile::open(ATTACHED, open)?;
        if file.own().identity() != identity {
            return Err(Error::new(Kind::NotFound, "the store was replaced while it was opened"));
        }
        Ok(Liveness { file, number: AtomicU32::new(0), lost: AtomicU32::new(0) })
    }

    /// Locks the byte of `number` for as long as this lives. Refuses where the file system does not answer truthfully.
    pub fn be(&self, number: u32, other: &File) -> Result<()> {
        let byte = BASE + 2 * i64::from(number);
        if !self.lock(byte)? {
            return Err(Error::new(Kind::Corrupt, format!("attachment number {number} was drawn twice")));
        }
        match ask(other, byte)? {
            Answer::Held => {
                self.number.store(number, Ordering::Relaxed);
                Ok(())
            }
            Answer::Free => Err(Error::new(
                Kind::Unsupported,
                "this file system does not report locks (F_OFD_GETLK): create the store on a tmpfs, such as /dev/shm",
            )),
        }
    }

    /// Whether we still hold our byte, asked through another description of ours. If not, this fails from now on.
    pub fn kept(&self, other: &OwnFile) -> Result<()> {
        if self.is_lost() {
            return Err(closed());
        }
        let number = self.number.load(Ordering::Relaxed);
        let held =
            || number == 0 || !matches!(ask(other.file(), BASE + 2 * i64::from(number)), Ok(Answer::Free));
        // The numbers may mean other files by now, or other descriptions of this one.
        if self.file.own().is_there() && other.is_there() && held() {
            return Ok(());
        }
        self.lost.store(1, Ordering::Relaxed);
        Err(closed())
    }

    /// Whether [`Liveness::kept`] has ever failed.
    pub fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed) != 0
    }

    /// The descriptor was closed by somebody else: whoever has the number now keeps it.
    pub fn let_go(&mut self) {
        self.file.let_go();
    }

    /// Whether the attachment `number` is dead. When the kernel does not answer, it counts as living.
    pub fn is_dead(&self, number: u32) -> bool {
        let free = matches!(ask(self.file.file(), BASE + 2 * i64::from(number)), Ok(Answer::Free));
        // Every byte is free in another file.
        free && self.file.own().is_there()
    }

    /// Takes the right to reap `number`; false while another living process has it.
    pub fn begin_reaping(&self, number: u32) -> Result<bool> {
        self.lock(BASE + 2 * i64::from(number) + 1)
    }

    /// Gives the right back.
    pub fn end_reaping(&self, number: u32) {
        if self.file.own().is_there() {
            set(self.file.file(), libc::F_UNLCK, BASE + 2 * i64::from(number) + 1);
        }
    }

    fn lock(&self, byte: i64) -> Result<bool> {
        if !self.file.own().is_there() {
            return Err(closed());
        }
        match set(self.file.file(), libc::F_WRLCK, byte) {
            0 => Ok(true),
            libc::EAGAIN | libc::EACCES => Ok(false),
            code => Err(Error::io(
                "locking a byte of the store (F_OFD_SETLK)",
                &std::io::Error::from_raw_os_error(code),
            )),
        }
    }
}

/// What a child hears of what it inherited.
pub fn forked() -> Error {
    Error::new(Kind::Forked, "this handle was made before fork(): open the store again in the child process")
}

/// What a client hears that gave its locks up without knowing.
pub fn closed() -> Error {
    Error::new(
        Kind::Io,
        "the store's descriptors were closed under this process, so other clients take it for crashed: leave \
         these descriptors open, or open the store again",
    )
}

/// Marks a file as a store whose creator is not a client of it yet. The mark ends with `file`.
pub fn mark_birth(file: &LockFile) {
    set(file.file(), libc::F_WRLCK, BIRTH);
}

/// The mark of a store whose creator is not a client of it yet.
pub struct Birth(LockFile);

impl Birth {
    /// Takes over a file that is [marked](mark_birth).
    pub fn of(file: LockFile) -> Birth {
        Birth(file)
    }
}

impl Drop for Birth {
    fn drop(&mut self) {
        // Not only by closing it: a child that is about to run another program may have a copy of the description.
        if self.0.is_ours() {
            set(self.0.file(), libc::F_UNLCK, BIRTH);
        }
    }
}

/// Whether the creator of this store is not a client of it yet: it still creates the names, or is about to attach.
pub fn being_born(file: &File) -> bool {
    matches!(ask(file, BIRTH), Ok(Answer::Held))
}

/// Takes the right to remove this file's names, as long as `file` lives; false while another process does it.
pub fn begin_removal(file: &LockFile) -> bool {
    set(file.file(), libc::F_WRLCK, REMOVAL) == 0
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
    #[cfg(feature = "simulate")]
    crate::sync::sim::step();
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
    #[cfg(feature = "simulate")]
    crate::sync::sim::step();
    let mut lock = request(libc::F_WRLCK, byte);
    // SAFETY: the descriptor is open and the kernel reads and writes one flock.
    let done = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_GETLK, &raw mut lock) };
    if done != 0 {
        return Err(Error::io("asking for a lock (F_OFD_GETLK)", &std::io::Error::last_os_error()));
    }
    Ok(if i32::from(lock.l_type) == libc::F_UNLCK { Answer::Free } else { Answer::Held })
}

#[cfg(test)]
mod tests;
