//! The life of an entry: its state word, and each step that changes it.
//!
//! ```text
//! Free ─▶ Awaited ─▶ Creating ─▶ Sealed    Awaited ─▶ Failed    all but Free ─▶ Doomed ─▶ Free of the next generation
//! ```
//! *Without the store's lock* an entry is only sealed and given up by its creator, and a call is claimed and ended. All
//! other steps are made under the lock. Steps that can meet are one compare-and-swap each, so one of them wins: sealing
//! and dooming, claiming and dooming (which cancels). Each is followed by a full fence. The client that makes the step
//! then sees the clients that pin, wait or read the log, or they see the step.
//!
//! A step is one write. A client that crashes before it has changed nothing. A client that crashes after it leaves the
//! consequences (index, lists, bytes) to the next holder of the lock, or to the reaper.
//!
//! The generation is in the word. A client that looks up an entry keeps the generation, and every later step compares
//! it. An old generation is thus never taken for the next one.

use super::atomic::{fence, fence_behind, AtomicU32, AtomicU64, Ordering};
use super::row::row_is_empty;

/// An object's state. `Free` is 0, so that fresh memory is a table of free entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// No object: the entry is to be had.
    Free = 0,
    /// An output of a call that does not exist yet: no bytes.
    Awaited = 1,
    /// Its bytes are written; only its creator sees them.
    Creating = 2,
    /// Complete, visible, immutable.
    Sealed = 3,
    /// Will never exist; the reason is in its stead.
    Failed = 4,
    /// Deleted while pinned: invisible, its bytes stay until the last pin goes.
    Doomed = 5,
}

/// An entry's state word, taken apart: 4 bits state, 6 flags, 10 slot of the creator (of an awaited output: of its producer), 44
/// generation.
///
/// The slot may stand for the client here: a dead client's creations are settled before its slot is freed, and who looks at
/// an awaited output compares the number in the slot with the producer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word(pub u64);

/// Flag of a state word: a call that was taken.
pub const CLAIMED: u64 = 1 << 4;
/// Flag of a state word: delete when the last pin goes.
pub const WHEN_RELEASED: u64 = 1 << 5;
/// Flag of a state word: a call in a queue.
pub const CALL: u64 = 1 << 6;
/// Flag of a state word: a call that has ended.
pub const ENDED: u64 = 1 << 7;
/// Flag of a state word: a creation that its creator gave up when it could not have the lock.
pub const ABANDONED: u64 = 1 << 8;

/// Generations fit this many bits.
const GENERATION_BITS: u32 = 44;
/// The bits of a generation.
pub const GENERATION_MASK: u64 = (1 << GENERATION_BITS) - 1;

/// What becomes of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Nothing.
    Stays,
    /// A creation that was given up: it is aborted.
    Aborted,
    /// It is deleted.
    Doomed,
    /// Its bytes are freed.
    Freed,
}

impl Word {
    /// A word of these parts.
    pub fn new(state: State, slot: u32, generation: u64) -> Word {
        Word(state as u64 | u64::from(slot & 1023) << 10 | (generation & GENERATION_MASK) << 20)
    }

    /// The state; what is none reads as `Free`.
    #[inline]
    pub fn state(self) -> State {
        match self.0 & 15 {
            1 => State::Awaited,
            2 => State::Creating,
            3 => State::Sealed,
            4 => State::Failed,
            5 => State::Doomed,
            _ => State::Free,
        }
    }

    /// The life of the entry.
    #[inline]
    pub fn generation(self) -> u64 {
        self.0 >> 20
    }

    /// The creator's slot.
    pub fn slot(self) -> u32 {
        (self.0 >> 10 & 1023) as u32
    }

    /// Whether this flag is set.
    #[inline]
    pub fn has(self, flag: u64) -> bool {
        self.0 & flag != 0
    }

    /// Whether there is an object that can be found.
    #[inline]
    pub fn is_visible(self) -> bool {
        !matches!(self.state(), State::Free | State::Doomed)
    }

    /// The same with another state.
    pub fn with(self, state: State) -> Word {
        Word(self.0 & !15 | state as u64)
    }

    /// The same with flags set.
    pub fn and(self, flags: u64) -> Word {
        Word(self.0 | flags)
    }

    /// The word of the next life, free.
    pub fn freed(self) -> Word {
        Word::new(State::Free, 0, self.generation() + 1)
    }

    /// What becomes of the entry after something that kept it has gone: the truth under the lock, a hint without it. `kept`: it stays
    /// though nobody wants it.
    pub fn fate<'a>(
        self,
        pins: impl IntoIterator<Item = &'a AtomicU64>,
        wants: impl IntoIterator<Item = &'a AtomicU64>,
        kept: bool,
    ) -> Fate {
        match self.state() {
            State::Doomed => {
                if row_is_empty(pins) {
                    Fate::Freed
                } else {
                    Fate::Stays
                }
            }
            State::Creating if self.has(ABANDONED) => Fate::Aborted,
            State::Free | State::Creating => Fate::Stays,
            State::Sealed | State::Failed | State::Awaited => {
                let released = self.has(WHEN_RELEASED) && row_is_empty(pins);
                if released || !kept && row_is_empty(wants) {
                    Fate::Doomed
                } else {
                    Fate::Stays
                }
            }
        }
    }
}

/// The word itself, where all processes see it.
#[repr(transparent)]
pub struct StateWord(AtomicU64);

impl StateWord {
    /// One that says this.
    pub fn new(word: Word) -> StateWord {
        StateWord(AtomicU64::new(word.0))
    }

    /// What it says: see [`Word`].
    #[inline]
    pub fn load(&self, order: Ordering) -> u64 {
        self.0.load(order)
    }

    /// Makes it say anything.
    #[cfg(all(test, not(loom)))]
    pub(crate) fn swap(&self, word: u64) -> u64 {
        self.0.swap(word, Ordering::SeqCst)
    }

    // ---- readers without the lock ----

    /// Reads words of the entry that are written at birth: `None` if they may be of two lives.
    #[inline]
    pub fn read<T>(&self, words: impl FnOnce(Word) -> T) -> Option<(Word, T)> {
        // SYNC: pairs with the release store in `commit`: the words of this life are there.
        let before = Word(self.0.load(Ordering::Acquire));
        let read = words(before);
        // SYNC: pairs with the fence in `begin`: had we read a word of a later life, this would see that ours is over.
        fence(Ordering::Acquire);
        let after = Word(self.0.load(Ordering::Relaxed));
        (before.generation() == after.generation()).then_some((before, read))
    }

    /// Reads words that others change while this life is `right`: `None` if it may not have been so all the time. What makes it not
    /// right has been done before any such word is changed in consequence, and is seen by who sees that change.
    #[inline]
    pub fn read_while<T>(
        &self,
        generation: u64,
        right: impl Fn(Word) -> bool,
        words: impl FnOnce() -> T,
    ) -> Option<T> {
        let right = |word: u64| Word(word).generation() == generation && right(Word(word));
        if !right(self.0.load(Ordering::Acquire)) {
            return None;
        }
        let read = words();
        // SYNC: as in `read`.
        fence(Ordering::Acquire);
        right(self.0.load(Ordering::Relaxed)).then_some(read)
    }

    /// What it says, if it is an object of this ID.
    #[inline]
    pub fn named<const N: usize>(&self, id: &[AtomicU32; N], wanted: &[u32; N]) -> Option<Word> {
        let same = |_| id.iter().zip(wanted).all(|(word, wanted)| word.load(Ordering::Relaxed) == *wanted);
        self.read(same).and_then(|(word, same)| (same && word.is_visible()).then_some(word))
    }

    /// Whether a pin of this life holds. To be asked behind the fence that follows the pin's bit.
    #[inline]
    pub fn holds(&self, generation: u64) -> bool {
        // SYNC: acquire pairs with the step to Sealed or Failed: the bytes are there.
        let word = Word(self.0.load(Ordering::Acquire));
        word.generation() == generation && matches!(word.state(), State::Sealed | State::Failed)
    }

    /// Our pin's bit went, and a fence followed: which life waited for that and has no pin left. It is then to be settled under the
    /// lock.
    #[inline]
    pub fn left<'a>(&self, pins: impl IntoIterator<Item = &'a AtomicU64>) -> Option<Word> {
        // SYNC: pairs with the fences of `doom` and `mark_when_released`: this sees their change, or they see that our bit has gone.
        let word = Word(self.0.load(Ordering::Acquire));
        let waits = word.state() == State::Doomed || word.has(WHEN_RELEASED);
        (waits && row_is_empty(pins)).then_some(word)
    }

    // ---- steps without the lock ----

    /// Makes an object visible and immutable. False if it is deleted.
    pub fn seal(&self, generation: u64) -> bool {
        let creating = |word: Word| word.state() == State::Creating;
        self.step(generation, creating, |word| word.with(State::Sealed)).is_some()
    }

    /// Claims a call. False if its caller dropped it, or somebody else has it.
    pub fn claim(&self, generation: u64) -> bool {
        let queued = |word: Word| word.state() == State::Sealed && !word.has(CLAIMED);
        self.step(generation, queued, |word| word.and(CLAIMED)).is_some()
    }

    /// Ends a call, once. Also one that its caller has dropped meanwhile.
    pub fn end(&self, generation: u64) -> bool {
        let running = |word: Word| word.state() != State::Free && !word.has(ENDED);
        self.step(generation, running, |word| word.and(ENDED)).is_some()
    }

    /// Gives a creation up: by its creator, whose pin keeps this life, or under the lock when that is dead. Who has the lock may
    /// abort it from here on.
    pub fn abandon(&self) {
        // SYNC: release: what the creator wrote comes before whatever takes its bytes next.
        self.0.fetch_or(ABANDONED, Ordering::AcqRel);
    }

    // ---- steps under the lock ----

    /// The words of a new life are about to be written.
    pub fn begin(&self) {
        // SYNC: pairs with the fence in `read`: a reader that sees a word of the new life also sees that the old one is over. (A
        // sweep may have freed the entry in this very turn of the lock.)
        fence(Ordering::Release);
    }

    /// The words are written: the entry is now this. For the changes that meet no step made without the lock: a birth, and those of
    /// what only we can see or nobody makes any more.
    pub fn commit(&self, word: Word) {
        // SYNC: pairs with the acquire loads of whoever looks at the entry.
        self.0.store(word.0, Ordering::Release);
    }

    /// Deletes this life: nobody can pin it from now on. What it was until then; `None` if it is over already.
    pub fn doom(&self, generation: u64) -> Option<Word> {
        self.step(generation, Word::is_visible, |word| word.with(State::Doomed))
    }

    /// Deletes a sealed object with its last pin. Whether it has none: then it is to be doomed now.
    pub fn mark_when_released<'a>(
        &self,
        generation: u64,
        pins: impl IntoIterator<Item = &'a AtomicU64>,
    ) -> bool {
        let sealed = |word: Word| word.state() == State::Sealed;
        self.step(generation, sealed, |word| word.and(WHEN_RELEASED));
        super::fail::point("delete.marked");
        // SYNC: behind the step's fence: either we see the pin, or its release sees the mark.
        row_is_empty(pins)
    }

    /// Frees a doomed entry that nobody pins. From then on its bytes are somebody else's.
    pub fn free_if_unpinned<'a>(&self, pins: impl IntoIterator<Item = &'a AtomicU64>) -> bool {
        let word = Word(self.0.load(Ordering::Acquire));
        // SYNC: the fence of `doom` came before, in this turn of the lock or an earlier one: either we see a pin, or it sees that
        // the life is over.
        if word.state() != State::Doomed || !row_is_empty(pins) {
            return false;
        }
        self.commit(word.freed());
        true
    }

    /// Frees an entry whatever it says, as what it says cannot be right.
    pub fn give_up(&self) {
        self.commit(Word(self.0.load(Ordering::Acquire)).freed());
    }

    /// One step of this life: from a word that is right to the next. What the word was; `None` if the life is over or the word is
    /// not right.
    #[inline]
    fn step(
        &self,
        generation: u64,
        right: impl Fn(Word) -> bool,
        next: impl Fn(Word) -> Word,
    ) -> Option<Word> {
        let mut word = Word(self.0.load(Ordering::Acquire));
        loop {
            if word.generation() != generation || !right(word) {
                return None;
            }
            // SYNC: the commit. Release: what was written before it is there for whoever sees it (bytes that went around the cache
            // were fenced where they were written); acquire: what another step's maker wrote is there for us.
            match self.0.compare_exchange(word.0, next(word).0, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => break,
                Err(seen) => word = Word(seen),
            }
        }
        // SYNC: pairs with the fences of who pins (`RowBit::set`), waits (`ring::Waiters::join`) or subscribes
        // (`slots::Ring::join`): we see his bit, or he sees this step.
        fence_behind();
        Some(word)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_is_doomed_stays_while_it_is_pinned_whoever_wants_it() {
        let word = Word::new(State::Doomed, 0, 1);
        let (none, one) = ([AtomicU64::new(0)], [AtomicU64::new(1)]);
        for wants in [&none, &one] {
            assert_eq!(word.fate(&one, wants, false), Fate::Stays);
            assert_eq!(word.fate(&none, wants, true), Fate::Freed);
        }
    }
}
