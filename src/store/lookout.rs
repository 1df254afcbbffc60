//! Lookouts: standing interest in many objects, and which of them may have changed.
//!
//! A waiter looks at all that it waits for whenever the bell rings. Who waits for a hundred thousand objects cannot: its bits
//! stay set in the buckets, and who rings also marks the bucket in the client's row of marks, before the bell. The marks are
//! taken by whichever lookout of the process asks first, and noted for all of them: each keeps the time (a count) up to which
//! it has been told.
//!
//! Add an object, then look at it; take the marks, then look at what lies in their buckets. A change that one look misses leaves
//! a mark for the next. A changer that dies between its change and its marks is reaped, which marks everything; one that is
//! stopped there is why everything must be looked at now and then all the same.

use super::attachment::Attachment;
use super::id::ObjectId;
use super::Store;
use crate::error::Result;
use crate::shm::layout::BUCKETS;
use crate::shm::segment::to_usize;
use crate::sync::atomic::lock;
use crate::sync::ring;

/// When each bucket rang last, by a clock that counts marks.
pub(super) struct Rung {
    clock: u64,
    stamps: Vec<u64>,
}

impl Default for Rung {
    fn default() -> Rung {
        Rung { clock: 0, stamps: vec![0; to_usize(BUCKETS)] }
    }
}

/// Keeps this client interested in objects while it lives, and tells which may have changed.
pub struct Lookout {
    store: Store,
    /// By bucket: how many objects were added.
    counts: Vec<u32>,
    /// Up to which mark it has been told.
    told: u64,
    wake_bits: u32,
}

impl Lookout {
    /// Buckets among which the objects are spread.
    pub const BUCKETS: usize = to_usize(BUCKETS);

    /// Adds an object, which is to be looked at afterwards. Gives its bucket.
    pub fn add(&mut self, id: &ObjectId) -> Result<usize> {
        let attachment = &self.store.attachment;
        attachment.here()?;
        let hash = attachment.hash(id);
        let bucket = hash.bucket() % BUCKETS;
        let place = to_usize(bucket);
        if self.counts[place] == 0 {
            attachment.waiting[place].join(attachment.bit(attachment.segment.bucket(bucket))?);
        }
        self.counts[place] += 1;
        self.wake_bits |= hash.wake_bit();
        Ok(place)
    }

    /// Takes an object back that was added.
    pub fn remove(&mut self, id: &ObjectId) {
        let place = self.bucket(id);
        self.counts[place] -= 1;
        if self.counts[place] == 0 {
            self.leave(place);
        }
    }

    /// The bucket of an object.
    pub fn bucket(&self, id: &ObjectId) -> usize {
        to_usize(self.store.attachment.hash(id).bucket() % BUCKETS)
    }

    fn leave(&self, place: usize) {
        let attachment = &self.store.attachment;
        if attachment.here().is_err() {
            return;
        }
        if let Ok(bit) = attachment.bit(attachment.segment.bucket(place as u64)) {
            attachment.waiting[place].leave(bit);
        }
    }

    /// Calls `visit` for each bucket that rang since the last time and has objects of this lookout.
    pub fn rung(&mut self, visit: impl FnMut(usize)) -> Result<()> {
        let attachment = &self.store.attachment;
        attachment.here()?;
        let counts = &self.counts;
        attachment.rung_since(&mut self.told, |place| counts[place] > 0, visit);
        Ok(())
    }

    /// The bits by which a thread is woken that waits for what was added so far.
    pub fn wake_bits(&self) -> u32 {
        self.wake_bits
    }
}

impl Attachment {
    /// Takes the marks, and calls `visit` for each bucket that rang since the mark `told` and `has` something.
    pub(super) fn rung_since(
        &self,
        told: &mut u64,
        has: impl Fn(usize) -> bool,
        mut visit: impl FnMut(usize),
    ) {
        let mut rung = lock(&self.rung);
        // Has another lookout taken marks since? Then the stamps tell of them, else what is taken here is all.
        let behind = rung.clock != *told;
        ring::take(&self.segment.client(self.slot).rung, |place| {
            rung.clock += 1;
            let clock = rung.clock;
            rung.stamps[place] = clock;
            if !behind && has(place) {
                visit(place);
            }
        });
        if behind {
            let since = *told;
            let news = |(place, stamp): (usize, &u64)| (*stamp > since && has(place)).then_some(place);
            rung.stamps.iter().enumerate().filter_map(news).for_each(visit);
        }
        *told = rung.clock;
    }
}

impl Drop for Lookout {
    fn drop(&mut self) {
        (0..self.counts.len()).filter(|place| self.counts[*place] > 0).for_each(|place| self.leave(place));
    }
}

impl Store {
    /// A lookout for nothing yet.
    pub fn lookout(&self) -> Lookout {
        Lookout { store: self.clone(), counts: vec![0; Lookout::BUCKETS], told: 0, wake_bits: 0 }
    }
}

#[cfg(test)]
mod tests;
