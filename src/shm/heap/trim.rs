//! Bringing the watermarks down again: for `trim`, under the lock.

use super::{get32, get64, set32, set64, Heap, Region, USED};
use crate::error::{Error, Kind, Result};
use crate::shm::layout::{NONE, UNIT};
use crate::sync::atomic::Ordering;
use crate::sync::fail;

impl Heap<'_> {
    /// Brings the watermark of a region down by up to `most` bytes, a multiple of [`UNIT`], to the end of what is used at the
    /// lowest. The range that it left; `None`: everything below it is needed.
    pub fn lower(&self, region: Region, most: u64) -> Result<Option<(u64, u64)>> {
        let pool = self.pool(region);
        let (last, reserved) = (get32(&pool.last), self.reserved(pool));
        if last == NONE {
            return Ok(None);
        }
        let extent = self.extent(last)?;
        let (offset, size) = (get64(&extent.offset), get64(&extent.size));
        if size & USED != 0 {
            return Ok(None);
        }
        if offset.checked_add(size) != Some(reserved) {
            return Err(Error::new(Kind::Corrupt, "the heap's last extent does not end at the watermark"));
        }
        let to = offset.next_multiple_of(UNIT).max(reserved.saturating_sub(1) / most * most);
        if to >= reserved {
            return Ok(None);
        }
        self.count_trim(region);
        self.unlist(pool, last)?;
        // The watermark is the truth: dead after this store, the rebuild makes the shorter extent.
        pool.reserved.store(to, Ordering::Release);
        fail::point("trim.watermark_lowered");
        if to > offset {
            set64(&extent.size, to - offset);
            self.list(pool, last)?;
        } else {
            let before = get32(&extent.before);
            if before != NONE {
                set32(&self.extent(before)?.after, NONE);
            }
            set32(&pool.last, before);
            self.retire(last)?;
        }
        Ok(Some((to, reserved)))
    }

    /// The watermark of a region and its end.
    pub fn above(&self, region: Region) -> (u64, u64) {
        let pool = self.pool(region);
        (self.reserved(pool), self.end(pool))
    }

    /// Memory above the watermark is about to go: to be called before.
    pub fn count_trim(&self, region: Region) {
        let trims = &self.pool(region).trims;
        set32(trims, get32(trims).wrapping_add(1));
    }
}
