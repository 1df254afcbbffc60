//! Namespaces, references, callers and processors: what a program does with a store.
//!
//! # Who keeps what alive
//!
//! A process can have two claims on an object: it *wants* the object to exist, and it *pins* the bytes of the object. This
//! module decides when claims are made and dropped:
//!
//! ```text
//! Ref of an output ──dependency──▶ the issued call ──reference──▶ Refs of its inputs
//!      │ wants the output             │ wants the call object        │ want the inputs
//! ```
//!
//! * A *dependency* must exist until the object does. The reference to an output releases its call as soon as it sees the
//!   output sealed or failed. That happens in `wait`, `get` and `state`. For programs that never call these, it also happens
//!   for a few outputs whenever the namespace puts an object or issues a call ([`Namespace::sweep`]).
//! * A *reference* must exist as long as the object is needed: a call keeps its inputs.
//! * So dropping the last reference to every output of a call that has not started drops the call: it is cancelled. The
//!   call is released before its inputs, so that a processor that finds an input missing can distinguish a cancelled call
//!   from a lost input.
//! * A processor pins the inputs when it takes a call. [`Call`], its tensors, its input references and its writers hold
//!   those pins, also after the call has ended and after the caller has dropped everything.
//!
//! # The life of a call in a processor
//!
//! `queued → (inputs exist) → claimed → running → ended`. Each private list is guarded by one lock, which is never held
//! while waiting or while a function runs. If a processor crashes, the store fails its queue and its awaited outputs with
//! PROCESSOR_LOST.
//!
//! A function *runs* from the moment when its call is taken until it has returned. For a call from `next` it runs until the
//! call is finished, or the handle is dropped. After that, another call of a function that is not re-entrant, or the next
//! call of an ordered one, is taken. A deferred call is *open* longer: until it is finished, or all handles that may write
//! its outputs are dropped.
//!
//! Locks: first that of the queue, and within it that of a call object or of the crew. All others are taken alone.
//!
//! # Rows
//!
//! A call object has rows, one per invocation, and a [`Call`] is one row of it. A call object is claimed when its first row
//! is taken, and finished when its last row has ended.

mod again;
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
mod finder;
mod flight;
mod forms;
mod function;
mod giving;
mod issue;
mod many;
mod namespaces;
#[cfg(feature = "ndarray")]
mod ndarrays;
mod output;
mod ownership;
mod passed;
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
pub use caller::Caller;
pub use discovery::FoundProcessor;
pub use expect::{Expectation, ExpectedTable};
pub use finder::{CallerOptions, Select};
pub use function::FunctionOptions;
pub use many::{wait_many, WaitMode};
pub use namespaces::{namespaces, DeclaredNamespace};
pub use ownership::{Namespace, NamespaceOptions, Ref};
pub use passing::import;
pub use processor::{Function, Processor, ProcessorOptions};
pub use table::Table;
pub use tensor::Tensor;
pub use tensor_writer::TensorWriter;
