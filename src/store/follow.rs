//! Following the linked lists of entries without the lock, while other clients change them.
//!
//! The successor of an entry counts only if the entry was on its list all the time. It must have the same generation,
//! be as visible as the entries on the list, and be at the position where it was met (its sequence: a call that is
//! issued moves to the end of its queue). An entry that was met counts only if it still follows the one before it.
//! Between two adjacent entries that were met there was thus nothing at some moment. A list grows only at its end (that
//! of held objects: at its beginning) and keeps its order, so every entry that is on it all the time is met. If the
//! current entry is removed meanwhile, the walk continues from the one before it. A rebuild creates the lists again, so
//! a walk checks for a rebuild afterwards.

use super::attachment::Attachment;
use super::entries::EntryKey;
use super::id::ObjectId;
use super::index::id_of;
use crate::shm::layout::{Entry, State, Word, NONE};
use crate::sync::atomic::{AtomicU32, Ordering};

/// How many steps more than two for each entry that has memory: for what goes under our feet.
const MORE_STEPS: u32 = 64;

/// An entry that was met.
pub(super) struct Step {
    pub(super) key: EntryKey,
    pub(super) id: ObjectId,
    sequence: u64,
}

impl Step {
    /// A declaration, which keeps its place.
    pub(super) fn of_declaration(key: EntryKey, id: ObjectId) -> Step {
        Step { key, id, sequence: 0 }
    }
}

impl Attachment {
    /// The objects of a namespace: those on its list that are `right`. `None` if the declaration goes, or the list changes all the
    /// time.
    pub(super) fn follow_namespace(
        &self,
        declaration: &Step,
        right: impl Fn(Word, &ObjectId) -> bool,
    ) -> Option<Vec<Step>> {
        let entry = self.segment.entry(declaration.key.index).ok()?;
        let first = || {
            let there = |word: Word| word.is_visible();
            entry.state.read_while(declaration.key.generation, there, || next(&entry.first))
        };
        self.follow(first, right)
    }

    /// What is deleted and held by somebody, in any namespace.
    pub(super) fn follow_held(&self) -> Option<Vec<Step>> {
        let head = &self.segment.header().held;
        self.follow(|| Some(next(head)), |word, _| word.state() == State::Doomed)
    }

    fn follow(
        &self,
        first: impl Fn() -> Option<u32>,
        right: impl Fn(Word, &ObjectId) -> bool,
    ) -> Option<Vec<Step>> {
        let mut way: Vec<Step> = Vec::new();
        let behind = |last: Option<&Step>| match last {
            Some(step) => self.behind(step, &right),
            None => first(),
        };
        for _ in 0..MORE_STEPS + 2 * self.segment.objects_reserved() {
            let Some(index) = behind(way.last()) else {
                way.pop()?;
                continue;
            };
            if index == NONE {
                return Some(way);
            }
            if let Some(step) = self.meet(index, &right).filter(|_| behind(way.last()) == Some(index)) {
                way.push(step);
            }
        }
        None
    }

    /// The entry with this number, if it is one of those on the list now.
    fn meet(&self, index: u32, right: &impl Fn(Word, &ObjectId) -> bool) -> Option<Step> {
        let entry = self.segment.entry(index).ok()?;
        let (word, (id, sequence)) =
            entry.state.read(|_| (id_of(entry), entry.sequence.load(Ordering::Relaxed)))?;
        let key = EntryKey { index, generation: word.generation() };
        right(word, &id).then_some(Step { key, id, sequence })
    }

    /// What is behind one that was met; `None` if it is not there any more.
    fn behind(&self, step: &Step, right: &impl Fn(Word, &ObjectId) -> bool) -> Option<u32> {
        let entry: &Entry = self.segment.entry(step.key.index).ok()?;
        let right = |word: Word| right(word, &step.id);
        let words = || (next(&entry.next), entry.sequence.load(Ordering::Relaxed));
        let (next, sequence) = entry.state.read_while(step.key.generation, right, words)?;
        (sequence == step.sequence).then_some(next)
    }
}

/// SYNC: acquire, pairs with the release of whoever changes a list: the state of an entry that came or went was changed before.
fn next(word: &AtomicU32) -> u32 {
    word.load(Ordering::Acquire)
}

#[cfg(test)]
mod tests;
