//! The system calls for the store's memory: reserving it, bringing it in, returning it.
//!
//! Touching a page for which a full tmpfs has no memory raises SIGBUS. Therefore memory is reserved with `fallocate`,
//! outside the lock, before a watermark lets extents use it. A crash in between leaves pages that the next growth
//! finds.
//!
//! The sizes of a page and of a huge page are queried here, once, and known nowhere else. Ranges for which memory is
//! reserved may begin anywhere, because the kernel takes every page that they touch. All other ranges are whole pages.

use std::fs::File;
use std::os::fd::AsRawFd;

use once_cell::sync::Lazy;

use super::layout::{LARGEST_PAGE, UNIT};
use super::segment::to_usize;
use crate::error::{Error, Kind, Result};
#[cfg(feature = "simulate")]
use crate::sync::sim;

/// Reserves plain memory for a range of the file.
pub fn reserve_plain(file: &File, from: u64, to: u64) -> Result<()> {
    if to <= from {
        return Ok(());
    }
    let offset = i64::try_from(from).map_err(|_| Error::internal("an offset beyond the file"))?;
    let length = i64::try_from(to - from).map_err(|_| Error::internal("a length beyond the file"))?;
    #[cfg(feature = "simulate")]
    if sim::is_task() {
        // Pages come when they are touched, of which the machine has enough.
        return if sim::refuses_memory() { Err(full(file, to - from)) } else { Ok(()) };
    }
    loop {
        // SAFETY: the descriptor is open; the call changes no memory of ours.
        if unsafe { libc::fallocate(file.as_raw_fd(), 0, offset, length) } == 0 {
            return Ok(());
        }
        let error = std::io::Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::EINTR) => {}
            Some(libc::ENOSPC) => return Err(full(file, to - from)),
            Some(libc::ENOMEM) => {
                return Err(Error::new(
                    Kind::OutOfMemory,
                    format!(
                        "the system or the control group has no memory left for {} more bytes of the store: \
                         delete objects and trim the store, or raise the limit",
                        to - from
                    ),
                ))
            }
            _ => return Err(Error::io("reserving memory (fallocate)", &error)),
        }
    }
}

/// Gives the memory of a range of the file back to the system.
pub fn punch(file: &File, from: u64, to: u64) -> Result<()> {
    if to <= from {
        return Ok(());
    }
    let offset = i64::try_from(from).map_err(|_| Error::internal("an offset beyond the file"))?;
    let length = i64::try_from(to - from).map_err(|_| Error::internal("a length beyond the file"))?;
    debug_assert!(
        are_whole_pages(from) && are_whole_pages(to),
        "the kernel would clear a part of a page, and keep it"
    );
    let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
    // SAFETY: the descriptor is open. The caller holds the lock, and the range is above the watermark: nobody reads or
    // writes there.
    while unsafe { libc::fallocate(file.as_raw_fd(), mode, offset, length) } != 0 {
        let error = std::io::Error::last_os_error();
        if error.raw_os_error() != Some(libc::EINTR) {
            return Err(Error::io("returning memory to the system (fallocate)", &error));
        }
    }
    Ok(())
}

fn full(file: &File, bytes: u64) -> Error {
    // SAFETY: statvfs is plain data, for which zeroes are valid.
    let mut stat: libc::statvfs = unsafe { std::mem::zeroed() };
    // SAFETY: the descriptor is open and the struct is ours.
    let figures = if unsafe { libc::fstatvfs(file.as_raw_fd(), &raw mut stat) } == 0 {
        format!(
            " ({} of its {} bytes are free)",
            stat.f_bavail * stat.f_frsize,
            stat.f_blocks * stat.f_frsize
        )
    } else {
        String::new()
    };
    Error::new(
        Kind::OutOfMemory,
        format!(
            "the file system under the store is full: the store needs {bytes} more bytes{figures}. Delete \
             objects, remove other files there ('sdp-dal stores' lists stores), or enlarge it ('mount -o \
             remount,size=...'; for a container, its shm size)"
        ),
    )
}

/// Maps a range of reserved memory for writing, so that its first writes need no page faults. Whether it was done: older
/// kernels (before 5.14) cannot, and pages that are protected are left out.
pub fn populate(base: *const u8, from: u64, to: u64) -> bool {
    advise(base, from, to, libc::MADV_POPULATE_WRITE)
}

const MADV_COLLAPSE: libc::c_int = 25;

/// Makes huge pages of the units that lie in a range, each of which has at least one page. Whether it was done.
pub fn collapse(base: *const u8, from: u64, to: u64) -> bool {
    advise(base, from, to, MADV_COLLAPSE)
}

fn advise(base: *const u8, from: u64, to: u64, advice: libc::c_int) -> bool {
    debug_assert!(are_whole_pages(from) && are_whole_pages(to), "advice is for whole pages");
    #[cfg(feature = "simulate")]
    if sim::is_task() {
        sim::step();
        return true;
    }
    let (Ok(offset), Ok(length)) = (usize::try_from(from), usize::try_from(to - from)) else { return false };
    let address = base.wrapping_add(offset).cast_mut().cast();
    // SAFETY: the range lies within our mapping of the file (the callers' bounds); the advice changes no contents.
    unsafe { libc::madvise(address, length, advice) == 0 }
}

/// Whether a huge page of this kernel is a unit. With pages of 4 KB it is; with pages of 16 KB it mostly has 32 MB, with pages
/// of 64 KB 512 MB (Arm) or 2 MB (POWER).
pub fn units_are_huge_pages() -> bool {
    #[cfg(feature = "simulate")]
    if sim::is_task() {
        return false;
    }
    static ARE: Lazy<bool> = Lazy::new(|| {
        let size = std::fs::read_to_string("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size");
        size.is_ok_and(|text| text.trim().parse() == Ok(UNIT))
    });
    *ARE
}

/// Bytes of a page of this kernel: a part of [`UNIT`].
pub fn page_size() -> usize {
    static SIZE: Lazy<usize> = Lazy::new(|| {
        // SAFETY: asks for a number.
        let size = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) });
        // Pages as large as this are whole pages of every kernel.
        size.unwrap_or(to_usize(LARGEST_PAGE))
    });
    *SIZE
}

fn are_whole_pages(offset: u64) -> bool {
    to_usize(offset).is_multiple_of(page_size())
}

#[cfg(test)]
mod tests;
