//! Which clients wait. The buckets show it: a client has its bit in those of the objects that it waits for.

use super::inspect::slots_of;
use super::Store;
use crate::error::Result;
use crate::shm::layout::BUCKETS;
use crate::sync::atomic::Ordering;

impl Store {
    /// The numbers of the clients that wait for objects now, sorted. An idle processor waits too. A processor whose
    /// calls wait for inputs is included also while it runs another call. A client that waits with a descriptor is
    /// included as long as it watches.
    ///
    /// # Errors
    /// `Forked`.
    pub fn waiters(&self) -> Result<Vec<u32>> {
        self.attachment.here()?;
        let segment = &self.attachment.segment;
        let mut waiters: Vec<u32> = (0..BUCKETS)
            .flat_map(|bucket| slots_of(segment.bucket(bucket)))
            .map(|slot| segment.client(slot).number.load(Ordering::Relaxed))
            // A slot that was given back between two looks.
            .filter(|number| *number != 0)
            .collect();
        waiters.sort_unstable();
        waiters.dedup();
        Ok(waiters)
    }
}
