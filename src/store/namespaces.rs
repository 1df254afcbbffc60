//! Namespaces: reserving a prefix by declaring it, and finding who has declared what.

use super::create::CreateSpec;
use super::delete::DeleteMode;
use super::entries::EntryKey;
use super::id::{ObjectId, Prefix, PREFIX_SIZE};
use super::index::id_of;
use super::locked::Locked;
use super::want::Want;
use super::Store;
use crate::error::{Error, Kind, Result};
use crate::shm::layout::{State, Word, CALL, ENDED, NONE};
use crate::sync::atomic::Ordering;

/// One declared namespace.
#[derive(Clone, Debug)]
pub struct NamespaceInfo {
    /// Its prefix.
    pub prefix: Prefix,
    /// Its declaration.
    pub key: EntryKey,
    /// Attachment number of who declared it.
    pub owner: u32,
    /// Whether the owner lives and has not closed it.
    pub alive: bool,
    /// Calls in its queue that have not ended.
    pub queued: u32,
}

/// Most namespaces that one look reports.
const MOST: usize = 4096;

impl Store {
    /// Reserves the lowest free prefix that begins with `start`, by writing its declaration; `make` is given the prefix and
    /// returns the declaration's data and metadata. Objects that are left under the prefix are deleted first. The namespace is
    /// ours as long as the [`Want`] lives; objects that others still want outlive it.
    ///
    /// # Errors
    /// `NamespaceInUse` if the only such prefix belongs to a living client.
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
            let (data, metadata) = make(prefix)?;
            let id = ObjectId::declaration(prefix);
            let spec = CreateSpec {
                data_size: data.len() as u64,
                metadata: &metadata,
                want: true,
                ..CreateSpec::default()
            };
            let mut writer = match self.create(&id, &spec) {
                Ok(writer) => writer,
                // Somebody else was faster.
                Err(error) if error.kind() == Kind::AlreadyExists => continue,
                Err(error) => return Err(error),
            };
            writer.copy_from(0, &data);
            self.clear_namespace(prefix)?;
            return writer.seal()?.ok_or_else(|| Error::internal("a declaration without its owner"));
        }
    }

    fn free_prefix(&self, start: &[u8]) -> Result<Prefix> {
        let mut low = [0; PREFIX_SIZE];
        low[..start.len()].copy_from_slice(start);
        let low = u32::from_be_bytes(low);
        let last = low | u32::MAX.checked_shr(8 * u32::try_from(start.len()).unwrap_or(4)).unwrap_or(0);
        let found = self.attachment.locked(|locked| {
            let taken = |prefix: &u32| locked.find(&ObjectId::declaration(prefix.to_be_bytes())).is_some();
            Ok((low..=last).find(|prefix| !taken(prefix)))
        })?;
        if let Some(prefix) = found {
            return Ok(prefix.to_be_bytes());
        }
        let dead = self.namespaces()?.into_iter().find(|ns| ns.prefix.starts_with(start) && !ns.alive);
        let Some(dead) = dead else {
            let text = start.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            return Err(Error::new(
                Kind::NamespaceInUse,
                format!("the prefix {text} belongs to a living client"),
            ));
        };
        self.clear_namespace(dead.prefix)?;
        self.delete(&ObjectId::declaration(dead.prefix), DeleteMode::Now)?;
        Ok(dead.prefix)
    }

    /// Deletes every object of a namespace but its declaration.
    fn clear_namespace(&self, prefix: Prefix) -> Result<()> {
        let declaration = ObjectId::declaration(prefix);
        loop {
            let first = self.attachment.locked(|locked| {
                let Some((index, _)) = locked.find(&declaration) else { return Ok(None) };
                let first = locked.segment().entry(index)?.first.load(Ordering::Relaxed);
                if first == NONE {
                    return Ok(None);
                }
                Ok(Some(id_of(locked.segment().entry(first)?)))
            })?;
            let Some(first) = first else { return Ok(()) };
            self.delete(&first, DeleteMode::Now)?;
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

    /// The declared namespaces, by prefix.
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
    /// Calls in a list that have not ended, counted up to `most`.
    fn queued(&self, first: u32, most: u32) -> Result<u32> {
        let mut count = 0;
        self.walk(first, |_, entry| {
            let word = Word(entry.state.load(Ordering::Acquire));
            count += u32::from(word.state() == State::Sealed && word.has(CALL) && !word.has(ENDED));
            Ok(count < most)
        })?;
        Ok(count)
    }
}
