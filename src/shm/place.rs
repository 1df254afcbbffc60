//! From the path of a store to its file.
//!
//! A path on tmpfs is the file itself. Elsewhere the path is a symbolic link to `/dev/shm/sdp-dal-<uid>-<32 hex>`. The
//! link is read, never followed. Its owner must be this user, root or a user that the options accept, and its target is
//! opened with `O_NOFOLLOW` and checked.
//!
//! If a creator crashes between linking the file in `/dev/shm` and creating the symbolic link, it leaves a file that no
//! client can find. The next process that creates a store there removes these files. They belong to this user, name a
//! path that does not lead back to them, have no running client, and no process holds their birth mark.

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::fork::{LockFile, PASSING};
use super::liveness;
use super::own_file::Identity;
use crate::error::{Error, Kind, Result};
use crate::sync::fail;

/// Where stores lie whose path is not on a tmpfs.
pub const SHM: &str = "/dev/shm";

/// The files that this process has open, as links.
const DESCRIPTORS: &str = "/proc/self/fd";

/// Where a store is, or would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The path as the user gave it (made absolute).
    pub path: PathBuf,
    /// The file.
    pub file: PathBuf,
}

/// What `find` found.
pub enum Found {
    /// Something is there (not yet known to be a store).
    There(Place),
    /// Nothing; a new one would go here.
    Nothing(Place),
    /// A link to a file that is not there.
    Dangling(Dangling),
}

/// A link whose store has gone without it.
pub struct Dangling {
    path: PathBuf,
    file: PathBuf,
    /// It is ours, and older than the last start of this machine, with which all that was in `/dev/shm` went.
    outlived: bool,
}

fn uid() -> u32 {
    // SAFETY: cannot fail and has no preconditions.
    unsafe { libc::geteuid() }
}

/// How often `find` looks again at names that change under its eyes.
const LOOKS: u32 = 100;

/// Looks at the path. `accept`: another owner that is fine.
pub fn find(path: &Path, accept: Option<u32>) -> Result<Found> {
    if path.as_os_str().is_empty() {
        return Err(Error::invalid("the path of the store is empty"));
    }
    let path =
        std::path::absolute(path).map_err(|e| Error::io(format!("the path {}", path.display()), &e))?;
    for _ in 0..LOOKS {
        if let Some(found) = look(&path, accept)? {
            return Ok(found);
        }
    }
    Err(Error::new(Kind::Busy, format!("the link {} changes all the time: try again", path.display())))
}

/// One look. `None`: the link went between two steps, as its store's last client was closing it.
fn look(path: &Path, accept: Option<u32>) -> Result<Option<Found>> {
    let meta = match fs::symlink_metadata(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => {
            let file = if on_tmpfs(parent(path)?)? { path.to_owned() } else { fresh_target()? };
            return Ok(Some(Found::Nothing(Place { path: path.to_owned(), file })));
        }
        meta => meta.map_err(|e| Error::io(format!("looking at {}", path.display()), &e))?,
    };
    if meta.file_type().is_file() {
        return Ok(Some(Found::There(Place { file: path.to_owned(), path: path.to_owned() })));
    }
    if !meta.file_type().is_symlink() {
        return Err(Error::invalid(format!(
            "{} is not a store: it is neither a file nor a link",
            path.display()
        )));
    }
    if !owner_is_fine(meta.uid(), accept) {
        return Err(Error::new(
            Kind::PermissionDenied,
            format!(
                "the link {} belongs to user {}, not to the user of this process",
                path.display(),
                meta.uid()
            ),
        ));
    }
    let file = match fs::read_link(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        file => file.map_err(|e| Error::io(format!("reading {}", path.display()), &e))?,
    };
    if !is_target(&file) {
        return Err(Error::new(
            Kind::PermissionDenied,
            format!("{} is a link to {}, which is not a store's file", path.display(), file.display()),
        ));
    }
    if fs::symlink_metadata(&file).is_ok() {
        return Ok(Some(Found::There(Place { path: path.to_owned(), file })));
    }
    // Who closes a store takes the link away first: it went with its file, or it has dangled before.
    if !fs::read_link(path).is_ok_and(|now| now == file) {
        return Ok(None);
    }
    let outlived = meta.uid() == uid() && boot_time().is_some_and(|start| meta.mtime() < start);
    Ok(Some(Found::Dangling(Dangling { path: path.to_owned(), file, outlived })))
}

/// When this machine was started, in seconds since the epoch.
fn boot_time() -> Option<i64> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    text.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

impl Dangling {
    /// Removes the link, so that a new store can be made. Whoever does this holds the folder's lock, and only a link that
    /// dangles is removed under it: so it cannot have become the link of a new store.
    ///
    /// # Errors
    /// `NotFound` if the store may be there for others: in another container, or it was taken away while the machine ran.
    pub fn replace(&self) -> Result<()> {
        if !self.outlived {
            return Err(self.error());
        }
        let folder = parent(&self.path)?;
        let failed = |e: &std::io::Error| Error::io(format!("the folder {}", folder.display()), e);
        let locked = File::open(folder).map_err(|e| failed(&e))?;
        // SAFETY: the descriptor is open; the lock goes with it.
        if unsafe { libc::flock(locked.as_raw_fd(), libc::LOCK_EX) } != 0 {
            return Err(failed(&std::io::Error::last_os_error()));
        }
        let dangles = fs::read_link(&self.path).is_ok_and(|to| to == self.file)
            && fs::symlink_metadata(&self.file).is_err();
        if dangles {
            self.remove()?;
        }
        Ok(())
    }

    /// Removes the link, wherever its store may be.
    pub fn remove(&self) -> Result<()> {
        fs::remove_file(&self.path)
            .map_err(|e| Error::io(format!("removing the link {}", self.path.display()), &e))
    }

    /// Why it cannot be opened.
    pub fn error(&self) -> Error {
        Error::new(
            Kind::NotFound,
            format!(
                "{} is a link to {}, which does not exist. To share a store between containers, create it on \
                 a shared tmpfs volume. If the store was lost, remove the link",
                self.path.display(),
                self.file.display()
            ),
        )
    }
}

/// Whether a file of this owner may be opened.
pub fn owner_is_fine(owner: u32, accept: Option<u32>) -> bool {
    owner == uid() || owner == 0 || accept == Some(owner)
}

impl Place {
    /// Opens the file, as it is now, without following links.
    pub fn open(&self, write: bool) -> std::io::Result<File> {
        OpenOptions::new()
            .read(true)
            .write(write)
            .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK)
            .open(&self.file)
    }

    /// An unnamed file in the folder of the store.
    pub fn make_unnamed(&self, mode: u32) -> Result<LockFile> {
        let folder = parent(&self.file)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).mode(mode).custom_flags(libc::O_TMPFILE | libc::O_CLOEXEC);
        LockFile::open(PASSING, || {
            let opened = options.open(folder);
            opened.map_err(|e| Error::io(format!("creating a store in {}", folder.display()), &e))
        })
    }

    /// Gives an unnamed file its name. False if somebody else was faster.
    pub fn publish(&self, file: &LockFile) -> Result<bool> {
        liveness::mark_birth(file);
        let from = text(format!("{DESCRIPTORS}/{}", file.file().as_raw_fd()).as_ref())?;
        let to = text(self.file.as_os_str())?;
        // SAFETY: both are NUL-terminated strings that live over the call.
        let done = unsafe {
            libc::linkat(libc::AT_FDCWD, from.as_ptr(), libc::AT_FDCWD, to.as_ptr(), libc::AT_SYMLINK_FOLLOW)
        };
        if done != 0 {
            let error = std::io::Error::last_os_error();
            if error.kind() == ErrorKind::AlreadyExists {
                return Ok(false);
            }
            return Err(unnamed(&self.file, Path::new(DESCRIPTORS), &error));
        }
        fail::point("publish.file_linked");
        if self.file == self.path {
            return Ok(true);
        }
        match std::os::unix::fs::symlink(&self.file, &self.path) {
            Ok(()) => {
                remove_lost_files();
                Ok(true)
            }
            Err(e) => {
                let _ = fs::remove_file(&self.file);
                if e.kind() == ErrorKind::AlreadyExists {
                    Ok(false)
                } else {
                    Err(Error::io(format!("creating the link {}", self.path.display()), &e))
                }
            }
        }
    }

    /// Takes the names away, if they still name `file`. Who removes holds a lock on the file: so the names cannot come to
    /// mean a new store between the look and the removal. Dead in between: the next opener removes what is left.
    pub fn remove(&self, file: &File) {
        let open = || self.open(true).map_err(|e| Error::io("opening a store to remove it", &e));
        let (Ok(ours), Ok(there)) = (Identity::of(file), LockFile::open(PASSING, open)) else { return };
        if there.own().identity() != ours || !liveness::begin_removal(&there) {
            return;
        }
        let same = |meta: &fs::Metadata| Identity { device: meta.dev(), inode: meta.ino() } == ours;
        if fs::symlink_metadata(&self.file).is_ok_and(|meta| same(&meta)) {
            let leads_here =
                self.path != self.file && fs::read_link(&self.path).is_ok_and(|to| to == self.file);
            if leads_here {
                let _ = fs::remove_file(&self.path);
                fail::point("remove.link_gone");
            }
            let _ = fs::remove_file(&self.file);
        }
    }

    /// Whether the path still leads to `file`.
    pub fn leads_to(&self, file: &File) -> bool {
        let (Ok(there), Ok(here)) = (fs::symlink_metadata(&self.file), file.metadata()) else { return false };
        let linked = self.path == self.file || fs::read_link(&self.path).is_ok_and(|to| to == self.file);
        linked && there.ino() == here.ino() && there.dev() == here.dev()
    }
}

/// Why a file did not get its name.
fn unnamed(file: &Path, descriptors: &Path, error: &std::io::Error) -> Error {
    if descriptors.exists() {
        return Error::io(format!("naming the store {}", file.display()), error);
    }
    Error::new(
        Kind::Unsupported,
        format!(
            "the store {} cannot be created: {} does not exist, and the file of the store gets its name \
             through it: mount /proc",
            file.display(),
            descriptors.display()
        ),
    )
}

fn parent(path: &Path) -> Result<&Path> {
    path.parent().ok_or_else(|| Error::invalid(format!("{} cannot be the path of a store", path.display())))
}

fn text(path: &std::ffi::OsStr) -> Result<CString> {
    CString::new(path.as_bytes()).map_err(|_| Error::invalid("the path of the store contains a NUL byte"))
}

fn statfs(path: &Path) -> Result<libc::statfs> {
    let name = text(path.as_os_str())?;
    // SAFETY: an all-zero statfs is valid; the kernel fills it.
    let mut stat: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: the name is NUL-terminated and the struct is ours.
    if unsafe { libc::statfs(name.as_ptr(), &raw mut stat) } != 0 {
        return Err(Error::io(format!("the folder {}", path.display()), &std::io::Error::last_os_error()));
    }
    Ok(stat)
}

fn on_tmpfs(folder: &Path) -> Result<bool> {
    Ok(statfs(folder)?.f_type == libc::TMPFS_MAGIC)
}

/// Bytes free in the file system of a folder.
pub fn free_bytes(folder: &Path) -> Result<u64> {
    let stat = statfs(folder)?;
    Ok(stat.f_bavail.saturating_mul(u64::try_from(stat.f_bsize).unwrap_or(4096)))
}

/// Random bytes.
pub fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    #[cfg(feature = "simulate")]
    if crate::sync::sim::random(&mut bytes) {
        return Ok(bytes);
    }
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(|e| Error::io("reading /dev/urandom", &e))?;
    Ok(bytes)
}

fn fresh_target() -> Result<PathBuf> {
    let digits: String = random::<16>()?.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Path::new(SHM).join(format!("sdp-dal-{}-{digits}", uid())))
}

fn is_target(file: &Path) -> bool {
    let Some(name) = file.file_name().and_then(|name| name.to_str()) else { return false };
    let Some((owner, digits)) = name.strip_prefix("sdp-dal-").and_then(|rest| rest.split_once('-')) else {
        return false;
    };
    file.parent() == Some(Path::new(SHM))
        && owner.parse::<u32>().is_ok()
        && digits.len() == 32
        && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
}

/// The files of all stores of this user in `/dev/shm`.
pub fn own_files() -> Vec<PathBuf> {
    let start = format!("sdp-dal-{}-", uid());
    let Ok(folder) = fs::read_dir(SHM) else { return Vec::new() };
    let named =
        |entry: &fs::DirEntry| entry.file_name().to_str().is_some_and(|name| name.starts_with(&start));
    folder.flatten().filter(named).map(|entry| entry.path()).collect()
}

fn remove_lost_files() {
    for path in own_files() {
        let place = Place { path: path.clone(), file: path.clone() };
        let Ok(file) = place.open(true) else { continue };
        if super::segment::is_lost(&file, &path) {
            let _ = fs::remove_file(&path);
        }
    }
}

#[cfg(test)]
mod tests;
