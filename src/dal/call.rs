//! A call that a processor has taken: its values, its pinned inputs and the memory of its outputs.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::error::{Error, Kind, Result};
use crate::store::{Buffer, CreateSpec, Store, Writer};
use crate::wire::{CallSchema, Cell, Direction, Layout, Order, Param, ParamType, TensorSource};

use super::expect::{dims, DimSizes, Expectation};
use super::output::{OutputMemory, OutputTarget, Outputs};
use super::queue::CallObject;
use super::reference::Ref;
use super::tensor::{Tensor, TensorForm, TensorMemory, TensorWriter};

/// A call that was taken: one invocation of a function. Clones share it, any thread may use it.
///
/// Parameters go by their index in the schema ([`Call::param`] finds it). The inputs stay pinned until the
/// call has ended *and* every handle made from it (tensors, references, writers, clones) is gone.
///
/// Outputs are written in one of two ways. [`Call::create_tensor`] gives a [`TensorWriter`] of its own,
/// sealed by its owner, if need be after the function has returned. [`Call::create_output`] leaves the writer
/// with the call and gives a pointer; such outputs are sealed by [`Call::seal_output`], or all at once by
/// [`Call::finish`].
///
/// Dropping the last handle without `finish` ends the call: what was not sealed fails with
/// OUTPUT_NOT_WRITTEN.
#[derive(Clone)]
pub struct Call {
    inner: Arc<CallInner>,
}

pub(super) struct CallInner {
    pub(super) outputs: Outputs,
    store: Store,
    object: Arc<CallObject>,
    row: usize,
    /// By parameter.
    inputs: Vec<Option<Input>>,
    sizes: Mutex<DimSizes>,
}

/// An input that was pinned when the call was taken.
pub(super) enum Input {
    Tensor(Tensor),
    Object(Buffer),
}

impl CallInner {
    /// Takes the call off the queue if the function has returned and nothing is being written any more.
    pub(super) fn end_if_done(&self) {
        if self.outputs.end() {
            // What fails here is the store's own bookkeeping: it is put right when the queue is looked at
            // again.
            let _ = self.object.end_row();
        }
    }
}

impl Drop for CallInner {
    fn drop(&mut self) {
        let _ = self.outputs.finish(false);
        self.end_if_done();
    }
}

impl Call {
    pub(super) fn new(
        store: &Store,
        object: Arc<CallObject>,
        row: usize,
        outputs: Outputs,
        inputs: Vec<Option<Input>>,
        sizes: DimSizes,
    ) -> Call {
        let sizes = Mutex::new(sizes);
        Call { inner: Arc::new(CallInner { outputs, store: store.clone(), object, row, inputs, sizes }) }
    }

    /// The function's name.
    pub fn function(&self) -> &str {
        &self.schema().name
    }

    /// The function's schema as the processor registered it.
    pub fn schema(&self) -> &CallSchema {
        &self.inner.object.function.schema
    }

    /// The place of the function in the order of registration.
    pub fn function_index(&self) -> usize {
        self.inner.object.function.index
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
    pub fn is_null(&self, param: usize) -> Result<bool> {
        Ok(matches!(self.cell(param)?, Cell::Null))
    }

    /// The value that came with the call; an ID for tensors, tables and objects.
    pub fn cell(&self, param: usize) -> Result<&Cell> {
        self.spec(param)?;
        Ok(self.inner.object.rows[self.inner.row].get(param).unwrap_or(&Cell::Null))
    }

    /// An input tensor. INVALID_ARGUMENT if the parameter is no tensor input, or null.
    pub fn tensor(&self, param: usize) -> Result<Tensor> {
        match self.input(param)? {
            Input::Tensor(tensor) => Ok(tensor.clone()),
            Input::Object(buffer) => Tensor::read(buffer.clone()),
        }
    }

    /// The bytes of an input object, whatever they hold.
    pub fn buffer(&self, param: usize) -> Result<Buffer> {
        Ok(match self.input(param)? {
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
    pub fn reference(&self, param: usize) -> Result<Ref> {
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
                Ok(Ref::pinned(buffer, Expectation::of_param(spec)))
            }
            (_, Cell::Id(id)) => Ok(Ref::borrowed(&self.inner.store, *id, Expectation::of_param(spec))),
            (_, Cell::Null) => Err(self.wrong(spec, "is null in this call")),
            _ => Err(self.wrong(spec, "is a plain value, not an object")),
        }
    }

    /// Memory in the store for an output, to fill in place and then to seal. The element type and the
    /// dimension names are the parameter's; `shape` must have as many sizes and agree with the fixed sizes
    /// and with what the call's other tensors say of equal dimension names. If nobody wants the output any
    /// more it is private memory. ALREADY_EXISTS if it is being written (an aborted one may be created again)
    /// or sealed.
    pub fn create_tensor(
        &self,
        param: usize,
        shape: &[i64],
        order: Order,
        zeroed: bool,
    ) -> Result<TensorWriter> {
        let (target, memory) = self.lend(param, self.new_form(param, shape, order)?, zeroed)?;
        Ok(TensorWriter::for_output(memory, target))
    }

    /// As [`Call::create_tensor`], but the call keeps the writer: the memory is sealed by
    /// [`Call::seal_output`] or by [`Call::finish`], and given back by [`Call::abort_output`] or by
    /// [`Call::fail`].
    pub fn create_output(
        &self,
        param: usize,
        shape: &[i64],
        order: Order,
        zeroed: bool,
    ) -> Result<OutputMemory> {
        let (_, memory) = self.lend(param, self.new_form(param, shape, order)?, zeroed)?;
        self.inner.outputs.keep(param, memory)
    }

    /// Seals an output that the call keeps. NOT_FOUND if it was not created.
    pub fn seal_output(&self, param: usize) -> Result<Ref> {
        self.output_spec(param)?;
        let memory = self.inner.outputs.take_kept(param)?;
        let sealed = self.inner.outputs.seal(param, memory);
        self.inner.end_if_done();
        sealed
    }

    /// Gives the memory of an output that the call keeps back; it can be created again.
    pub fn abort_output(&self, param: usize) -> Result<()> {
        self.output_spec(param)?;
        drop(self.inner.outputs.take_kept(param)?);
        self.inner.outputs.reopen(param);
        Ok(())
    }

    /// Writes an output with one copy and seals it. Errors as [`Call::create_tensor`]; dimensions without a
    /// name get the parameter's.
    pub fn put_tensor(&self, param: usize, value: &TensorSource<'_>) -> Result<()> {
        let spec = self.output_spec(param)?;
        let form = TensorForm::of_value(value, &Expectation::of_param(spec))
            .map_err(|error| self.wrong(spec, error.message()))?;
        self.check_sizes(spec, &value.layout.shape)?;
        let (target, mut memory) = self.lend(param, form, false)?;
        if let Err(error) = memory.fill(value) {
            drop(memory);
            target.aborted();
            return Err(self.wrong(spec, error.message()));
        }
        target.seal(memory).map(drop)
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

    fn output_spec(&self, param: usize) -> Result<&Param> {
        let spec = self.spec(param)?;
        match (spec.direction, &spec.ty) {
            (Direction::In, _) => Err(self.wrong(spec, "is an input: it cannot be written")),
            (Direction::Out, ParamType::Table(_)) => Err(self.wrong(spec, "is a table, not a tensor")),
            (Direction::Out, _) => Ok(spec),
        }
    }

    fn new_form(&self, param: usize, shape: &[i64], order: Order) -> Result<TensorForm> {
        let spec = self.output_spec(param)?;
        let ParamType::Tensor { elem, dims } = &spec.ty else {
            return Err(self.wrong(spec, "is an object of any kind: put a value whose type is known"));
        };
        let is_tag = dims.is_empty() && shape == [0];
        if dims.len() != shape.len() && !is_tag {
            let found = format!("has {} dimensions, not {}", dims.len(), shape.len());
            return Err(self.wrong(spec, &found));
        }
        self.check_sizes(spec, shape)?;
        let names = Expectation::of_param(spec).fill_names(&[], shape.len());
        let layout = Layout::contiguous(*elem, shape, order, &names)
            .map_err(|error| self.wrong(spec, &format!("cannot be made: {}", error.message())))?;
        TensorForm::new(layout)
    }

    fn check_sizes(&self, spec: &Param, shape: &[i64]) -> Result<()> {
        if !self.inner.object.function.strict_dims {
            return Ok(());
        }
        let fits = self.inner.sizes.lock().fits(&spec.name, dims(spec).unwrap_or_default(), shape);
        fits.map_err(|error| error.context(self.function()))
    }

    fn lend(&self, param: usize, form: TensorForm, zeroed: bool) -> Result<(OutputTarget, TensorMemory)> {
        let spec = self.output_spec(param)?;
        let (id, memory) = self.inner.outputs.create(param, form, zeroed)?;
        let target = OutputTarget { call: self.inner.clone(), param, id };
        if self.inner.object.function.strict_dims {
            let shape = &memory.layout().shape;
            // Two threads may have made two outputs of different sizes at once: the second sees it here.
            let learnt = self.inner.sizes.lock().learn(&spec.name, dims(spec).unwrap_or_default(), shape);
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

    /// Ends the call: seals the outputs that the call keeps; those that nobody can write any more fail with
    /// OUTPUT_NOT_WRITTEN, which is returned too. Writers that are still alive may be sealed later: the call
    /// ends with the last of them. Calling it again does nothing.
    pub fn finish(&self) -> Result<()> {
        let result = self.inner.outputs.finish(true);
        if self.inner.outputs.end() {
            self.inner.object.end_row()?;
        }
        result
    }

    /// Whether nobody wants what is still to be written (or, without outputs, the call itself).
    pub fn is_cancelled(&self) -> bool {
        let has_outputs = self.schema().params.iter().any(|param| param.direction == Direction::Out);
        match self.inner.outputs.abandoned() {
            Some(abandoned) => abandoned,
            None => !has_outputs && !self.inner.object.is_wanted(),
        }
    }
}
