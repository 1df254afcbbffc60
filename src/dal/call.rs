//! A call that a processor has taken: its values, its pinned inputs and the memory of its outputs.

use std::ffi::CStr;
use std::sync::Arc;

use crate::error::{Error, Kind, Result};
use crate::store::{Buffer, CreateSpec, ObjectId, Store, Writer};
use crate::sync::atomic::Mutex;
use crate::wire::{CallSchema, Cell, Direction, Layout, Order, Param, ParamType, TensorSource};

use super::call_memory::{CallMemory, PrivateCopy};
use super::call_object::CallObject;
use super::crew::{Crew, Pulling, Turn, Working};
use super::expect::{DimSizes, Expectation};
use super::output::{Lender, OutputTarget, Outputs};
use super::ownership::Ref;
use super::standstill::{self, Place};
use super::tensor::{Tensor, TensorForm, TensorMemory};
use super::tensor_writer::TensorWriter;
use super::threads::Task;

/// A call that was taken: one invocation of a function. Any thread may use it.
///
/// Parameters go by their index in the schema ([`Call::param`] finds it). The inputs stay pinned until the
/// call has ended *and* every handle made from it (tensors, references, writers, clones) is gone.
///
/// Outputs are written in one of two ways. [`Call::create_tensor`] gives a [`TensorWriter`] of its own,
/// sealed by its owner, if need be after the function has returned. [`Call::create_output`] leaves the writer
/// with the call and gives a pointer; such outputs are sealed by [`Call::seal_output`], or all at once by
/// [`Call::finish`].
///
/// A call is *open* (its outputs can be written) until it is finished, or until nobody is left who owes its outputs:
/// the function that runs, the handle that [`Processor::next`](super::Processor::next) gave, and those that
/// [`Call::defer`] gives. What was not sealed then fails with OUTPUT_NOT_WRITTEN. Clones share the call and keep what
/// was read from it, but do not keep it open.
pub struct Call {
    inner: Arc<CallInner>,
    owner: Option<Owner>,
}

struct CallInner {
    outputs: Outputs,
    object: Arc<CallObject>,
    row: usize,
    /// By parameter.
    inputs: Vec<Option<Input>>,
    /// By parameter, as they are asked for: copies that may be scribbled on.
    copies: Mutex<Vec<(usize, PrivateCopy)>>,
    /// By parameter, as they are asked for: inputs in the order in which they are not stored.
    turned: Mutex<Vec<(usize, Tensor)>>,
    sizes: Mutex<DimSizes>,
    crew: Arc<Crew>,
    /// None once the function has returned.
    run: Mutex<Option<Run>>,
    /// Handles that keep the call open; 0 once it has been let go.
    owners: Mutex<u32>,
}

/// What a function that runs holds.
struct Run {
    _turn: Turn,
    /// Pull style: the thread that works on the call counts, wherever it is.
    pulling: Option<Pulling>,
    /// The processor that gave it out.
    place: Option<Arc<dyn Place>>,
    /// The thread that is known to work on it.
    working: Option<Working>,
}

/// What is known of a call that was just taken.
pub(super) struct Taken {
    pub(super) object: Arc<CallObject>,
    pub(super) row: usize,
    pub(super) outputs: Outputs,
    pub(super) inputs: Vec<Option<Input>>,
    pub(super) sizes: DimSizes,
    pub(super) turn: Turn,
}

/// An input that was pinned when the call was taken.
pub(super) enum Input {
    Tensor(Tensor),
    Object(Buffer),
}

impl CallInner {
    /// Takes the call off the queue if it was finished and nothing is being written any more.
    fn end_if_done(&self) {
        if self.outputs.end() {
            // What fails here is the store's own bookkeeping: it is put right when the queue is looked at
            // again.
            let _ = self.object.end_row();
        }
    }

    /// Whether `next` has given it out and it still runs.
    fn is_pulled(&self) -> bool {
        self.run.lock().as_ref().is_some_and(|run| run.pulling.is_some())
    }

    /// The function has returned: its next call may be taken.
    fn end_run(&self) {
        let run = self.run.lock().take();
        drop(run);
    }
}

impl Lender for CallInner {
    fn seal(&self, param: usize, memory: TensorMemory) -> Result<()> {
        let sealed = self.outputs.seal(param, memory);
        self.end_if_done();
        sealed
    }

    fn output(&self, param: usize) -> Result<Ref> {
        self.outputs.reference(param)
    }

    fn aborted(&self, param: usize) {
        self.outputs.reopen(param);
        self.end_if_done();
    }
}

impl Task for CallInner {
    fn function_index(&self) -> usize {
        self.object.function.index
    }

    fn function(&self) -> &str {
        &self.object.function.schema.name
    }

    fn owes(&self, id: &ObjectId) -> bool {
        *self.owners.lock() == 1 && self.outputs.has_open(id)
    }
}

/// Keeps a call open. The last one that goes ends it.
struct Owner {
    call: Arc<CallInner>,
    /// The function that runs: its end is that of the run.
    runs: bool,
    /// Whether what the call keeps is to be sealed at the end.
    succeeded: bool,
}

impl Drop for Owner {
    fn drop(&mut self) {
        let last = {
            let mut owners = self.call.owners.lock();
            *owners -= 1;
            *owners == 0
        };
        if last {
            // An output that was not written is told to whoever waits for it.
            let _ = self.call.outputs.finish(self.succeeded);
            self.call.end_if_done();
        }
        if self.runs {
            self.call.end_run();
        }
    }
}

impl Clone for Call {
    fn clone(&self) -> Call {
        Call { inner: self.inner.clone(), owner: None }
    }
}

/// A parameter of a call: its name, or its index.
pub trait ParamKey: Copy {
    /// Finds the index. NOT_FOUND lists the names there are.
    fn index(self, call: &Call) -> Result<usize>;
}

impl ParamKey for usize {
    fn index(self, _: &Call) -> Result<usize> {
        Ok(self)
    }
}

impl ParamKey for &str {
    fn index(self, call: &Call) -> Result<usize> {
        call.param(self)
    }
}

impl Call {
    pub(super) fn new(taken: Taken) -> Call {
        let Taken { object, row, outputs, inputs, sizes, turn } = taken;
        let crew = turn.crew().clone();
        let inner = Arc::new(CallInner {
            outputs,
            object,
            row,
            inputs,
            copies: Mutex::default(),
            turned: Mutex::default(),
            sizes: Mutex::new(sizes),
            crew,
            run: Mutex::new(Some(Run { _turn: turn, pulling: None, place: None, working: None })),
            owners: Mutex::new(1),
        });
        let owner = Owner { call: inner.clone(), runs: true, succeeded: false };
        Call { inner, owner: Some(owner) }
    }

    /// Given out by a processor. With `pulling`, by `next`: whoever works on it counts as one of the processor's threads.
    pub(super) fn given_by(&self, place: Arc<dyn Place>, pulling: Option<Pulling>) {
        if let Some(run) = &mut *self.inner.run.lock() {
            (run.place, run.pulling) = (Some(place), pulling);
        }
    }

    /// This thread runs the function of this call, until it has ended: so a wait in it that could never end, as only this
    /// thread or this function could make what is waited for, fails at once. `process` says so itself.
    pub fn run_here(&self) {
        let place = self.inner.run.lock().as_ref().and_then(|run| run.place.clone());
        let Some(place) = place else { return };
        standstill::enter(&place);
        let working = self.inner.crew.run(self.inner.clone());
        let before = match &mut *self.inner.run.lock() {
            Some(run) => run.working.replace(working),
            None => Some(working),
        };
        drop(before);
    }

    /// The function has succeeded: unless the call was deferred it is finished.
    pub(super) fn returned(mut self) {
        if let Some(owner) = &mut self.owner {
            owner.succeeded = true;
        }
    }

    /// A handle that keeps the call open after its function has returned: the outputs can be written until the handle is
    /// finished or dropped, from any thread. The function no longer counts as running once it has returned (pull
    /// style: once the handle that `next` gave is dropped), also if it is ordered. INVALID_ARGUMENT if the call has
    /// ended.
    pub fn defer(&self) -> Result<Call> {
        let finished = self.inner.outputs.is_finished();
        let mut owners = self.inner.owners.lock();
        if *owners == 0 || finished {
            let text = format!("{}: the call has ended and cannot be deferred any more", self.function());
            return Err(Error::invalid(text));
        }
        *owners += 1;
        let owner = Owner { call: self.inner.clone(), runs: false, succeeded: false };
        Ok(Call { inner: self.inner.clone(), owner: Some(owner) })
    }

    /// The function's name.
    pub fn function(&self) -> &str {
        &self.schema().name
    }

    /// The name with a NUL behind it.
    pub fn function_text(&self) -> &CStr {
        self.inner.object.function.name()
    }

    /// The function's schema as the processor registered it.
    pub fn schema(&self) -> &CallSchema {
        &self.inner.object.function.schema
    }

    /// The place of the function in the order of registration.
    pub fn function_index(&self) -> usize {
        self.inner.object.function.index
    }

    /// The bytes of the call object, which a batch's rows share: an Arrow IPC stream. INVALID_ARGUMENT once all rows have
    /// ended.
    pub fn object(&self) -> Result<Buffer> {
        self.inner.object.buffer().ok_or_else(|| {
            Error::invalid(format!("the call {} has ended: ask for its bytes before that", self.id()))
        })
    }

    /// The ID of the call object, which a batch's rows share.
    pub fn id(&self) -> ObjectId {
        self.inner.object.call.id
    }

    /// Attachment number of the caller.
    pub fn caller(&self) -> u32 {
        self.inner.object.call.issuer
    }

    /// The row of this invocation in its call object; 0 unless it was issued as a batch.
    pub fn row(&self) -> usize {
        self.inner.row
    }

    /// Index of a parameter. NOT_FOUND lists the names there are.
    pub fn param(&self, name: &str) -> Result<usize> {
        let params = &self.schema().params;
        params.iter().position(|param| param.name == name).ok_or_else(|| {
            let names: Vec<_> = params.iter().map(|param| param.name.as_str()).collect();
            let text = format!("{} has no parameter '{name}', only: {}", self.function(), names.join(", "));
            Error::new(Kind::NotFound, text)
        })
    }

    pub(super) fn spec(&self, param: usize) -> Result<&Param> {
        self.schema().params.get(param).ok_or_else(|| {
            let count = self.schema().params.len();
            Error::new(
                Kind::NotFound,
                format!("{} has no parameter {param}: it has {count}", self.function()),
            )
        })
    }

    pub(super) fn wrong(&self, spec: &Param, what: &str) -> Error {
        Error::invalid(format!("{}: parameter '{}' {what}", self.function(), spec.name))
    }

    /// Whether the caller left this nullable parameter out.
    pub fn is_null(&self, param: impl ParamKey) -> Result<bool> {
        Ok(matches!(self.cell(param)?, Cell::Null))
    }

    /// The value that came with the call; an ID for tensors, tables and objects.
    pub fn cell(&self, param: impl ParamKey) -> Result<&Cell> {
        let param = param.index(self)?;
        self.spec(param)?;
        Ok(self.inner.object.rows[self.inner.row].get(param).unwrap_or(&Cell::Null))
    }

    /// An input tensor, in the order that its parameter asks for; as it is stored if that asks for none. INVALID_ARGUMENT
    /// if the parameter is no tensor input, or null.
    pub fn tensor(&self, param: impl ParamKey) -> Result<Tensor> {
        let param = param.index(self)?;
        self.tensor_in(param, self.spec(param)?.ty.order())
    }

    /// An input tensor in an order; in none: as it is stored. It is copied if it is stored in another one: once, into
    /// memory of this process, which lives as long as a handle of the call or the tensor. Errors as [`Call::tensor`].
    pub fn tensor_in(&self, param: usize, order: Option<Order>) -> Result<Tensor> {
        let stored = self.stored_tensor(param)?;
        let Some(order) = order.filter(|order| !stored.layout().is_contiguous(*order)) else {
            return Ok(stored);
        };
        // There are two orders, so that there is one copy at most.
        let mut turned = self.inner.turned.lock();
        if let Some((_, tensor)) = turned.iter().find(|(other, _)| *other == param) {
            return Ok(tensor.clone());
        }
        let tensor = stored.turned(order)?;
        turned.push((param, tensor.clone()));
        Ok(tensor)
    }

    fn stored_tensor(&self, param: usize) -> Result<Tensor> {
        match self.input(param)? {
            Input::Tensor(tensor) => Ok(tensor.clone()),
            Input::Object(buffer) => Tensor::read(buffer.clone()),
        }
    }

    /// A private copy of an input tensor, which may be scribbled on: made when it is asked for first, in the order of
    /// [`Call::tensor`]. There is one for each parameter; later calls give the same memory, as it is then.
    /// The pointer is valid as long as a handle of the call lives.
    pub fn copy_tensor(&self, param: usize) -> Result<CallMemory> {
        let (tensor, order) = (self.stored_tensor(param)?, self.spec(param)?.ty.order());
        let mut copies = self.inner.copies.lock();
        if let Some((_, copy)) = copies.iter_mut().find(|(other, _)| *other == param) {
            return Ok(copy.memory());
        }
        let mut copy = PrivateCopy::of(tensor.layout(), tensor.bytes(), order)?;
        let memory = copy.memory();
        copies.push((param, copy));
        Ok(memory)
    }

    /// The bytes of an input object, whatever they hold.
    pub fn buffer(&self, param: impl ParamKey) -> Result<Buffer> {
        Ok(match self.input(param.index(self)?)? {
            Input::Tensor(tensor) => tensor.buffer().clone(),
            Input::Object(buffer) => buffer.clone(),
        })
    }

    fn input(&self, param: usize) -> Result<&Input> {
        let spec = self.spec(param)?;
        if let Some(Some(input)) = self.inner.inputs.get(param) {
            return Ok(input);
        }
        Err(match (&spec.ty, spec.direction) {
            (_, Direction::Out) => self.wrong(spec, "is an output: it has nothing to read yet"),
            (ParamType::Scalar(_), _) => self.wrong(spec, "is a plain value, not an object"),
            (ParamType::Id, _) => self.wrong(spec, "is only an ID: use its reference"),
            _ => self.wrong(spec, "is null in this call"),
        })
    }

    /// Any object parameter as a borrowed reference. An input's reference holds its pin.
    pub fn reference(&self, param: impl ParamKey) -> Result<Ref> {
        let param = param.index(self)?;
        let spec = self.spec(param)?;
        if spec.direction == Direction::Out {
            return self.inner.outputs.reference(param);
        }
        match (self.inner.inputs.get(param), self.cell(param)?) {
            (Some(Some(input)), _) => {
                let buffer = match input {
                    Input::Tensor(tensor) => tensor.buffer().clone(),
                    Input::Object(buffer) => buffer.clone(),
                };
                Ok(Ref::pinned(buffer, self.expects(param)))
            }
            (_, Cell::Id(id)) => Ok(Ref::borrowed(self.store(), *id, self.expects(param))),
            (_, Cell::Null) => Err(self.wrong(spec, "is null in this call")),
            _ => Err(self.wrong(spec, "is a plain value, not an object")),
        }
    }

    /// Memory in the store for an output, to fill in place and then to seal. The element type, the
    /// dimension names and, if none is given, the order are the parameter's (C if that asks for none); `shape` must have as many sizes and agree with the fixed sizes
    /// and with what the call's other tensors say of equal dimension names. If nobody wants the output any
    /// more it is private memory. ALREADY_EXISTS if it is being written (an aborted one may be created again)
    /// or sealed.
    pub fn create_tensor(
        &self,
        param: impl ParamKey,
        shape: &[i64],
        order: impl Into<Option<Order>>,
        zeroed: bool,
    ) -> Result<TensorWriter> {
        let param = param.index(self)?;
        let (target, memory) = self.lend(param, self.new_form(param, shape, order.into())?, zeroed)?;
        Ok(TensorWriter::for_output(memory, target))
    }

    /// As [`Call::create_tensor`], but the call keeps the writer: the memory is sealed by
    /// [`Call::seal_output`] or by [`Call::finish`], and given back by [`Call::abort_output`] or by
    /// [`Call::fail`].
    pub fn create_output(
        &self,
        param: usize,
        shape: &[i64],
        order: impl Into<Option<Order>>,
        zeroed: bool,
    ) -> Result<CallMemory> {
        let (_, memory) = self.lend(param, self.new_form(param, shape, order.into())?, zeroed)?;
        self.inner.outputs.keep(param, memory)
    }

    /// Seals an output that the call keeps. NOT_FOUND if it was not created.
    pub fn seal_output(&self, param: usize) -> Result<Ref> {
        self.output_spec(param)?;
        let memory = self.inner.outputs.take_kept(param)?;
        self.inner.seal(param, memory)?;
        self.inner.output(param)
    }

    /// Gives the memory of an output that the call keeps back; it can be created again.
    pub fn abort_output(&self, param: usize) -> Result<()> {
        self.output_spec(param)?;
        drop(self.inner.outputs.take_kept(param)?);
        self.inner.outputs.reopen(param);
        Ok(())
    }

    /// Writes an output with one copy and seals it. Errors as [`Call::create_tensor`]; dimensions without a
    /// name get the parameter's. It is stored in the parameter's order, if that asks for one.
    pub fn put_tensor(&self, param: impl ParamKey, value: &TensorSource<'_>) -> Result<()> {
        let param = param.index(self)?;
        let spec = self.output_spec(param)?;
        let form = self.form_of(param, spec, value)?;
        let (target, mut memory) = self.lend(param, form, false)?;
        if let Err(error) = memory.fill(value) {
            drop(memory);
            target.aborted();
            return Err(self.wrong(spec, error.message()));
        }
        self.inner.seal(param, memory)
    }

    /// Writes an output object at once and seals it.
    pub(super) fn put_output(
        &self,
        param: usize,
        spec: &CreateSpec<'_>,
        fill: impl FnOnce(&mut Writer),
    ) -> Result<()> {
        let put = self.inner.outputs.put(param, spec, fill);
        self.inner.end_if_done();
        put
    }

    fn expects(&self, param: usize) -> &Arc<Expectation> {
        &self.inner.object.function.expects[param]
    }

    fn output_spec(&self, param: usize) -> Result<&Param> {
        let spec = self.spec(param)?;
        match (spec.direction, &spec.ty) {
            (Direction::In, _) => Err(self.wrong(spec, "is an input: it cannot be written")),
            (Direction::Out, ParamType::Table(_)) => Err(self.wrong(spec, "is a table, not a tensor")),
            (Direction::Out, _) => Ok(spec),
        }
    }

    fn new_form(&self, param: usize, shape: &[i64], order: Option<Order>) -> Result<TensorForm> {
        let spec = self.output_spec(param)?;
        let ParamType::Tensor { elem, dims, order: declared } = &spec.ty else {
            return Err(self.wrong(spec, "is an object of any kind: put a value whose type is known"));
        };
        let is_tag = dims.is_empty() && shape == [0];
        if dims.len() != shape.len() && !is_tag {
            let found = format!("has {} dimensions, not {}", dims.len(), shape.len());
            return Err(self.wrong(spec, &found));
        }
        self.check_sizes(param, shape)?;
        let order = order.or(*declared).unwrap_or(Order::C);
        self.inner.object.function.form(param, shape, order, || {
            let name = |axis: usize| dims.get(axis).map_or_else(String::new, |dim| dim.name.clone());
            let names: Vec<String> = (0..shape.len()).map(name).collect();
            let layout = Layout::contiguous(*elem, shape, order, &names)
                .map_err(|error| self.wrong(spec, &format!("cannot be made: {}", error.message())))?;
            TensorForm::new(layout)
        })
    }

    /// The form of a copy of a value: that of the one before, if the value is as the parameter has it anyway.
    fn form_of(&self, param: usize, spec: &Param, value: &TensorSource<'_>) -> Result<TensorForm> {
        let layout = value.layout;
        if let ParamType::Tensor { elem, dims, order: None | Some(Order::C) } = &spec.ty {
            let is_plain = *elem == layout.elem
                && dims.len() == layout.shape.len()
                && layout.strides.len() == layout.shape.len()
                && layout.names.iter().all(String::is_empty)
                && layout.is_contiguous(Order::C);
            if is_plain {
                return self.new_form(param, &layout.shape, Some(Order::C));
            }
        }
        let form = TensorForm::of_value(value, self.expects(param), spec.ty.order())
            .map_err(|error| self.wrong(spec, error.message()))?;
        self.check_sizes(param, &layout.shape)?;
        Ok(form)
    }

    fn check_sizes(&self, param: usize, shape: &[i64]) -> Result<()> {
        if self.inner.object.function.options.loose_dims {
            return Ok(());
        }
        let fits = self.inner.sizes.lock().fits(&self.schema().params, param, shape);
        fits.map_err(|error| error.context(self.function()))
    }

    fn lend(&self, param: usize, form: TensorForm, zeroed: bool) -> Result<(OutputTarget, TensorMemory)> {
        self.output_spec(param)?;
        let (id, memory) = self.inner.outputs.create(param, form, zeroed)?;
        let target = OutputTarget { call: self.inner.clone(), param, id };
        if !self.inner.object.function.options.loose_dims {
            let shape = &memory.layout().shape;
            // Two threads may have made two outputs of different sizes at once: the second sees it here.
            let learnt = self.inner.sizes.lock().learn(&self.schema().params, param, shape);
            if let Err(error) = learnt {
                drop(memory);
                target.aborted();
                return Err(error.context(self.function()));
            }
        }
        Ok((target, memory))
    }

    /// Fails the outputs that are not sealed yet with "function: text"; the kind is kept. Outputs that exist
    /// stay.
    pub fn fail(&self, error: &Error) -> Result<()> {
        self.inner.outputs.fail(error)
    }

    /// Ends the call, also a deferred one: seals the outputs that the call keeps; those that nobody can write any more
    /// fail with OUTPUT_NOT_WRITTEN, which is returned too. Writers that are still alive may be sealed later: the
    /// call ends with the last of them. Calling it again does nothing.
    ///
    /// In pull style it ends the run as well, unless it is done by a deferred handle.
    pub fn finish(&self) -> Result<()> {
        let result = self.inner.outputs.finish(true);
        let ended = if self.inner.outputs.end() { self.inner.object.end_row() } else { Ok(()) };
        if self.owner.as_ref().is_none_or(|owner| owner.runs) && self.inner.is_pulled() {
            self.inner.end_run();
        }
        ended.and(result)
    }

    /// Whether nobody wants what is still to be written (or, without outputs, the call itself).
    pub fn is_cancelled(&self) -> bool {
        self.inner.outputs.are_abandoned()
    }

    /// How many threads this run may use: the processor's threads, or what affinity and the control group's quota leave,
    /// shared among the threads that work for the processor now. At least 1.
    pub fn thread_budget(&self) -> u32 {
        self.inner.crew.thread_budget()
    }

    /// Tells how far the call has come, from 0 to 1, to whoever has a reference to one of its outputs
    /// ([`Ref::progress`]). INVALID_ARGUMENT for what is no number.
    pub fn set_progress(&self, fraction: f64) -> Result<()> {
        self.inner.outputs.set_progress(fraction)
    }

    fn store(&self) -> &Store {
        &self.inner.object.store
    }
}
