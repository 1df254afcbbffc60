//! Listing objects, by ID, without the lock: those of one namespace, or all whose ID begins so.

use super::entries::EntryKey;
use super::follow::Step;
use super::id::{ObjectId, ID_SIZE, PREFIX_SIZE};
use super::index::{id_of, words_of};
use super::inspect::ObjectInfo;
use super::Store;
use crate::error::Result;
use crate::shm::layout::{Entry, State, Word};
use crate::shm::segment::low_half;
use crate::sync::atomic::{fence, Ordering};

/// An object that was found: its ID as numbers, which are compared faster than bytes and have their order, and its entry.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    first: u64,
    second: u64,
    /// The last four bytes of the ID, and the entry.
    third: u64,
}

impl Found {
    fn new(id: &ObjectId, index: u32) -> Found {
        let bytes = id.as_bytes();
        let number = |at: usize| {
            let mut eight = [0; 8];
            eight.copy_from_slice(&bytes[at..at + 8]);
            u64::from_be_bytes(eight)
        };
        Found { first: number(0), second: number(8), third: number(12) << 32 | u64::from(index) }
    }

    fn index(self) -> u32 {
        low_half(self.third)
    }
}

/// The start of IDs, as entries hold them.
struct Start {
    words: [u32; 5],
    mask: [u32; 5],
}

impl Start {
    /// `None`: no ID begins so.
    fn new(prefix: &[u8]) -> Option<Start> {
        let (mut bytes, mut mask) = ([0; ID_SIZE], [0; ID_SIZE]);
        bytes.get_mut(..prefix.len())?.copy_from_slice(prefix);
        mask[..prefix.len()].fill(u8::MAX);
        Some(Start { words: words_of(&ObjectId::new(bytes)), mask: words_of(&ObjectId::new(mask)) })
    }

    fn is_of(&self, entry: &Entry) -> bool {
        let mut words = entry.id.iter().zip(self.words.iter().zip(&self.mask));
        words.all(|(word, (wanted, mask))| word.load(Ordering::Relaxed) & mask == *wanted)
    }
}

/// The entry of how many objects further on is fetched while one is looked at.
const SOON: usize = 4;

/// Iterates over objects in the order of their IDs. It uses 24 bytes for each remaining object.
pub struct Listing<'a> {
    store: &'a Store,
    ahead: std::vec::IntoIter<Found>,
}

impl Iterator for Listing<'_> {
    type Item = Result<ObjectInfo>;

    #[inline]
    fn next(&mut self) -> Option<Result<ObjectInfo>> {
        loop {
            let found = self.ahead.next()?;
            // In the order of their IDs, entries lie anywhere: without this, waiting for memory is half of the time.
            if let Some(soon) = self.ahead.as_slice().get(SOON) {
                self.store.attachment.segment.prefetch_entry(soon.index());
            }
            match self.store.info_at(found.index()) {
                // It went meanwhile, or the entry is another object's by now.
                Ok(info) if info.as_ref().is_none_or(|info| Found::new(&info.id, found.index()) != found) => {
                }
                info => return info.transpose(),
            }
        }
    }
}

impl Store {
    /// Lists the objects whose ID starts with `prefix`, sorted by ID. Deleted objects that a client holds are included.
    pub fn list(&self, prefix: &[u8]) -> Result<Vec<ObjectInfo>> {
        let listing = self.listing(prefix)?;
        let mut infos = Vec::with_capacity(listing.ahead.len());
        for info in listing {
            infos.push(info?);
        }
        Ok(infos)
    }

    /// The same for a store of so many objects that one wants to see them one by one. Objects that are created meanwhile
    /// are not among them.
    ///
    /// Of a namespace that is declared it costs some hundred nanoseconds for each of its objects. Of any other prefix some for each
    /// object of the store besides: it looks at the ID of every entry.
    pub fn listing(&self, prefix: &[u8]) -> Result<Listing<'_>> {
        self.attachment.here()?;
        let mut found = self.found_in_namespace(prefix).unwrap_or_else(|| self.found_anywhere(prefix));
        found.sort_unstable();
        // One that was put at the end of its list meanwhile was met twice.
        found.dedup();
        Ok(Listing { store: self, ahead: found.into_iter() })
    }

    fn found_anywhere(&self, prefix: &[u8]) -> Vec<Found> {
        let mut found = Vec::new();
        let Some(start) = Start::new(prefix) else { return found };
        for (index, entry) in self.entries() {
            // The ID first: most objects are others'. It may be another life's; whoever is shown an object looks again.
            if start.is_of(entry) && Word(entry.state.load(Ordering::Acquire)).state() != State::Free {
                let id = id_of(entry);
                // What was compared may have gone, and another object have come.
                if prefix.is_empty() || id.as_bytes().starts_with(prefix) {
                    found.push(Found::new(&id, index));
                }
            }
        }
        found
    }

    /// By the lists: the namespace's, and that of all objects that are deleted and held. `None`: it is not declared, or the lists
    /// change all the time, or are just made anew.
    fn found_in_namespace(&self, prefix: &[u8]) -> Option<Vec<Found>> {
        let namespace = prefix.first_chunk::<PREFIX_SIZE>()?;
        let (attachment, header) = (&self.attachment, self.attachment.segment.header());
        let rebuilds = || (header.index_changes.0.now() & 1, header.recoveries.load(Ordering::Relaxed));
        let before = rebuilds();
        let declaration = ObjectId::declaration(*namespace);
        let (index, word) = attachment.find_at_once(&declaration)?;
        let declared = Step::of_declaration(EntryKey { index, generation: word.generation() }, declaration);
        let in_namespace = |word: Word, id: &ObjectId| {
            word.is_visible() && id.prefix() == *namespace && !id.is_declaration()
        };
        let mut steps = attachment.follow_namespace(&declared, in_namespace)?;
        let held = attachment.follow_held()?;
        // SYNC: pairs with the fence of `Changes::begin`: had we read a word that a rebuild has written, this would see its mark,
        // or its end.
        fence(Ordering::Acquire);
        if before.0 != 0 || rebuilds() != before {
            return None;
        }
        steps.push(declared);
        steps.extend(held);
        let begins = steps.iter().filter(|step| step.id.as_bytes().starts_with(prefix));
        Some(begins.map(|step| Found::new(&step.id, step.key.index)).collect())
    }
}

#[cfg(test)]
mod tests;
