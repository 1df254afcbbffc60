//! The event log: a ring of slots that is written while other clients read it, and never waits for them.
//!
//! One client writes at a time, under the store's lock. It writes the event's sequence before and after its words, and
//! then the newest sequence, which is the commit. A reader that finds the same sequence on both sides has read one
//! event. A reader that was overtaken reads *resync*, and lists again. So do all readers when the epoch was raised,
//! because events may have been lost.
//!
//! A client that changes something without the lock checks afterwards whether the log has readers, and only then takes
//! the lock to log the change. A client that begins to read registers itself, and then lists. The change is thus logged
//! or listed.
//!
//! A crash within an append: the sequence was not raised, so no client has read the slot, and the next event is written
//! over it.

use super::atomic::{fence, AtomicU32, AtomicU64, Ordering};
use super::fail;

/// One slot, of an event of so many words.
#[repr(C, align(64))]
pub struct Slot<const WORDS: usize> {
    /// The event's sequence, from 1; written first.
    before: AtomicU64,
    words: [AtomicU64; WORDS],
    /// Its sequence; written last.
    after: AtomicU64,
}

impl<const WORDS: usize> Default for Slot<WORDS> {
    fn default() -> Self {
        let word = || AtomicU64::new(0);
        Slot { before: word(), words: std::array::from_fn(|_| word()), after: word() }
    }
}

impl<const WORDS: usize> Slot<WORDS> {
    fn write(&self, sequence: u64, words: &[u64; WORDS]) {
        self.before.store(sequence, Ordering::Relaxed);
        // SYNC: pairs with the acquire fence in `read`: a reader that sees a word written below sees `before`, too.
        fence(Ordering::Release);
        for (word, value) in self.words.iter().zip(words) {
            word.store(*value, Ordering::Relaxed);
        }
        self.after.store(sequence, Ordering::Release);
    }

    /// The words, if they are those of this event and of no other.
    fn read(&self, sequence: u64) -> Option<[u64; WORDS]> {
        // SYNC: pairs with the release store of `after` in `write`: everything of this event was written before it.
        if self.after.load(Ordering::Acquire) != sequence {
            return None;
        }
        let words = std::array::from_fn(|nth| self.words[nth].load(Ordering::Relaxed));
        // SYNC: pairs with the release fence in `write`: had we read a word of a later event, this would see its sequence.
        fence(Ordering::Acquire);
        (self.before.load(Ordering::Relaxed) == sequence).then_some(words)
    }
}

/// The log's words.
pub struct Ring<'a, S> {
    /// The newest event.
    pub sequence: &'a AtomicU64,
    /// Changes whenever events may have been lost.
    pub epoch: &'a AtomicU64,
    /// How many clients read it. Follows from a row of their bits.
    pub readers: &'a AtomicU32,
    /// How many slots there are.
    pub size: u64,
    /// The slot of a sequence.
    pub slot: S,
}

/// Where a reader is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    next: u64,
    epoch: u64,
}

/// What a look at the log gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told<const WORDS: usize> {
    /// There is nothing new.
    Nothing,
    /// The next event: its sequence and words.
    Event(u64, [u64; WORDS]),
    /// Events were lost: list again.
    Resync,
}

impl<'a, const WORDS: usize, S: Fn(u64) -> &'a Slot<WORDS>> Ring<'a, S> {
    /// Appends an event, under the store's lock.
    pub fn append(&self, words: &[u64; WORDS]) {
        let sequence = self.sequence.load(Ordering::Relaxed).wrapping_add(1);
        (self.slot)(sequence).write(sequence, words);
        fail::point("event.written");
        // SYNC: the commit; pairs with the acquire load in `look`.
        self.sequence.store(sequence, Ordering::Release);
    }

    /// Events may be missing: whoever reads lists again.
    pub fn lose(&self) {
        // SYNC: release, pairs with the acquire loads of the epoch: who lists again sees what was not told.
        self.epoch.fetch_add(1, Ordering::Release);
    }

    /// Whether anybody reads. Under the lock, or after a change that was followed by a full fence.
    #[inline]
    pub fn is_read(&self) -> bool {
        // SYNC: the fence behind the change pairs with the one in `join`.
        self.readers.load(Ordering::Relaxed) != 0
    }

    /// Counts the readers anew, under the lock.
    pub fn count(&self, row: &[AtomicU64]) {
        let count = row.iter().map(|word| word.load(Ordering::Relaxed).count_ones()).sum();
        // SYNC: relaxed, as the fences in `join` and behind a change decide who sees what.
        self.readers.store(count, Ordering::Relaxed);
    }

    /// Begins to read, after our bit was set and counted: what is changed and not told from here on is seen by whoever lists now.
    pub fn join(&self) -> Cursor {
        // SYNC: pairs with the fence behind a change that is made without the lock: such a change sees a reader and is told, or it
        // was made before this, and then a list from here on shows it.
        fence(Ordering::SeqCst);
        self.start()
    }

    fn start(&self) -> Cursor {
        // The epoch first: if events are lost between the two looks, the next look sees another epoch.
        let epoch = self.epoch.load(Ordering::Acquire);
        Cursor { epoch, next: self.sequence.load(Ordering::Acquire).wrapping_add(1) }
    }

    /// The next event.
    pub fn look(&self, cursor: &mut Cursor) -> Told<WORDS> {
        if self.epoch.load(Ordering::Acquire) == cursor.epoch {
            // SYNC: pairs with the release store in `append`.
            let newest = self.sequence.load(Ordering::Acquire);
            if newest.wrapping_add(1) == cursor.next {
                return Told::Nothing;
            }
            // More than the ring has: we were overtaken, or the number was scribbled upon.
            if newest.wrapping_sub(cursor.next) < self.size {
                let sequence = cursor.next;
                if let Some(words) = (self.slot)(sequence).read(sequence) {
                    cursor.next = sequence.wrapping_add(1);
                    return Told::Event(sequence, words);
                }
            }
        }
        *cursor = self.start();
        Told::Resync
    }
}
