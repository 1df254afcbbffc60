//! Waiting without a server: buckets show which clients wait, and doorbells wake them.
//!
//! To wait: join the bucket of each ID, read the bell, check, sleep. A client that changes an object rings the clients
//! of its bucket. One of the two sees the other: see [`crate::sync::ring`]. If a client is killed before it rings, its
//! waiters wait one slice longer. At the end of the slice they check again, and then also check whether the producer is
//! running.
//!
//! The time to spin before sleeping is learned, because no fixed time is best everywhere (on two cores, another process
//! that computes makes any spinning a loss). It grows while it pays off, and shrinks when it does not. It grows again
//! when a ring came so soon after falling asleep that spinning would have caught it. Its maximum depends on the cost of
//! waking up on the machine (5 µs or 100). Otherwise two processes that answer each other, and that spin for less time
//! than the other needs to wake up, would put each other to sleep for ever.

use std::time::{Duration, Instant};

use super::attachment::Attachment;
use super::buffer::{deleted, Buffer, Look};
use super::entries::EntryKey;
use super::id::ObjectId;
use super::index::Hash;
use super::inspect::ObjectState;
use super::locked::Patience;
use super::Store;
use crate::error::{Error, Kind, Result};
use crate::interrupt;
use crate::shm::layout::BUCKETS;
use crate::shm::segment::to_usize;
use crate::sync::atomic::{fence, spin, Ordering};
use crate::sync::clock;
use crate::sync::doorbell::{self, Woken};
use crate::sync::ring;
use crate::timeout::{Deadline, Timeout};

/// How long anybody sleeps without looking again.
const SLICE: Duration = Duration::from_millis(250);
/// How often a poll asks whether a producer lives.
const ASK_MILLIS: u64 = 100;
/// Shortest spinning, in nanoseconds; between which bounds the longest is, and how many times what waking up costs.
const SPIN_LEAST: u32 = 64;
const SPIN_MOST: (u32, u32) = (50_000, 500_000);
const SPIN_WAKES: u32 = 4;

/// Our bits in the buckets of some IDs; taken back when dropped.
pub(super) struct Interest<'a> {
    attachment: &'a Attachment,
    buckets: Vec<u64>,
    wake_bits: u32,
}

impl Interest<'_> {
    pub(super) fn in_objects<'a>(attachment: &'a Attachment, ids: &[ObjectId]) -> Result<Interest<'a>> {
        let most = ids.len().min(attachment.waiting.len());
        let mut interest = Interest { attachment, buckets: Vec::with_capacity(most), wake_bits: 0 };
        let mut seen = [0u64; to_usize(BUCKETS / 64)];
        for id in ids {
            let hash = attachment.hash(id);
            let bucket = hash.bucket() % attachment.waiting.len() as u64;
            interest.wake_bits |= hash.wake_bit();
            // However many objects: there are only so many buckets.
            let (word, bit) = (&mut seen[to_usize(bucket / 64)], 1 << (bucket % 64));
            if *word & bit != 0 {
                continue;
            }
            *word |= bit;
            let bit = attachment.bit(attachment.segment.bucket(bucket))?;
            attachment.waiting[to_usize(bucket)].join(bit);
            interest.buckets.push(bucket);
        }
        Ok(interest)
    }

    /// Leaves the bits set, until [`Interest::end`].
    pub(super) fn keep(mut self) -> Vec<u64> {
        std::mem::take(&mut self.buckets)
    }

    /// Takes the bits in these buckets back.
    pub(super) fn end(attachment: &Attachment, buckets: &[u64]) {
        if attachment.here().is_err() {
            return;
        }
        for bucket in buckets {
            if let Ok(bit) = attachment.bit(attachment.segment.bucket(*bucket)) {
                attachment.waiting[to_usize(*bucket)].leave(bit);
            }
        }
    }
}

impl Drop for Interest<'_> {
    fn drop(&mut self) {
        Interest::end(self.attachment, &self.buckets);
    }
}

impl Attachment {
    /// Wakes whoever waits at the bucket of this ID. The change it waits for has been made.
    pub(super) fn ring(&self, id: &ObjectId) {
        self.ring_by(self.hash(id));
    }

    /// The same where its hash is known.
    pub(super) fn ring_by(&self, hash: Hash) {
        self.ring_row(hash.bucket() % self.waiting.len() as u64, hash.wake_bit());
    }

    /// The same where the change was a step of the object's life, which a fence follows.
    pub(super) fn ring_step(&self, hash: Hash) {
        let row = hash.bucket() % self.waiting.len() as u64;
        ring::ring_behind_fence(self.segment.bucket(row), hash.wake_bit(), |slot| self.waiter(row, slot));
    }

    /// Rings the clients of a row, after the change that they wait for.
    pub(super) fn ring_row(&self, row: u64, wake_bits: u32) {
        ring::ring(self.segment.bucket(row), wake_bits, |slot| self.waiter(row, slot));
    }

    fn waiter(&self, row: u64, slot: u32) -> ring::Client<'_> {
        let client = self.segment.client(slot);
        let mark = client.rung.get(to_usize(row / 64)).map(|word| (word, 1 << (row % 64)));
        ring::Client { bell: &client.bell.0, mark }
    }

    /// Rings every client, for changes of somebody who can do so no more.
    #[cold]
    pub(super) fn ring_everybody(&self) {
        fence(Ordering::SeqCst);
        for slot in 0..self.segment.geometry().max_clients {
            let client = self.segment.client(slot);
            if client.number.load(Ordering::Relaxed) != 0 {
                ring::ring_for_all(&client.rung, &client.bell.0);
            }
        }
    }

    /// Fails while the interrupt level is up.
    pub(super) fn interrupt_error(&self) -> Result<()> {
        if self.interrupted.load(Ordering::SeqCst) == 0 {
            return Ok(());
        }
        Err(interrupt::interrupted())
    }

    /// Spins until the bell rings or the time that has paid off lately is over. True if it rang.
    fn spin_for(&self, start: Instant, seen: u32) -> bool {
        let budget = self.spin.load(Ordering::Relaxed);
        let bell = &self.segment.client(self.slot).bell.0;
        let limit = Duration::from_nanos(u64::from(budget));
        loop {
            // Before anything else: on a machine whose cores are all busy, or which has one, the one we wait for may be waiting
            // for ours. Where it is not, this takes less time than its answer. Where spinning has not paid off we are about to
            // sleep, and get the core back sooner by a wake-up than behind a neighbour that computes.
            if budget > SPIN_LEAST {
                clock::yield_now();
            }
            for _ in 0..32 {
                // Not any other change: threads of ours that fall asleep and wake say so in it.
                if doorbell::rang(seen, doorbell::read(bell)) {
                    self.spin.store(budget.saturating_mul(2).min(self.most()), Ordering::Relaxed);
                    return true;
                }
                spin();
            }
            if clock::since(start) >= limit {
                break;
            }
        }
        self.spin.store((budget / 2).max(SPIN_LEAST), Ordering::Relaxed);
        false
    }

    /// The longest time to spin.
    fn most(&self) -> u32 {
        let (least, most) = SPIN_MOST;
        self.wake_cost.load(Ordering::Relaxed).saturating_mul(SPIN_WAKES).clamp(least, most)
    }

    /// Spinning did not pay. If the ring came so soon that a little more would have: try that next time.
    fn learn(&self, spun: Duration, woken: Woken) {
        let nanos = |time: Duration| u32::try_from(time.as_nanos()).unwrap_or(u32::MAX);
        // The least of late: a processor that was busy with somebody else is not what waking up costs.
        let (known, late) = (self.wake_cost.load(Ordering::Relaxed), nanos(woken.late));
        let cost = if known == 0 || late < known { late } else { known + (late - known) / 16 };
        self.wake_cost.store(cost, Ordering::Relaxed);
        let wanted = nanos(spun + woken.slept);
        if wanted < self.most() {
            let budget = wanted.saturating_add(wanted / 4).max(self.spin.load(Ordering::Relaxed));
            self.spin.store(budget.min(self.most()), Ordering::Relaxed);
        }
    }
}

impl Store {
    /// Interrupts all waits while `on` is true: every blocking function of this attachment returns `Interrupted`. May
    /// be called from any thread and from a signal handler.
    pub fn interrupt(&self, on: bool) {
        let attachment = &self.attachment;
        if attachment.here().is_ok() {
            attachment.interrupted.store(u32::from(on), Ordering::SeqCst);
            if on {
                doorbell::ring(&attachment.segment.client(attachment.slot).bell.0, u32::MAX);
            }
        }
    }

    /// Wakes the threads of this process that wait for this ID, for changes within this process.
    pub fn nudge(&self, id: &ObjectId) {
        let attachment = &self.attachment;
        if attachment.here().is_ok() {
            let bits = attachment.hash(id).wake_bit();
            doorbell::ring(&attachment.segment.client(attachment.slot).bell.0, bits);
        }
    }

    /// Blocks until `check` gives something, looking again whenever one of `ids` changes (an object; a declaration: its
    /// namespace's queue of calls).
    ///
    /// # Errors
    /// `Timeout`, `Interrupted`, and what `check` fails with.
    pub fn wait_until<T>(
        &self,
        ids: &[ObjectId],
        timeout: Timeout,
        check: &mut dyn FnMut() -> Result<Option<T>>,
    ) -> Result<T> {
        self.wait_besides(ids, 0, timeout, check)
    }

    /// As [`Store::wait_until`], and looks again at a ring with one of `wake_bits`, too: those of a
    /// [`Lookout`](super::Lookout), whose bits in the buckets are set all the time.
    ///
    /// # Errors
    /// Those of [`Store::wait_until`].
    pub fn wait_besides<T>(
        &self,
        ids: &[ObjectId],
        wake_bits: u32,
        timeout: Timeout,
        check: &mut dyn FnMut() -> Result<Option<T>>,
    ) -> Result<T> {
        let attachment = &*self.attachment;
        attachment.here()?;
        let deadline = timeout.deadline();
        self.run_errands();
        let _patience = Patience::of(timeout);
        if let Some(done) = check().map_err(|error| deadline.or_late(error))? {
            return Ok(done);
        }
        if timeout == Timeout::Poll {
            return Err(passed());
        }
        let interest = Interest::in_objects(attachment, ids)?;
        self.sleep_until(interest.wake_bits | wake_bits, &deadline, check)
    }

    /// As [`Store::wait_until`], for a reader of the event log, whose bit is set all the time.
    pub(super) fn wait_for_log<T>(
        &self,
        wake_bits: u32,
        timeout: Timeout,
        check: &mut dyn FnMut() -> Result<Option<T>>,
    ) -> Result<T> {
        self.attachment.here()?;
        let deadline = timeout.deadline();
        if let Some(done) = check().map_err(|error| deadline.or_late(error))? {
            return Ok(done);
        }
        if timeout == Timeout::Poll {
            return Err(passed());
        }
        self.sleep_until(wake_bits, &deadline, check)
    }

    /// Sleeps on the doorbell until `check` gives something. Our bits are set.
    fn sleep_until<T>(
        &self,
        wake_bits: u32,
        deadline: &Deadline,
        check: &mut dyn FnMut() -> Result<Option<T>>,
    ) -> Result<T> {
        let attachment = &*self.attachment;
        let bell = &attachment.segment.client(attachment.slot).bell.0;
        let mut looked = clock::now();
        loop {
            let seen = doorbell::read(bell);
            attachment.interrupt_error()?;
            let _patience = Patience::until(deadline);
            if let Some(done) = check().map_err(|error| deadline.or_late(error))? {
                return Ok(done);
            }
            // By the clock: a bell that rings all the time for others must not keep us from finding the dead.
            let begun = clock::now();
            // Before the slice: what it does may be what is waited for.
            self.run_errands();
            if begun.saturating_duration_since(looked) >= SLICE {
                looked = begun;
                interrupt::ask()?;
                attachment.kept()?;
                if self.reap_by_turn() > 0 {
                    continue;
                }
            }
            let Some(slice) = deadline.left_at(begun, SLICE) else { return Err(passed()) };
            if attachment.spin_for(begun, seen) {
                continue;
            }
            let spun = clock::since(begun);
            if let Some(woken) = doorbell::sleep(bell, &attachment.sleepers, seen, wake_bits, slice) {
                attachment.learn(spun, woken);
            }
            // A slice has passed, or a signal came: nothing on the way of those whom a ring wakes.
            if !doorbell::rang(seen, doorbell::read(bell)) {
                interrupt::ask()?;
            }
        }
    }

    /// Waits until this life of an object exists, and pins nothing.
    ///
    /// # Errors
    /// Those of [`Store::get_key`].
    pub fn wait_key(&self, key: EntryKey, id: &ObjectId, timeout: Timeout) -> Result<()> {
        let mut asked: Option<Instant> = None;
        self.wait_until(&[*id], timeout, &mut || {
            let now = self.look_key(key, id)?;
            let producer = match now {
                ObjectState::Sealed { .. } => return Ok(Some(())),
                ObjectState::Failed { error, .. } => return Err(error),
                ObjectState::Absent => return Err(deleted(id)),
                ObjectState::Awaited { producer, .. } => producer,
                ObjectState::Creating { .. } => {
                    self.attachment.segment.entry(key.index)?.creator.load(Ordering::Relaxed)
                }
            };
            let ask = match asked {
                // A wait has just begun; a poll comes here once.
                None if timeout != Timeout::Poll => {
                    asked = Some(clock::now());
                    false
                }
                Some(last) if clock::since(last) < Duration::from_millis(ASK_MILLIS) => false,
                _ => {
                    asked = Some(clock::now());
                    true
                }
            };
            if ask && self.is_lost(key, id, producer)? {
                self.attachment.reap(producer);
                return match self.look_key(key, id)? {
                    ObjectState::Failed { error, .. } => Err(error),
                    ObjectState::Sealed { .. } => Ok(Some(())),
                    ObjectState::Absent => Err(deleted(id)),
                    _ => Ok(None),
                };
            }
            Ok(None)
        })
        .map_err(|error| match error.kind() {
            Kind::Timeout => not_in_time(id),
            _ => error,
        })
    }

    /// Asks whether an object's producer has died; then it has been ended in its place.
    fn is_lost(&self, key: EntryKey, id: &ObjectId, producer: u32) -> Result<bool> {
        let ask = producer != self.attachment.number && self.may_ask();
        Ok(ask && !self.alive(producer) && self.bury(key, id, producer)?)
    }

    /// Waits until every ID exists or has failed, or the timeout has passed. A life given goes with the first ID.
    pub(super) fn wait_for(
        &self,
        ids: &[ObjectId],
        life: Option<EntryKey>,
        timeout: Timeout,
    ) -> Result<Vec<Result<Buffer>>> {
        let mut slots: Vec<Waited> = ids.iter().map(|id| Waited::new(*id, life)).collect();
        let mut asked = clock::now();
        let waited = self.wait_until(ids, timeout, &mut || {
            let ask = timeout == Timeout::Poll || clock::since(asked) >= Duration::from_millis(ASK_MILLIS);
            if ask {
                asked = clock::now();
            }
            let mut missing = false;
            for slot in &mut slots {
                missing |= !self.look_again(slot, ask)?;
            }
            Ok((!missing).then_some(()))
        });
        match waited {
            Ok(()) => {}
            Err(error) if error.kind() == Kind::Timeout => {}
            Err(error) => return Err(error),
        }
        Ok(slots.into_iter().map(Waited::result).collect())
    }

    /// Looks at one object that is waited for. True once it has a result.
    fn look_again(&self, slot: &mut Waited, ask: bool) -> Result<bool> {
        if slot.result.is_some() {
            return Ok(true);
        }
        let found = match self.look_for(&slot.id, slot.life)? {
            Look::There(buffer) => Ok(buffer),
            Look::Failed { error, .. } => Err(error),
            // What was promised and has gone is deleted; what nobody promised may still come.
            Look::Absent if slot.life.is_some() => Err(deleted(&slot.id)),
            Look::Absent => return Ok(false),
            Look::Coming { key, producer } => {
                slot.life = Some(key);
                if !ask || !self.is_lost(key, &slot.id, producer)? {
                    return Ok(false);
                }
                // Others are to know, too, and what it held is wanted back.
                self.attachment.reap(producer);
                return self.look_again(slot, false);
            }
        };
        slot.result = Some(found);
        Ok(true)
    }

    /// What must not wait for the kernel asks it at most every 100 ms.
    pub(super) fn may_ask(&self) -> bool {
        let now = self.attachment.millis() + ASK_MILLIS;
        let asked = self.attachment.asked.load(Ordering::Relaxed);
        now >= asked + ASK_MILLIS
            && self
                .attachment
                .asked
                .compare_exchange(asked, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }
}

fn passed() -> Error {
    Error::new(Kind::Timeout, "the timeout has passed")
}

fn not_in_time(id: &ObjectId) -> Error {
    Error::new(Kind::Timeout, format!("the object {id} was not created in time"))
}

/// One object that is waited for.
struct Waited {
    id: ObjectId,
    life: Option<EntryKey>,
    result: Option<Result<Buffer>>,
}

impl Waited {
    fn new(id: ObjectId, life: Option<EntryKey>) -> Waited {
        Waited { id, life, result: None }
    }

    fn result(self) -> Result<Buffer> {
        self.result.unwrap_or_else(|| Err(not_in_time(&self.id)))
    }
}

#[cfg(test)]
mod tests;
