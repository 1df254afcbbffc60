//! The linked lists of entries: declarations, the objects of each namespace in the order of their creation, and deleted
//! objects that are still held.
//!
//! A namespace's list begins at its declaration's entry. Objects whose prefix was not declared are on the list of
//! orphans in the header. Lists are changed under the lock and are derived. Damage shows as an error that makes the
//! next holder rebuild. Lists may be followed without the lock: see `follow`, which says what it relies on.

use super::id::ObjectId;
use super::index::words_of;
use super::locked::Locked;
use crate::error::{Error, Kind, Result};
use crate::shm::layout::{Entry, Header, Word, NONE};
use crate::sync::atomic::{AtomicU32, Ordering};

fn get(word: &AtomicU32) -> u32 {
    word.load(Ordering::Relaxed)
}

fn set(word: &AtomicU32, value: u32) {
    // SYNC: release, pairs with the acquire of who follows a list without the lock.
    word.store(value, Ordering::Release);
}

/// How many declarations a process remembers.
pub(super) const REMEMBERED: usize = 8;

impl Locked<'_> {
    /// The declaration of an object's namespace. Whatever is remembered, it is the one: under the lock, no two visible entries have
    /// the same ID.
    pub(super) fn declaration_of(&self, member: &ObjectId) -> Option<(u32, Word)> {
        let prefix = member.prefix();
        let id = ObjectId::declaration(prefix);
        let remembered = &self.attachment.declarations[usize::from(prefix[prefix.len() - 1]) % REMEMBERED];
        let index = get(remembered);
        let known = self.segment().entry(index).ok();
        if let Some(word) = known.and_then(|entry| entry.state.named(&entry.id, &words_of(&id))) {
            return Some((index, word));
        }
        let found = self.find(&id);
        if let Some((index, _)) = found {
            set(remembered, index);
        }
        found
    }

    /// First and last of the list that an object with this ID belongs to, and whether that is a namespace's.
    fn ends(&self, id: &ObjectId) -> Result<(&AtomicU32, &AtomicU32, bool)> {
        let header = self.segment().header();
        // Not looked for where there is none: raw objects need no namespace.
        let any = get(&header.declarations) != NONE;
        match any.then(|| self.declaration_of(id)).flatten() {
            Some((index, _)) => {
                let entry = self.segment().entry(index)?;
                Ok((&entry.first, &entry.last, true))
            }
            None => Ok((&header.orphans, &header.orphans_last, false)),
        }
    }

    /// Puts an object at the end of its list.
    pub(super) fn link(&self, id: &ObjectId, index: u32) -> Result<()> {
        let entry = self.segment().entry(index)?;
        if id.is_declaration() {
            let head = &self.segment().header().declarations;
            let old = get(head);
            set(&entry.first, NONE);
            set(&entry.last, NONE);
            set(&entry.previous, NONE);
            set(&entry.next, old);
            if old != NONE {
                set(&self.segment().entry(old)?.previous, index);
            }
            set(head, index);
            return Ok(());
        }
        let (first, last, _) = self.ends(id)?;
        let old = get(last);
        set(&entry.previous, old);
        set(&entry.next, NONE);
        if old == NONE {
            set(first, index);
        } else {
            set(&self.segment().entry(old)?.next, index);
        }
        set(last, index);
        Ok(())
    }

    /// Takes an object off its list. True if that emptied its namespace.
    pub(super) fn unlink(&self, id: &ObjectId, index: u32) -> Result<bool> {
        let entry = self.segment().entry(index)?;
        let (previous, next) = (get(&entry.previous), get(&entry.next));
        if id.is_declaration() {
            let head = &self.segment().header().declarations;
            self.cut(previous, next, head, None, index)?;
            self.orphan(entry)?;
            return Ok(false);
        }
        let (first, last, declared) = self.ends(id)?;
        self.cut(previous, next, first, Some(last), index)?;
        Ok(declared && get(first) == NONE)
    }

    /// Puts an object that was deleted and is held on the list of those.
    pub(super) fn link_held(&self, index: u32) -> Result<()> {
        let entry = self.segment().entry(index)?;
        let head = &self.segment().header().held;
        let old = get(head);
        set(&entry.previous, NONE);
        set(&entry.next, old);
        if old != NONE {
            set(&self.segment().entry(old)?.previous, index);
        }
        set(head, index);
        Ok(())
    }

    /// Takes it off that list.
    pub(super) fn unlink_held(&self, index: u32) -> Result<()> {
        let entry = self.segment().entry(index)?;
        let (previous, next) = (get(&entry.previous), get(&entry.next));
        self.cut(previous, next, &self.segment().header().held, None, index)
    }

    fn cut(
        &self,
        previous: u32,
        next: u32,
        first: &AtomicU32,
        last: Option<&AtomicU32>,
        index: u32,
    ) -> Result<()> {
        let wrong = || Error::new(Kind::Corrupt, "a list of objects is damaged");
        if previous == NONE {
            if get(first) != index {
                return Err(wrong());
            }
            set(first, next);
        } else {
            set(&self.segment().entry(previous)?.next, next);
        }
        if next != NONE {
            set(&self.segment().entry(next)?.previous, previous);
        } else if let Some(last) = last {
            if get(last) != index {
                return Err(wrong());
            }
            set(last, previous);
        }
        Ok(())
    }

    /// The objects of a declaration that goes become orphans.
    fn orphan(&self, declaration: &Entry) -> Result<()> {
        let (first, last) = (get(&declaration.first), get(&declaration.last));
        if first == NONE {
            return Ok(());
        }
        let header = self.segment().header();
        let end = get(&header.orphans_last);
        set(&self.segment().entry(first)?.previous, end);
        if end == NONE {
            set(&header.orphans, first);
        } else {
            set(&self.segment().entry(end)?.next, first);
        }
        set(&header.orphans_last, last);
        Ok(())
    }

    /// Calls `visit` for each entry of a list from `first`, at most as many as there are entries; it returns whether to go on.
    pub(super) fn walk(&self, first: u32, mut visit: impl FnMut(u32, &Entry) -> Result<bool>) -> Result<()> {
        let mut at = first;
        for _ in 0..self.segment().objects_reserved() {
            if at == NONE {
                return Ok(());
            }
            let entry = self.segment().entry(at)?;
            let next = get(&entry.next);
            if !visit(at, entry)? {
                return Ok(());
            }
            at = next;
        }
        if at == NONE {
            Ok(())
        } else {
            Err(Error::new(Kind::Corrupt, "a list of objects is a ring"))
        }
    }

    /// Takes an entry off the list of orphans.
    pub(super) fn cut_orphan(&self, entry: &Entry, index: u32, header: &Header) -> Result<()> {
        let (previous, next) = (get(&entry.previous), get(&entry.next));
        self.cut(previous, next, &header.orphans, Some(&header.orphans_last), index)
    }
}

#[cfg(test)]
mod tests;
