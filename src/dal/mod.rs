//! Namespaces, references, callers and processors: what a program does with a store.
//!
//! # Who keeps what alive
//!
//! The store knows two claims of a process on an object: it *wants* the object to exist, and it *pins* the
//! object's bytes. This room decides when they are made and dropped:
//!
//! ```text
//! Ref of an output ──dependency──▶ the issued call ──reference──▶ Refs of its inputs
//!      │ wants the output             │ wants the call object        │ want the inputs
//! ```
//!
//! * A *dependency* must live until the object exists: the output's reference lets its call go as soon as it
//!   sees the output sealed or failed. That happens in `wait`/`get`/`state`, and for programs that never ask, a
//!   few outputs at a time whenever the namespace puts something or a call is issued ([`Namespace::sweep`]).
//! * A *reference* must live as long as the object is needed: a call keeps its inputs.
//! * Dropping the last reference to every output of a call that has not started therefore drops the call: it is
//!   cancelled. The call is let go before its inputs, so that a processor which finds an input missing can tell
//!   a cancelled call from a lost input.
//! * A processor pins the inputs when it takes a call. [`Call`], its tensors, its input references and its
//!   writers hold those pins, also after the call has ended and whatever the caller drops.
//!
//! # The life of a call on the processor's side
//!
//! `queued → (inputs exist) → claimed → running → ended`. Each private list is guarded by one lock that is
//! never held while waiting or while a function runs. A processor that dies leaves its queue and its awaited
//! outputs to the store, which fails them with PROCESSOR_LOST.
//!
//! A function *runs* from the moment its call is taken until it has returned (pull style: until the call is
//! finished, or the handle given by `next` is dropped). That is when another call of a function that is not
//! re-entrant, or the next call of an ordered one, is taken. A call is *open* longer if it was deferred: until it
//! is finished, or nobody who may write its outputs is left.
//!
//! Locks: the queue's first; within it a call object's, or the crew's. All others are taken alone.
//!
//! # Rows
//!
//! A call object has rows, one per invocation, and a [`Call`] is one row of it. A call object is claimed when
//! its first row is taken and finished when its last row has ended.

mod args;
mod broadcast;
mod call;
mod call_memory;
mod call_object;
mod caller;
mod crew;
mod discovery;
mod expect;
mod failure;
mod flight;
mod function;
mod issue;
mod many;
mod namespaces;
#[cfg(feature = "ndarray")]
mod ndarrays;
mod output;
mod ownership;
mod passing;
mod pending;
mod processor;
mod queue;
mod relations;
mod standstill;
mod table;
mod take;
mod tensor;
mod tensor_writer;
mod threads;
mod typed;

pub use args::{Arg, Args, Results};
pub use broadcast::Reply;
pub use call::{Call, ParamKey};
pub use call_memory::CallMemory;
pub use caller::{Caller, CallerOptions, Select};
pub use discovery::FoundProcessor;
pub use expect::{Expectation, ExpectedTable};
pub use function::FunctionOptions;
pub use many::{wait_many, WaitMode};
pub use namespaces::{namespaces, DeclaredNamespace};
pub use ownership::{Namespace, NamespaceOptions, Ref};
pub use passing::import;
pub use processor::{Function, Processor, ProcessorOptions};
pub use table::Table;
pub use tensor::Tensor;
pub use tensor_writer::TensorWriter;
