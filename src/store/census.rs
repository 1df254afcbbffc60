//! All stores of this machine, seen from outside: without attaching or writing.
//!
//! A store is a file on a tmpfs whose first page is a store's header. The search covers `/dev/shm` and every mounted
//! tmpfs that this process sees, with the folders directly below each. The kernel reports which clients of a store are
//! running, by the byte locks of the numbers in its clients' slots.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::shm::mounts::{mounts, Mount, LIST};
use crate::shm::place::{Place, SHM};
use crate::shm::segment;

/// Description of a store, without opening it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreSummary {
    /// The path at which it was created (cut to 512 bytes).
    pub path: String,
    /// Its file.
    pub file: PathBuf,
    /// The user ID of the owner of the file.
    pub owner: u32,
    /// Time of its creation, since the epoch.
    pub created: Duration,
    /// Size of the store: how many bytes can be put into it.
    pub size: u64,
    /// Bytes of memory that it has allocated from the system for objects.
    pub reserved: u64,
    /// Number of running clients.
    pub clients: u32,
    /// Maximum number of clients.
    pub max_clients: u32,
}

impl StoreSummary {
    /// Whether no running client uses it. Then it is replaced when its path is opened again, and only uses memory until
    /// then.
    pub fn is_left_over(&self) -> bool {
        self.clients == 0
    }
}

/// The stores of a machine.
#[derive(Clone, Debug, Default)]
pub struct Census {
    /// The stores, sorted by the path at which they were created.
    pub stores: Vec<StoreSummary>,
    /// How many files and directories could not be read, because they belong to other users or are stores of another
    /// version.
    pub skipped: u32,
}

/// Lists all stores on this machine that this process may read.
///
/// # Errors
/// `Io` if the list of mounts cannot be read.
pub fn stores() -> Result<Vec<StoreSummary>> {
    census().map(|census| census.stores)
}

/// Like [`stores`], but also returns how much could not be read.
///
/// # Errors
/// Those of [`stores`].
pub fn census() -> Result<Census> {
    let mounts = mounts(Path::new("/")).map_err(|e| Error::io(format!("reading {LIST}"), &e))?;
    let mut found = Census::default();
    let mut seen = HashSet::new();
    for root in roots(mounts) {
        found.look_into(&root, &mut seen, true);
    }
    found.stores.sort_by(|a, b| (&a.path, &a.file).cmp(&(&b.path, &b.file)));
    Ok(found)
}

/// Where stores may lie.
fn roots(mounts: Vec<Mount>) -> impl Iterator<Item = PathBuf> {
    let tmpfs = mounts.into_iter().filter(|mount| mount.kind == "tmpfs").map(|mount| mount.point);
    [PathBuf::from(SHM)].into_iter().chain(tmpfs)
}

impl Census {
    /// Looks at the files of a folder, and at the folders in it if `deeper`. What was seen before, under another name or
    /// through another mount, is not looked at again.
    fn look_into(&mut self, folder: &Path, seen: &mut HashSet<(u64, u64)>, deeper: bool) {
        let Ok(entries) = fs::read_dir(folder) else {
            self.skipped += 1;
            return;
        };
        let Ok(own) = fs::symlink_metadata(folder) else { return };
        for entry in entries.flatten() {
            // Another mount below this one has its own turn, if it is a tmpfs.
            let Ok(meta) = entry.metadata() else { continue };
            if meta.dev() != own.dev() {
                continue;
            }
            if meta.is_dir() && deeper {
                self.look_into(&entry.path(), seen, false);
            } else if meta.is_file()
                && meta.len() >= segment::HEADER_SIZE
                && seen.insert((meta.dev(), meta.ino()))
            {
                self.look_at(&entry.path(), meta.uid());
            }
        }
    }

    fn look_at(&mut self, path: &Path, owner: u32) {
        let place = Place { path: path.to_owned(), file: path.to_owned() };
        let glance = match place.open(false).and_then(|file| segment::glance(&file)) {
            Ok(Some(glance)) => glance,
            Ok(None) => return,
            Err(_) => {
                self.skipped += 1;
                return;
            }
        };
        self.stores.push(StoreSummary {
            path: glance.path,
            file: path.to_owned(),
            owner,
            created: Duration::from_nanos(glance.created),
            size: glance.size,
            reserved: glance.reserved,
            clients: glance.clients,
            max_clients: glance.max_clients,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::fresh;
    use super::*;
    use crate::shm::testing::folder;

    #[test]
    fn stores_are_looked_for_on_every_tmpfs() {
        let mount = |kind: &str, point: &str| Mount {
            kind: kind.to_owned(),
            root: PathBuf::from("/"),
            point: PathBuf::from(point),
            options: String::new(),
        };
        let mounts = vec![mount("tmpfs", "/a"), mount("ext4", "/b"), mount("tmpfs", "/c")];
        assert_eq!(roots(mounts).collect::<Vec<_>>(), [SHM, "/a", "/c"].map(PathBuf::from));
    }

    #[test]
    fn a_store_is_seen_once_and_what_cannot_be_one_is_not_looked_at() {
        let store = fresh("seen");
        let folder = folder();
        fs::hard_link(store.path(), folder.path().join("store")).unwrap();
        fs::hard_link(store.path(), folder.path().join("again")).unwrap();
        fs::write(folder.path().join("short"), "SDP").unwrap();
        let (mut found, mut seen) = (Census::default(), HashSet::new());
        for _ in 0..2 {
            found.look_into(folder.path(), &mut seen, true);
        }
        assert_eq!((found.stores.len(), found.skipped), (1, 0));
        let used = &found.stores[0];
        assert_eq!((used.clients, used.is_left_over()), (1, false));
        assert!(StoreSummary { clients: 0, ..used.clone() }.is_left_over());
        for _ in 0..2 {
            found.look_into(&folder.path().join("not there"), &mut seen, true);
        }
        assert_eq!((found.stores.len(), found.skipped), (1, 2));
    }
}
