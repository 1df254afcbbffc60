//! Forks: what a child must not inherit from its parent, and what it must not find locked.
//!
//! A forked child has a copy of every descriptor and of all memory, but only the thread that forked. Therefore:
//!
//! - A copy of a file description that holds a byte lock would keep the parent's lock, and the parent would seem to run
//!   as long as the child. The child closes its copies of all [`LockFile`]s.
//! - The read-write mappings are not inherited and leave holes in the child's addresses. The child lays an inaccessible
//!   range over each ([`Unshared`]), so that a stale pointer of a creator faults and does not hit what the child maps
//!   there.
//! - What another thread of the parent had locked stays locked. What the library keeps for the whole process is
//!   therefore either behind the [`gate`], which the forking thread holds meanwhile, or created again by the child
//!   ([`PerProcess`]).
//!
//! The three handlers of `pthread_atfork` do this. No fork happens between opening a lock file (or mapping a range) and
//! entering it in the table here, because both happen behind the gate. Work behind the gate is only a few system calls
//! and stores. The gate is never held while a thread waits for a store's lock or a mutex, nor while code of the program
//! runs.
//!
//! `_Fork()` and raw `fork`, `clone` and `vfork` system calls run no handlers. After these, a parent that crashes
//! counts as running until the child has ended or become another program.

use std::fs::File;
use std::io;
use std::mem::ManuallyDrop;
use std::ops::Range;
use std::os::fd::{AsRawFd, RawFd};
use std::ptr;

use super::own_file::{Identity, OwnFile};
use super::segment::to_usize;
use crate::error::{Error, Kind, Result};
use crate::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};
use crate::sync::futex::{FutexWord, EVERY_BIT};
#[cfg(feature = "simulate")]
use crate::sync::sim;

/// Attachments that one process may have at a time.
const MOST: usize = 256;
/// Lock files of attachments, and those that are open for a moment: of a store that is being made, or removed.
pub const ATTACHED: Range<usize> = 0..MOST;
/// See [`ATTACHED`].
pub const PASSING: Range<usize> = MOST..MOST + 64;

/// A descriptor (plus one; 0: none) that a forked child closes, if it still is that of this file.
struct Place {
    fd: AtomicU32,
    device: AtomicU64,
    inode: AtomicU64,
}

/// Addresses that a forked child covers. A start of 0: none.
struct Addresses {
    start: AtomicU64,
    length: AtomicU64,
}

static LOCK_FILES: [Place; PASSING.end] =
    [const { Place { fd: AtomicU32::new(0), device: AtomicU64::new(0), inode: AtomicU64::new(0) } };
        PASSING.end];
static RANGES: [Addresses; PASSING.end] =
    [const { Addresses { start: AtomicU64::new(0), length: AtomicU64::new(0) } }; PASSING.end];

/// How often this process's ancestors forked after they had first used the gate.
static FORKS: AtomicU32 = AtomicU32::new(0);
/// Whether the handlers are registered; written behind the gate.
static WATCHING: AtomicU32 = AtomicU32::new(0);

/// Nobody: 0. Else the process whose thread is behind it, and whether others sleep before it.
static GATE: FutexWord = FutexWord::new(0);
const SLEEPERS: u32 = 1 << 31;

/// The present generation of forks: what was made in another one is the parent's.
pub fn forks() -> u32 {
    #[cfg(feature = "simulate")]
    if let Some(forks) = sim::forks() {
        return forks;
    }
    FORKS.load(Ordering::Relaxed)
}

/// While it lives no thread of this process forks, and no other one is behind the gate. To be held for a few system calls,
/// and not twice by one thread.
pub struct Gate {
    /// A simulated process's threads do not fork: it is enough that none of them is interrupted.
    #[cfg(feature = "simulate")]
    steady: Option<sim::Steady>,
}

/// Goes behind the gate.
pub fn gate() -> Gate {
    #[cfg(feature = "simulate")]
    if sim::is_task() {
        return Gate { steady: Some(sim::steady()) };
    }
    enter();
    if WATCHING.load(Ordering::Relaxed) == 0 {
        // SAFETY: the handlers live as long as the process (the library is never unloaded), and do nothing that is not
        // allowed where they run: they load and store atomics, sleep on a futex, close descriptors and map memory.
        let failed = unsafe { libc::pthread_atfork(Some(prepare), Some(in_parent), Some(in_child)) };
        WATCHING.store(u32::from(failed == 0), Ordering::Relaxed);
    }
    Gate {
        #[cfg(feature = "simulate")]
        steady: None,
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        #[cfg(feature = "simulate")]
        if self.steady.is_some() {
            return;
        }
        leave();
    }
}

fn enter() {
    let me = std::process::id();
    let mut mine = me;
    loop {
        let now = GATE.load(Ordering::Relaxed);
        if now & !SLEEPERS != me {
            // Free; or left by a thread of a process that we are a copy of, made before the handlers were registered or
            // without them: that thread is not here.
            // SYNC: acquire pairs with the release in `leave`.
            if GATE.word().compare_exchange(now, mine, Ordering::Acquire, Ordering::Relaxed).is_ok() {
                return;
            }
            continue;
        }
        let seen = now | SLEEPERS;
        if now == seen
            || GATE.word().compare_exchange(now, seen, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        {
            GATE.wait(seen, EVERY_BIT, std::time::Duration::from_secs(1));
        }
        // One who has slept cannot know whether others still do.
        mine = me | SLEEPERS;
    }
}

fn leave() {
    // SYNC: pairs with the acquire in `enter`.
    if GATE.word().swap(0, Ordering::Release) & SLEEPERS != 0 {
        GATE.wake(1, EVERY_BIT);
    }
}

extern "C" fn prepare() {
    enter();
}

extern "C" fn in_parent() {
    leave();
}

extern "C" fn in_child() {
    FORKS.fetch_add(1, Ordering::SeqCst);
    for place in &LOCK_FILES {
        let held = place.fd.swap(0, Ordering::SeqCst);
        let Ok(fd @ 0..) = RawFd::try_from(i64::from(held) - 1) else { continue };
        let (device, inode) = (place.device.load(Ordering::Relaxed), place.inode.load(Ordering::Relaxed));
        // The parent may have closed it behind our back, and opened something else.
        if (Identity { device, inode }).is_of(fd) {
            // SAFETY: the descriptor is this child's copy; its owner never uses it after a fork. It is closed, not
            // unlocked: unlocking would take the parent's lock away.
            unsafe { libc::close(fd) };
        }
    }
    for range in &RANGES {
        let (start, length) = (range.start.swap(0, Ordering::SeqCst), range.length.load(Ordering::Relaxed));
        if start != 0 {
            cover(to_usize(start), to_usize(length));
        }
    }
    // The thread that forked is behind the gate, and is now the only one. Nobody sleeps before it.
    GATE.word().store(0, Ordering::SeqCst);
}

/// Lays inaccessible ranges over a hole. If another handler was faster and mapped something there, that stays, and all but
/// the pieces that it lies in is covered: halves of halves, so that few system calls are made.
fn cover(start: usize, length: usize) {
    if is_taken(start, length) && length > PIECE {
        let half = (length / 2).next_multiple_of(PIECE);
        cover(start, half);
        cover(start + half, length - half);
    }
}

/// No kernel has larger pages.
const PIECE: usize = 64 << 10;

/// Covers a range; if something is mapped there, nothing is done, and this is true.
fn is_taken(start: usize, length: usize) -> bool {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_FIXED_NOREPLACE;
    let wanted = ptr::without_provenance_mut(start);
    // SAFETY: replaces nothing; nobody has a pointer to what is new, except pointers that are to fault. A kernel that does
    // not know MAP_FIXED_NOREPLACE may give another address, which is given back.
    unsafe {
        let covered = libc::mmap(wanted, length, libc::PROT_NONE, flags, -1, 0);
        if covered == libc::MAP_FAILED {
            return io::Error::last_os_error().raw_os_error() == Some(libc::EEXIST);
        }
        if covered != wanted {
            libc::munmap(covered, length);
        }
        covered != wanted
    }
}

/// A descriptor of a description of its own, on which byte locks are held. A forked child has none.
pub struct LockFile {
    file: ManuallyDrop<OwnFile>,
    place: usize,
    forks: u32,
}

impl LockFile {
    /// Opens one, with a place among `places`.
    pub fn open(mut places: Range<usize>, open: impl FnOnce() -> Result<File>) -> Result<LockFile> {
        let _gate = gate();
        let free = places.find(|place| LOCK_FILES[*place].fd.load(Ordering::Relaxed) == 0);
        let place = free.ok_or_else(full)?;
        let file = OwnFile::new(open()?)?;
        let fd =
            u32::try_from(file.file().as_raw_fd()).map_err(|_| Error::internal("a negative descriptor"))?;
        let (entry, identity) = (&LOCK_FILES[place], file.identity());
        #[cfg(feature = "simulate")]
        if sim::is_task() {
            // Nobody forks really; and who is killed takes nothing out of the table.
            return Ok(LockFile { file: ManuallyDrop::new(file), place, forks: forks() });
        }
        entry.device.store(identity.device, Ordering::Relaxed);
        entry.inode.store(identity.inode, Ordering::Relaxed);
        entry.fd.store(fd + 1, Ordering::Release);
        Ok(LockFile { file: ManuallyDrop::new(file), place, forks: forks() })
    }

    /// The file, and whether it is still there.
    pub fn own(&self) -> &OwnFile {
        &self.file
    }

    /// The file.
    pub fn file(&self) -> &File {
        self.file.file()
    }

    /// Whether this process opened it. In a forked child the handler has closed it; the number may be another file's by now.
    pub fn is_ours(&self) -> bool {
        self.forks == forks()
    }

    /// As [`OwnFile::let_go`].
    pub fn let_go(&mut self) {
        self.file.let_go();
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        if self.is_ours() {
            let _gate = gate();
            LOCK_FILES[self.place].fd.store(0, Ordering::Release);
            // SAFETY: dropped only here. Behind the gate: no child gets a copy that is in no table.
            unsafe { ManuallyDrop::drop(&mut self.file) };
        }
    }
}

/// A mapped range that forked children do not have.
pub struct Unshared {
    place: usize,
    forks: u32,
}

impl Unshared {
    /// Maps one (what `map` gives is where and how long), behind the gate.
    pub fn map(map: impl FnOnce() -> io::Result<(*mut u8, usize)>) -> Result<Unshared> {
        let failed = |error: &io::Error| Error::io("mapping a store", error);
        let _gate = gate();
        let free = RANGES.iter().position(|range| range.start.load(Ordering::Relaxed) == 0);
        let place = free.ok_or_else(full)?;
        let (start, length) = map().map_err(|error| failed(&error))?;
        // SAFETY: what was just mapped; the advice keeps its contents.
        if unsafe { libc::madvise(start.cast(), length, libc::MADV_DONTFORK) } != 0 {
            return Err(failed(&io::Error::last_os_error()));
        }
        #[cfg(feature = "simulate")]
        if sim::is_task() {
            // As in `LockFile::open`.
            return Ok(Unshared { place, forks: forks() });
        }
        RANGES[place].length.store(length as u64, Ordering::Relaxed);
        RANGES[place].start.store(start.addr() as u64, Ordering::Release);
        Ok(Unshared { place, forks: forks() })
    }

    /// Runs `unmap` and forgets the range; in a child of the process that mapped it, where there is nothing to unmap, does
    /// neither.
    pub fn unmap(&self, unmap: impl FnOnce()) {
        if self.forks == forks() {
            let _gate = gate();
            unmap();
            RANGES[self.place].start.store(0, Ordering::Release);
        }
    }
}

fn full() -> Error {
    Error::new(Kind::LimitReached, format!("this process has {MOST} stores open: close some"))
}

/// A value of which every process has its own: a child starts with a new one, as a thread of its parent may have left the
/// parent's locked, or half changed. Never freed: one a generation.
pub struct PerProcess<T: 'static> {
    now: AtomicPtr<Made<T>>,
}

struct Made<T> {
    forks: u32,
    value: T,
}

// SAFETY: gives shared access to a T, and moves one into the process's memory.
unsafe impl<T: Send + Sync> Sync for PerProcess<T> {}

impl<T: Default + Send + Sync> PerProcess<T> {
    /// One that has no value yet.
    pub const fn empty() -> PerProcess<T> {
        PerProcess { now: AtomicPtr::new(ptr::null_mut()) }
    }

    /// This process's value. Waits for nothing: threads that come first at once all make one, and the first stays.
    pub fn get(&self) -> &'static T {
        loop {
            #[cfg(feature = "simulate")]
            if let Some(held) = sim::local(ptr::from_ref(self).addr()) {
                // SAFETY: made below for this process and never freed.
                if let Some(made) = unsafe { ptr::with_exposed_provenance::<Made<T>>(held).as_ref() } {
                    return &made.value;
                }
                let made: &'static Made<T> =
                    Box::leak(Box::new(Made { forks: forks(), value: T::default() }));
                sim::set_local(ptr::from_ref(self).addr(), ptr::from_ref(made).expose_provenance());
                return &made.value;
            }
            let found = self.now.load(Ordering::Acquire);
            // SAFETY: NULL, or made below and never freed.
            if let Some(made) = unsafe { found.as_ref() }.filter(|made| made.forks == forks()) {
                return &made.value;
            }
            let made = Box::into_raw(Box::new(Made { forks: forks(), value: T::default() }));
            // SYNC: release: who loads the pointer sees what it points to.
            if self.now.compare_exchange(found, made, Ordering::AcqRel, Ordering::Acquire).is_err() {
                // SAFETY: made above, and seen by nobody.
                drop(unsafe { Box::from_raw(made) });
            }
        }
    }
}

#[cfg(test)]
mod tests;
