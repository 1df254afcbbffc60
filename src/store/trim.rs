//! Trimming: memory that no object uses is returned to the system, on request only.
//!
//! All clients rely on the memory below a region's watermark, because touching a hole of a full tmpfs raises SIGBUS.
//! Therefore the watermark is lowered first, at most to the end of the last used extent, and then the memory above it
//! is punched out. Both happen under the lock, in pieces, so that no client can raise the watermark in between. This is
//! the one slow system call under the lock, some 16 MB at once. A client that reserves memory outside of the lock at
//! that moment finds, when it is about to raise the watermark, that the region was trimmed since. It reserves again,
//! because its memory may have been punched out.
//!
//! A crash between any two steps leaves memory above the watermark, or a free extent that is too long under a dirty
//! lock. The next holder rebuilds, and the next growth, or trim, finds the memory.

use std::os::unix::fs::MetadataExt;

use super::attachment::Attachment;
use super::Store;
use crate::error::{Error, Result};
use crate::shm::growing::ROUND;
use crate::shm::heap::Region;
use crate::sync::fail;

impl Store {
    /// Returns unused memory to the system: the memory after the last object of each region. Gaps between objects stay,
    /// because they are reused first. It reaps crashed clients before, and evicts nothing. Writing is slower after
    /// this, until the store has grown again. Returns how many bytes were freed.
    ///
    /// # Errors
    /// `Busy`, `Corrupt`, `Forked`; `Io` if the system refuses.
    pub fn trim(&self) -> Result<u64> {
        let attachment = &self.attachment;
        attachment.here()?;
        attachment.reap_dead();
        attachment.locked(|locked| locked.give_all_spares_back())?;
        let mut given = 0;
        for region in Region::ALL {
            given += attachment.trim_used(region)?;
            given += attachment.trim_stray(region)?;
        }
        Ok(given)
    }
}

impl Attachment {
    /// Brings the watermark down, piece by piece, and punches out what it leaves.
    fn trim_used(&self, region: Region) -> Result<u64> {
        let mut given = 0;
        loop {
            let piece = self.locked(|locked| {
                let Some((from, to)) = locked.heap().lower(region, ROUND)? else { return Ok(None) };
                fail::point("trim.lowered");
                let punched = self.punch(from, to)?;
                fail::point("trim.punched");
                Ok(Some(punched))
            })?;
            match piece {
                Some(bytes) => given += bytes,
                None => return Ok(given),
            }
        }
    }

    /// Punches out what those left above the watermark who died, or ran out of memory, while they reserved it. Pieces in which
    /// there was nothing get longer and longer: such memory lies near a watermark.
    fn trim_stray(&self, region: Region) -> Result<u64> {
        let (mut given, mut at, mut length) = (0, 0, ROUND);
        loop {
            let (bytes, end, next) = self.locked(|locked| {
                let heap = locked.heap();
                let (watermark, end) = heap.above(region);
                let from = watermark.max(at);
                let to = from.saturating_add(length).min(end);
                if from >= to {
                    return Ok((0, end, end));
                }
                heap.count_trim(region);
                Ok((self.punch(from, to)?, end, to))
            })?;
            given += bytes;
            if next >= end {
                return Ok(given);
            }
            at = next;
            length = if bytes == 0 { length.saturating_mul(2) } else { ROUND };
        }
    }

    /// What the file is smaller by afterwards.
    fn punch(&self, from: u64, to: u64) -> Result<u64> {
        let blocks = || {
            let meta = self.segment.file().metadata();
            meta.map(|meta| meta.blocks()).map_err(|e| Error::io("looking at the store", &e))
        };
        let before = blocks()?;
        self.segment.punch_heap(from, to)?;
        Ok(before.saturating_sub(blocks()?) * 512)
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::store::StoreOptions;
    use crate::sync::atomic::Ordering;

    #[test]
    fn a_large_store_without_strays_is_looked_through_in_a_few_turns_of_the_lock() {
        let path = PathBuf::from(format!("/dev/shm/sdp-dal-test-unit-strays-{}", std::process::id()));
        let options = StoreOptions { size: Some(1 << 36), ..StoreOptions::default() };
        let store = Store::open(&path, &options).unwrap();
        let turns = &store.attachment.segment.heap().large.trims;
        let before = turns.load(Ordering::Relaxed);
        assert_eq!(store.trim().unwrap(), 0);
        let after = turns.load(Ordering::Relaxed);
        assert!((1..20).contains(&(after - before)), "{before} to {after}");
    }
}
