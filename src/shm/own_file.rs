//! A descriptor that the program may close without telling the library.
//!
//! Programs that become daemons, and some libraries when they start a process, close every descriptor that they do not
//! know. The numbers then refer to other files. Therefore a descriptor that is kept is recognised by its file's
//! identity. This is checked before it is closed, and before any operation that would damage another file.

use std::fs::File;
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::MetadataExt;

use crate::error::{Error, Result};

/// Which file, of all on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The file system.
    pub device: u64,
    /// The file in it.
    pub inode: u64,
}

impl Identity {
    /// Of an open file.
    pub fn of(file: &File) -> Result<Identity> {
        let meta = file.metadata().map_err(|e| Error::io("looking at a store's file", &e))?;
        Ok(Identity { device: meta.dev(), inode: meta.ino() })
    }

    /// Whether a descriptor's number means this file. Allowed between fork and exec.
    pub fn is_of(self, fd: RawFd) -> bool {
        // SAFETY: an all-zero stat is valid; the kernel fills it if the descriptor is open.
        let mut stat: libc::stat = unsafe { std::mem::zeroed() };
        // SAFETY: the struct is ours.
        let known = unsafe { libc::fstat(fd, &raw mut stat) } == 0;
        known && self == Identity { device: stat.st_dev, inode: stat.st_ino }
    }
}

/// An open file of ours, as long as nobody closes it. Closed when dropped, if the number still means it.
pub struct OwnFile {
    file: ManuallyDrop<File>,
    identity: Identity,
}

impl OwnFile {
    /// Takes charge of a freshly opened file.
    pub fn new(file: File) -> Result<OwnFile> {
        let identity = Identity::of(&file)?;
        #[cfg(feature = "simulate")]
        crate::sync::sim::opened(file.as_raw_fd());
        Ok(OwnFile { file: ManuallyDrop::new(file), identity })
    }

    /// The file, or whatever its number means by now: for what hurts no other file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Which file it was when it was opened.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// Whether the number still means it.
    pub fn is_there(&self) -> bool {
        self.identity.is_of(self.file.as_raw_fd())
    }

    /// It was closed by somebody else: whoever has the number now keeps it.
    pub fn let_go(&mut self) {
        self.identity = Identity { device: u64::MAX, inode: u64::MAX };
    }
}

impl Drop for OwnFile {
    fn drop(&mut self) {
        #[cfg(feature = "simulate")]
        crate::sync::sim::closed(self.file.as_raw_fd());
        if self.is_there() {
            // SAFETY: dropped only here.
            unsafe { ManuallyDrop::drop(&mut self.file) };
        }
    }
}
