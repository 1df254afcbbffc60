//! Ownership: references, the calls that were issued to create their objects, and the namespaces that name both.
//!
//! These three depend on each other by nature. A reference holds the calls that are to create its object, a call holds
//! the references of its inputs, and a namespace remembers what is not done yet, to which a reference that is disowned
//! adds.

mod issued;
mod namespace;
mod part;
mod reference;

pub(super) use issued::{call_ended, Held, IssuedAgain, IssuedCall, Unfinished};
pub(super) use namespace::{declare, fresh_id, program_name, raw_spec};
pub use namespace::{Namespace, NamespaceOptions};
pub(super) use reference::Life;
pub use reference::Ref;
