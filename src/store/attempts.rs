//! Calls that are issued again when their processor is lost.
//!
//! The outputs of such a call are marked (RETRIED). When the processor crashes or closes before it has created one of them,
//! the output does not fail. It is *lost*: still awaited, with [`NO_CLIENT`] in the place of its producer, so that whoever waits for
//! it goes on waiting. The caller's process finds it, issues the call again as a new object, and gives the lost outputs to the
//! new processor. With the last attempt the mark goes, and the output fails as any other.
//!
//! ```text
//!   Awaited from P ──P is lost──▶ Awaited from NO_CLIENT ──issued again──▶ Awaited from Q
//!                                        └──the caller has crashed, or gives up──▶ Failed
//! ```
//! *Lost* holds as long as the caller lives and wants the call that the output names: its bit in that call's row of wants says
//! so, and is cleared with the last reference, or by the caller's reaper. From then on, the client that looks at the output fails it.
//!
//! If the caller crashes while it issues a call again, its outputs either still name NO_CLIENT (then its reaper fails them), or a
//! call that is not in the queue, or that no client wants and no processor has claimed (the reaper fails these, too).

use super::attachment::LEAVE_PATIENCE;
use super::calls::{what_is_left, NewCall, Queue, PROMISES};
use super::entries::{name_call, EntryKey};
use super::id::ObjectId;
use super::index::id_of;
use super::inspect::{slots_of, ObjectState};
use super::locked::Locked;
use super::progress::unstarted;
use super::want::Want;
use super::{CreateSpec, Store};
use crate::error::{Error, Kind, Result};
use crate::shm::layout::{Entry, State, Word, ATTEMPT_SHIFT, CLAIMED, NO_CLIENT, RETRIED, TOOK_OVER};
use crate::shm::segment::low_half;
use crate::sync::atomic::Ordering;
use crate::sync::fail;
use crate::sync::row::{bit_of, RowBit};

/// Which attempt of a call this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// From 1.
    pub number: u32,
    /// Whether the call fails if its processor is lost this time, too.
    pub is_last: bool,
}

impl Attempt {
    /// A call that is issued once.
    pub const ONLY: Attempt = Attempt { number: 1, is_last: true };

    /// The flags of its outputs. The number is cut to what fits.
    pub(super) fn flags(self) -> u32 {
        let number = self.number.min(u32::MAX >> ATTEMPT_SHIFT) << ATTEMPT_SHIFT;
        match (self.number, self.is_last) {
            (1, true) => 0,
            (_, true) => number,
            (_, false) => number | RETRIED,
        }
    }
}

/// The attempt that an entry's flags tell, if there was or will be another one.
fn attempt_of(flags: u32) -> Option<u32> {
    let number = flags >> ATTEMPT_SHIFT;
    (number > 0).then_some(number)
}

impl Store {
    /// Issues a call again: a new call object, to which those of these outputs pass that are lost. None if there is none, or,
    /// for a call without outputs, if `before` was taken.
    ///
    /// # Errors
    /// Those of [`Store::issue_call`]. After an error it can be done again.
    pub fn issue_again(
        &self,
        call: &NewCall<'_>,
        before: EntryKey,
        declaration: EntryKey,
        outputs: &[(ObjectId, EntryKey)],
    ) -> Result<Option<Want>> {
        self.attachment.here()?;
        self.ask_for_owner(declaration)?;
        let mut writer = self.create(&call.id, &call.spec())?;
        writer.copy_from(0, call.data);
        let key = writer.key().ok_or_else(|| Error::internal("a call in scratch memory"))?;
        let spec = CreateSpec { full_timeout: call.full_timeout, ..CreateSpec::default() };
        let (mut rest, mut passed) = (outputs, 0);
        loop {
            let (some, later) = rest.split_at(rest.len().min(PROMISES));
            let published = self.attachment.with_room(&spec, &call.id, |locked| {
                let queue = locked.queue_of(declaration)?;
                for (_, output) in some {
                    passed += u32::from(locked.pass_on(*output, &queue, key, call.attempt)?);
                }
                if !later.is_empty() {
                    return Ok(Ok(false));
                }
                // Of a call without outputs the one before is claimed, so that it is taken once.
                let to_be_run = match outputs {
                    [] => self.attachment.segment.entry(before.index)?.state.claim(before.generation),
                    _ => passed > 0,
                };
                if to_be_run {
                    fail::point("again.passed_on");
                    locked.publish_call(&call.id, key, &queue, call.attempt)?;
                }
                Ok(Ok(to_be_run))
            })?;
            if later.is_empty() {
                if !published {
                    return Ok(None);
                }
                break;
            }
            rest = later;
        }
        self.issued(&call.id);
        match writer.into_want() {
            Some(want) => Ok(Some(want)),
            None => self.want_life(key, &call.id).map(Some),
        }
    }

    /// The processor of an output closes before it has created it. It fails with this error, unless its call is issued again:
    /// then it is lost.
    pub fn lose(&self, key: EntryKey, error: &Error) -> Result<bool> {
        self.attachment.here()?;
        let id = id_of(self.attachment.segment.entry(key.index)?);
        let ours = self.number();
        let ended = self.attachment.locked(|locked| {
            let Some((entry, word)) = locked.entry_of(key)? else { return Ok(false) };
            let producer = entry.producer.load(Ordering::Relaxed);
            if word.state() == State::Awaited && producer == ours && locked.is_retried(entry)? {
                return Ok(locked.mark_lost(entry));
            }
            let error = match attempt_of(entry.flags.load(Ordering::Relaxed)) {
                Some(number) => Error::new(error.kind(), format!("{error}; this was attempt {number}")),
                None => error.clone(),
            };
            locked.fail(key, &error)
        })?;
        if ended {
            self.attachment.ring(&id);
        }
        Ok(ended)
    }

    /// Fails those of these outputs that are lost. How many.
    pub fn fail_lost(&self, outputs: &[(ObjectId, EntryKey)], error: &Error) -> Result<u32> {
        let mut failed = 0;
        for (id, key) in outputs {
            let fail = |locked: &Locked<'_>| match locked.is_lost(*key)? {
                true => locked.fail(*key, error),
                false => Ok(false),
            };
            if self.attachment.locked_within(LEAVE_PATIENCE, fail)? {
                self.attachment.ring(id);
                failed += 1;
            }
        }
        Ok(failed)
    }

    /// Whether an output, or a call without outputs, is issued again should its processor close.
    pub fn is_marked_retried(&self, key: EntryKey) -> Result<bool> {
        let entry = self.attachment.segment.entry(key.index)?;
        let read = entry.state.read(|_| entry.flags.load(Ordering::Relaxed));
        Ok(read.is_some_and(|(word, flags)| word.generation() == key.generation && flags & RETRIED != 0))
    }

    /// Whether this call object is another attempt at a call that was lost: some of its outputs may exist.
    pub fn is_issued_again(&self, call: EntryKey) -> Result<bool> {
        let entry = self.attachment.segment.entry(call.index)?;
        let read = entry.state.read(|_| entry.flags.load(Ordering::Relaxed));
        let number = |flags: u32| attempt_of(flags).unwrap_or(1);
        Ok(read.is_some_and(|(word, flags)| word.generation() == call.generation && number(flags) > 1))
    }

    /// Whether an output is awaited, but no client is to create it until its call is issued again.
    pub fn is_output_lost(&self, key: EntryKey, id: &ObjectId) -> bool {
        let state = self.look_key(key, id);
        matches!(state, Ok(ObjectState::Awaited { producer: NO_CLIENT, .. }))
    }

    /// Reclaims what this client held, if it has crashed, so that what it was to create is lost or has failed.
    pub fn reap_client(&self, number: u32) {
        if number != self.number() && !self.alive(number) {
            self.attachment.reap(number);
        }
    }
}

impl Locked<'_> {
    /// Whether the call that was to create an output is issued again: its caller has said so, lives, and wants the call.
    pub(super) fn is_retried(&self, output: &Entry) -> Result<bool> {
        // What has taken an input's memory over cannot be made again: the input is lost.
        if output.flags.load(Ordering::Relaxed) & (RETRIED | TOOK_OVER) != RETRIED {
            return Ok(false);
        }
        let Some((index, call, word)) = self.call_of(output)? else { return Ok(false) };
        let (slot, issuer) = (word.slot(), call.creator.load(Ordering::Relaxed));
        // Of a caller that is not reaped yet, too.
        let lives = |number| number == self.attachment.number || !self.segment().liveness.is_dead(number);
        let wanted = bit_of(self.segment().wants(index)?, slot).is_some_and(RowBit::is_set);
        Ok(wanted && self.attachment.is_in(slot, issuer) && lives(issuer))
    }

    /// The call that an output names, if it is still there.
    fn call_of(&self, output: &Entry) -> Result<Option<(u32, &Entry, Word)>> {
        let index = output.first.load(Ordering::Relaxed);
        if index >= self.segment().objects_reserved() {
            return Ok(None);
        }
        let call = self.segment().entry(index)?;
        let word = Word(call.state.load(Ordering::Acquire));
        let same = low_half(word.generation()) == output.last.load(Ordering::Relaxed);
        let there = same && matches!(word.state(), State::Creating | State::Sealed);
        Ok(there.then_some((index, call, word)))
    }

    /// Nobody is to create an output any more, until its call is issued again. False if that was so before.
    pub(super) fn mark_lost(&self, output: &Entry) -> bool {
        if output.producer.load(Ordering::Relaxed) == NO_CLIENT {
            return false;
        }
        // SYNC: one store, under the lock; who reads it without the lock compares it with the number in the slot, and asks again
        // under the lock. Dead before it: the next who finds the processor lost does it. Dead after it: waiters were not rung, and
        // look again within 250 ms.
        output.producer.store(NO_CLIENT, Ordering::Relaxed);
        fail::point("lose.marked");
        true
    }

    fn is_lost(&self, key: EntryKey) -> Result<bool> {
        let Some((entry, word)) = self.entry_of(key)? else { return Ok(false) };
        Ok(word.state() == State::Awaited && entry.producer.load(Ordering::Relaxed) == NO_CLIENT)
    }

    /// Gives a lost output to the owner of a queue, for a new call. False if it is not lost.
    fn pass_on(&self, key: EntryKey, queue: &Queue<'_>, call: EntryKey, attempt: Attempt) -> Result<bool> {
        if !self.is_lost(key)? {
            return Ok(false);
        }
        let entry = self.segment().entry(key.index)?;
        // Dead before the last of these, the output still names NO_CLIENT, and its caller does not live: its reaper fails it.
        name_call(entry, call);
        let kept = entry.flags.load(Ordering::Relaxed) & !(RETRIED | u32::MAX << ATTEMPT_SHIFT);
        entry.flags.store(kept | attempt.flags(), Ordering::Relaxed);
        entry.newest_call.store(unstarted(key.generation), Ordering::Relaxed);
        entry.state.commit(Word::new(State::Awaited, queue.slot, key.generation));
        fail::point("again.named");
        // SYNC: the commit. Who has read the slot before and this after it asks again under the lock (`bury`).
        entry.producer.store(queue.owner, Ordering::Relaxed);
        Ok(true)
    }

    /// Whether an output will not be created because a caller has crashed: its call was to be issued again by it, or was issued
    /// by it again and not claimed.
    pub(super) fn is_orphan(&self, key: EntryKey, caller: u32) -> Result<bool> {
        let Some((entry, word)) = self.entry_of(key)? else { return Ok(false) };
        if word.state() != State::Awaited || attempt_of(entry.flags.load(Ordering::Relaxed)).is_none() {
            return Ok(false);
        }
        let index = entry.first.load(Ordering::Relaxed);
        if index >= self.segment().objects_reserved() {
            return Ok(true);
        }
        let call = self.segment().entry(index)?;
        let word = Word(call.state.load(Ordering::Acquire));
        if low_half(word.generation()) != entry.last.load(Ordering::Relaxed) {
            // A processor that runs it pins it.
            return Ok(true);
        }
        if word.has(CLAIMED) {
            return Ok(false);
        }
        // The caller's own bit may not be cleared yet.
        let others = slots_of(self.segment().wants(index)?).any(|slot| slot != word.slot());
        let issued = matches!(word.state(), State::Creating | State::Sealed);
        Ok(!issued || call.creator.load(Ordering::Relaxed) == caller && !others)
    }

    /// What an output fails with whose call was not taken before its caller went.
    pub(super) fn lost_caller(&self) -> Error {
        let text = "its caller crashed, or dropped the call, before a processor took it in its last attempt";
        Error::new(Kind::ProcessorLost, text)
    }

    /// What an output fails with whose processor was lost.
    pub(super) fn lost_error(&self, output: &Entry, processor: u32) -> Error {
        let name = self.attachment.name_of(processor);
        let which = match processor {
            NO_CLIENT => String::new(),
            number => format!("{name}(client {number}) "),
        };
        let attempt = match attempt_of(output.flags.load(Ordering::Relaxed)) {
            Some(number) => format!("; this was attempt {number}"),
            None => String::new(),
        };
        let left = what_is_left(output);
        let how = self.attachment.end_of(processor);
        let how = how.map_or_else(|| "crashed or was closed".to_owned(), |end| end.to_string());
        let text = format!("the processor {which}{how}{attempt}; {left}");
        Error::new(Kind::ProcessorLost, text)
    }
}

#[cfg(test)]
mod tests;
