//! A call that a processor has taken: its values, its pinned inputs and the memory of its outputs.

use std::ffi::CStr;
use std::sync::Arc;

use crate::error::{Error, Kind, Result};
use crate::store::{Buffer, CreateSpec, ObjectId, Store, Writer};
use crate::sync::atomic::Mutex;
use crate::timeout::Timeout;
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
/// Parameters are accessed by their index in the schema, which [`Call::param`] finds. The inputs stay pinned until the
/// call has ended *and* every handle created from it (tensors, references, writers, clones) is dropped.
///
/// Outputs are written in one of two ways. [`Call::create_tensor`] returns a [`TensorWriter`], which its owner seals,
/// also after the function has returned. [`Call::create_output`] keeps the writer in the call and returns a pointer.
/// Such outputs are sealed by [`Call::seal_output`], or all at once by [`Call::finish`].
///
/// A call is *open* (its outputs can be written) until it is finished. It also ends when the function has returned, and
/// the handles from [`Processor::next`](super::Processor::next) and [`Call::defer`] are dropped. Outputs that are not
/// sealed then fail with OUTPUT_NOT_WRITTEN. Clones share the call and keep what was read from it, but do not keep it
/// open.
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
    /// An output has its elements.
    HandedOn(usize),
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
    fn fits_shrunk(&self, param: usize, shape: &[i64]) -> Result<()> {
        let function = &self.object.function;
        if function.options.loose_dims {
            return Ok(());
        }
        // Other outputs may still be as large as this one was: they are shrunk next.
        let mut sizes = DimSizes::default();
        for (input, pinned) in self.inputs.iter().enumerate() {
            if let Some(Input::Tensor(tensor)) = pinned {
                sizes.learn(&function.schema.params, input, &tensor.layout().shape)?;
            }
        }
        let learnt = sizes.learn(&function.schema.params, param, shape);
        learnt.map_err(|error| error.context(&function.schema.name))?;
        *self.sizes.lock() = sizes;
        Ok(())
    }

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

    /// Declares that this thread runs the function of this call, until the call has ended. A wait in this thread that
    /// could never end then fails at once. [`Processor::process`](super::Processor::process) does this automatically.
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

    /// Creates a handle that keeps the call open after its function has returned. The outputs can be written from any
    /// thread, until the handle is finished or dropped. The function no longer counts as running when it has returned
    /// (or when the handle from `next` is dropped), also if it is ordered. INVALID_ARGUMENT if the call has ended.
    pub fn defer(&self) -> Result<Call> {
        let finished = self.inner.outputs.is_finished();
        let mut owners = self.inner.owners.lock();
        if *owners == 0 || finished {
            let text = format!("{}: the call has ended and can no longer be deferred", self.function());
            return Err(Error::invalid(text));
        }
        *owners += 1;
        let owner = Owner { call: self.inner.clone(), runs: false, succeeded: false };
        Ok(Call { inner: self.inner.clone(), owner: Some(owner) })
    }

    /// The name of the function.
    pub fn function(&self) -> &str {
        &self.schema().name
    }

    /// The name of the function, with a final NUL.
    pub fn function_text(&self) -> &CStr {
        self.inner.object.function.name()
    }

    /// The schema of the function as the processor registered it.
    pub fn schema(&self) -> &CallSchema {
        &self.inner.object.function.schema
    }

    /// The index of the function, or of its form that is called, in the order of registration.
    pub fn function_index(&self) -> usize {
        self.inner.object.function.place
    }

    /// The bytes of the call object, which the rows of a batch share: an Arrow IPC stream. INVALID_ARGUMENT if all rows
    /// have ended.
    pub fn object(&self) -> Result<Buffer> {
        self.inner.object.buffer().ok_or_else(|| {
            Error::invalid(format!("the call {} has ended: get its bytes before that", self.id()))
        })
    }

    /// The ID of the call object, which the rows of a batch share.
    pub fn id(&self) -> ObjectId {
        self.inner.object.call.id
    }

    /// The client number of the caller.
    pub fn caller(&self) -> u32 {
        self.inner.object.call.issuer
    }

    /// The row of this invocation in its call object, 0 for a single call.
    pub fn row(&self) -> usize {
        self.inner.row
    }

    /// The index of a parameter. The error NOT_FOUND lists all names.
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

    /// Whether this parameter is null.
    pub fn is_null(&self, param: impl ParamKey) -> Result<bool> {
        Ok(matches!(self.cell(param)?, Cell::Null))
    }

    /// The value in the call. It is an ID for tensors, tables and objects.
    pub fn cell(&self, param: impl ParamKey) -> Result<&Cell> {
        let param = param.index(self)?;
        self.spec(param)?;
        Ok(self.inner.object.rows[self.inner.row].get(param).unwrap_or(&Cell::Null))
    }

    /// Returns an input tensor in the order of its parameter, or as it is stored if the parameter has no order.
    /// INVALID_ARGUMENT if the parameter is not a tensor input, or is null.
    pub fn tensor(&self, param: impl ParamKey) -> Result<Tensor> {
        let param = param.index(self)?;
        self.tensor_in(param, self.spec(param)?.ty.order())
    }

    /// Returns an input tensor in an order, or as it is stored for None. If it is stored in another order it is copied
    /// once, into memory of this process, which exists as long as a handle of the call or the tensor. Errors like
    /// [`Call::tensor`].
    pub fn tensor_in(&self, param: usize, order: Option<Order>) -> Result<Tensor> {
        let stored = self.stored_tensor(param)?;
        let Some(order) = order.filter(|order| !stored.layout().is_contiguous(*order)) else {
            return Ok(stored);
        };
        // A whole tensor is stored in one of two orders, so that there is one copy at most; of a part there may be two.
        let mut turned = self.inner.turned.lock();
        let is_it = |tensor: &Tensor| tensor.layout().is_contiguous(order);
        if let Some((_, tensor)) = turned.iter().find(|(other, tensor)| *other == param && is_it(tensor)) {
            return Ok(tensor.clone());
        }
        let tensor = stored.turned(order)?;
        turned.push((param, tensor.clone()));
        Ok(tensor)
    }

    fn stored_tensor(&self, param: usize) -> Result<Tensor> {
        match self.input(param)? {
            Input::Tensor(tensor) => Ok(tensor.clone()),
            Input::Object(buffer) => match self.cell(param)?.part() {
                Some(part) => Tensor::read_part(buffer.clone(), part),
                None => Tensor::read(buffer.clone()),
            },
            Input::HandedOn(output) => Err(self.is_elsewhere(param, *output)),
        }
    }

    /// Returns a private copy of an input tensor, which may be overwritten. The first call for a parameter creates it,
    /// in the order of [`Call::tensor`]. Later calls return the same memory, with any changes. The pointer is valid as
    /// long as a handle of the call exists.
    pub fn copy_tensor(&self, param: usize) -> Result<CallMemory> {
        let (tensor, order) = (self.stored_tensor(param)?, self.spec(param)?.ty.order());
        let mut copies = self.inner.copies.lock();
        if let Some((_, copy)) = copies.iter_mut().find(|(other, _)| *other == param) {
            return Ok(copy.memory());
        }
        let mut copy = PrivateCopy::of(&tensor.source(), order)?;
        let memory = copy.memory();
        copies.push((param, copy));
        Ok(memory)
    }

    /// The bytes of an input object of any kind.
    pub fn buffer(&self, param: impl ParamKey) -> Result<Buffer> {
        let param = param.index(self)?;
        match self.input(param)? {
            Input::Tensor(tensor) => Ok(tensor.buffer().clone()),
            Input::Object(buffer) => Ok(buffer.clone()),
            Input::HandedOn(output) => Err(self.is_elsewhere(param, *output)),
        }
    }

    fn input(&self, param: usize) -> Result<&Input> {
        let spec = self.spec(param)?;
        if let Some(Some(input)) = self.inner.inputs.get(param) {
            return Ok(input);
        }
        Err(match (&spec.ty, spec.direction) {
            (_, Direction::Out) => self.wrong(spec, "is an output: there is nothing to read yet"),
            (ParamType::Scalar(_), _) => self.wrong(spec, "is a plain value, not an object"),
            (ParamType::Id, _) => self.wrong(spec, "is only an ID: make a reference from it"),
            _ => self.wrong(spec, "is null in this call"),
        })
    }

    /// Returns a borrowed reference to the object of any parameter. The reference to an input keeps its bytes.
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
                    Input::HandedOn(output) => return Err(self.is_elsewhere(param, *output)),
                };
                Ok(match self.cell(param)?.part() {
                    Some(part) => Ref::pinned_part(buffer, part, self.expects(param)),
                    None => Ref::pinned(buffer, self.expects(param)),
                })
            }
            (_, Cell::Id(id)) => Ok(Ref::borrowed(self.store(), *id, self.expects(param))),
            (_, Cell::Null) => Err(self.wrong(spec, "is null in this call")),
            _ => Err(self.wrong(spec, "is a plain value, not an object")),
        }
    }

    /// Creates an output in the store, to fill in place and then to seal. The element type and the dimension names are
    /// those of the parameter. If no order is given, it is that of the parameter, or C. `shape` must have one size per
    /// dimension. It must match the sizes in the signature, and those of dimensions with the same name in other tensors
    /// of the call. If no client wants the output any more, the memory is private. ALREADY_EXISTS if the output is
    /// being written or is sealed. After an abort it may be created again.
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

    /// Like [`Call::create_tensor`], but the call keeps the writer. The memory is sealed by [`Call::seal_output`] or
    /// [`Call::finish`], and freed by [`Call::abort_output`] or [`Call::fail`].
    pub fn create_output(
        &self,
        param: usize,
        shape: &[i64],
        order: impl Into<Option<Order>>,
        zeroed: bool,
    ) -> Result<CallMemory> {
        self.create_output_within(param, shape, order, zeroed, None)
    }

    /// Like [`Call::create_output`], with another time to wait for space in a full store. None: that of the function.
    pub fn create_output_within(
        &self,
        param: usize,
        shape: &[i64],
        order: impl Into<Option<Order>>,
        zeroed: bool,
        full_timeout: Option<Timeout>,
    ) -> Result<CallMemory> {
        let form = self.new_form(param, shape, order.into())?;
        let (_, memory) = self.lend_within(param, form, zeroed, full_timeout)?;
        self.inner.outputs.keep(param, memory)
    }

    fn is_elsewhere(&self, param: usize, output: usize) -> Error {
        let params = &self.schema().params;
        let (input, output) = (&params[param].name, &params[output].name);
        Error::invalid(format!(
            "{}: output '{output}' starts from parameter '{input}' and has its elements: read them there",
            self.function()
        ))
    }

    /// The output that starts from this input and has its elements, if there is one in this call.
    pub(crate) fn handed_on(&self, param: usize) -> Result<Option<usize>> {
        self.spec(param)?;
        Ok(match self.inner.inputs.get(param) {
            Some(Some(Input::HandedOn(output))) => Some(*output),
            _ => None,
        })
    }

    /// Whether this output starts from an input in this call: a null one starts nothing.
    pub(crate) fn is_started(&self, param: usize) -> bool {
        self.inner
            .inputs
            .iter()
            .any(|input| matches!(input, Some(Input::HandedOn(output)) if *output == param))
    }

    /// The memory of an output that the call keeps: one from [`Call::create_output`], or one that starts from an input, which
    /// has the input's elements when the call is taken. NOT_FOUND if there is none.
    pub fn output_memory(&self, param: impl ParamKey) -> Result<CallMemory> {
        let param = param.index(self)?;
        self.output_spec(param)?;
        self.inner.outputs.kept(param)
    }

    /// Makes an output that the call keeps smaller: see [`TensorWriter::shrink`].
    pub fn shrink_output(&self, param: usize, shape: &[i64]) -> Result<CallMemory> {
        self.output_spec(param)?;
        self.inner.fits_shrunk(param, shape)?;
        self.inner.outputs.shrink(param, shape)?;
        self.inner.outputs.kept(param)
    }

    /// Seals an output from [`Call::create_output`]. NOT_FOUND if it was not created.
    pub fn seal_output(&self, param: usize) -> Result<Ref> {
        self.output_spec(param)?;
        let memory = self.inner.outputs.take_kept(param)?;
        self.inner.seal(param, memory)?;
        self.inner.output(param)
    }

    /// Frees the memory of an output from [`Call::create_output`]. It can be created again.
    pub fn abort_output(&self, param: usize) -> Result<()> {
        self.output_spec(param)?;
        drop(self.inner.outputs.take_kept(param)?);
        self.inner.outputs.reopen(param);
        Ok(())
    }

    /// Writes an output with one copy and seals it. Dimensions without a name get the names of the parameter. It is
    /// stored in the order of the parameter, if that has one. Errors like [`Call::create_tensor`].
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
            (Direction::In, _) => Err(self.wrong(spec, "is an input: it must not be written")),
            (Direction::Out, ParamType::Table(_)) => Err(self.wrong(spec, "is a table, not a tensor")),
            (Direction::Out, _) => Ok(spec),
        }
    }

    fn new_form(&self, param: usize, shape: &[i64], order: Option<Order>) -> Result<TensorForm> {
        let spec = self.output_spec(param)?;
        let ParamType::Tensor { elem, dims, order: declared } = &spec.ty else {
            return Err(self.wrong(
                spec,
                "may be an object of any kind: write a tensor or a table, whose type is known",
            ));
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
                .map_err(|error| self.wrong(spec, &format!("cannot be created: {}", error.message())))?;
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
        self.lend_within(param, form, zeroed, None)
    }

    fn lend_within(
        &self,
        param: usize,
        form: TensorForm,
        zeroed: bool,
        full_timeout: Option<Timeout>,
    ) -> Result<(OutputTarget, TensorMemory)> {
        self.output_spec(param)?;
        let (id, memory) = self.inner.outputs.create(param, form, zeroed, full_timeout)?;
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

    /// Fails the outputs that are not sealed yet, with this kind and the text "function: message". Sealed outputs stay.
    pub fn fail(&self, error: &Error) -> Result<()> {
        self.inner.outputs.fail(error)
    }

    /// Ends the call, also a deferred one. It seals the outputs from [`Call::create_output`]. Outputs that can no
    /// longer be written fail with OUTPUT_NOT_WRITTEN, which is returned too. Existing writers may still be sealed
    /// later, and the call ends with the last of them. Calling it again does nothing.
    ///
    /// For a call from `next` it also ends the run of the function, unless the handle is a deferred one.
    pub fn finish(&self) -> Result<()> {
        let result = self.inner.outputs.finish(true);
        let ended = if self.inner.outputs.end() { self.inner.object.end_row() } else { Ok(()) };
        if self.owner.as_ref().is_none_or(|owner| owner.runs) && self.inner.is_pulled() {
            self.inner.end_run();
        }
        ended.and(result)
    }

    /// Whether no client wants the outputs that are not written yet (or the call itself, if it has no outputs).
    pub fn is_cancelled(&self) -> bool {
        self.inner.outputs.are_abandoned()
    }

    /// How many threads this run may use, at least 1. It is the number of threads of the processor, shared among the threads
    /// that work for the processor now. Without such a number it is what the CPU affinity and the quota of the control group
    /// allow, first shared among the processes that run functions of this store on the same CPUs now.
    pub fn thread_budget(&self) -> u32 {
        self.inner.crew.thread_budget()
    }

    /// Reports the progress of the call, from 0 to 1. Clients with a reference to one of its outputs can read it with
    /// [`Ref::progress`]. INVALID_ARGUMENT for a NaN.
    pub fn set_progress(&self, fraction: f64) -> Result<()> {
        self.inner.outputs.set_progress(fraction)
    }

    fn store(&self) -> &Store {
        &self.inner.object.store
    }
}
