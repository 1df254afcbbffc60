//! The outputs of one call on the processor's side: which code writes them, and how each of them ends.
//!
//! ```text
//!          create                    seal
//!   Open ──────────▶ Lent / Kept ──────────▶ Sealed
//!    ▲                │      │
//!    └────abort───────┘      └──fail──▶ Failed ◀──fail or end── Open
//!                   Lent ──fail──▶ LentFailed ──writer dropped──▶ Failed
//! ```
//!
//! *Lent* memory belongs to a [`TensorWriter`](super::TensorWriter), which keeps the call alive and may be
//! sealed after the function has returned. *Kept* memory stays with the call, for languages that hold nothing
//! but a pointer: it is sealed when the call is finished. The call has ended when `finish` was called and nothing
//! is lent any more.

use std::sync::Arc;

use crate::error::{Error, Kind, Result};
use crate::store::{CreateSpec, EntryKey, ObjectId, ObjectState, Store, TakenOver, Want, Writer};
use crate::sync::atomic::Mutex;
use crate::timeout::Timeout;
use crate::wire::{Cell, Direction};

use super::call_memory::CallMemory;
use super::call_object::CallObject;
use super::failure::{in_function, tell_nobody};
use super::function::Offered;
use super::ownership::Ref;
use super::tensor::{Tensor, TensorForm, TensorMemory};

/// A call that lends memory of its outputs. Whoever holds the memory keeps the call alive, and so its inputs.
pub(super) trait Lender: Send + Sync {
    /// Lent memory comes back, to be sealed.
    fn seal(&self, param: usize, memory: TensorMemory) -> Result<()>;

    /// A borrowed reference to an output.
    fn output(&self, param: usize) -> Result<Ref>;

    /// Lent memory was dropped: the output can be created again.
    fn aborted(&self, param: usize);

    /// Lent memory is to be made smaller: whether other tensors of the call allow it.
    fn fits_shrunk(&self, param: usize, shape: &[i64]) -> Result<()>;
}

/// One output's own writer: seals or aborts that output of its call.
pub(super) struct OutputTarget {
    pub(super) call: Arc<dyn Lender>,
    pub(super) param: usize,
    pub(super) id: ObjectId,
}

impl OutputTarget {
    pub(super) fn id(&self) -> ObjectId {
        self.id
    }

    pub(super) fn seal(&self, memory: TensorMemory) -> Result<Ref> {
        self.call.seal(self.param, memory)?;
        self.call.output(self.param)
    }

    pub(super) fn aborted(&self) {
        self.call.aborted(self.param);
    }

    pub(super) fn fits_shrunk(&self, shape: &[i64]) -> Result<()> {
        self.call.fits_shrunk(self.param, shape)
    }
}

enum Progress {
    Open,
    /// Being created, or written by a writer of its own.
    Lent,
    Kept(TensorMemory),
    /// The call has failed while somebody writes: the output fails when its memory comes back.
    LentFailed(Error),
    Sealed,
    Failed,
}

struct Slot {
    param: usize,
    id: ObjectId,
    /// The awaited entry; None if nobody wanted the output any more when the call was taken.
    key: Option<EntryKey>,
    /// Whether it is this processor that has promised it.
    ours: bool,
    /// It existed (or had failed) when the call was taken.
    ended_before: bool,
    /// It was made by an earlier attempt at this call: what the function writes this time is dropped.
    made_before: bool,
    progress: Progress,
}

struct State {
    slots: Vec<Slot>,
    finished: bool,
    ended: bool,
    /// A failure that no output carries was logged.
    logged: bool,
}

/// What is to be done with a call, seen from its outputs.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// Something is to be written, or the function has no outputs.
    Run,
    /// Every output exists already.
    AllExist,
    /// Nobody wants any of the outputs that do not exist.
    Unwanted,
}

/// The outputs of one call that are not null.
pub(super) struct Outputs {
    store: Store,
    function: Arc<Offered>,
    call: EntryKey,
    caller: u32,
    state: Mutex<State>,
}

impl Outputs {
    /// Looks up the entries that the outputs of this row have now.
    pub(super) fn look(store: &Store, object: &CallObject, row: usize) -> Result<Outputs> {
        let (function, row) = (&object.function, &object.rows[row]);
        let mut slots = Vec::with_capacity(1);
        for (param, spec) in function.schema.params.iter().enumerate() {
            let Some(Cell::Id(id)) = row.get(param).filter(|_| spec.direction == Direction::Out) else {
                continue;
            };
            let (key, ours, ended_before) = match store.look(id)? {
                ObjectState::Absent => (None, false, false),
                ObjectState::Awaited { key, producer } => (Some(key), producer == store.number(), false),
                ObjectState::Creating { key } => (Some(key), false, false),
                ObjectState::Sealed { key } | ObjectState::Failed { key, .. } => (Some(key), false, true),
            };
            let made_before = ended_before && store.is_issued_again(object.call.key)?;
            slots.push(Slot {
                param,
                id: *id,
                key,
                ours,
                ended_before,
                made_before,
                progress: Progress::Open,
            });
        }
        let state = Mutex::new(State { slots, finished: false, ended: false, logged: false });
        let (call, caller) = (object.call.key, object.call.issuer);
        Ok(Outputs { store: store.clone(), function: function.clone(), call, caller, state })
    }

    pub(super) fn need(&self) -> Need {
        let state = self.state.lock();
        let mut open = state.slots.iter().filter(|slot| !slot.ended_before).peekable();
        if state.slots.is_empty() {
            Need::Run
        } else if open.peek().is_none() {
            Need::AllExist
        } else if open.any(|slot| slot.key.is_some_and(|key| self.store.is_wanted(key))) {
            Need::Run
        } else {
            Need::Unwanted
        }
    }

    /// Whether nobody wants what is still to be written, or, without outputs, the call itself.
    pub(super) fn are_abandoned(&self) -> bool {
        let state = self.state.lock();
        if state.slots.is_empty() {
            return !self.store.is_wanted(self.call);
        }
        let open =
            |slot: &&Slot| matches!(slot.progress, Progress::Open | Progress::Lent | Progress::Kept(_));
        let mut open = state.slots.iter().filter(open).filter(|slot| !slot.ended_before).peekable();
        open.peek().is_some() && !open.any(|slot| slot.key.is_some_and(|key| self.store.is_wanted(key)))
    }

    /// Tells whoever waits for the outputs that we make (or, without outputs, looks at the call) how far we are.
    pub(super) fn set_progress(&self, fraction: f64) -> Result<()> {
        let state = self.state.lock();
        if state.slots.is_empty() {
            return self.store.set_progress(self.call, fraction);
        }
        let mut ours = state.slots.iter().filter(|slot| slot.ours).filter_map(|slot| slot.key);
        ours.try_for_each(|key| self.store.set_progress(key, fraction))
    }

    /// Whether this is an output that nobody has begun to write.
    pub(super) fn has_open(&self, id: &ObjectId) -> bool {
        let is_open = |slot: &Slot| slot.id == *id && matches!(slot.progress, Progress::Open);
        self.state.lock().slots.iter().any(is_open)
    }

    fn name(&self, param: usize) -> &str {
        &self.function.schema.params[param].name
    }

    /// A borrowed reference to an output. INVALID_ARGUMENT if it is null.
    pub(super) fn reference(&self, param: usize) -> Result<Ref> {
        let (id, key) = self.with_slot(param, |slot| Ok((slot.id, slot.key)))?;
        Ok(Ref::received(&self.store, id, &self.function.expects[param], key))
    }

    fn with_slot<T>(&self, param: usize, run: impl FnOnce(&mut Slot) -> Result<T>) -> Result<T> {
        match self.state.lock().slots.iter_mut().find(|slot| slot.param == param) {
            Some(slot) => run(slot),
            None => Err(Error::invalid(format!(
                "{}: output '{}' is null in this call: the caller does not want it",
                self.function.schema.name,
                self.name(param)
            ))),
        }
    }

    /// Lends an output, which is to come back by [`Outputs::seal_by`] or [`Outputs::reopen`]. ALREADY_EXISTS if it is
    /// being written, sealed or failed.
    fn lend(&self, param: usize) -> Result<(ObjectId, Option<EntryKey>)> {
        let taken = |how: &str| {
            let function = &self.function.schema.name;
            Err(Error::new(Kind::AlreadyExists, format!("{function}: output '{}' {how}", self.name(param))))
        };
        self.with_slot(param, |slot| match slot.progress {
            Progress::Kept(_) if self.function.schema.params[param].starts_from.is_some() => {
                taken("starts from an input and is there already: get its memory")
            }
            Progress::Lent | Progress::LentFailed(_) | Progress::Kept(_) => {
                taken("is being written: seal or abort it first")
            }
            Progress::Sealed => taken("was sealed already"),
            Progress::Failed => taken("has failed already"),
            Progress::Open => {
                slot.progress = Progress::Lent;
                Ok((slot.id, slot.key.filter(|_| !slot.made_before)))
            }
        })
    }

    fn named(&self, param: usize, error: Error) -> Error {
        error.context(format!("{}: output '{}'", self.function.schema.name, self.name(param)))
    }

    /// Writes an output at once and seals it; ALREADY_EXISTS as [`Outputs::create`]. What nobody wants is not written.
    pub(super) fn put(
        &self,
        param: usize,
        spec: &CreateSpec<'_>,
        fill: impl FnOnce(&mut Writer),
    ) -> Result<()> {
        let (id, key) = self.lend(param)?;
        let full_timeout = spec.full_timeout.or(self.function.options.full_timeout);
        let spec = CreateSpec { full_timeout, ..spec.clone() };
        let writer = key.map(|key| self.store.create_output(key, &id, &spec)).transpose();
        let mut writer = writer.map_err(|error| {
            self.reopen(param);
            self.named(param, error)
        })?;
        if let Some(writer) = &mut writer {
            fill(writer);
        }
        self.seal_by(param, || writer.map_or(Ok(None), Writer::seal))
    }

    /// Memory for an output. ALREADY_EXISTS if it is being written, sealed or failed.
    pub(super) fn create(
        &self,
        param: usize,
        form: TensorForm,
        zeroed: bool,
        full_timeout: Option<Timeout>,
    ) -> Result<(ObjectId, TensorMemory)> {
        let (id, key) = self.lend(param)?;
        let full_timeout = full_timeout.or(self.function.options.full_timeout);
        let memory = match key {
            Some(key) => form
                .spec(false, false, zeroed)
                .map(|spec| CreateSpec { full_timeout, ..spec })
                .and_then(|spec| self.store.create_output(key, &id, &spec))
                .map(|writer| form.into_memory(writer)),
            None => form.into_scratch(),
        };
        if memory.is_err() {
            self.reopen(param);
        }
        Ok((id, memory.map_err(|error| self.named(param, error))?))
    }

    /// Hands lent memory to the call, which will seal it when the function has succeeded.
    pub(super) fn keep(&self, param: usize, mut memory: TensorMemory) -> Result<CallMemory> {
        let layout = memory.layout().clone();
        let view = CallMemory { data: memory.data_ptr(), len: memory.bytes_mut().len(), layout };
        self.with_slot(param, |slot| {
            // Another thread may have failed the call since it was created.
            if !matches!(slot.progress, Progress::Lent) {
                return Err(self.over(param));
            }
            slot.progress = Progress::Kept(memory);
            Ok(view)
        })
    }

    /// Whether an output that starts from an input can do so: it is not null, and nobody has made it.
    pub(super) fn can_start(&self, param: usize) -> bool {
        let state = self.state.lock();
        let slot = state.slots.iter().find(|slot| slot.param == param);
        slot.is_some_and(|slot| !slot.ended_before && matches!(slot.progress, Progress::Open))
    }

    /// Makes an output of an input, and keeps its memory: that of the input if the client `giver` gives it away and nobody else
    /// has it, otherwise that of a copy, whose bytes are counted.
    pub(super) fn start(&self, param: usize, input: Tensor, giver: Option<u32>) -> Result<()> {
        let (id, key) = self.lend(param)?;
        let memory = self.started(param, (id, key), input, giver).map_err(|error| {
            self.reopen(param);
            self.named(param, error)
        })?;
        self.keep(param, memory).map(drop)
    }

    fn started(
        &self,
        param: usize,
        (id, key): (ObjectId, Option<EntryKey>),
        mut input: Tensor,
        giver: Option<u32>,
    ) -> Result<TensorMemory> {
        let order = self.function.schema.params[param].ty.order();
        let fits = order.is_none_or(|order| input.layout().is_contiguous(order));
        if let (Some(giver), Some(key), true) = (giver, key, fits) {
            let header = input.header();
            match self.store.take_over(input.into_buffer(), giver, key, &id)? {
                TakenOver::Taken(writer) => return Ok(TensorMemory::of_header(writer, &header)),
                TakenOver::Refused(buffer) => input = Tensor::known(buffer, &header)?,
            }
        }
        let source = input.source();
        let form = TensorForm::of_value(&source, &self.function.expects[param], order)?;
        let mut memory = match key {
            Some(key) => {
                let writer = self.store.create_output(key, &id, &form.spec(false, false, false)?)?;
                form.into_memory(writer)
            }
            None => form.into_scratch()?,
        };
        memory.fill_for_reading(&source)?;
        self.store.count_copied(source.layout.byte_len());
        Ok(memory)
    }

    /// The memory that the call keeps for this output; NOT_FOUND if there is none.
    pub(super) fn kept(&self, param: usize) -> Result<CallMemory> {
        self.with_slot(param, |slot| match &mut slot.progress {
            Progress::Kept(memory) => {
                let layout = memory.layout().clone();
                Ok(CallMemory { data: memory.data_ptr(), len: memory.bytes_mut().len(), layout })
            }
            _ => Err(self.not_kept(param)),
        })
    }

    /// Makes the memory that the call keeps for this output smaller.
    pub(super) fn shrink(&self, param: usize, shape: &[i64]) -> Result<()> {
        self.with_slot(param, |slot| match &mut slot.progress {
            Progress::Kept(memory) => memory.shrink(shape).map_err(|error| self.named(param, error)),
            _ => Err(self.not_kept(param)),
        })
    }

    fn not_kept(&self, param: usize) -> Error {
        let (function, name) = (&self.function.schema.name, self.name(param));
        Error::new(Kind::NotFound, format!("{function}: output '{name}' is not being written"))
    }

    fn over(&self, param: usize) -> Error {
        let (function, name) = (&self.function.schema.name, self.name(param));
        Error::new(Kind::AlreadyExists, format!("{function}: output '{name}' has failed already"))
    }

    /// The memory that the call keeps for this output; NOT_FOUND if there is none.
    pub(super) fn take_kept(&self, param: usize) -> Result<TensorMemory> {
        self.with_slot(param, |slot| match std::mem::replace(&mut slot.progress, Progress::Lent) {
            Progress::Kept(memory) => Ok(memory),
            other => {
                slot.progress = other;
                Err(self.not_kept(param))
            }
        })
    }

    /// Seals lent memory.
    pub(super) fn seal(&self, param: usize, memory: TensorMemory) -> Result<()> {
        self.seal_by(param, || memory.seal())
    }

    /// Seals lent memory by `seal`, or drops it with that if the output has failed meanwhile.
    fn seal_by(&self, param: usize, seal: impl FnOnce() -> Result<Option<Want>>) -> Result<()> {
        let lent = self.with_slot(param, |slot| Ok(matches!(slot.progress, Progress::Lent)))?;
        if !lent {
            drop(seal);
            self.reopen(param);
            return Err(self.over(param));
        }
        if let Err(error) = seal() {
            self.reopen(param);
            return Err(self.named(param, error));
        }
        self.with_slot(param, |slot| {
            slot.progress = Progress::Sealed;
            Ok(())
        })
    }

    /// Lent memory was given back.
    pub(super) fn reopen(&self, param: usize) {
        let (finished, failed) = {
            let mut state = self.state.lock();
            let mut failed = None;
            if let Some(slot) = state.slots.iter_mut().find(|slot| slot.param == param) {
                slot.progress = match std::mem::replace(&mut slot.progress, Progress::Failed) {
                    Progress::Lent => Progress::Open,
                    Progress::LentFailed(error) => {
                        failed = slot.key.filter(|_| slot.ours).map(|key| (key, error));
                        Progress::Failed
                    }
                    other => other,
                };
            }
            (state.finished, failed)
        };
        if let Some((key, error)) = failed {
            // Whoever waits for it would otherwise wait until this process ends. What cannot be done now is owed.
            let _ = self.store.fail_surely(key, &error);
        }
        if finished {
            self.fail_unwritten();
        }
    }

    /// Fails what is not sealed: "function: text". What no output can carry is logged.
    pub(super) fn fail(&self, error: &Error) -> Result<()> {
        self.end_unwritten(error, |key, error| self.store.fail_surely(key, error))
    }

    /// The processor closes before it has run the call: what is not sealed fails, unless its caller issues the call again.
    pub(super) fn lose(&self, error: &Error) -> Result<()> {
        self.end_unwritten(error, |key, error| self.store.lose_surely(key, error))
    }

    fn end_unwritten(&self, error: &Error, end: impl Fn(EntryKey, &Error) -> Result<bool>) -> Result<()> {
        let error = in_function(error, &self.function.schema.name);
        let mut failed = Vec::new();
        let mut given_up = Vec::new();
        let mut state = self.state.lock();
        let unheard =
            state.slots.iter().all(|slot| slot.ended_before || matches!(slot.progress, Progress::Sealed));
        let log = unheard && !std::mem::replace(&mut state.logged, unheard);
        for slot in &mut state.slots {
            match std::mem::replace(&mut slot.progress, Progress::Failed) {
                Progress::Sealed => slot.progress = Progress::Sealed,
                Progress::Failed => {}
                Progress::LentFailed(first) => slot.progress = Progress::LentFailed(first),
                Progress::Lent => slot.progress = Progress::LentFailed(error.clone()),
                Progress::Kept(memory) => {
                    given_up.push(memory);
                    failed.push((slot.key, slot.ours));
                }
                Progress::Open => failed.push((slot.key, slot.ours)),
            }
        }
        drop(state);
        drop(given_up);
        if log {
            tell_nobody(&self.store, self.caller, &error);
        }
        let mut result = Ok(());
        // What another processor has promised as well is left to that one.
        for key in failed.into_iter().filter_map(|(key, ours)| key.filter(|_| ours)) {
            if let Err(error) = end(key, &error) {
                result = Err(error);
            }
        }
        result
    }

    /// The function has returned. Seals what the call keeps if it `succeeded` and fails what nobody can write
    /// any more; OUTPUT_NOT_WRITTEN names that. Later calls do nothing.
    pub(super) fn finish(&self, succeeded: bool) -> Result<()> {
        let kept = {
            let mut state = self.state.lock();
            if std::mem::replace(&mut state.finished, true) {
                return Ok(());
            }
            // Mostly there is one.
            let (mut first, mut others) = (None, Vec::new());
            for slot in &mut state.slots {
                slot.progress = match std::mem::replace(&mut slot.progress, Progress::Open) {
                    Progress::Kept(memory) => {
                        let kept = (slot.param, memory);
                        match first {
                            None => first = Some(kept),
                            Some(_) => others.push(kept),
                        }
                        Progress::Lent
                    }
                    other => other,
                };
            }
            first.into_iter().chain(others)
        };
        let mut result = Ok(());
        for (param, memory) in kept {
            if !succeeded {
                drop(memory);
                self.reopen(param);
            } else if let Err(error) = self.seal(param, memory) {
                result = Err(error);
            }
        }
        let unwritten = self.fail_unwritten();
        if result.is_ok() && !unwritten.is_empty() {
            result = Err(self.not_written(&unwritten.join("', '")));
        }
        result
    }

    fn not_written(&self, names: &str) -> Error {
        let function = &self.function.schema.name;
        let text =
            format!("{function}: output '{names}' was not written: the function returned without writing it");
        Error::new(Kind::OutputNotWritten, text)
    }

    /// Fails every open output; the names of those that somebody was waiting for.
    fn fail_unwritten(&self) -> Vec<String> {
        let mut open = Vec::new();
        for slot in &mut self.state.lock().slots {
            if matches!(slot.progress, Progress::Open) {
                slot.progress = Progress::Failed;
                if let Some(key) = slot.key.filter(|_| slot.ours) {
                    open.push((slot.param, key));
                }
            }
        }
        let unwritten = |(param, key): &(usize, EntryKey)| {
            let error = self.not_written(self.name(*param));
            // False: it was written through a reference.
            self.store.fail_surely(*key, &error).unwrap_or(true)
        };
        open.iter().filter(|slot| unwritten(slot)).map(|(param, _)| self.name(*param).to_owned()).collect()
    }

    /// Whether nothing can be created any more.
    pub(super) fn is_finished(&self) -> bool {
        self.state.lock().finished
    }

    /// True once: when the function has returned and no output is lent any more.
    pub(super) fn end(&self) -> bool {
        let mut state = self.state.lock();
        let is_lent = |slot: &Slot| matches!(slot.progress, Progress::Lent | Progress::LentFailed(_));
        let lent = state.slots.iter().any(is_lent);
        if !state.finished || state.ended || lent {
            return false;
        }
        state.ended = true;
        true
    }
}
