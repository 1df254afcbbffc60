//! Pins against deleting: what is pinned stays, and what is deleted is freed, exactly once.

use std::sync::Arc;

use loom::thread;

use sdp_dal::sync::life::{State, Word};
use sdp_dal::sync::marks::Marks;

use crate::object::{Entry, Process, LIFE};
use crate::search;

/// Readers (the number of the process of each) against one deleter, who is the main thread.
fn readers_and_deleter(readers: &[usize], delete: impl Fn(&Entry)) {
    let entry = Entry::sealed();
    let processes: Vec<_> = (0..2).map(|nth| Process::new(&entry, nth)).collect();
    let running: Vec<_> = readers
        .iter()
        .map(|nth| {
            let process = processes[*nth].clone();
            thread::spawn(move || process.use_it(LIFE))
        })
        .collect();
    delete(&entry);
    for reader in running {
        reader.join().unwrap();
    }
    entry.assert_freed_once();
    assert!(!processes[0].pin(LIFE), "a life that is over was pinned");
    entry.assert_freed_once();
}

#[test]
fn two_threads_of_a_process_pin_what_is_deleted() {
    search(3, || readers_and_deleter(&[0, 0], |entry| assert!(entry.doom(LIFE).is_some())));
}

#[test]
fn two_processes_pin_what_is_deleted() {
    search(3, || readers_and_deleter(&[0, 1], |entry| assert!(entry.doom(LIFE).is_some())));
}

#[test]
fn two_threads_of_a_process_pin_what_goes_with_its_last_pin() {
    search(3, || readers_and_deleter(&[0, 0], |entry| entry.delete_when_released(LIFE)));
}

#[test]
fn two_processes_pin_what_goes_with_its_last_pin() {
    search(3, || readers_and_deleter(&[0, 1], |entry| entry.delete_when_released(LIFE)));
}

/// A thread that looked up the old life pins it while another thread (of its process or of another) ends that life and makes the
/// next.
#[test]
fn a_pin_of_the_old_life_never_holds_the_new_one() {
    for other in [0, 1] {
        search(3, move || {
            let entry = Entry::sealed();
            let process = Process::new(&entry, 0);
            let late = if other == 0 { process.clone() } else { Process::new(&entry, other) };
            let late = thread::spawn(move || late.use_it(LIFE));
            entry.doom(LIFE);
            let created = process.create(LIFE + 1);
            late.join().unwrap();
            assert_eq!(entry.freed_life(), LIFE);
            if created {
                process.assert_held(LIFE + 1);
                entry.doom(LIFE + 1);
                process.assert_held(LIFE + 1);
                process.unpin(LIFE + 1);
                assert_eq!(entry.freed_life(), LIFE + 1, "the next life was never freed");
            }
            assert_eq!(entry.pins[0].load(sdp_dal::sync::atomic::Ordering::SeqCst), 0);
        });
    }
}

/// Pinning again and again: the count goes from one to zero to one while another thread adds to it.
#[test]
fn the_last_release_of_one_thread_meets_the_pin_of_another() {
    search(3, || {
        let entry = Entry::sealed();
        let process = Process::new(&entry, 0);
        assert!(process.pin(LIFE));
        let other = process.clone();
        let other = thread::spawn(move || {
            other.use_it(LIFE);
            other.use_it(LIFE);
        });
        let deleter = entry.clone();
        let deleter = thread::spawn(move || deleter.doom(LIFE));
        process.assert_held(LIFE);
        process.unpin(LIFE);
        other.join().unwrap();
        deleter.join().unwrap();
        entry.assert_freed_once();
    });
}

/// A process that pins an object takes its bytes over while others pin it: a thread of its own, or another process. Either the
/// taker has them alone, or it leaves them to whoever holds them.
#[test]
fn what_is_taken_over_is_pinned_by_nobody() {
    for others in [&[0][..], &[1], &[0, 1]] {
        search(if others.len() == 1 { 3 } else { 2 }, move || {
            let entry = Entry::sealed();
            let processes: Vec<_> = (0..2).map(|nth| Process::new(&entry, nth)).collect();
            assert!(processes[0].pin(LIFE));
            let running: Vec<_> = others
                .iter()
                .map(|nth| {
                    let process = processes[*nth].clone();
                    thread::spawn(move || process.use_it(LIFE))
                })
                .collect();
            if !processes[0].take_over(LIFE) {
                processes[0].assert_held(LIFE);
                processes[0].unpin(LIFE);
            }
            for reader in running {
                reader.join().unwrap();
            }
            assert!(!processes[0].pin(LIFE), "a life that is over was pinned");
            entry.assert_freed_once();
        });
    }
}

/// What its creator seals or gives up while it is deleted: a creator whose object is gone keeps the bytes until he lets them go,
/// and a reader who gets it reads all that was written.
#[test]
fn a_creation_is_deleted_while_it_is_sealed_or_given_up() {
    for seals in [true, false] {
        search(3, move || {
            let entry = Entry::new(Word::new(State::Creating, 0, LIFE));
            let creator = Process::new(&entry, 0);
            creator.pin_creation(LIFE);
            let creating = thread::spawn(move || {
                creator.entry.bytes.write();
                let sealed = seals && creator.entry.state.seal(LIFE);
                if !seals {
                    creator.entry.state.abandon();
                    creator.entry.settle(LIFE);
                }
                creator.assert_held(LIFE);
                creator.unpin(LIFE);
                sealed
            });
            let reader = Process::new(&entry, 1);
            let reading = thread::spawn(move || reader.use_it(LIFE));
            let was = entry.doom(LIFE);
            let sealed = creating.join().unwrap();
            let read = reading.join().unwrap();
            assert!(sealed || !read, "what was not sealed was read");
            assert_eq!(sealed, was.is_some_and(|was| was.state() == State::Sealed), "one of the two wins");
            entry.assert_freed_once();
        });
    }
}

/// A thread pins and marks while another one takes the marks: what that one does not see is marked.
#[test]
fn what_is_pinned_is_seen_or_marked() {
    // With the mark of an earlier pin, which saves setting it, and without.
    for marked in [false, true] {
        search(3, move || {
            let entry = Entry::sealed();
            let process = Process::new(&entry, 0);
            let marks = Arc::new(Marks::new(1));
            if marked {
                marks.mark(0);
            }
            let pins = {
                let (process, marks) = (process.clone(), marks.clone());
                thread::spawn(move || {
                    assert!(process.pin(LIFE));
                    marks.mark(0);
                })
            };
            let mut seen = false;
            let mut look = || {
                let taken: Result<(), ()> = marks.take(|_| {
                    seen |= process.last_life() == LIFE;
                    Ok(())
                });
                taken.unwrap();
            };
            look();
            pins.join().unwrap();
            look();
            assert!(seen, "a pin was neither seen nor marked");
            process.unpin(LIFE);
        });
    }
}
