//! Namespaces: reserving a prefix by declaring it, and finding the declarations.

use super::create::CreateSpec;
use super::entries::EntryKey;
use super::id::{ObjectId, Prefix, PREFIX_SIZE};
use super::index::id_of;
use super::locked::Locked;
use super::want::Want;
use super::Store;
use crate::error::{Error, Kind, Result};
use crate::shm::layout::{State, Word, CALL, CLAIMED, ENDED};
use crate::sync::atomic::Ordering;
use crate::sync::fail;

/// A declared namespace.
#[derive(Clone, Debug)]
pub struct NamespaceInfo {
    /// Its prefix.
    pub prefix: Prefix,
    /// Its declaration.
    pub key: EntryKey,
    /// The number of the client that declared it.
    pub owner: u32,
    /// Whether the owner is running and has not closed it.
    pub alive: bool,
    /// Number of unfinished calls in its queue.
    pub queued: u32,
}

/// Most namespaces that one look reports.
const MOST: usize = 4096;

/// Objects of a namespace that are deleted in one turn of the lock.
const TURN: usize = 256;

impl Store {
    /// Reserves the lowest free prefix that starts with `start`, by writing its declaration; `make` is given the prefix
    /// and returns the declaration's data and metadata. Objects that are left under the prefix are deleted first. The
    /// namespace is ours as long as the [`Want`] lives; objects that others still want outlive it.
    ///
    /// # Errors
    /// `NamespaceInUse` if the only such prefix is in use by a running client, also if that has closed it and must
    /// still fail calls.
    pub fn reserve(
        &self,
        start: &[u8],
        make: &mut dyn FnMut(Prefix) -> Result<(Vec<u8>, Vec<u8>)>,
    ) -> Result<Want> {
        if start.len() > PREFIX_SIZE {
            return Err(Error::invalid(format!(
                "a prefix has at most {PREFIX_SIZE} bytes, not {}",
                start.len()
            )));
        }
        loop {
            let prefix = self.free_prefix(start)?;
            fail::point("reserve.found");
            let (data, metadata) = make(prefix)?;
            let id = ObjectId::declaration(prefix);
            let spec = CreateSpec {
                data_size: data.len() as u64,
                metadata: &metadata,
                want: true,
                ..CreateSpec::default()
            };
            let taken_over = self.create_if(&id, &spec, |locked, key| locked.bury_declaration(key));
            let mut writer = match taken_over {
                Ok(writer) => writer,
                // Somebody else was faster.
                Err(error) if error.kind() == Kind::AlreadyExists => continue,
                Err(error) => return Err(error),
            };
            writer.copy_from(0, &data);
            let ours = writer.key().ok_or_else(|| Error::internal("a declaration in scratch memory"))?;
            self.clear_namespace(ours)?;
            return writer.seal()?.ok_or_else(|| Error::internal("a declaration without its owner"));
        }
    }

    /// The lowest prefix that nobody has declared, or else one whose owner has gone: whether that is still so is decided again
    /// when it is taken.
    fn free_prefix(&self, start: &[u8]) -> Result<Prefix> {
        let mut low = [0; PREFIX_SIZE];
        low[..start.len()].copy_from_slice(start);
        let low = u32::from_be_bytes(low);
        let last = low | u32::MAX.checked_shr(8 * u32::try_from(start.len()).unwrap_or(4)).unwrap_or(0);
        let (most, attachment) = (self.attachment.segment.geometry().max_objects, &self.attachment);
        let found = attachment.locked(|locked| {
            let free = |prefix: &u32| locked.find(&ObjectId::declaration(prefix.to_be_bytes())).is_none();
            // There are no more declarations than objects.
            if let Some(prefix) = (low..=last.min(low.saturating_add(most))).find(free) {
                return Ok(Some(prefix.to_be_bytes()));
            }
            let mut lowest: Option<Prefix> = None;
            locked.walk(locked.segment().header().declarations.load(Ordering::Relaxed), |index, entry| {
                let prefix = id_of(entry).prefix();
                let lower = lowest.is_none_or(|lowest| prefix < lowest);
                if prefix.starts_with(start) && lower && locked.is_disowned(index)? {
                    lowest = Some(prefix);
                }
                Ok(true)
            })?;
            Ok(lowest)
        })?;
        found.ok_or_else(|| {
            let text = start.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            Error::new(Kind::NamespaceInUse, format!("the prefix {text} is in use by another client"))
        })
    }

    /// Deletes every object that came into a namespace of ours with its declaration, which is not sealed yet: so that nothing
    /// of its own can be among them. Some hundred in a turn of the lock.
    fn clear_namespace(&self, declaration: EntryKey) -> Result<()> {
        loop {
            let gone = self.attachment.locked(|locked| {
                let Some((entry, _)) = locked.entry_of(declaration)? else { return Ok(Vec::new()) };
                let mut members = Vec::with_capacity(TURN);
                locked.walk(entry.first.load(Ordering::Relaxed), |index, entry| {
                    let word = Word(entry.state.load(Ordering::Acquire));
                    members.push((EntryKey { index, generation: word.generation() }, id_of(entry)));
                    Ok(members.len() < TURN)
                })?;
                for (key, _) in &members {
                    if !locked.doom(*key)? {
                        return Err(Error::new(Kind::Corrupt, "a namespace's list names what is not there"));
                    }
                }
                Ok(members)
            })?;
            if gone.is_empty() {
                return Ok(());
            }
            gone.iter().for_each(|(_, id)| self.attachment.ring(id));
        }
    }

    /// Which of these declarations has the fewest calls in its queue that have not ended: its place, the first of equals. One
    /// that has gone counts as full. A queue is only looked at until it is known not to be the shortest.
    pub fn least_queued(&self, declarations: &[EntryKey]) -> Result<usize> {
        self.attachment.here()?;
        self.attachment.locked(|locked| {
            let (mut best, mut fewest) = (0, u32::MAX);
            for (place, key) in declarations.iter().enumerate() {
                let Some((entry, _)) = locked.entry_of(*key)? else { continue };
                let queued = locked.queued(entry.first.load(Ordering::Relaxed), fewest)?;
                if queued < fewest {
                    (best, fewest) = (place, queued);
                }
                if fewest == 0 {
                    break;
                }
            }
            Ok(best)
        })
    }

    /// Lists the declared namespaces, sorted by prefix.
    pub fn namespaces(&self) -> Result<Vec<NamespaceInfo>> {
        let mut found = Vec::with_capacity(MOST);
        self.attachment.locked(|locked| {
            let first = locked.segment().header().declarations.load(Ordering::Relaxed);
            locked.walk(first, |index, entry| {
                let word = Word(entry.state.load(Ordering::Acquire));
                if word.state() == State::Sealed {
                    found.push(NamespaceInfo {
                        prefix: id_of(entry).prefix(),
                        key: EntryKey { index, generation: word.generation() },
                        owner: entry.creator.load(Ordering::Relaxed),
                        alive: !locked.unwanted(index)?,
                        queued: locked.queued(entry.first.load(Ordering::Relaxed), u32::MAX)?,
                    });
                }
                Ok(found.len() < MOST)
            })
        })?;
        for namespace in &mut found {
            namespace.alive = namespace.alive && self.alive(namespace.owner);
        }
        found.sort_by_key(|namespace| namespace.prefix);
        Ok(found)
    }
}

impl Locked<'_> {
    /// Whether a declaration's owner is dead, or has closed it and has no calls left that nobody claimed: these the owner is
    /// still to refuse, and it finds them in the declaration's queue only.
    fn is_disowned(&self, index: u32) -> Result<bool> {
        let entry = self.segment().entry(index)?;
        let owner = entry.creator.load(Ordering::Relaxed);
        let dead = owner != self.attachment.number && self.segment().liveness.is_dead(owner);
        let unclaimed = |word: Word| word.state() == State::Sealed && word.has(CALL) && !word.has(CLAIMED);
        let first = entry.first.load(Ordering::Relaxed);
        Ok(dead || self.unwanted(index)? && self.count_in(first, 1, unclaimed)? == 0)
    }

    /// Makes room for another declaration of the prefix, if the owner of this one has gone: in the turn of the lock in which the
    /// other one is created, and for this life of it only, so that of two who find it left one takes it over. Its objects
    /// become orphans, and with the new declaration its namespace's.
    fn bury_declaration(&self, key: EntryKey) -> Result<bool> {
        Ok(self.is_disowned(key.index)? && self.doom(key)?)
    }

    /// Calls in a list that have not ended, counted up to `most`.
    fn queued(&self, first: u32, most: u32) -> Result<u32> {
        let runs = |word: Word| word.state() == State::Sealed && word.has(CALL) && !word.has(ENDED);
        self.count_in(first, most, runs)
    }

    /// Members of a list, counted up to `most`.
    fn count_in(&self, first: u32, most: u32, counts: impl Fn(Word) -> bool) -> Result<u32> {
        let mut count = 0;
        self.walk(first, |_, entry| {
            count += u32::from(counts(Word(entry.state.load(Ordering::Acquire))));
            Ok(count < most)
        })?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests;
