//! The store's lock as the rest of this room sees it: a closure that runs under it.
//!
//! Whoever finds the lock dirty rebuilds before anything else. A closure that fails with `Corrupt`, or panics, leaves the
//! lock dirty, so that the next holder rebuilds too.

use std::cell::Cell;
use std::time::{Duration, Instant};

use super::attachment::{Attachment, LEAVE_PATIENCE, LOCK_PATIENCE};
use super::Store;
use crate::error::{Error, Kind, Result};
use crate::log::{self, Level};
use crate::shm::heap::Heap;
use crate::shm::layout::{load_text, NEVER_BUILT};
use crate::shm::segment::Segment;
use crate::sync::atomic::Ordering;
use crate::sync::fail;
use crate::sync::lock::{self, Got, Surroundings};
use crate::timeout::{Deadline, Timeout};

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
    /// The last holder that was found dead; 0: none.
    dead: Cell<u32>,
}

impl Surroundings for Around<'_> {
    fn is_dead(&self, number: u32) -> bool {
        let dead = self.attachment.segment.liveness.is_dead(number);
        if dead {
            self.dead.set(number);
        }
        dead
    }

    fn slice(&self) -> Option<Duration> {
        let left = self.until.saturating_duration_since(Instant::now());
        (!left.is_zero()).then(|| left.min(Duration::from_millis(20)))
    }
}

thread_local! {
    /// How long this thread waits for the lock, unless it is releasing something.
    static PATIENCE: Cell<Duration> = const { Cell::new(LOCK_PATIENCE) };
}

/// While it lives, this thread waits for the lock no longer than the function it is in was asked to wait.
pub struct Patience {
    before: Duration,
}

impl Patience {
    /// As long as the timeout says, but always a moment, and never longer than without.
    pub(super) fn of(timeout: Timeout) -> Patience {
        Patience::at_most(match timeout {
            Timeout::Poll => LEAVE_PATIENCE,
            Timeout::After(time) => time,
            Timeout::Forever => LOCK_PATIENCE,
        })
    }

    /// The same for what is left until the deadline.
    pub(super) fn until(deadline: &Deadline) -> Patience {
        Patience::at_most(deadline.left(LOCK_PATIENCE).unwrap_or_default())
    }

    fn at_most(time: Duration) -> Patience {
        let time = time.clamp(LEAVE_PATIENCE, LOCK_PATIENCE);
        Patience { before: PATIENCE.try_with(|patience| patience.replace(time)).unwrap_or(LOCK_PATIENCE) }
    }
}

impl Drop for Patience {
    fn drop(&mut self) {
        let _ = PATIENCE.try_with(|patience| patience.set(self.before));
    }
}

impl Store {
    /// While what it gives lives, whatever this thread does with a store waits for its lock (a stopped process may hold it)
    /// no longer than `timeout`, but for 100 ms at least. Else that is 10 s.
    pub fn patience(&self, timeout: Timeout) -> Patience {
        Patience::of(timeout)
    }
}

/// A rebuild that was made under the lock, to be told after it.
struct Rebuilt {
    objects: u32,
    /// It was no rebuild but the first building, of a store whose memory was reserved when it was made.
    fresh: bool,
    took: Duration,
}

impl Attachment {
    /// Runs `work` under the lock.
    pub(super) fn locked<T>(&self, work: impl FnOnce(&Locked<'_>) -> Result<T>) -> Result<T> {
        self.locked_within(PATIENCE.try_with(Cell::get).unwrap_or(LOCK_PATIENCE), work)
    }

    /// Runs `work` under the lock, if it can be had in time: else `Busy`, naming the holder.
    pub(super) fn locked_within<T>(
        &self,
        patience: Duration,
        work: impl FnOnce(&Locked<'_>) -> Result<T>,
    ) -> Result<T> {
        self.here()?;
        let word = &self.segment.header().lock.0;
        let around = Around { attachment: self, until: Instant::now() + patience, dead: Cell::new(0) };
        let got = lock::acquire(word, self.number, &around).map_err(|holder| self.held_up_by(holder))?;
        fail::point("lock.taken");
        let locked = Locked { attachment: self, in_order: Cell::new(false), news: Cell::new(false) };
        let rebuilt = if got == Got::Dirty { Some(locked.rebuild_timed()?) } else { None };
        if self.segment.header().sweep.load(Ordering::Relaxed) != 0 {
            locked.sweep()?;
        }
        let result = work(&locked);
        locked.in_order.set(!matches!(&result, Err(error) if error.kind() == Kind::Corrupt));
        let news = locked.news.get();
        drop(locked);
        if rebuilt.is_some() {
            // Whoever died (or panicked) under the lock has rung nobody; and who looked meanwhile may have seen half of it.
            self.ring_everybody();
        } else if news {
            self.ring_log();
        }
        if let Some(rebuilt) = rebuilt {
            self.tell_of(&rebuilt, around.dead.get());
        }
        result
    }

    #[cold]
    fn tell_of(&self, rebuilt: &Rebuilt, dead: u32) {
        let fresh = rebuilt.fresh && dead == 0;
        log::write(if fresh { Level::Debug } else { Level::Warning }, || {
            let why = match dead {
                _ if fresh => "it is new".to_owned(),
                0 => "its last change was not completed".to_owned(),
                dead => format!("the lock was taken over from {}, which died holding it", self.who(dead)),
            };
            format!(
                "{}: rebuilt the bookkeeping of {} objects in {:.1} ms: {why}",
                self.place.path.display(),
                rebuilt.objects,
                rebuilt.took.as_secs_f64() * 1e3
            )
        });
    }

    /// A client in a sentence.
    pub(super) fn who(&self, number: u32) -> String {
        let slots = 0..self.segment.geometry().max_clients;
        let found = slots.map(|slot| self.segment.client(slot)).find_map(|client| {
            let same = client.number.load(Ordering::Relaxed) == number;
            same.then(|| {
                let (name, host) = (load_text(&client.name), load_text(&client.host));
                format!("{name} (pid {} on {host}, client {number})", client.pid.load(Ordering::Relaxed))
            })
        });
        found.unwrap_or_else(|| format!("client {number}"))
    }

    fn held_up_by(&self, holder: u32) -> Error {
        let who = self.who(holder);
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

    #[cold]
    fn rebuild_timed(&self) -> Result<Rebuilt> {
        let (begun, header) = (Instant::now(), self.segment().header());
        let fresh = header.recoveries.load(Ordering::Relaxed) == NEVER_BUILT;
        self.rebuild()?;
        let objects = header.live.load(Ordering::Relaxed);
        Ok(Rebuilt { objects, fresh, took: begun.elapsed() })
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
