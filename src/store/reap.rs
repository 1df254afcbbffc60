//! Reaping: reclaiming what a crashed client held.
//!
//! The reaper takes the crashed client's second byte, so that one reaper at a time does it and a crashed reaper is
//! replaced. Then it does these steps:
//!
//! 1. Mark the client as dying under the lock, so that nothing is promised in its name.
//! 2. Clear its bits everywhere, and settle every entry that this leaves without a claim.
//! 3. Bury what it was creating or was to produce. (A waiter for that does so too, and waits for no reaper.)
//! 4. Ring all clients.
//! 5. Free its slot under the lock.
//!
//! Every step can be repeated, so a crash between any two of them does no harm.

use std::time::Instant;

use super::attachment::Attachment;
use super::entries::EntryKey;
use super::index::id_of;
use super::Store;
use crate::error::Result;
use crate::log::{self, Level};
use crate::shm::layout::{State, Word, ATTEMPT_SHIFT, BUCKETS, LOG_BUCKET, NO_CLIENT};
use crate::sync::atomic::{fence, lock, AtomicU32, AtomicU64, Ordering};
use crate::sync::clock::epoch_nanos;
use crate::sync::fail;
use crate::sync::life::Fate;
use crate::sync::row::{bit_of, RowBit};

/// How often somebody looks for dead clients.
const TURN_MILLIS: u64 = 250;

impl Store {
    /// Whether the client with this number is running. Numbers are never reused.
    pub fn alive(&self, number: u32) -> bool {
        number != 0
            && number != NO_CLIENT
            && (number == self.attachment.number || !self.attachment.segment.liveness.is_dead(number))
    }

    /// Reaps all crashed clients. Returns how many there were.
    pub fn reap_all(&self) -> u32 {
        self.attachment.reap_dead()
    }

    /// Reaps crashed clients if it is the turn of this client: one client does it every 250 ms, while any client waits.
    pub fn reap_by_turn(&self) -> u32 {
        self.attachment.reap_by_turn()
    }

    /// The same for who comes again and again and has just read the clock: it mostly costs nothing.
    pub fn reap_by_turn_at(&self, now: Instant) {
        self.run_errands();
        let attachment = &self.attachment;
        let millis = attachment.millis_at(now);
        let last = attachment.turned.load(Ordering::Relaxed);
        if millis >= last + TURN_MILLIS {
            attachment.turned.store(millis, Ordering::Relaxed);
            attachment.reap_by_turn();
        }
    }
}

impl Attachment {
    /// Reaps if it is our turn.
    pub(super) fn reap_by_turn(&self) -> u32 {
        if self.here().is_err() {
            return 0;
        }
        let stamp = &self.segment.header().reap_stamp;
        let now = epoch_nanos() / 1_000_000;
        let last = stamp.load(Ordering::Relaxed);
        // A clock that was set back must not stop the reaping.
        let due = now >= last.saturating_add(TURN_MILLIS) || now + TURN_MILLIS < last;
        if due && stamp.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            self.reap_dead()
        } else {
            0
        }
    }

    /// Reaps every dead client.
    pub(super) fn reap_dead(&self) -> u32 {
        if self.kept().is_err() {
            return 0;
        }
        let mut count = 0;
        for slot in 0..self.segment.geometry().max_clients {
            let number = self.segment.client(slot).number.load(Ordering::Acquire);
            if number != 0 && number != self.number && self.segment.liveness.is_dead(number) {
                count += u32::from(self.reap(number));
            }
        }
        count
    }

    /// Reaps one dead client. False if somebody else does, or has done, or if something was in the way.
    pub(super) fn reap(&self, number: u32) -> bool {
        if number == self.number || number == 0 || number == NO_CLIENT || self.kept().is_err() {
            return false;
        }
        let _held = log::hold();
        let _one_thread = lock(&self.reaping);
        if !self.segment.liveness.begin_reaping(number).unwrap_or(false) {
            return false;
        }
        fail::point("reap.begun");
        self.hear_end(number);
        let slots = 0..self.segment.geometry().max_clients;
        let slot = slots
            .into_iter()
            .find(|slot| self.segment.client(*slot).number.load(Ordering::Acquire) == number);
        // What cannot be done now (the lock's holder is stopped) is done at the next turn: the slot stays.
        let reaped = slot.is_some_and(|slot| self.reap_slot(number, slot).is_ok());
        self.segment.liveness.end_reaping(number);
        reaped
    }

    fn reap_slot(&self, number: u32, slot: u32) -> Result<()> {
        let who = self.who(number);
        let how = self.end_of(number).map_or_else(|| "exited".to_owned(), |end| end.to_string());
        let client = self.segment.client(slot);
        let header = self.segment.header();
        self.locked(|_| {
            // SYNC: from here on nobody promises anything in its name (see `issue`): what was promised is seen below.
            client.dying.store(1, Ordering::Release);
            Ok(())
        })?;
        fail::point("reap.marked");
        let used = header.entries_used.load(Ordering::Acquire).min(self.segment.objects_reserved());
        let mut held = 0u32;
        for index in 0..used {
            held += u32::from(self.reap_entry(index, number, slot)?);
        }
        fail::point("reap.entries_done");
        for bucket in 0..BUCKETS {
            clear_slot(self.segment.bucket(bucket), slot);
        }
        fail::point("reap.buckets_done");
        // It may have changed something and died before it rang: who sleeps in an event loop does not look by itself. Before
        // the slot goes: dead in between, the next reaper rings again.
        self.ring_everybody();
        self.locked(|locked| {
            // Under the lock, as the count follows from the bits.
            clear_slot(self.segment.bucket(LOG_BUCKET), slot);
            locked.count_readers();
            // It may have changed something and died before it told of it.
            locked.lose_events();
            locked.give_spares_back(slot)?;
            if client.number.load(Ordering::Relaxed) == number {
                client.number.store(0, Ordering::Release);
                let reaped = header.reaped.load(Ordering::Relaxed);
                header.reaped.store(reaped.wrapping_add(1), Ordering::Relaxed);
            }
            fail::point("reap.slot_freed");
            Ok(())
        })?;
        log::write(Level::Warning, || {
            format!(
                "{}: {who} {how} without closing the store; reclaimed the {held} objects that it held, owned \
                 or was to create",
                self.place.path.display()
            )
        });
        Ok(())
    }

    /// Whether the dead had any part in the object.
    fn reap_entry(&self, index: u32, number: u32, slot: u32) -> Result<bool> {
        let entry = self.segment.entry(index)?;
        let (pins, wants) = (self.segment.pins(index)?, self.segment.wants(index)?);
        // Both are cleared, whatever the first was.
        let claimed = clear_slot(pins, slot) | clear_slot(wants, slot);
        fence(Ordering::SeqCst);
        fail::point("reap.bits_cleared");
        let word = Word(entry.state.load(Ordering::SeqCst));
        let key = EntryKey { index, generation: word.generation() };
        let by = |who: &AtomicU32| who.load(Ordering::Relaxed) == number;
        let promised = word.state() == State::Awaited && by(&entry.producer);
        let created = word.state() == State::Creating && by(&entry.creator);
        let tried = entry.flags.load(Ordering::Relaxed) >> ATTEMPT_SHIFT != 0;
        if word.state() == State::Awaited && tried && !promised {
            self.reap_orphan(key, number)?;
        }
        if promised || created || word.fate(pins, wants, self.stays(entry)) != Fate::Stays {
            let id = id_of(entry);
            if self.locked(|locked| Ok(locked.bury(key, number)? || locked.settle(key)?))? {
                self.ring(&id);
            }
            fail::point("reap.settled");
        }
        Ok(claimed || promised)
    }
}

impl Attachment {
    /// Ends an output of a call that the dead would have issued again, or has issued again in vain.
    fn reap_orphan(&self, key: EntryKey, number: u32) -> Result<()> {
        let id = id_of(self.segment.entry(key.index)?);
        let ended = self.locked(|locked| {
            let Some((entry, _)) = locked.entry_of(key)? else { return Ok(false) };
            let producer = entry.producer.load(Ordering::Relaxed);
            match producer {
                NO_CLIENT => locked.bury(key, NO_CLIENT),
                _ if locked.is_orphan(key, number)? => {
                    let error = locked.lost_caller();
                    locked.fail(key, &error)
                }
                _ => Ok(false),
            }
        })?;
        if ended {
            self.ring(&id);
        }
        Ok(())
    }
}

/// Clears a slot's bit in a row. Whether it was set.
fn clear_slot<'a>(row: impl IntoIterator<Item = &'a AtomicU64>, slot: u32) -> bool {
    let set = bit_of(row, slot).filter(|bit| bit.is_set());
    // Nobody else clears it: one at a time reaps that client.
    set.map(RowBit::clear).is_some()
}

#[cfg(test)]
mod tests;
