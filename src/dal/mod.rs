//! SKELETON (interface): namespaces, references, caller, processor.
use std::sync::Arc;
use crate::error::{Error, Result};
use crate::store::{Buffer, ObjectId, ObjectState, Prefix, Store};
use crate::timeout::Timeout;
use crate::wire::{CallSchema, Cell, Elem, Layout, Order, TensorSource};

/// A namespace of this client: objects put into it are named by it. Clones share it; reserved at the first put (or by `reserve_now`).
#[derive(Clone)]
pub struct Namespace {}
impl Namespace {
    pub fn new(_store: &Store, _name: Option<&str>) -> Namespace { todo!() }
    pub fn store(&self) -> &Store { todo!() }
    pub fn prefix(&self) -> Result<Prefix> { todo!() }
    pub fn new_id(&self) -> Result<ObjectId> { todo!() }
    /// One copy into shared memory. `order`: None keeps F when the source is F contiguous, else C.
    pub fn put_tensor(&self, _value: &TensorSource<'_>) -> Result<Ref> { todo!() }
    /// In place: memory to fill, then seal.
    pub fn create_tensor(&self, _elem: Elem, _shape: &[i64], _names: &[String], _order: Order, _zeroed: bool) -> Result<TensorWriter> { todo!() }
    /// A raw object.
    pub fn put_bytes(&self, _data: &[u8], _metadata: &[u8]) -> Result<Ref> { todo!() }
    /// An owning reference to a tensor that does not exist yet (to pass as an explicit output, or to put later).
    pub fn new_ref(&self, _expect: Option<(Elem, Vec<String>)>) -> Result<Ref> { todo!() }
    /// A borrowed reference to an ID.
    pub fn borrow(&self, _id: ObjectId, _expect: Option<(Elem, Vec<String>)>) -> Ref { todo!() }
}

/// A tensor being written in place. Dropping it aborts.
pub struct TensorWriter {}
impl TensorWriter {
    pub fn layout(&self) -> &Layout { todo!() }
    pub fn id(&self) -> ObjectId { todo!() }
    pub fn bytes_mut(&mut self) -> &mut [u8] { todo!() }
    pub fn data_ptr(&mut self) -> *mut u8 { todo!() }
    /// Seals and gives the reference (for a call's output: a borrowed one).
    pub fn seal(self) -> Result<Ref> { todo!() }
    pub fn abort(self) { todo!() }
}

/// A sealed tensor held: pinned as long as this (or a clone) lives.
#[derive(Clone)]
pub struct Tensor {}
impl Tensor {
    pub fn layout(&self) -> &Layout { todo!() }
    /// The contiguous body.
    pub fn bytes(&self) -> &[u8] { todo!() }
    pub fn buffer(&self) -> &Buffer { todo!() }
}

/// A handle to an object that may not exist yet; clones share it.
#[derive(Clone)]
pub struct Ref {}
impl Ref {
    pub fn id(&self) -> ObjectId { todo!() }
    pub fn is_owning(&self) -> bool { todo!() }
    pub fn state(&self) -> Result<ObjectState> { todo!() }
    pub fn exists(&self) -> Result<bool> { todo!() }
    /// Waits until it exists; the error of a failed one.
    pub fn wait(&self, _timeout: Timeout) -> Result<()> { todo!() }
    pub fn get_buffer(&self, _timeout: Timeout) -> Result<Buffer> { todo!() }
    pub fn get_tensor(&self, _timeout: Timeout) -> Result<Tensor> { todo!() }
    /// Writes the value of a reference made by new_ref.
    pub fn put_tensor(&self, _value: &TensorSource<'_>) -> Result<()> { todo!() }
    pub fn create_tensor(&self, _elem: Elem, _shape: &[i64], _names: &[String], _order: Order, _zeroed: bool) -> Result<TensorWriter> { todo!() }
    /// Keeps the object for ever (until deleted by ID).
    pub fn disown(&self) -> Result<()> { todo!() }
}

/// One argument of a call.
#[derive(Clone)]
pub enum Arg { Cell(Cell), Ref(Ref), Null }
/// Arguments by name or by position.
#[derive(Clone, Default)]
pub struct Args {}
impl Args {
    pub fn new() -> Args { todo!() }
    pub fn set(&mut self, _name: &str, _arg: Arg) { todo!() }
    pub fn push(&mut self, _arg: Arg) { todo!() }
    /// A tensor value: put first, when the call is issued (copied now into the caller's namespace at issue).
    pub fn clear(&mut self) { todo!() }
}
/// References to the outputs of one call, in the schema's order.
pub struct Results {}
impl Results {
    pub fn len(&self) -> usize { todo!() }
    pub fn name(&self, _index: usize) -> Option<&str> { todo!() }
    /// None for a null output.
    pub fn at(&self, _index: usize) -> Option<&Ref> { todo!() }
    pub fn get(&self, _name: &str) -> Result<Option<&Ref>> { todo!() }
}

#[derive(Clone, Debug)]
pub struct CallerOptions { /** default 1 */ pub minimum_processors: usize, pub processor_prefix: Vec<u8>, /** how long new() may wait for them; default 0 */ pub timeout: Timeout, /** of each function; 0 = no limit */ pub max_in_flight: usize }
pub struct Caller {}
impl Caller {
    pub fn new(_namespace: &Namespace, _schemas: Vec<CallSchema>, _options: &CallerOptions) -> Result<Caller> { todo!() }
    /// Looks again for compatible processors (waits for the minimum); their number.
    pub fn find_processors(&self, _timeout: Timeout) -> Result<usize> { todo!() }
    pub fn num_processors(&self) -> usize { todo!() }
    pub fn namespace(&self) -> &Namespace { todo!() }
    /// Issues one call, does not wait for it.
    pub fn call(&self, _function: &str, _args: &Args) -> Result<Results> { todo!() }
}

pub type Function = Arc<dyn Fn(&Call) -> Result<()> + Send + Sync>;
#[derive(Clone, Debug, Default)]
pub struct ProcessorOptions { pub name: Option<String>, pub prefix: Vec<u8> }
/// Offers functions and runs calls.
pub struct Processor {}
impl Processor {
    pub fn new(_store: &Store, _options: &ProcessorOptions) -> Result<Processor> { todo!() }
    /// None: pull style (the function only comes out of `next`).
    pub fn register(&mut self, _schema: CallSchema, _function: Option<Function>) -> Result<()> { todo!() }
    /// Publishes the declaration.
    pub fn start(&mut self) -> Result<()> { todo!() }
    pub fn prefix(&self) -> Result<Prefix> { todo!() }
    pub fn name(&self) -> &str { todo!() }
    /// Takes the oldest call whose inputs exist. Timeout error when none came.
    pub fn next(&self, _timeout: Timeout) -> Result<Call> { todo!() }
    /// Takes one and runs its callback; false on timeout.
    pub fn process(&self, _timeout: Timeout) -> Result<bool> { todo!() }
    /// Fails queued calls, waits for running ones.
    pub fn close(self) -> Result<()> { todo!() }
}

/// A call that was taken. Shared by reference between threads. Dropping it ends it: outputs never written fail.
#[derive(Clone)]
pub struct Call {}
impl Call {
    pub fn function(&self) -> &str { todo!() }
    pub fn schema(&self) -> &CallSchema { todo!() }
    pub fn is_null(&self, _param: usize) -> Result<bool> { todo!() }
    pub fn cell(&self, _param: usize) -> Result<&Cell> { todo!() }
    /// Input tensor, pinned when the call was claimed.
    pub fn tensor(&self, _param: usize) -> Result<Tensor> { todo!() }
    /// Any object parameter as a (borrowed) reference.
    pub fn reference(&self, _param: usize) -> Result<Ref> { todo!() }
    pub fn create_tensor(&self, _param: usize, _shape: &[i64], _order: Order, _zeroed: bool) -> Result<TensorWriter> { todo!() }
    pub fn put_tensor(&self, _param: usize, _value: &TensorSource<'_>) -> Result<()> { todo!() }
    /// Index of a parameter by name; an error that lists the names.
    pub fn param(&self, _name: &str) -> Result<usize> { todo!() }
    /// Fails the outputs that are not sealed yet.
    pub fn fail(&self, _error: &Error) -> Result<()> { todo!() }
    /// Ends the call: outputs neither sealed nor being written fail with OUTPUT_NOT_WRITTEN.
    pub fn finish(&self) -> Result<()> { todo!() }
    pub fn is_cancelled(&self) -> bool { todo!() }
}
