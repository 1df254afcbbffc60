//! Rows that wait for their inputs, by what they wait for.
//!
//! A row waits for one input at a time: the first that does not exist. Rows that wait for the same life of the same object are
//! one group, which is looked at once for all of them, when its bucket rang.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::store::{EntryKey, Lookout, ObjectId, ObjectState, Store};
use crate::sync::hash::{FastMap, Seed};
use crate::wire::Cell;

use super::call_object::CallObject;

/// An input that a row waits for.
struct Awaited {
    id: ObjectId,
    /// The entry it was seen with: if that goes, the input is lost.
    seen: Option<EntryKey>,
    /// It was there when the call was issued: if it is absent, it is lost, too.
    was_there: bool,
}

/// An object, in the life that a row has seen; None: it has never been there.
pub(super) type Sight = (ObjectId, Option<EntryKey>);

/// One invocation that waits for its inputs.
pub(super) struct PendingRow {
    pub(super) object: Arc<CallObject>,
    pub(super) row: usize,
    /// Its place in the order of issue.
    pub(super) order: u64,
    inputs: Vec<Awaited>,
    /// The first input that has not been seen to exist.
    next: usize,
    /// Why it can never run: it is taken to be failed.
    pub(super) hopeless: Option<Box<Error>>,
    /// Nobody wants its outputs: it is taken to be ended.
    pub(super) dropped: bool,
}

impl PendingRow {
    /// A row of a call object; `there` says by parameter whether an input was there at issue.
    pub(super) fn new(object: &Arc<CallObject>, row: usize, order: u64, there: &[bool]) -> PendingRow {
        let was_there = |param: usize| there.get(param).copied().unwrap_or(false);
        let inputs = object.function.inputs(&object.rows[row]);
        let inputs = inputs.map(|(param, id)| Awaited { id, seen: None, was_there: was_there(param) });
        let inputs = inputs.collect();
        PendingRow { object: object.clone(), row, order, inputs, next: 0, hopeless: None, dropped: false }
    }

    /// Whether its caller has let all its outputs go, though not those of other rows of its batch.
    pub(super) fn was_dropped(&self, store: &Store) -> Result<bool> {
        if self.object.rows.len() == 1 {
            return Ok(false);
        }
        let mut has_outputs = false;
        for (_, id) in self.object.function.outputs(self.cells()) {
            // They were promised before we saw the call: one that is not there has gone, and does not come again.
            if !matches!(store.look(&id)?, ObjectState::Absent) {
                return Ok(false);
            }
            has_outputs = true;
        }
        Ok(has_outputs)
    }

    pub(super) fn cells(&self) -> &[Cell] {
        &self.object.rows[self.row]
    }

    /// The entry that the `nth` input was seen with.
    pub(super) fn seen(&self, nth: usize) -> Option<EntryKey> {
        self.inputs.get(nth).and_then(|input| input.seen)
    }

    /// What it waits for.
    pub(super) fn waits_for(&self) -> Option<Sight> {
        self.inputs.get(self.next).map(|input| (input.id, input.seen))
    }

    /// The inputs that have not been seen to exist.
    pub(super) fn missing(&self) -> impl Iterator<Item = ObjectId> + '_ {
        self.inputs.iter().skip(self.next).map(|input| input.id)
    }

    /// True when every input exists, or when one has failed or is known to be lost: then the call is taken to
    /// be failed, without waiting for the others.
    pub(super) fn is_ready(&mut self, store: &Store) -> Result<bool> {
        while let Some(input) = self.inputs.get_mut(self.next) {
            let (key, sealed) = match store.look(&input.id)? {
                ObjectState::Absent => return Ok(input.seen.is_some() || input.was_there),
                ObjectState::Failed { .. } => return Ok(true),
                ObjectState::Sealed { key } => (key, true),
                ObjectState::Awaited { key, .. } | ObjectState::Creating { key } => (key, false),
            };
            if *input.seen.get_or_insert(key) != key {
                return Ok(true);
            }
            if !sealed {
                return Ok(false);
            }
            self.next += 1;
        }
        Ok(true)
    }
}

/// Which rows, by their order, wait for what.
pub(super) struct Watchlist {
    lookout: Lookout,
    /// As the lookout spreads the objects.
    buckets: Vec<FastMap<Sight, Vec<u64>>>,
    groups: usize,
}

impl Watchlist {
    pub(super) fn new(store: &Store) -> Watchlist {
        let seed = Seed::default();
        let buckets = (0..Lookout::BUCKETS).map(|_| FastMap::with_hasher(seed)).collect();
        Watchlist { lookout: store.lookout(), buckets, groups: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.groups == 0
    }

    /// How many groups there are in a bucket.
    pub(super) fn len(&self, bucket: usize) -> usize {
        self.buckets[bucket].len()
    }

    /// Adds a row. True if it is the first of its group: then what it waits for is to be looked at once more, as nobody
    /// would have told of a change before.
    pub(super) fn add(&mut self, sight: Sight, order: u64) -> Result<bool> {
        let bucket = self.lookout.bucket(&sight.0);
        if let Some(rows) = self.buckets[bucket].get_mut(&sight) {
            rows.push(order);
            return Ok(false);
        }
        self.lookout.add(&sight.0)?;
        self.buckets[bucket].insert(sight, vec![order]);
        self.groups += 1;
        Ok(true)
    }

    /// Takes one row out of its group.
    pub(super) fn remove(&mut self, sight: Sight, order: u64) {
        self.retain(sight, |other| other != order);
    }

    /// Takes rows out of a group; an empty one goes.
    pub(super) fn retain(&mut self, sight: Sight, mut stays: impl FnMut(u64) -> bool) {
        let bucket = self.lookout.bucket(&sight.0);
        let Some(rows) = self.buckets[bucket].get_mut(&sight) else { return };
        rows.retain(|order| stays(*order));
        if rows.is_empty() {
            self.take(sight);
        }
    }

    /// Takes a group out: its rows.
    pub(super) fn take(&mut self, sight: Sight) -> Vec<u64> {
        let bucket = self.lookout.bucket(&sight.0);
        let Some(rows) = self.buckets[bucket].remove(&sight) else { return Vec::new() };
        self.groups -= 1;
        self.lookout.remove(&sight.0);
        rows
    }

    /// The rows of a group.
    pub(super) fn rows(&self, sight: Sight) -> &[u64] {
        let bucket = self.lookout.bucket(&sight.0);
        self.buckets[bucket].get(&sight).map_or(&[], Vec::as_slice)
    }

    /// What is waited for in a bucket.
    pub(super) fn sights(&self, bucket: usize) -> Vec<Sight> {
        #[cfg_attr(not(feature = "simulate"), expect(unused_mut, reason = "sorted where a seed must replay"))]
        let mut sights: Vec<_> = self.buckets[bucket].keys().copied().collect();
        #[cfg(feature = "simulate")]
        sights.sort_unstable_by_key(|(id, seen)| (*id, seen.map(|key| (key.index, key.generation))));
        sights
    }

    /// Adds the buckets that rang to `due`.
    pub(super) fn rung(&mut self, due: &mut Vec<usize>) -> Result<()> {
        self.lookout.rung(|bucket| due.push(bucket))
    }

    /// The bits by which a thread is woken that waits for any of it.
    pub(super) fn wake_bits(&self) -> u32 {
        self.lookout.wake_bits()
    }

    pub(super) fn clear(&mut self) {
        for bucket in 0..self.buckets.len() {
            for sight in self.sights(bucket) {
                self.take(sight);
            }
        }
    }
}

/// Whether an object is still as a group has seen it, so that its rows go on waiting.
pub(super) fn is_unchanged(store: &Store, (id, seen): Sight) -> Result<bool> {
    Ok(match store.look(&id)? {
        ObjectState::Absent => seen.is_none(),
        ObjectState::Sealed { .. } | ObjectState::Failed { .. } => false,
        ObjectState::Awaited { key, .. } | ObjectState::Creating { key } => seen == Some(key),
    })
}

#[cfg(test)]
mod tests;
