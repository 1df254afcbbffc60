//! The event log: events are whole, none is left out unseen, and who subscribes and then lists knows of everything.

use std::sync::Arc;

use loom::thread;

use sdp_dal::sync::atomic::{lock, AtomicU32, AtomicU64, Mutex, Ordering};
use sdp_dal::sync::life::{State, StateWord, Word};
use sdp_dal::sync::row::RowBit;
use sdp_dal::sync::slots::{Cursor, Ring, Slot, Told};

use crate::object::LIFE;
use crate::search;

/// The log, with events of two words; its readers; and two objects that are sealed without the lock.
struct Log {
    store: Mutex<()>,
    slots: Vec<Slot<2>>,
    sequence: AtomicU64,
    epoch: AtomicU64,
    readers: AtomicU32,
    row: [AtomicU64; 1],
    objects: [StateWord; 2],
}

impl Log {
    fn new(slots: usize) -> Arc<Log> {
        Arc::new(Log {
            store: Mutex::new(()),
            slots: (0..slots).map(|_| Slot::default()).collect(),
            sequence: AtomicU64::new(0),
            epoch: AtomicU64::new(0),
            readers: AtomicU32::new(0),
            row: [AtomicU64::new(0)],
            objects: [0, 1].map(|_| StateWord::new(Word::new(State::Creating, 0, LIFE))),
        })
    }

    fn ring<'a>(&'a self) -> Ring<'a, impl Fn(u64) -> &'a Slot<2>> {
        Ring {
            sequence: &self.sequence,
            epoch: &self.epoch,
            readers: &self.readers,
            size: self.slots.len() as u64,
            slot: |sequence| &self.slots[sequence as usize % self.slots.len()],
        }
    }

    /// The event of sequence n says n, twice.
    fn append(&self) {
        let sequence = self.sequence.load(Ordering::Relaxed) + 1;
        self.ring().append(&[sequence; 2]);
    }

    /// As `Writer::seal`, and `Attachment::tell`.
    fn seal(&self, nth: usize, lock_is_to_be_had: bool) {
        assert!(self.objects[nth].seal(LIFE));
        if !self.ring().is_read() {
            return;
        }
        if lock_is_to_be_had {
            let _store = lock(&self.store);
            self.append();
        } else {
            self.ring().lose();
        }
    }

    /// As `Store::subscribe`.
    fn subscribe(&self) -> Cursor {
        {
            let _store = lock(&self.store);
            RowBit { word: &self.row[0], mask: 1 }.set();
            self.ring().count(&self.row);
        }
        self.ring().join()
    }

    /// How many objects are sealed.
    fn list(&self) -> usize {
        let sealed = |object: &&StateWord| Word(object.load(Ordering::Acquire)).state() == State::Sealed;
        self.objects.iter().filter(sealed).count()
    }
}

/// Reads while others write: events are whole, and none is left out without a resync.
fn follow(log: &Log, mut cursor: Cursor, looks: u32) {
    let mut last = Some(0);
    for _ in 0..looks {
        match log.ring().look(&mut cursor) {
            Told::Event(sequence, words) => {
                assert_eq!(words, [sequence; 2], "parts of two events");
                assert!(last.is_none_or(|last| last + 1 == sequence), "an event was left out");
                last = Some(sequence);
            }
            Told::Nothing => {}
            Told::Resync => last = None,
        }
    }
}

/// Readers beside one who appends, in a ring so small that each event is written over the one before.
fn readers_and_writer(readers: u32, looks: u32, events: u32) {
    let log = Log::new(1);
    let begun = log.ring().join();
    let start = |_| {
        let log = log.clone();
        thread::spawn(move || follow(&log, begun, looks))
    };
    let readers: Vec<_> = (0..readers).map(start).collect();
    for _ in 0..events {
        let _store = lock(&log.store);
        log.append();
    }
    readers.into_iter().for_each(|reader| reader.join().unwrap());
    let mut late = begun;
    assert_eq!(log.ring().look(&mut late), Told::Resync);
    assert_eq!(log.ring().look(&mut late), Told::Nothing);
}

#[test]
fn two_readers_of_a_ring_see_whole_events_or_list_again() {
    search(2, || readers_and_writer(2, 1, 2));
}

#[test]
fn a_reader_of_a_ring_that_is_overwritten_again_and_again_loses_nothing_unseen() {
    search(2, || readers_and_writer(1, 2, 3));
}

/// Two who seal without the lock, one of whom may not have it afterwards, and one who subscribes and then lists.
#[test]
fn whoever_subscribes_and_then_lists_misses_nothing() {
    for lock_is_to_be_had in [true, false] {
        search(3, move || {
            let log = Log::new(2);
            let sealers = [(0, true), (1, lock_is_to_be_had)].map(|(nth, had)| {
                let log = log.clone();
                thread::spawn(move || log.seal(nth, had))
            });
            let mut cursor = log.subscribe();
            let listed = log.list();
            for sealer in sealers {
                sealer.join().unwrap();
            }
            let (mut told, mut again) = (0, false);
            loop {
                match log.ring().look(&mut cursor) {
                    Told::Nothing => break,
                    Told::Event(..) => told += 1,
                    Told::Resync => again = true,
                }
            }
            // Told of twice is as good: by the list and by the log.
            assert!(again || listed + told >= 2, "{listed} listed, {told} told of");
        });
    }
}

/// Who cannot tell the log, or has put things in order after a death, says that events are lost: who lists again for that finds
/// what was changed.
#[test]
fn whoever_is_sent_back_to_list_sees_why() {
    for rebuilds in [false, true] {
        search(3, move || {
            let log = Log::new(2);
            let mut cursor = log.subscribe();
            let other = log.clone();
            let other = thread::spawn(move || {
                if rebuilds {
                    let _store = lock(&other.store);
                    other.objects[0].commit(Word::new(State::Sealed, 0, LIFE));
                    other.ring().lose();
                } else {
                    other.seal(0, false);
                }
            });
            if log.ring().look(&mut cursor) == Told::Resync {
                assert_eq!(log.list(), 1, "sent back for nothing");
            }
            other.join().unwrap();
        });
    }
}
