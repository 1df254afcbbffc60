//! The store's lock as the rest of this room sees it: a closure that runs under it.
//!
//! Whoever finds the lock dirty rebuilds before anything else. A closure that fails with `Corrupt`, or panics, leaves the
//! lock dirty, so that the next holder rebuilds too.

use std::cell::Cell;
use std::time::{Duration, Instant};

use super::attachment::{Attachment, LOCK_PATIENCE};
use crate::error::{Error, Kind, Result};
use crate::shm::heap::Heap;
use crate::shm::layout::load_text;
use crate::shm::segment::Segment;
use crate::sync::atomic::Ordering;
use crate::sync::fail;
use crate::sync::lock::{self, Got, Surroundings};

/// Proof that the lock is held.
pub(super) struct Locked<'a> {
    pub(super) attachment: &'a Attachment,
    in_order: Cell<bool>,
    /// Whether the event log has something new.
    pub(super) news: Cell<bool>,
}

struct Around<'a> {
    attachment: &'a Attachment,
    until: Instant,
}

impl Surroundings for Around<'_> {
    fn is_dead(&self, number: u32) -> bool {
        self.attachment.segment.liveness.is_dead(number)
    }

    fn slice(&self) -> Option<Duration> {
        let left = self.until.saturating_duration_since(Instant::now());
        (!left.is_zero()).then(|| left.min(Duration::from_millis(20)))
    }
}

impl Attachment {
    /// Runs `work` under the lock.
    pub(super) fn locked<T>(&self, work: impl FnOnce(&Locked<'_>) -> Result<T>) -> Result<T> {
        self.locked_within(LOCK_PATIENCE, work)
    }

    /// Runs `work` under the lock, if it can be had in time: else `Busy`, naming the holder.
    pub(super) fn locked_within<T>(
        &self,
        patience: Duration,
        work: impl FnOnce(&Locked<'_>) -> Result<T>,
    ) -> Result<T> {
        self.here()?;
        let word = &self.segment.header().lock.0;
        let around = Around { attachment: self, until: Instant::now() + patience };
        let got = lock::acquire(word, self.number, &around).map_err(|holder| self.held_up_by(holder))?;
        fail::point("lock.taken");
        let locked = Locked { attachment: self, in_order: Cell::new(false), news: Cell::new(false) };
        if got == Got::Dirty {
            locked.rebuild()?;
        }
        if self.segment.header().sweep.load(Ordering::Relaxed) != 0 {
            locked.sweep()?;
        }
        let result = work(&locked);
        locked.in_order.set(!matches!(&result, Err(error) if error.kind() == Kind::Corrupt));
        let news = locked.news.get();
        drop(locked);
        if news {
            self.ring_log();
        }
        result
    }

    fn held_up_by(&self, holder: u32) -> Error {
        let slots = 0..self.segment.geometry().max_clients;
        let who = slots.map(|slot| self.segment.client(slot)).find_map(|client| {
            let same = client.number.load(Ordering::Relaxed) == holder;
            same.then(|| format!("{} (pid {})", load_text(&client.name), client.pid.load(Ordering::Relaxed)))
        });
        let who = who.unwrap_or_else(|| format!("client {holder}"));
        Error::new(Kind::Busy, format!("the store's lock is held by {who}, which lives and does not go on"))
    }
}

impl<'a> Locked<'a> {
    pub(super) fn segment(&self) -> &'a Segment {
        &self.attachment.segment
    }

    pub(super) fn heap(&self) -> Heap<'a> {
        Heap::new(&self.attachment.segment)
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        let word = &self.segment().header().lock.0;
        if self.in_order.get() {
            lock::release(word);
        } else {
            lock::release_dirty(word);
        }
    }
}
