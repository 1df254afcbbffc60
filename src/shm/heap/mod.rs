//! The heap: which bytes of the segment are free.
//!
//! There are two regions, for small objects and for all others. Each is managed by a two-level segregated fit, whose
//! bookkeeping is separate from the bytes, in a table of extents. A writer that overruns its tensor thus breaks no heap
//! structure. Allocating and freeing take constant time, and adjacent free extents are merged. The extent that was
//! freed last is allocated first, because it is still in the cache.
//!
//! Everything here happens under the store's lock, and is derived from the entries. After a crash inside the lock,
//! [`Heap::reset`] and [`Heap::place`] rebuild it. Only `reserved`, the watermark below which memory exists, is primary
//! data. It is one word, which is raised after the memory was reserved.

mod check;
mod trim;

use crate::error::{Error, Kind, Result};
use crate::shm::layout::{Extent, Geometry, HeapControl, Pool, ALIGN, FIRST, NONE, SECOND, SMALL, UNIT};
use crate::shm::segment::Segment;
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering};

const USED: u64 = 1;
/// How many extents of the own class are tried before the next class, which always fits.
const TRIES: u32 = 16;

/// Sets the regions of a new segment.
pub fn lay_out(heap: &HeapControl, geometry: &Geometry) {
    for (pool, start, end) in [
        (&heap.small, geometry.small, geometry.small_end()),
        (&heap.large, geometry.large, geometry.large_end()),
    ] {
        set64(&pool.start, start);
        set64(&pool.end, end);
        set64(&pool.reserved, start);
        clear(pool);
    }
    set32(&heap.free_extent, NONE);
    set32(&heap.extents_used, 0);
}

/// For a segment whose memory was all reserved when it was made. Its lock is left dirty, so that whoever takes it first
/// builds the free extents.
pub fn reserved_from_the_start(heap: &HeapControl) {
    for pool in [&heap.small, &heap.large] {
        set64(&pool.reserved, get64(&pool.end));
    }
}

/// Where the bytes of an allocation lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Its extent.
    pub extent: u32,
    /// Offset in the file.
    pub offset: u64,
}

/// One of the heap's two regions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Region {
    /// Objects below [`SMALL`].
    Small,
    /// Everything else.
    Large,
}

impl Region {
    /// Both.
    pub const ALL: [Region; 2] = [Region::Small, Region::Large];
}

/// What must be reserved before an allocation can succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Growth {
    region: Region,
    /// How often the region had been trimmed.
    trims: u32,
    /// The watermark that was seen.
    pub from: u64,
    /// The watermark that is needed.
    pub to: u64,
}

/// Figures for `stat` and error messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Bytes in used extents of the large region.
    pub used: u64,
    /// Bytes in used extents of the small region, which comes on top of the store's size.
    pub used_small: u64,
    /// Bytes not in use, reserved or not, of the large region.
    pub free: u64,
    /// The longest free run, counting what is not reserved yet.
    pub largest: u64,
    /// Bytes of memory reserved.
    pub reserved: u64,
}

/// The heap of a segment whose lock is held.
pub struct Heap<'a> {
    segment: &'a Segment,
}

fn get32(word: &AtomicU32) -> u32 {
    word.load(Ordering::Relaxed)
}
fn set32(word: &AtomicU32, value: u32) {
    word.store(value, Ordering::Relaxed);
}
/// Reads an offset, a size or a map. None has more bits than this, so sums of damaged ones do not overflow.
fn get64(word: &AtomicU64) -> u64 {
    word.load(Ordering::Relaxed) & ((1 << 46) - 1)
}
fn set64(word: &AtomicU64, value: u64) {
    word.store(value, Ordering::Relaxed);
}

fn clear(pool: &Pool) {
    set64(&pool.used, 0);
    set32(&pool.last, NONE);
    set64(&pool.first_map, 0);
    for (map, heads) in pool.second_map.iter().zip(&pool.heads) {
        set32(map, 0);
        heads.iter().for_each(|head| set32(head, NONE));
    }
}

/// The class of a free extent: its power of two and the subdivision, in units of [`ALIGN`].
fn class(size: u64) -> (usize, usize) {
    let units = (size / ALIGN).max(1);
    let first = units.ilog2();
    let second = if first < 4 { units << (4 - first) } else { units >> (first - 4) } & 15;
    ((first as usize).min(FIRST - 1), second as usize)
}

/// Bytes an object of this size takes.
pub fn rounded(size: u64) -> u64 {
    size.max(1).next_multiple_of(ALIGN)
}

impl<'a> Heap<'a> {
    /// The heap; the caller holds the lock.
    pub fn new(segment: &'a Segment) -> Heap<'a> {
        Heap { segment }
    }

    fn control(&self) -> &'a HeapControl {
        self.segment.heap()
    }

    fn extent(&self, index: u32) -> Result<&'a Extent> {
        self.segment.extent(index)
    }

    /// Where a region begins and ends follows from the geometry, which was checked, not from words that may be damaged.
    fn start(&self, pool: &Pool) -> u64 {
        let geometry = self.segment.geometry();
        if std::ptr::eq(pool, &self.control().small) {
            geometry.small
        } else {
            geometry.large
        }
    }

    fn end(&self, pool: &Pool) -> u64 {
        let geometry = self.segment.geometry();
        if std::ptr::eq(pool, &self.control().small) {
            geometry.small_end()
        } else {
            geometry.large_end()
        }
    }

    fn reserved(&self, pool: &Pool) -> u64 {
        get64(&pool.reserved).clamp(self.start(pool), self.end(pool))
    }

    fn pool(&self, region: Region) -> &'a Pool {
        match region {
            Region::Small => &self.control().small,
            Region::Large => &self.control().large,
        }
    }

    fn pool_of(&self, offset: u64) -> &'a Pool {
        let control = self.control();
        if offset < self.segment.geometry().large {
            &control.small
        } else {
            &control.large
        }
    }

    /// Takes `size` bytes (rounded up); `None`: there is no such run in reserved memory.
    pub fn take(&self, size: u64) -> Result<Option<Taken>> {
        let size = rounded(size);
        let control = self.control();
        if size < SMALL {
            if let Some(taken) = self.take_from(&control.small, size)? {
                return Ok(Some(taken));
            }
            // While the small region can grow, it does; the large one is for when it is full.
            if self.room_behind(&control.small, size)?.is_some_and(|(from, to)| to > from) {
                return Ok(None);
            }
        }
        self.take_from(&control.large, size)
    }

    /// Takes `size` bytes wherever there is such a run now, also where the region meant for it could grow instead.
    pub fn take_now(&self, size: u64) -> Result<Option<Taken>> {
        match self.take(size)? {
            None => self.take_from(&self.control().large, rounded(size)),
            taken => Ok(taken),
        }
    }

    fn take_from(&self, pool: &Pool, size: u64) -> Result<Option<Taken>> {
        let mut found = self.find(pool, size, TRIES)?;
        if found.is_none() && self.room_behind(pool, size)?.is_none_or(|(from, to)| to <= from) {
            // The region cannot grow: now every extent of the own class counts.
            found = self.find(pool, size, self.segment.extents_reserved())?;
        }
        let Some(found) = found else { return Ok(None) };
        let extent = self.extent(found)?;
        let (start, length) = (get64(&extent.offset), get64(&extent.size));
        if size < UNIT && length > size && self.stays_listed(extent, length - size) {
            return self.cut_off(pool, found, size).map(Some);
        }
        self.unlist(pool, found)?;
        let aligned = start.next_multiple_of(UNIT);
        if size >= UNIT && aligned > start && aligned - start + size <= length {
            // A large object starts at a huge page; what lies before it stays free.
            let front = self.split(found, aligned - start)?;
            self.list(pool, found)?;
            return self.finish(pool, front, size).map(Some);
        }
        self.finish(pool, found, size).map(Some)
    }

    /// Whether a free extent is where it would be put, first in the list of its class, if it had this size.
    fn stays_listed(&self, extent: &Extent, size: u64) -> bool {
        get32(&extent.previous_free) == NONE && class(size) == class(get64(&extent.size))
    }

    /// Takes the first bytes of a free extent that stays in its list: as taking it out, cutting it and putting the rest back,
    /// without both.
    fn cut_off(&self, pool: &Pool, rest: u32, size: u64) -> Result<Taken> {
        let index = self.fresh()?;
        let (extent, rest_extent) = (self.extent(index)?, self.extent(rest)?);
        let (offset, before) = (get64(&rest_extent.offset), get32(&rest_extent.before));
        set64(&extent.offset, offset);
        set64(&extent.size, size | USED);
        set32(&extent.before, before);
        set32(&extent.after, rest);
        if before != NONE {
            set32(&self.extent(before)?.after, index);
        }
        set64(&rest_extent.offset, offset + size);
        set64(&rest_extent.size, get64(&rest_extent.size).saturating_sub(size));
        set32(&rest_extent.before, index);
        set64(&pool.used, get64(&pool.used) + size);
        Ok(Taken { extent: index, offset })
    }

    fn finish(&self, pool: &Pool, index: u32, size: u64) -> Result<Taken> {
        let extent = self.extent(index)?;
        if get64(&extent.size) > size {
            let rest = self.split(index, size)?;
            self.list(pool, rest)?;
        }
        set64(&extent.size, size | USED);
        set64(&pool.used, get64(&pool.used) + size);
        Ok(Taken { extent: index, offset: get64(&extent.offset) })
    }

    fn find(&self, pool: &Pool, size: u64, tries: u32) -> Result<Option<u32>> {
        let (first, second) = class(size);
        // The own class first: what was freed last has just this size, and is warm.
        let mut at = get32(&pool.heads[first][second]);
        for _ in 0..tries {
            if at == NONE {
                break;
            }
            let extent = self.extent(at)?;
            if get64(&extent.size) & !USED >= size {
                return Ok(Some(at));
            }
            at = get32(&extent.next_free);
        }
        // Then any higher class: everything there fits.
        let above = get32(&pool.second_map[first]) & !((2u32 << second) - 1);
        let (first, second) = if above != 0 {
            (first, above.trailing_zeros() as usize)
        } else {
            let higher = get64(&pool.first_map) & !((2u64 << first) - 1);
            if higher == 0 {
                return Ok(None);
            }
            let first = (higher.trailing_zeros() as usize).min(FIRST - 1);
            (first, get32(&pool.second_map[first]).trailing_zeros() as usize)
        };
        let found = get32(&pool.heads[first][second.min(SECOND - 1)]);
        if found == NONE || get64(&self.extent(found)?.size) & !USED < size {
            return Err(Error::new(Kind::Corrupt, "the heap's lists of free extents are damaged"));
        }
        Ok(Some(found))
    }

    /// Cuts `extent` after `size` bytes; the rest is a new, unlisted, free extent.
    fn split(&self, index: u32, size: u64) -> Result<u32> {
        let rest_index = self.fresh()?;
        let (extent, rest) = (self.extent(index)?, self.extent(rest_index)?);
        let (start, length, after) =
            (get64(&extent.offset), get64(&extent.size) & !USED, get32(&extent.after));
        set64(&rest.offset, start + size);
        set64(&rest.size, length.saturating_sub(size));
        set32(&rest.before, index);
        set32(&rest.after, after);
        if after == NONE {
            set32(&self.pool_of(start).last, rest_index);
        } else {
            set32(&self.extent(after)?.before, rest_index);
        }
        set64(&extent.size, size);
        set32(&extent.after, rest_index);
        Ok(rest_index)
    }

    fn fresh(&self) -> Result<u32> {
        let control = self.control();
        let free = get32(&control.free_extent);
        if free != NONE {
            set32(&control.free_extent, get32(&self.extent(free)?.next_free));
            return Ok(free);
        }
        let next = get32(&control.extents_used);
        self.extent(next)?;
        set32(&control.extents_used, next + 1);
        Ok(next)
    }

    fn retire(&self, index: u32) -> Result<()> {
        let control = self.control();
        set32(&self.extent(index)?.next_free, get32(&control.free_extent));
        set32(&control.free_extent, index);
        Ok(())
    }

    fn list(&self, pool: &Pool, index: u32) -> Result<()> {
        let extent = self.extent(index)?;
        let (first, second) = class(get64(&extent.size));
        let head = get32(&pool.heads[first][second]);
        set32(&extent.previous_free, NONE);
        set32(&extent.next_free, head);
        if head != NONE {
            set32(&self.extent(head)?.previous_free, index);
        }
        set32(&pool.heads[first][second], index);
        set32(&pool.second_map[first], get32(&pool.second_map[first]) | 1 << second);
        set64(&pool.first_map, get64(&pool.first_map) | 1 << first);
        Ok(())
    }

    fn unlist(&self, pool: &Pool, index: u32) -> Result<()> {
        let extent = self.extent(index)?;
        let (first, second) = class(get64(&extent.size) & !USED);
        let (previous, next) = (get32(&extent.previous_free), get32(&extent.next_free));
        if next != NONE {
            set32(&self.extent(next)?.previous_free, previous);
        }
        if previous != NONE {
            set32(&self.extent(previous)?.next_free, next);
            return Ok(());
        }
        set32(&pool.heads[first][second], next);
        if next == NONE {
            let left = get32(&pool.second_map[first]) & !(1 << second);
            set32(&pool.second_map[first], left);
            if left == 0 {
                set64(&pool.first_map, get64(&pool.first_map) & !(1 << first));
            }
        }
        Ok(())
    }

    /// Gives an extent back.
    pub fn give(&self, index: u32) -> Result<()> {
        let extent = self.extent(index)?;
        let size = get64(&extent.size);
        if size & USED == 0 {
            return Err(Error::new(Kind::Corrupt, format!("extent {index} is freed twice")));
        }
        let size = size & !USED;
        let pool = self.pool_of(get64(&extent.offset));
        set64(&pool.used, get64(&pool.used).saturating_sub(size));
        set64(&extent.size, size);
        let mut index = index;
        let (before, after) = (get32(&extent.before), get32(&extent.after));
        let joins_before = before != NONE && get64(&self.extent(before)?.size) & USED == 0;
        if after != NONE && get64(&self.extent(after)?.size) & USED == 0 {
            let behind = self.extent(after)?;
            let whole = get64(&behind.size) + size;
            if !joins_before && self.stays_listed(behind, whole) {
                // It grows where it is: as taking it out, joining both and putting them back.
                set64(&behind.offset, get64(&extent.offset));
                set64(&behind.size, whole);
                set32(&behind.before, before);
                if before != NONE {
                    set32(&self.extent(before)?.after, after);
                }
                return self.retire(index);
            }
            self.unlist(pool, after)?;
            self.join(pool, index, after)?;
        }
        if joins_before {
            self.unlist(pool, before)?;
            self.join(pool, before, index)?;
            index = before;
        }
        self.list(pool, index)
    }

    /// Gives back what of a used extent lies behind so many bytes (rounded up).
    pub fn shrink(&self, index: u32, size: u64) -> Result<()> {
        let (size, extent) = (rounded(size), self.extent(index)?);
        let before = get64(&extent.size);
        if before & USED == 0 {
            return Err(Error::new(Kind::Corrupt, format!("extent {index} is shrunk, but is free")));
        }
        let before = before & !USED;
        if before <= size {
            return Ok(());
        }
        let rest = self.split(index, size)?;
        set64(&extent.size, size | USED);
        set64(&self.extent(rest)?.size, (before - size) | USED);
        self.give(rest)
    }

    /// Bytes of a used extent that may be put aside: it is of the small region.
    pub fn spare_bytes(&self, index: u32) -> Result<Option<u64>> {
        let extent = self.extent(index)?;
        let (offset, size) = (get64(&extent.offset), get64(&extent.size));
        if size & USED == 0 {
            return Err(Error::new(Kind::Corrupt, format!("extent {index} is freed twice")));
        }
        let bytes = size & !USED;
        Ok((offset < self.segment.geometry().large && bytes < SMALL).then_some(bytes))
    }

    /// Takes an extent of so many bytes that was put aside.
    pub fn take_spare(&self, index: u32, bytes: u64) -> Result<Taken> {
        let extent = self.extent(index)?;
        if get64(&extent.size) != bytes | USED {
            return Err(Error::new(Kind::Corrupt, format!("extent {index} is no spare of {bytes} bytes")));
        }
        Ok(Taken { extent: index, offset: get64(&extent.offset) })
    }

    /// Makes `right` part of its left neighbour `left`; both are free and unlisted.
    fn join(&self, pool: &Pool, left: u32, right: u32) -> Result<()> {
        let (l, r) = (self.extent(left)?, self.extent(right)?);
        set64(&l.size, get64(&l.size) + get64(&r.size));
        let after = get32(&r.after);
        set32(&l.after, after);
        if after == NONE {
            set32(&pool.last, left);
        } else {
            set32(&self.extent(after)?.before, left);
        }
        self.retire(right)
    }

    /// What must be reserved so that `size` bytes can be taken; `None`: the region has no such run left.
    pub fn growth(&self, size: u64) -> Result<Option<Growth>> {
        let size = rounded(size);
        let control = self.control();
        if size < SMALL {
            if let Some((from, to)) = self.room_behind(&control.small, size)?.filter(|(from, to)| to > from) {
                let trims = get32(&control.small.trims);
                return Ok(Some(Growth { region: Region::Small, trims, from, to }));
            }
        }
        let room = self.room_behind(&control.large, size)?;
        if room.is_some_and(|(from, to)| to <= from) {
            return Err(Error::new(Kind::Corrupt, "the heap's last free extent is in no list"));
        }
        let trims = get32(&control.large.trims);
        Ok(room.map(|(from, to)| Growth { region: Region::Large, trims, from, to }))
    }

    /// The watermark, and where it must be so that `size` bytes fit behind what is used.
    fn room_behind(&self, pool: &Pool, size: u64) -> Result<Option<(u64, u64)>> {
        let from = self.reserved(pool);
        let last = get32(&pool.last);
        let behind = if last == NONE { 0 } else { get64(&self.extent(last)?.size) };
        let behind = if behind & USED == 0 { behind } else { 0 };
        let need = from.saturating_sub(behind) + size;
        let end = self.end(pool);
        Ok((need <= end).then(|| (from, need.next_multiple_of(UNIT).min(end))))
    }

    /// Raises the watermark after the memory up to `to` was reserved. Does nothing if the region was trimmed meanwhile: the
    /// memory may be gone again.
    pub fn raise(&self, growth: Growth, to: u64) -> Result<()> {
        let pool = self.pool(growth.region);
        if get32(&pool.trims) != growth.trims {
            return Ok(());
        }
        let from = self.reserved(pool);
        let to = to.min(self.end(pool));
        if to <= from {
            return Ok(());
        }
        // The watermark is the truth: dead after this store, the rebuild makes the extent.
        pool.reserved.store(to, Ordering::Release);
        crate::sync::fail::point("growth.watermark_raised");
        self.append_free(pool, from, to)
    }

    fn append_free(&self, pool: &Pool, from: u64, to: u64) -> Result<()> {
        let last = get32(&pool.last);
        if last != NONE && get64(&self.extent(last)?.size) & USED == 0 {
            self.unlist(pool, last)?;
            let extent = self.extent(last)?;
            set64(&extent.size, get64(&extent.size) + (to - from));
            return self.list(pool, last);
        }
        let index = self.append(pool, from, to - from)?;
        self.list(pool, index)
    }

    /// A new extent behind the last one.
    fn append(&self, pool: &Pool, offset: u64, size: u64) -> Result<u32> {
        let index = self.fresh()?;
        let extent = self.extent(index)?;
        let last = get32(&pool.last);
        set64(&extent.offset, offset);
        set64(&extent.size, size);
        set32(&extent.before, last);
        set32(&extent.after, NONE);
        if last != NONE {
            set32(&self.extent(last)?.after, index);
        }
        set32(&pool.last, index);
        Ok(index)
    }

    /// Forgets everything but the watermarks: the start of a rebuild.
    pub fn reset(&self) {
        let control = self.control();
        clear(&control.small);
        clear(&control.large);
        set32(&control.free_extent, NONE);
        set32(&control.extents_used, 0);
    }

    fn end_of_last(&self, pool: &Pool) -> Result<u64> {
        let last = get32(&pool.last);
        if last == NONE {
            return Ok(self.start(pool));
        }
        let extent = self.extent(last)?;
        Ok(get64(&extent.offset) + (get64(&extent.size) & !USED))
    }

    /// While rebuilding: an object lies at `offset`. Must be called in ascending order of offsets. Fails if it cannot.
    pub fn place(&self, offset: u64, size: u64) -> Result<u32> {
        let pool = self.pool_of(offset);
        let end = self.end_of_last(pool)?;
        let room = self.reserved(pool).saturating_sub(offset);
        // Compared before it is rounded: a damaged size may be any.
        let size = if size <= room { rounded(size) } else { u64::MAX };
        if offset < end || !offset.is_multiple_of(ALIGN) || size > room {
            return Err(Error::new(
                Kind::Corrupt,
                format!("an object at {offset} (+{size}) overlaps another"),
            ));
        }
        if offset > end {
            let gap = self.append(pool, end, offset - end)?;
            self.list(pool, gap)?;
        }
        let index = self.append(pool, offset, size | USED)?;
        set64(&pool.used, get64(&pool.used) + size);
        Ok(index)
    }

    /// While rebuilding: all objects are placed; what is left is free.
    pub fn close(&self) -> Result<()> {
        let control = self.control();
        for pool in [&control.small, &control.large] {
            let (end, reserved) = (self.end_of_last(pool)?, self.reserved(pool));
            if reserved > end {
                let index = self.append(pool, end, reserved - end)?;
                self.list(pool, index)?;
            }
        }
        Ok(())
    }

    /// What is used and free.
    pub fn figures(&self) -> Result<Figures> {
        let control = self.control();
        let (small, large) = (&control.small, &control.large);
        let mut largest = 0;
        let mut at = get32(&large.last);
        if at != NONE && get64(&self.extent(at)?.size) & USED != 0 {
            at = NONE;
        }
        let behind = if at == NONE { 0 } else { get64(&self.extent(at)?.size) };
        largest = largest.max(self.end(large).saturating_sub(self.reserved(large)) + behind);
        let first_map = get64(&large.first_map);
        if first_map != 0 {
            let first = (first_map.ilog2() as usize).min(FIRST - 1);
            let map = get32(&large.second_map[first]).max(1);
            let head = get32(&large.heads[first][(map.ilog2() as usize).min(SECOND - 1)]);
            if head != NONE {
                largest = largest.max(get64(&self.extent(head)?.size) & !USED);
            }
        }
        Ok(Figures {
            used: get64(&large.used).min(self.end(large) - self.start(large)),
            used_small: get64(&small.used),
            free: (self.end(large) - self.start(large)).saturating_sub(get64(&large.used)),
            largest,
            reserved: self.reserved(small) - self.start(small) + self.reserved(large) - self.start(large),
        })
    }
}

#[cfg(test)]
mod tests;
