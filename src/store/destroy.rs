//! Deleting a whole store, even while it is in use, or one without clients.
//!
//! The first needs neither a client slot nor the lock. It thus works on a full store, and on one whose lock is held by
//! a stopped process. CLOSED is set first, and then the names are removed, as when the last client leaves. A crash in
//! between leaves a store that the next opener finds closed and replaces.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::census::StoreSummary;
use super::options::{Create, StoreOptions};
use super::Store;
use crate::error::{Error, Kind, Result};
use crate::shm::layout::MAGIC;
use crate::shm::liveness;
use crate::shm::place::{self, owner_is_fine, Found, Place};
use crate::shm::segment::Segment;
use crate::sync::atomic::Ordering;
use crate::sync::clock;
use crate::sync::fail;

/// How often the names are taken away while they come back or somebody else is at it.
const TRIES: u32 = 40;

impl Store {
    /// Deletes the store at `path` with all its objects. Attached clients keep what they hold, and the memory is freed
    /// when the last of them closes the store. No client can attach any more, and opening the path creates a new store.
    /// It also works on a store that is damaged or of another version, and on a link to a store that does not exist.
    /// Waits only for another process that removes the store.
    ///
    /// # Errors
    /// `NotFound`; `PermissionDenied`; `Corrupt` if the file is not a store. Then it is not changed.
    pub fn destroy(path: &Path, accept_owner: Option<u32>) -> Result<()> {
        let place = match place::find(path, accept_owner) {
            Ok(Found::There(place)) => place,
            Ok(Found::Nothing(place)) => {
                return Err(Error::new(
                    Kind::NotFound,
                    format!("there is no store at {}", place.path.display()),
                ));
            }
            // `find` has checked the owner of the link, and that it names a store's file.
            Ok(Found::Dangling(link)) => return link.remove(),
            Err(error) => return Err(error),
        };
        match Segment::open(&place, accept_owner, false) {
            Ok(segment) => {
                segment.header().closed.store(1, Ordering::SeqCst);
                fail::point("destroy.closed_set");
                take_away(&place, segment.file())
            }
            Err(error) if matches!(error.kind(), Kind::Corrupt | Kind::Unsupported) => {
                let file = unreadable(&place, accept_owner).ok_or(error)?;
                take_away(&place, &file)
            }
            Err(error) => Err(error),
        }
    }

    /// Removes a store that [`census`](super::census) found without a running client. Returns false if it was already
    /// removed, or a client uses it now. Waits for the lock of the store.
    ///
    /// It opens the store and closes it again, which removes a store without running clients. So a client that attaches
    /// meanwhile keeps its store, or creates a new one if it comes too late.
    ///
    /// # Errors
    /// Those of [`Store::open`], except `NotFound`.
    pub fn remove_left_over(found: &StoreSummary, accept_owner: Option<u32>) -> Result<bool> {
        let name = Place { path: found.file.clone(), file: found.file.clone() };
        let file = match name.open(true) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(Error::io(format!("opening {}", found.file.display()), &error)),
        };
        if liveness::being_born(&file) {
            return Ok(false);
        }
        // A link goes with its file. One that is not there, or in another container, cannot be followed.
        let linked = Place { path: PathBuf::from(&found.path), ..name.clone() };
        let path = if linked.leads_to(&file) { &linked.path } else { &name.path };
        let options = StoreOptions { accept_owner, create: Create::Never, ..StoreOptions::default() };
        match Store::open(path, &options) {
            Ok(store) => drop(store),
            Err(error) if error.kind() == Kind::NotFound => {}
            Err(error) => return Err(error),
        }
        Ok(!name.leads_to(&file))
    }

    /// Whether the store was destroyed, or its file removed, while this process uses it. Then no other client can
    /// attach to it.
    pub fn is_gone(&self) -> bool {
        let segment = &self.attachment.segment;
        // A forked child has no part in it.
        self.attachment.here().is_err()
            || segment.header().closed.load(Ordering::SeqCst) != 0
            || !self.attachment.place.leads_to(segment.file())
    }
}

/// A file that begins as a store does, of an owner that is fine, though nothing else in it may make sense.
fn unreadable(place: &Place, accept_owner: Option<u32>) -> Option<File> {
    let file = place.open(true).ok()?;
    let mut start = [0; 8];
    file.read_exact_at(&mut start, 0).ok()?;
    let owner = file.metadata().ok()?.uid();
    (u64::from_le_bytes(start) == MAGIC && owner_is_fine(owner, accept_owner)).then_some(file)
}

/// Takes the names away; another process that does the same is waited for.
fn take_away(place: &Place, file: &File) -> Result<()> {
    let is_there = || match (fs::symlink_metadata(&place.file), file.metadata()) {
        (Ok(there), Ok(ours)) => (there.ino(), there.dev()) == (ours.ino(), ours.dev()),
        _ => false,
    };
    for _ in 0..TRIES {
        place.remove(file);
        if !is_there() {
            return Ok(());
        }
        clock::sleep(Duration::from_millis(5));
    }
    Err(Error::new(
        Kind::PermissionDenied,
        format!("the store {} cannot be removed from its folder", place.file.display()),
    ))
}

#[cfg(test)]
mod tests;
