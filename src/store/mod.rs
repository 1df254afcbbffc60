//! Objects in shared memory: create, seal, get, wait, delete, list; calls and namespaces; recovery.
//!
//! `attachment` is the attachment of this process to a store, `locked` its lock, and `entries` the changes of objects under
//! it. Reading (`buffer`), waiting (`wait`), sealing (`create`) and claiming (`calls`) need no lock. `recover` and `reap` clean
//! up after crashed clients.
//!
//! ```text
//! absent → awaited → creating → sealed → (doomed) → gone          failed: a second end of awaited
//! ```

mod addresses;
mod attachment;
mod attempts;
mod buffer;
mod busy;
mod calls;
mod census;
mod check;
mod create;
mod delete;
mod descriptor;
mod destroy;
mod ended;
mod entries;
mod errands;
mod events;
mod evict;
mod follow;
pub mod id;
mod index;
mod inspect;
mod listing;
mod lists;
mod locked;
mod lookout;
mod namespaces;
mod options;
mod progress;
mod reap;
mod recover;
mod shortage;
mod spares;
mod take_over;
#[cfg(test)]
mod testing;
mod tie;
mod trim;
mod wait;
mod waiters;
mod want;

use std::path::Path;
use std::sync::Arc;

use crate::error::Result;

pub use attachment::leave_all;
pub use attempts::Attempt;
pub use buffer::Buffer;
pub use calls::{Claim, NewCall, QueuedCall};
pub use census::{census, stores, Census, StoreSummary};
pub use create::{CreateSpec, Writer};
pub use delete::DeleteMode;
pub use descriptor::Watch;
pub use ended::{ProcessEnd, SUPERVISED};
pub use entries::EntryKey;
pub use errands::Errand;
pub use events::{Event, EventKind, Subscription};
pub use id::{id_text, parse_id_start, ObjectId, Prefix, ID_SIZE, PREFIX_SIZE};
pub use inspect::{ClientInfo, ObjectInfo, ObjectState, StoreStat};
pub use listing::Listing;
pub use locked::Patience;
pub use lookout::Lookout;
pub use namespaces::NamespaceInfo;
pub use options::{full_timeout, Create, StoreOptions};
pub use take_over::TakenOver;
pub use want::Want;

pub use crate::shm::cgroup::memory_limit;
pub use crate::shm::layout::NO_CLIENT;

/// The attachment of this process to a store, which clones share. It ends with the last clone, buffer, writer or claim.
#[derive(Clone)]
pub struct Store {
    attachment: tie::Tie,
}

impl Store {
    /// The path of the store, absolute.
    pub fn path(&self) -> &Path {
        &self.attachment.place.path
    }

    /// Whether both are the same attachment.
    pub fn is_same(&self, other: &Store) -> bool {
        Arc::ptr_eq(self.attachment.attachment(), other.attachment.attachment())
    }

    /// Checks whether this process may use it.
    ///
    /// # Errors
    /// `Forked` in a child that inherited it.
    pub fn here(&self) -> Result<()> {
        self.attachment.here()
    }

    /// A random number that identifies this store. A store that is created later at the same path has another number.
    pub fn identity(&self) -> u64 {
        self.attachment.identity
    }

    /// The number of this process as a client, which is never reused in this store.
    pub fn number(&self) -> u32 {
        self.attachment.number
    }
}
