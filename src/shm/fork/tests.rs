//! The gate, and what a child covers: in children with no threads but those of the test, as nobody else goes behind the gate
//! there, nor maps anything.

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::thread;
use std::time::{Duration, Instant};

use super::*;
use crate::shm::memory::page_size;

/// For waits that a test would else hang in.
const WATCHDOG: Duration = Duration::from_secs(10);

/// The status with which a child ends.
fn ended(child: libc::pid_t) -> i32 {
    let mut status = 0;
    // SAFETY: waits for our own child.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    status
}

/// Runs this in a child.
fn alone(work: impl FnOnce()) {
    // SAFETY: the child only uses what it makes, and leaves by _exit.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: ends the child if it hangs.
        unsafe { libc::alarm(60) };
        let failed = catch_unwind(AssertUnwindSafe(work)).err();
        // The test's output is the parent's.
        if let Some(why) = failed.as_ref().and_then(|why| why.downcast_ref::<String>()) {
            // SAFETY: writes what is there.
            unsafe { libc::write(2, why.as_ptr().cast(), why.len()) };
        }
        // SAFETY: ends the child without running the test harness's exit code.
        unsafe { libc::_exit(i32::from(failed.is_some())) };
    }
    assert_eq!(ended(child), 0);
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < WATCHDOG, "not so: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// A thread that says who it is before it does what may make it sleep.
struct Sleeper(AtomicU32);

impl Sleeper {
    const fn new() -> Sleeper {
        Sleeper(AtomicU32::new(0))
    }

    fn comes(&self) {
        // SAFETY: asks for a number.
        self.0.store(unsafe { libc::gettid() }.unsigned_abs(), Ordering::SeqCst);
    }

    fn sleeps(&self) -> bool {
        let name = format!("/proc/self/task/{}/stat", self.0.load(Ordering::SeqCst));
        let stat = std::fs::read_to_string(name).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('S'))
    }
}

#[test]
fn one_at_a_time_is_behind_the_gate_and_the_others_sleep_before_it() {
    alone(|| {
        let ours = std::process::id();
        let threads = [const { Sleeper::new() }; 2];
        let inside = AtomicU32::new(0);
        thread::scope(|scope| {
            let held = gate();
            assert_eq!(GATE.load(Ordering::SeqCst), ours);
            let seen = threads.each_ref().map(|sleeper| {
                let begun = scope.spawn(|| {
                    sleeper.comes();
                    let _gate = gate();
                    inside.fetch_add(1, Ordering::SeqCst);
                    GATE.load(Ordering::SeqCst)
                });
                until("it sleeps before the gate, or is behind it", || {
                    sleeper.sleeps() || inside.load(Ordering::SeqCst) > 0
                });
                begun
            });
            assert_eq!(inside.load(Ordering::SeqCst), 0, "two are behind the gate");
            assert_eq!(GATE.load(Ordering::SeqCst), ours | SLEEPERS, "nobody will wake the sleepers");
            drop(held);
            // One who has slept does not know that it was the last.
            for seen in seen {
                assert_eq!(seen.join().unwrap(), ours | SLEEPERS);
            }
        });
        assert_eq!(GATE.load(Ordering::SeqCst), 0);
    });
}

#[test]
fn who_leaves_the_gate_wakes_who_sleeps_before_it() {
    alone(|| {
        let sleeper = Sleeper::new();
        let held = gate();
        let seen = GATE.word().fetch_or(SLEEPERS, Ordering::SeqCst) | SLEEPERS;
        thread::scope(|scope| {
            let waits = scope.spawn(|| {
                let begun = Instant::now();
                sleeper.comes();
                GATE.wait(seen, EVERY_BIT, WATCHDOG);
                begun.elapsed()
            });
            until("it sleeps", || sleeper.sleeps());
            drop(held);
            assert!(waits.join().unwrap() < WATCHDOG, "nobody woke it");
        });
    });
}

#[test]
fn a_fork_waits_for_who_is_behind_the_gate() {
    alone(|| {
        let (inside, left) = (AtomicU32::new(0), AtomicU32::new(0));
        thread::scope(|scope| {
            scope.spawn(|| {
                let _gate = gate();
                inside.store(1, Ordering::SeqCst);
                until("who forks sleeps before the gate", || GATE.load(Ordering::SeqCst) & SLEEPERS != 0);
                left.store(1, Ordering::SeqCst);
            });
            until("it is behind the gate", || inside.load(Ordering::SeqCst) == 1);
            // SAFETY: the child looks at a value and leaves.
            let child = unsafe { libc::fork() };
            if child == 0 {
                // SAFETY: as above.
                unsafe { libc::_exit(i32::from(left.load(Ordering::SeqCst) == 0)) };
            }
            assert_eq!(ended(child), 0, "forked while a thread was behind the gate");
        });
    });
}

/// Addresses where nothing is mapped.
fn hole(length: usize) -> usize {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: new memory, which nobody has a pointer to.
    unsafe {
        let start = libc::mmap(ptr::null_mut(), length, libc::PROT_NONE, flags, -1, 0);
        assert_ne!(start, libc::MAP_FAILED);
        assert_eq!(libc::munmap(start, length), 0);
        start.addr()
    }
}

fn is_mapped(address: usize) -> bool {
    // SAFETY: of memory that is no file's this only asks whether it is there.
    unsafe { libc::msync(ptr::without_provenance_mut(address), page_size(), libc::MS_ASYNC) == 0 }
}

#[test]
fn a_range_is_covered_unless_something_is_mapped_there() {
    alone(|| {
        let start = hole(2 * PIECE);
        assert!(!is_taken(start, PIECE));
        assert!(is_taken(start, PIECE));
        // What the call before met does not count.
        assert!(!is_taken(start + PIECE, PIECE));
        assert!(is_taken(start, 2 * PIECE));
        // Where no process has addresses nothing is mapped.
        assert!(!is_taken(usize::MAX / 2 + 1, PIECE));
    });
}

#[test]
fn all_of_a_hole_is_covered_but_the_pieces_in_which_something_is_mapped() {
    alone(|| {
        let length = 21 * PIECE + page_size();
        let start = hole(4 * length).next_multiple_of(PIECE) + length.next_multiple_of(PIECE);
        let taken = start + 13 * PIECE;
        assert!(!is_taken(taken, page_size()));
        cover(start, length);
        for address in (start - length..start + 2 * length - PIECE).step_by(page_size()) {
            let (inside, beside) = (start..start + length, taken + page_size()..taken + PIECE);
            let covered = inside.contains(&address) && !beside.contains(&address);
            assert_eq!(
                is_mapped(address),
                covered,
                "{} pages from the start",
                address.wrapping_sub(start).cast_signed() / page_size().cast_signed()
            );
        }
    });
}

#[test]
fn a_descriptor_that_was_let_go_stays_with_who_has_its_number() {
    let file = tempfile::tempfile().unwrap();
    let mut held = LockFile::open(PASSING, || Ok(file.try_clone().unwrap())).unwrap();
    let (number, identity) = (held.file().as_raw_fd(), held.own().identity());
    // Closed by the program, which then opens the same file.
    // SAFETY: the number stays open.
    assert_eq!(unsafe { libc::dup2(file.as_raw_fd(), number) }, number);
    held.let_go();
    drop(held);
    assert!(identity.is_of(number), "another's descriptor was closed");
    // SAFETY: nobody else has it.
    unsafe { libc::close(number) };
}
