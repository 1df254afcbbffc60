//! The store's lock as the rest of this module sees it: a closure that runs under it.
//!
//! A client that finds the lock dirty rebuilds before anything else. A closure that fails with `Corrupt`, or panics, leaves the
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
use crate::sync::cancel::Uncancelled;
use crate::sync::clock;
use crate::sync::fail;
use crate::sync::lock::{self, Got, Surroundings};
use crate::timeout::{Deadline, Timeout};

/// Proof that the lock is held.
pub(super) struct Locked<'a> {
    pub(super) attachment: &'a Attachment,
    in_order: Cell<bool>,
    /// Whether the event log has something new.
    pub(super) news: Cell<bool>,
    /// Nanoseconds since the epoch, once they were read: one reading serves all that is born in this turn.
    born: Cell<u64>,
    _to_the_end: Uncancelled,
}

/// Who else is attached to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Others {
    /// There is no other client.
    None,
    /// There are others, all of them dead and not reaped yet.
    Dead,
    /// At least one lives.
    Living,
}

struct Around<'a> {
    attachment: &'a Attachment,
    patience: Duration,
    /// When it ends. Mostly the lock is free, and no clock is read.
    until: Cell<Option<Instant>>,
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
        let now = clock::now();
        let until = self.until.get().unwrap_or(now + self.patience);
        self.until.set(Some(until));
        let left = until.saturating_duration_since(now);
        (!left.is_zero() && self.attachment.segment.kept().is_ok())
            .then(|| left.min(Duration::from_millis(20)))
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
        let before = PATIENCE.try_with(|patience| patience.replace(time));
        Patience { before: before.unwrap_or(LOCK_PATIENCE) }
    }
}

impl Drop for Patience {
    fn drop(&mut self) {
        let _ = PATIENCE.try_with(|patience| patience.set(self.before));
    }
}

impl Store {
    /// While what it gives lives, whatever this thread does with a store waits for its lock (a stopped process may hold it)
    /// no longer than `timeout`, but for 100 ms at least; else for 10 s. Then it fails with `Busy`. What waits for an object says
    /// `Timeout` instead if its time has passed ([`Deadline::or_late`]); what it looks at must not: there, `Timeout` would be
    /// taken for the answer that the object is not there.
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
    /// Runs `work` under the lock, if it can be had in the time of the function that we are in: else `Busy`, naming the holder.
    pub(super) fn locked<T>(&self, work: impl FnOnce(&Locked<'_>) -> Result<T>) -> Result<T> {
        self.locked_within(PATIENCE.try_with(Cell::get).unwrap_or(LOCK_PATIENCE), work)
    }

    /// Runs `work` under the lock, if it can be had in this time: else `Busy`, naming the holder.
    pub(super) fn locked_within<T>(
        &self,
        patience: Duration,
        work: impl FnOnce(&Locked<'_>) -> Result<T>,
    ) -> Result<T> {
        self.here()?;
        let word = &self.segment.header().lock.0;
        let around = Around { attachment: self, patience, until: Cell::new(None), dead: Cell::new(0) };
        // Before the lock is ours: from the first moment on, nothing may end this thread.
        let to_the_end = Uncancelled::from_now();
        let got = lock::acquire(word, self.number, &around)
            .map_err(|holder| self.here().err().unwrap_or_else(|| self.held_up_by(holder)))?;
        // Under the lock: whoever takes us for dead marks and frees our slot under it.
        if let Err(error) = self.here() {
            match got {
                Got::Clean => lock::release(word),
                Got::Dirty => lock::release_dirty(word),
            }
            return Err(error);
        }
        fail::point("lock.taken");
        let locked = Locked {
            attachment: self,
            in_order: Cell::new(false),
            news: Cell::new(false),
            born: Cell::new(0),
            _to_the_end: to_the_end,
        };
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
                dead => {
                    format!("the lock was taken over from {}, which crashed while holding it", self.who(dead))
                }
            };
            format!(
                "{}: rebuilt the bookkeeping of {} objects in {:.1} ms: {why}",
                self.place.path.display(),
                rebuilt.objects,
                rebuilt.took.as_secs_f64() * 1e3
            )
        });
    }

    /// Whether the client with this number is in this slot, and its reaping has not begun. What is true here may be so no
    /// longer in a moment; what is false stays so.
    pub(super) fn is_in(&self, slot: u32, number: u32) -> bool {
        let client = self.segment.client(slot);
        // SYNC: who takes a slot resets the mark before it writes its number.
        client.number.load(Ordering::Acquire) == number && client.dying.load(Ordering::Acquire) == 0
    }

    /// The slot of the client with this number, as [`Attachment::is_in`].
    pub(super) fn slot_of(&self, number: u32) -> Option<u32> {
        (0..self.segment.geometry().max_clients).find(|slot| self.is_in(*slot, number))
    }

    /// The display name of a client and a blank, or nothing if it is in no slot any more.
    pub(super) fn name_of(&self, number: u32) -> String {
        let mut slots = (0..self.segment.geometry().max_clients).map(|slot| self.segment.client(slot));
        let found = slots.find(|client| client.number.load(Ordering::Relaxed) == number);
        found.map_or_else(String::new, |client| format!("{} ", load_text(&client.name)))
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
        Error::new(
            Kind::Busy,
            format!("the store's lock is held by {who}, which is stopped or gets no CPU time"),
        )
    }
}

impl<'a> Locked<'a> {
    pub(super) fn segment(&self) -> &'a Segment {
        &self.attachment.segment
    }

    /// Nanoseconds since the epoch, about now.
    pub(super) fn epoch(&self) -> u64 {
        if self.born.get() == 0 {
            self.born.set(clock::epoch_nanos());
        }
        self.born.get()
    }

    pub(super) fn heap(&self) -> Heap<'a> {
        Heap::new(&self.attachment.segment)
    }

    /// Who else is attached: the one answer for the last client that leaves, for whoever finds a store that was left over, and
    /// for whoever waits for room. Under the lock, because clients take and give back their slots under it: no one can come or
    /// go between the look and what follows from it. A client that is just dying counts as living; it is reaped later.
    pub(super) fn others(&self) -> Others {
        let segment = self.segment();
        let mut others = Others::None;
        for slot in 0..segment.geometry().max_clients {
            let number = segment.client(slot).number.load(Ordering::Acquire);
            if number == 0 || number == self.attachment.number {
                continue;
            }
            if !segment.liveness.is_dead(number) {
                return Others::Living;
            }
            others = Others::Dead;
        }
        others
    }

    #[cold]
    fn rebuild_timed(&self) -> Result<Rebuilt> {
        let (begun, header) = (clock::now(), self.segment().header());
        let fresh = header.recoveries.load(Ordering::Relaxed) == NEVER_BUILT;
        self.rebuild()?;
        let objects = header.live.load(Ordering::Relaxed);
        Ok(Rebuilt { objects, fresh, took: clock::since(begun) })
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

#[cfg(test)]
mod tests;
