//! How to open a store: what the options leave open comes from the environment, then from the machine.

use std::path::Path;
use std::time::Duration;

use super::Store;
use crate::error::{Error, Kind, Result};
use crate::shm::layout::{LEAST_OBJECTS, MOST_OBJECTS};
use crate::shm::segment::Plan;
use crate::shm::{cgroup, place};

/// What [`Store::open`](super::Store::open) does when there is no store at the path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Create {
    /// Create one.
    #[default]
    IfMissing,
    /// Fail with `NotFound`.
    Never,
}

/// Options for opening a store, and for creating it if there is none.
#[derive(Clone, Debug, Default)]
pub struct StoreOptions {
    /// Size of a new store in bytes. `None`: `SDP_DAL_STORE_SIZE`, or half of the free space in the tmpfs or of the
    /// memory limit, whichever is less.
    pub size: Option<u64>,
    /// Maximum number of objects, up to 2^26. It is rounded up to a power of two, at least 1024. 0 or `None`: 2^20.
    pub max_objects: Option<u32>,
    /// Maximum number of clients: 64 to 1024, a multiple of 64. Default: 256.
    pub max_clients: Option<u32>,
    /// A group that may use the store too (mode 0660).
    pub group: Option<u32>,
    /// The user ID of another owner whose store is accepted.
    pub accept_owner: Option<u32>,
    /// What to do if there is no store.
    pub create: Create,
    /// Name of this client in lists and messages. Default: the name of the program.
    pub name: Option<String>,
    /// When the store is full, evict objects that are evictable, unwanted and not pinned. Fixed when the store is
    /// created.
    pub eviction: bool,
    /// Reserve all memory when the store is created.
    pub reserve: bool,
    /// Fail if the store already exists with another size than `size`, or without eviction although `eviction` is set.
    pub exact: bool,
}

/// How long to wait for space in a full store by default.
pub fn full_timeout() -> Duration {
    let seconds = std::env::var("SDP_DAL_FULL_TIMEOUT").ok().and_then(|text| text.parse::<f64>().ok());
    seconds.and_then(|s| Duration::try_from_secs_f64(s).ok()).unwrap_or(Duration::from_secs(10))
}

impl Store {
    /// A warning if the control group of this process may use less memory than the size of the store. Opening the store
    /// also writes it to the log.
    pub fn memory_warning(&self) -> Option<String> {
        too_little(cgroup::memory_limit()?, self.attachment.segment.geometry().size)
    }
}

/// What is wrong if a control group may use `limit` bytes, and a store of `size` is in it.
fn too_little(limit: u64, size: u64) -> Option<String> {
    (limit < size).then(|| {
        format!(
            "the control group may use {limit} bytes of memory, less than the store's size of {size}: the \
             kernel will kill a process when the limit is reached. Create a smaller store, or raise the limit"
        )
    })
}

/// Whether writing to an object after sealing raises SIGSEGV in its creator too.
pub fn protects() -> bool {
    std::env::var_os("SDP_DAL_PROTECT").is_some_and(|value| value == "1")
}

impl StoreOptions {
    /// Whether `store`, which may have been there before, is as it was asked for. Size and eviction are fixed when a store is made.
    pub(super) fn agree_with(&self, store: &Store) -> Result<()> {
        let (size, evicts) = (store.attachment.segment.geometry().size, store.attachment.evicts());
        let asked = self.size.unwrap_or(size);
        if !self.exact || size == asked && (evicts || !self.eviction) {
            return Ok(());
        }
        let how = |evicts| if evicts { "with eviction" } else { "without eviction" };
        Err(Error::new(
            Kind::AlreadyExists,
            format!(
                "the store {} already exists with {size} bytes, {}, but {asked} bytes, {}, were requested: \
                 close its clients first, or request what it has",
                store.path().display(),
                how(evicts),
                how(self.eviction)
            ),
        ))
    }

    /// What a new store at `file` is made with.
    pub(super) fn plan(&self, file: &Path) -> Result<Plan> {
        let size = match self.size {
            Some(size) => size,
            None => default_size(file)?,
        };
        Ok(Plan {
            size,
            max_objects: max_objects(self.max_objects)?,
            max_clients: self.max_clients.unwrap_or(256),
            group: self.group,
            eviction: self.eviction,
            reserve: self.reserve,
        })
    }
}

/// What the layout makes of the number that was asked for.
fn max_objects(asked: Option<u32>) -> Result<u32> {
    match asked {
        None | Some(0) => Ok(1 << 20),
        Some(asked) if asked > MOST_OBJECTS => {
            Err(Error::invalid(format!("max_objects is {asked}, but the maximum is {MOST_OBJECTS}")))
        }
        Some(asked) => Ok(asked.next_power_of_two().max(LEAST_OBJECTS)),
    }
}

fn default_size(file: &Path) -> Result<u64> {
    if let Ok(text) = std::env::var("SDP_DAL_STORE_SIZE") {
        return text.trim().parse().map_err(|_| {
            Error::invalid(format!("SDP_DAL_STORE_SIZE is '{text}'; it must be a number of bytes"))
        });
    }
    let folder = file.parent().unwrap_or(Path::new("/dev/shm"));
    Ok(share(place::free_bytes(folder)?, cgroup::memory_limit()))
}

/// What a store takes of the memory that there is.
fn share(free: u64, limit: Option<u64>) -> u64 {
    let most = limit.map_or(free, |limit| limit.min(free));
    (most / 2).max(1 << 20)
}

#[cfg(test)]
mod tests;
