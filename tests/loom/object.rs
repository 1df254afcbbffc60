//! An entry of the store, and a process's view of it, for the models.

use std::sync::atomic::{AtomicU64 as Ghost, Ordering as Order};
use std::sync::Arc;

use sdp_dal::sync::atomic::{lock, AtomicU64, Mutex, Ordering};
use sdp_dal::sync::life::{Fate, State, StateWord, Word};
use sdp_dal::sync::pins::{Outcome, PinWord};
use sdp_dal::sync::row::RowBit;

use crate::Watched;

/// The first life in every model.
pub const LIFE: u64 = 5;

/// One entry of the store, with the lock of the store.
pub struct Entry {
    pub state: StateWord,
    pub pins: [AtomicU64; 1],
    /// Kept, so wanted by nobody.
    pub wants: [AtomicU64; 1],
    pub bytes: Watched,
    pub store: Mutex<()>,
    /// Not part of the protocol, so no loom atomic: always the newest value.
    frees: Ghost,
    freed_life: Ghost,
}

/// One process's view of it.
pub struct Process {
    pub entry: Arc<Entry>,
    mask: u64,
    word: PinWord,
    shard: Mutex<()>,
}

impl Entry {
    /// One in its first life.
    pub fn new(word: Word) -> Arc<Entry> {
        Arc::new(Entry {
            state: StateWord::new(word),
            pins: [AtomicU64::new(0)],
            wants: [AtomicU64::new(0)],
            bytes: Watched::new(),
            store: Mutex::new(()),
            frees: Ghost::new(0),
            freed_life: Ghost::new(0),
        })
    }

    pub fn sealed() -> Arc<Entry> {
        Entry::new(Word::new(State::Sealed, 0, LIFE))
    }

    pub fn word(&self) -> Word {
        Word(self.state.load(Ordering::Acquire))
    }

    /// Deletes this life now. What it was.
    pub fn doom(&self, life: u64) -> Option<Word> {
        let _store = lock(&self.store);
        self.doom_locked(life)
    }

    fn doom_locked(&self, life: u64) -> Option<Word> {
        let was = self.state.doom(life)?;
        self.free_if_unpinned();
        Some(was)
    }

    /// Deletes it once nobody pins it.
    pub fn delete_when_released(&self, life: u64) {
        let _store = lock(&self.store);
        if self.state.mark_when_released(life, &self.pins) {
            self.doom_locked(life);
        }
    }

    /// As `store::entries`' `settle`, of an object that is kept.
    pub fn settle(&self, life: u64) {
        let _store = lock(&self.store);
        let word = self.word();
        if word.generation() != life {
            return;
        }
        match word.fate(&self.pins, &self.wants, true) {
            Fate::Stays => {}
            Fate::Freed => self.free_if_unpinned(),
            Fate::Doomed | Fate::Aborted => {
                self.doom_locked(life);
            }
        }
    }

    fn free_if_unpinned(&self) {
        let life = self.word().generation();
        if self.state.free_if_unpinned(&self.pins) {
            self.frees.fetch_add(1, Order::SeqCst);
            // From here on the bytes are another object's, if they were not taken over before.
            if self.freed_life.swap(life, Order::SeqCst) < life {
                self.bytes.write();
            }
        }
    }

    /// The last life that is over.
    pub fn freed_life(&self) -> u64 {
        self.freed_life.load(Order::SeqCst)
    }

    pub fn assert_freed_once(&self) {
        assert_eq!(self.frees.load(Order::SeqCst), 1, "the bytes are freed exactly once");
        assert_eq!(self.word(), Word::new(State::Free, 0, LIFE + 1));
        assert_eq!(self.pins[0].load(Ordering::SeqCst), 0);
    }
}

impl Process {
    /// The life that it pinned last.
    pub fn last_life(&self) -> u64 {
        self.word.last_life(&self.shard)
    }

    pub fn new(entry: &Arc<Entry>, nth: u32) -> Arc<Process> {
        Arc::new(Process {
            entry: entry.clone(),
            mask: 1 << nth,
            word: PinWord::default(),
            shard: Mutex::new(()),
        })
    }

    fn bit(&self) -> RowBit<'_> {
        RowBit { word: &self.entry.pins[0], mask: self.mask }
    }

    /// As `store::buffer`'s `pin`.
    pub fn pin(&self, life: u64) -> bool {
        let outcome = self.word.pin(&self.shard, self.bit(), life, &self.entry.state);
        if outcome == Outcome::Gone {
            self.after_release();
        }
        outcome == Outcome::Done
    }

    /// The creator's own pin.
    pub fn pin_creation(&self, life: u64) {
        assert_eq!(self.word.pin_creation(&self.shard, self.bit(), life), Outcome::Done);
    }

    pub fn unpin(&self, life: u64) {
        if self.word.unpin(&self.shard, self.bit(), life) == Outcome::Left {
            self.after_release();
        }
    }

    /// As `store::take_over`, of a life that this process pins: deletes it, and gives the only pin up. Whether the bytes are
    /// this process's alone, which then writes them.
    pub fn take_over(&self, life: u64) -> bool {
        let _store = lock(&self.entry.store);
        if self.entry.state.doom(life).is_none() {
            return false;
        }
        if !self.word.give_up_only(&self.shard, self.bit(), life, &self.entry.pins) {
            return false;
        }
        // From here on the bytes are the output's.
        self.entry.freed_life.store(life, Order::SeqCst);
        self.entry.bytes.write();
        if self.entry.state.free_if_unpinned(&self.entry.pins) {
            self.entry.frees.fetch_add(1, Order::SeqCst);
        }
        true
    }

    fn after_release(&self) {
        if let Some(word) = self.entry.state.left(&self.entry.pins) {
            self.entry.settle(word.generation());
        }
    }

    /// Gets the object and lets it go. What must hold while it is pinned. Whether it was there.
    pub fn use_it(&self, life: u64) -> bool {
        let there = self.pin(life);
        if there {
            // No yield in between: loom then withholds the old values that a load may still give.
            self.assert_held(life);
            self.assert_held(life);
            self.unpin(life);
        }
        there
    }

    pub fn assert_held(&self, life: u64) {
        assert!(self.entry.freed_life() < life, "life {life} is pinned, but it is over");
        self.entry.bytes.read();
    }

    /// Makes a new object in the entry, if it is free, and holds it: its creator's pin is there before anybody else's.
    pub fn create(&self, life: u64) -> bool {
        {
            let _store = lock(&self.entry.store);
            if self.entry.word() != Word::new(State::Free, 0, life) {
                return false;
            }
            self.entry.state.begin();
            self.entry.state.commit(Word::new(State::Creating, 0, life));
            self.pin_creation(life);
        }
        self.entry.bytes.write();
        assert!(self.entry.state.seal(life));
        true
    }
}
