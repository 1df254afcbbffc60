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
//! # Rows
//!
//! A call object has rows, one per invocation, and a [`Call`] is one row of it. A call object is claimed when
//! its first row is taken and finished when its last row has ended.

mod args;
mod call;
mod caller;
mod discovery;
mod expect;
mod flight;
mod issued;
mod namespace;
mod output;
mod processor;
mod queue;
mod reference;
mod table;
mod take;
mod tensor;

pub use args::{Arg, Args, Results};
pub use call::Call;
pub use caller::{Caller, CallerOptions, FoundProcessor};
pub use expect::{Expectation, ExpectedTable};
pub use namespace::Namespace;
pub use output::OutputMemory;
pub use processor::{Function, Processor, ProcessorOptions};
pub use reference::Ref;
pub use table::Table;
pub use tensor::{Tensor, TensorWriter};

use crate::timeout::{Deadline, Timeout};

/// What is left of a timeout that began when `deadline` was made from it.
fn remaining(timeout: Timeout, deadline: &Deadline) -> Timeout {
    match timeout {
        Timeout::Forever => Timeout::Forever,
        _ => deadline.left(std::time::Duration::MAX).map_or(Timeout::Poll, Timeout::After),
    }
}
