//! Calls in the store: published with their promises, queued in order, claimed by one client, ended.
//!
//! A call is an object in its processor's namespace. *Claim* and *cancel* are both one compare-and-swap on its state
//! word (add the claimed flag; doom), so one of them wins. After a crash while publishing, promised outputs that no
//! client wants are removed when the crashed client's bits are cleared. The call, which is still in creation, is
//! aborted.

use std::sync::Arc;

use super::attachment::{Owed, LEAVE_PATIENCE};
use super::attempts::Attempt;
use super::buffer::Buffer;
use super::create::exists;
use super::entries::{name_call, Attempt as Tried, Birth, EntryKey, Need};
use super::events::EventKind;
use super::id::ObjectId;
use super::index::id_of;
use super::locked::Locked;
use super::want::Want;
use super::{CreateSpec, Store, Writer};
use crate::error::{Error, Kind, Result};
use crate::shm::layout::{Entry, State, Word, CALL, CLAIMED, ENDED, TOOK_OVER};
use crate::shm::segment::{low_half, Mapped};
use crate::sync::atomic::{lock, Ordering};
use crate::sync::fail;
use crate::timeout::Timeout;

/// A call that waits in a namespace's queue.
#[derive(Clone, Copy, Debug)]
pub struct QueuedCall {
    /// The call's entry.
    pub key: EntryKey,
    /// The call's ID.
    pub id: ObjectId,
    /// Its place in the order of issue.
    pub sequence: u64,
    /// The client number of the caller.
    pub issuer: u32,
}

/// A call that is to be issued.
pub struct NewCall<'a> {
    /// In its processor's namespace.
    pub id: ObjectId,
    /// Its bytes.
    pub data: &'a [u8],
    /// What they are.
    pub metadata: &'a [u8],
    /// How long to wait for space. `None`: as [`CreateSpec::full_timeout`].
    pub full_timeout: Option<Timeout>,
    /// Whether it is issued again should its processor be lost.
    pub attempt: Attempt,
}

impl NewCall<'_> {
    pub(super) fn spec(&self) -> CreateSpec<'_> {
        let data_size = self.data.len() as u64;
        let Self { metadata, full_timeout, .. } = *self;
        CreateSpec { data_size, metadata, want: true, full_timeout, ..CreateSpec::default() }
    }
}

/// The queue of a declaration, as it is found under the lock.
pub(super) struct Queue<'a> {
    declaration: &'a Entry,
    pub(super) owner: u32,
    pub(super) slot: u32,
}

/// What became of an attempt to claim a call.
pub enum Claim {
    /// It is ours, and its bytes are pinned.
    Claimed(Buffer),
    /// Its caller dropped it, or somebody else has it.
    Gone,
}

/// Most outputs promised in one turn of the lock: a call of many rows has many.
pub(super) const PROMISES: usize = 256;

/// A call of more bytes is written before the lock is taken.
const SMALL_CALL: usize = 4096;

/// Most calls given by one look at a queue.
const BATCH: usize = 256;

impl Store {
    /// Publishes a call: its bytes, the outputs that it promises, its place at the end of the queue. As long as the declaration
    /// lives its first life, steps under the lock promise the outputs that do not exist yet (produced by the declaration's owner,
    /// wanted by us). A call of some hundred outputs and few bytes is one such step. Gives the claim on the call, and adds one on
    /// each output to `wants`. Nothing is left of a call that could not be published, once those are dropped.
    ///
    /// # Errors
    /// `ProcessorLost` if the declaration is gone; those of [`Store::create`].
    pub fn issue_call(
        &self,
        call: &NewCall<'_>,
        declaration: EntryKey,
        outputs: &[ObjectId],
        wants: &mut Vec<Want>,
    ) -> Result<Want> {
        self.attachment.here()?;
        wants.reserve(outputs.len());
        if outputs.len() > PROMISES || call.data.len() > SMALL_CALL {
            let mut writer = self.create(&call.id, &call.spec())?;
            writer.copy_from(0, call.data);
            return self.issue_by_steps(writer, declaration, outputs, wants, call.attempt);
        }
        self.ask_for_owner(declaration)?;
        let attachment = &self.attachment;
        attachment.ready_wants(outputs.len() + 1);
        let mut born = None;
        let published = attachment.with_room(&call.spec(), &call.id, |locked| {
            let queue = locked.queue_of(declaration)?;
            if !locked.has_entries_for(outputs, 1) {
                return Ok(Err(Need::Objects));
            }
            let key = match locked.write_call(call, self.attachment.mapped())? {
                Ok(key) => key,
                Err(need) => return Ok(Err(need)),
            };
            born = Some(key);
            for output in outputs {
                let promised = locked.promise(output, &queue, key, call.attempt)?;
                wants.push(Want::counted(self, *output, promised));
                fail::point("issue.promised");
            }
            locked.mark_attempt(key, call.attempt)?;
            locked.publish(&call.id, key, queue.declaration, true)?;
            Ok(Ok(key))
        });
        if let (Err(_), Some(key)) = (&published, born) {
            // Only damage comes between. The claim goes, and with it what was begun.
            attachment.segment.entry(key.index)?.state.abandon();
            drop(Want::counted(self, call.id, key));
        }
        let key = published?;
        self.issued(&call.id);
        Ok(Want::counted(self, call.id, key))
    }

    /// As [`Store::issue_call`], of a call that is written already. Gives the claims on the outputs.
    ///
    /// # Errors
    /// Those of [`Store::issue_call`].
    pub fn issue(
        &self,
        call: Writer,
        declaration: EntryKey,
        outputs: &[ObjectId],
    ) -> Result<(Want, Vec<Want>)> {
        let mut wants = Vec::with_capacity(outputs.len());
        let want = self.issue_by_steps(call, declaration, outputs, &mut wants, Attempt::ONLY)?;
        Ok((want, wants))
    }

    /// Others may have the lock in between.
    fn issue_by_steps(
        &self,
        call: Writer,
        declaration: EntryKey,
        outputs: &[ObjectId],
        wants: &mut Vec<Want>,
        attempt: Attempt,
    ) -> Result<Want> {
        let id = &call.id();
        let key = call.key().ok_or_else(|| Error::internal("a call in scratch memory"))?;
        self.attachment.here()?;
        self.ask_for_owner(declaration)?;
        let mut rest = outputs;
        loop {
            let (some, later) = rest.split_at(rest.len().min(PROMISES));
            self.attachment.ready_wants(some.len());
            self.attachment.with_room(&CreateSpec::default(), id, |locked| {
                let queue = locked.queue_of(declaration)?;
                if !locked.has_entries_for(some, 0) {
                    return Ok(Err(Need::Objects));
                }
                for output in some {
                    let promised = locked.promise(output, &queue, key, attempt)?;
                    wants.push(Want::counted(self, *output, promised));
                    fail::point("issue.promised");
                }
                if later.is_empty() {
                    locked.publish_call(id, key, &queue, attempt)?;
                }
                Ok(Ok(()))
            })?;
            if later.is_empty() {
                break;
            }
            rest = later;
        }
        self.issued(id);
        match call.into_want() {
            Some(want) => Ok(want),
            None => self.want_life(key, id),
        }
    }

    /// Who reads the queue looks at it.
    pub(super) fn issued(&self, call: &ObjectId) {
        self.attachment.ring(&ObjectId::declaration(call.prefix()));
        fail::point("issue.rung");
    }

    /// Asks now and then whether the owner of a queue lives.
    pub(super) fn ask_for_owner(&self, declaration: EntryKey) -> Result<()> {
        let owner = self.attachment.segment.entry(declaration.index)?.creator.load(Ordering::Relaxed);
        if owner != self.number() && self.may_ask() && !self.alive(owner) {
            // Who it was is told once its slot is marked.
            self.attachment.reap(owner);
        }
        Ok(())
    }

    /// Whether calls may have been issued after `sequence`: a look without the lock, which misses one that is being issued.
    pub fn has_queued(&self, declaration: EntryKey, after: u64) -> Result<bool> {
        self.attachment.here()?;
        let entry = self.attachment.segment.entry(declaration.index)?;
        Ok(entry.newest_call.load(Ordering::Acquire) > after)
    }

    /// The calls in a queue after `sequence` that nobody has claimed, in the order of issue; at most some hundred at a time.
    pub fn queue(&self, declaration: EntryKey, after: u64) -> Result<Vec<QueuedCall>> {
        let mut calls = Vec::new();
        self.queue_into(declaration, after, &mut calls)?;
        Ok(calls)
    }

    /// The same behind what is in `calls`, whose memory is used again.
    pub fn queue_into(&self, declaration: EntryKey, after: u64, calls: &mut Vec<QueuedCall>) -> Result<()> {
        let most = calls.len() + BATCH;
        // Nothing is allocated under the lock.
        calls.reserve(BATCH);
        self.attachment.locked(|locked| {
            let Some((entry, _)) = locked.entry_of(declaration)? else { return Ok(()) };
            let first = locked.first_after(entry, after)?;
            locked.walk(first, |index, entry| {
                let word = Word(entry.state.load(Ordering::Acquire));
                if word.state() == State::Sealed && word.has(CALL) && !word.has(CLAIMED) {
                    calls.push(QueuedCall {
                        key: EntryKey { index, generation: word.generation() },
                        id: id_of(entry),
                        sequence: entry.sequence.load(Ordering::Relaxed),
                        issuer: entry.creator.load(Ordering::Relaxed),
                    });
                }
                Ok(calls.len() < most)
            })
        })
    }

    /// Claims a call.
    pub fn claim(&self, call: &QueuedCall) -> Result<Claim> {
        self.claim_pinned(call, None)
    }

    /// As [`Store::claim`], of a call that may be pinned already.
    pub fn claim_pinned(&self, call: &QueuedCall, pinned: Option<Buffer>) -> Result<Claim> {
        self.attachment.here()?;
        let got = pinned.map_or_else(|| self.get_key(call.key, &call.id, Timeout::Poll), Ok);
        let buffer = match got {
            Ok(buffer) => buffer,
            Err(error) if matches!(error.kind(), Kind::ObjectDeleted | Kind::Timeout) => {
                return Ok(Claim::Gone)
            }
            Err(error) => return Err(error),
        };
        let entry = self.attachment.segment.entry(call.key.index)?;
        let claimed = entry.state.claim(call.key.generation);
        fail::point("claim.claimed");
        if claimed {
            self.attachment.tell(EventKind::CallClaimed, call.key);
        }
        Ok(if claimed { Claim::Claimed(buffer) } else { Claim::Gone })
    }

    /// A claimed call has ended: it no longer counts as queued, and whoever waits for that is woken. When it goes is up
    /// to its caller.
    pub fn finish(&self, key: EntryKey) -> Result<()> {
        self.attachment.here()?;
        let entry = self.attachment.segment.entry(key.index)?;
        let id = id_of(entry);
        // Ended: the life is the call's, and the ID read before is its.
        if entry.state.end(key.generation) {
            // Who waits comes before who reads the log.
            self.attachment.ring(&id);
            self.attachment.tell(EventKind::CallEnded, key);
        }
        Ok(())
    }

    /// Fails every output that this call was to make by us and that is still awaited; how many these were. For a call whose
    /// outputs are not known otherwise: it walks through all entries. Can be done again after an error.
    pub fn fail_outputs(&self, call: EntryKey, error: &Error) -> Result<u32> {
        let attachment = &self.attachment;
        attachment.here()?;
        let segment = &attachment.segment;
        let used = segment.header().entries_used.load(Ordering::Acquire).min(segment.objects_reserved());
        let mut failed = 0;
        for index in 0..used {
            let entry = segment.entry(index)?;
            let ours = entry.state.read(|word| {
                word.state() == State::Awaited
                    && entry.producer.load(Ordering::Relaxed) == attachment.number
                    && is_of(entry, call)
            });
            if let Some((word, true)) = ours {
                // It may be awaited no more: then it is not failed.
                let key = EntryKey { index, generation: word.generation() };
                failed += u32::from(self.fail(key, error)?);
            }
        }
        Ok(failed)
    }

    /// Turns an awaited object into a failed one that carries this error. False if it is not awaited any more.
    pub fn fail(&self, key: EntryKey, error: &Error) -> Result<bool> {
        self.attachment.here()?;
        let id = id_of(self.attachment.segment.entry(key.index)?);
        let failed = self.attachment.locked(|locked| locked.fail(key, error))?;
        if failed {
            self.attachment.ring(&id);
        }
        Ok(failed)
    }

    /// As [`Store::fail`], for who will not come again: when the lock cannot be had in time it is owed, which is an error all
    /// the same, and [`Store::fail_owed`] does it. Dead before that: the object fails with its producer.
    pub fn fail_surely(&self, key: EntryKey, error: &Error) -> Result<bool> {
        self.end_surely(Owed { key, error: error.clone(), lost: false })
    }

    /// The same for [`Store::lose`].
    pub fn lose_surely(&self, key: EntryKey, error: &Error) -> Result<bool> {
        self.end_surely(Owed { key, error: error.clone(), lost: true })
    }

    fn end_surely(&self, owed: Owed) -> Result<bool> {
        let ended =
            if owed.lost { self.lose(owed.key, &owed.error) } else { self.fail(owed.key, &owed.error) };
        if ended.as_ref().is_err_and(|error| error.kind() == Kind::Busy) {
            lock(&self.attachment.owed).push(owed);
        }
        ended
    }

    /// Whether there is something that could not be failed before.
    pub fn owes_failures(&self) -> bool {
        !lock(&self.attachment.owed).is_empty()
    }

    /// Fails what could not be failed before.
    ///
    /// # Errors
    /// `Busy`: it is still owed.
    pub fn fail_owed(&self) -> Result<()> {
        self.attachment.here()?;
        loop {
            // Never held while waiting for the store's lock.
            let Some(owed) = lock(&self.attachment.owed).pop() else { return Ok(()) };
            self.end_surely(owed)?;
        }
    }

    /// Ends what a dead client was to make, if that is still to be made: see [`Locked::bury`]. False too if the lock cannot be
    /// had in a moment: whoever looks again tries again.
    pub(super) fn bury(&self, key: EntryKey, id: &ObjectId, dead: u32) -> Result<bool> {
        self.attachment.hear_end(dead);
        let bury = |locked: &Locked<'_>| Ok(locked.has_gone(key, dead)? && locked.bury(key, dead)?);
        match self.attachment.locked_within(LEAVE_PATIENCE, bury) {
            Ok(true) => self.attachment.ring(id),
            Err(error) if error.kind() != Kind::Busy => return Err(error),
            other => return Ok(other.is_ok_and(|buried| buried)),
        }
        Ok(true)
    }
}

/// What a caller that calls again must know of the inputs of the call that was to make this output.
pub(super) fn what_is_left(output: &Entry) -> &'static str {
    if output.flags.load(Ordering::Relaxed) & TOOK_OVER == 0 {
        "the inputs of the call still exist"
    } else {
        "the input that was given away to it is lost, the other inputs of the call still exist"
    }
}

/// Whether an output's entry names this call. (Its generation is cut to 32 bits there.)
fn is_of(output: &Entry, call: EntryKey) -> bool {
    output.first.load(Ordering::Relaxed) == call.index
        && output.last.load(Ordering::Relaxed) == low_half(call.generation)
}

impl Locked<'_> {
    /// Turns an awaited object into a failed one. Its text is kept if there is room at once: failing never grows, evicts, reaps
    /// or waits, so it may be done by whoever finds that it must be, in a full store and beside a reaper.
    pub(super) fn fail(&self, key: EntryKey, error: &Error) -> Result<bool> {
        let Some((entry, word)) = self.entry_of(key)? else { return Ok(false) };
        if word.state() != State::Awaited {
            return Ok(false);
        }
        let text = error.message_cut().as_bytes();
        let size = text.len() as u64;
        let mut taken = if text.is_empty() { None } else { self.heap().take_now(size)? };
        if let Some(room) = taken {
            let mut span = self.attachment.segment.write_span(room.offset, size)?;
            if span.open().is_ok() {
                span.copy_from(0, text);
            } else {
                self.heap().give(room.extent)?;
                taken = None;
            }
        }
        // Also without bytes: what an earlier try to create it has left must not pass for the text.
        self.give_bytes(entry, taken, taken.map_or(0, |_| size), 0);
        let code = u32::try_from(-error.kind().code()).unwrap_or(1);
        entry.failure.store(code, Ordering::Relaxed);
        fail::point("fail.text_written");
        // Only under the lock does an awaited entry change.
        entry.state.commit(Word::new(State::Failed, word.slot(), key.generation));
        fail::point("fail.failed");
        self.tell(EventKind::Failed, key)?;
        self.settle(key)?;
        Ok(true)
    }

    /// Whether the client that was to make an object has gone. Who looked without the lock may have read the slot of one producer
    /// and the number of the next, to which the output has passed meanwhile.
    fn has_gone(&self, key: EntryKey, dead: u32) -> Result<bool> {
        let Some((_, word)) = self.entry_of(key)? else { return Ok(false) };
        Ok(!self.attachment.is_in(word.slot(), dead) || self.segment().liveness.is_dead(dead))
    }

    /// Ends what a dead client was to make: the output that it has promised fails, what it was creating is aborted. The one
    /// answer for whoever finds the client dead: who waits for the object, who looks at it, who reaps. Idempotent. Whether
    /// it did anything.
    pub(super) fn bury(&self, key: EntryKey, dead: u32) -> Result<bool> {
        let Some((entry, word)) = self.entry_of(key)? else { return Ok(false) };
        match word.state() {
            State::Creating if entry.creator.load(Ordering::Relaxed) == dead => {
                // Its creator writes to it no more, and all others change a creation under the lock.
                entry.state.abandon();
                self.settle(key)
            }
            State::Awaited if entry.producer.load(Ordering::Relaxed) == dead => {
                if self.is_retried(entry)? {
                    return Ok(self.mark_lost(entry));
                }
                let error = self.lost_error(entry, dead);
                self.fail(key, &error)
            }
            _ => Ok(false),
        }
    }

    /// The queue of a declaration that lives. Nothing is promised in the name of a client whose reaping has begun: its reaper,
    /// who marked it under the lock before it looked at any entry, finds all that was promised before.
    pub(super) fn queue_of(&self, declaration: EntryKey) -> Result<Queue<'_>> {
        let lost = || Error::new(Kind::ProcessorLost, "the processor crashed or was closed");
        let (entry, word) = self.entry_of(declaration)?.ok_or_else(lost)?;
        let owner = entry.creator.load(Ordering::Relaxed);
        if word.state() != State::Sealed
            || self.unwanted(declaration.index)?
            || !self.attachment.is_in(word.slot(), owner)
        {
            return Err(lost());
        }
        Ok(Queue { declaration: entry, owner, slot: word.slot() })
    }

    /// Whether there are entries for those outputs that do not exist yet, and for so many objects more.
    fn has_entries_for(&self, outputs: &[ObjectId], more: usize) -> bool {
        let has = |count: usize| self.has_entries(u32::try_from(count + more).unwrap_or(u32::MAX));
        // Mostly there are some for all, and none is looked for.
        has(outputs.len()) || has(outputs.iter().filter(|output| self.find(output).is_none()).count())
    }

    /// A new call with its bytes, which are few; not pinned, as it is published before the lock is given back. Dead before that,
    /// it is a creation as any other, and aborted.
    fn write_call(&self, call: &NewCall<'_>, mapped: &Arc<Mapped>) -> Tried<EntryKey> {
        let hash = self.attachment.hash(&call.id);
        if self.find_by(&call.id, hash).is_some() {
            return Err(exists(&call.id));
        }
        let (data_size, meta_size) = (call.data.len() as u64, call.metadata.len() as u64);
        let bytes = data_size + meta_size;
        let (index, taken) = match self.take_place(bytes)? {
            Ok(place) => place,
            Err(need) => return Ok(Err(need)),
        };
        fail::point("create.bytes_taken");
        let mut span = mapped.write_span(taken.offset, bytes)?;
        if let Err(error) = span.open() {
            self.heap().give(taken.extent)?;
            self.list_free_entry(index)?;
            return Err(error);
        }
        span.copy_from(0, call.data);
        span.copy_from(call.data.len(), call.metadata);
        span.protect();
        let birth = Birth {
            id: &call.id,
            hash,
            state: State::Creating,
            extent: Some(taken),
            data_size,
            meta_size: low_half(meta_size),
            flags: 0,
            producer: 0,
            slot: self.attachment.slot,
            want: true,
            call: None,
        };
        Ok(Ok(self.bear_in(index, &birth)?))
    }

    /// Promises an output, or claims the one that there is.
    fn promise(
        &self,
        output: &ObjectId,
        queue: &Queue<'_>,
        call: EntryKey,
        attempt: Attempt,
    ) -> Result<EntryKey> {
        let (producer, slot) = (queue.owner, queue.slot);
        let hash = self.attachment.hash(output);
        if let Some((index, word)) = self.find_by(output, hash) {
            let key = EntryKey { index, generation: word.generation() };
            self.claim(key)?;
            let entry = self.segment().entry(index)?;
            let ours = word.state() == State::Awaited && entry.producer.load(Ordering::Relaxed) == producer;
            if ours && !self.has_call(entry)? {
                // The call that was to make it has gone, while somebody else wanted the output: it is this call's now. Dead
                // between the two words, it names none, as one that was not published is never found in a queue.
                name_call(entry, call);
                entry.flags.fetch_or(attempt.flags(), Ordering::Relaxed);
            }
            return Ok(key);
        }
        self.bear(&Birth {
            id: output,
            hash,
            state: State::Awaited,
            extent: None,
            data_size: 0,
            meta_size: 0,
            flags: attempt.flags(),
            producer,
            slot,
            want: true,
            call: Some(call),
        })
    }

    /// Whether the call that is to make an output is still there.
    fn has_call(&self, output: &Entry) -> Result<bool> {
        let index = output.first.load(Ordering::Relaxed);
        if index >= self.segment().objects_reserved() {
            return Ok(false);
        }
        let word = Word(self.segment().entry(index)?.state.load(Ordering::Acquire));
        let same = low_half(word.generation()) == output.last.load(Ordering::Relaxed);
        Ok(same && matches!(word.state(), State::Creating | State::Sealed) && !word.has(ENDED))
    }

    /// Marks a call that is issued again: a processor that closes leaves it in its queue if it has no outputs.
    fn mark_attempt(&self, key: EntryKey, attempt: Attempt) -> Result<()> {
        if attempt.flags() != 0 {
            self.segment().entry(key.index)?.flags.fetch_or(attempt.flags(), Ordering::Relaxed);
        }
        Ok(())
    }

    /// Publishes a call that was written before.
    pub(super) fn publish_call(
        &self,
        id: &ObjectId,
        key: EntryKey,
        queue: &Queue<'_>,
        attempt: Attempt,
    ) -> Result<()> {
        self.mark_attempt(key, attempt)?;
        self.publish(id, key, queue.declaration, false)
    }

    /// Seals a call and puts it at the end of its queue, if it is not there: one that was born in this turn of the lock is.
    fn publish(&self, id: &ObjectId, key: EntryKey, declaration: &Entry, is_last: bool) -> Result<()> {
        let gone =
            || Error::new(Kind::ObjectDeleted, format!("the call {id} was deleted while it was issued"));
        let (entry, word) = self.entry_of(key)?.ok_or_else(gone)?;
        if word.state() != State::Creating {
            return Err(gone());
        }
        if !is_last {
            // The queue is in the order of issue, not of creation. The sequence first: by it, who follows the list without the lock
            // learns that the call has another place.
            entry.sequence.store(self.next_sequence(), Ordering::Relaxed);
            self.unlink(id, key.index)?;
            self.link(id, key.index)?;
        }
        let sequence = entry.sequence.load(Ordering::Relaxed);
        fail::point("issue.linked");
        // The commit of issuing. A creation can only be doomed under the lock, which we hold, and only its creator seals it, which
        // we are.
        entry.state.commit(word.with(State::Sealed).and(CALL));
        fail::point("issue.sealed");
        // SYNC: pairs with the acquire load in `queue`.
        declaration.newest_call.store(sequence, Ordering::Release);
        self.tell(EventKind::CallIssued, key)
    }

    /// The first entry of a namespace's list that was issued after `sequence`.
    fn first_after(&self, declaration: &Entry, sequence: u64) -> Result<u32> {
        let mut first = crate::shm::layout::NONE;
        let mut at = declaration.last.load(Ordering::Relaxed);
        for _ in 0..self.segment().objects_reserved() {
            if at == crate::shm::layout::NONE {
                break;
            }
            let entry = self.segment().entry(at)?;
            if entry.sequence.load(Ordering::Relaxed) <= sequence {
                break;
            }
            first = at;
            at = entry.previous.load(Ordering::Relaxed);
        }
        Ok(first)
    }
}

#[cfg(test)]
mod tests;
