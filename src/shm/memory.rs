//! Memory before anybody touches it: reserved from the kernel, in huge pages where they can be had.
//!
//! Touching a page of a full tmpfs is a SIGBUS, and first touches of 4 KB pages cost ten times the copy; so memory is
//! reserved with system calls, outside the lock, before a watermark lets extents use it. Dying in between leaves pages
//! that the next growth finds already there.

use std::fs::File;
use std::os::fd::AsRawFd;

use super::layout::UNIT;
use crate::error::{Error, Kind, Result};
use crate::log::{self, Level};

/// Most bytes reserved by one round of system calls: a signal or another client need not wait for more.
pub const ROUND: u64 = 16 << 20;

/// Reserves plain memory for a range of the file.
pub fn reserve_plain(file: &File, from: u64, to: u64) -> Result<()> {
    if to <= from {
        return Ok(());
    }
    let offset = i64::try_from(from).map_err(|_| Error::internal("an offset beyond the file"))?;
    let length = i64::try_from(to - from).map_err(|_| Error::internal("a length beyond the file"))?;
    loop {
        // SAFETY: the descriptor is open; the call changes no memory of ours.
        if unsafe { libc::fallocate(file.as_raw_fd(), 0, offset, length) } == 0 {
            return Ok(());
        }
        let error = std::io::Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::EINTR) => {}
            Some(libc::ENOSPC | libc::ENOMEM) => {
                return Err(Error::new(
                    Kind::OutOfMemory,
                    format!(
                        "the file system under the store is full: {} more bytes were not there",
                        to - from
                    ),
                ))
            }
            _ => return Err(Error::io("reserving memory (fallocate)", &error)),
        }
    }
}

/// Reserves whole units of the heap, as huge pages if the kernel gives them. `base` is where the file is mapped. Returns the
/// end of what was reserved (`to`, unless the memory ran out after some units) or why not even one unit was.
pub fn reserve_units(file: &File, base: *const u8, from: u64, to: u64) -> Result<u64> {
    let mut at = from;
    let mut plain = 0;
    let mut failed = None;
    while at < to && failed.is_none() {
        let end = (at / UNIT * UNIT + ROUND).min(to);
        match reserve_round(file, base, at, end) {
            Ok(units) => {
                plain += units;
                at = end;
            }
            Err(error) => failed = Some(error),
        }
    }
    if plain > 0 {
        log::write(Level::Debug, || {
            format!("{} bytes of a store's memory could not be had as huge pages", plain * UNIT)
        });
    }
    match failed {
        Some(error) if at == from => Err(error),
        _ => Ok(at),
    }
}

/// How many units are not huge pages.
fn reserve_round(file: &File, base: *const u8, from: u64, to: u64) -> Result<u64> {
    let mut unit = from / UNIT * UNIT;
    while unit < to {
        // One page makes the range eligible; collapsing then brings the rest as one huge page, without zeroing 4 KB pieces.
        reserve_plain(file, unit, unit + 4096)?;
        unit += UNIT;
    }
    let start = from / UNIT * UNIT;
    if collapse(base, start, to.next_multiple_of(UNIT) - start) {
        // Collapsing beside somebody who gives memory back was seen to leave pages out: this finds nothing to do, or them.
        reserve_plain(file, start, to.next_multiple_of(UNIT))?;
        return Ok(0);
    }
    let mut plain = 0;
    let mut unit = start;
    while unit < to {
        plain += u64::from(!collapse(base, unit, UNIT));
        reserve_plain(file, unit, unit + UNIT)?;
        unit += UNIT;
    }
    Ok(plain)
}

/// Gives the memory of a range of the file back to the system.
pub fn punch(file: &File, from: u64, to: u64) -> Result<()> {
    if to <= from {
        return Ok(());
    }
    let offset = i64::try_from(from).map_err(|_| Error::internal("an offset beyond the file"))?;
    let length = i64::try_from(to - from).map_err(|_| Error::internal("a length beyond the file"))?;
    let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
    // SAFETY: the descriptor is open. The caller holds the lock, and the range is above the watermark: nobody reads or
    // writes there.
    while unsafe { libc::fallocate(file.as_raw_fd(), mode, offset, length) } != 0 {
        let error = std::io::Error::last_os_error();
        if error.raw_os_error() != Some(libc::EINTR) {
            return Err(Error::io("giving memory back (fallocate)", &error));
        }
    }
    Ok(())
}

fn collapse(base: *const u8, offset: u64, length: u64) -> bool {
    const MADV_COLLAPSE: libc::c_int = 25;
    let (Ok(offset), Ok(length)) = (usize::try_from(offset), usize::try_from(length)) else { return false };
    let address = base.wrapping_add(offset).cast_mut().cast();
    // SAFETY: the range lies within our mapping of the file (the caller's bounds); the call changes no contents.
    unsafe { libc::madvise(address, length, MADV_COLLAPSE) == 0 }
}
