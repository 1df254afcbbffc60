//! The file and its two mappings, and checked access to everything in it.
//!
//! Read-write for bookkeeping and for what this process creates; read-only, from an open of its own, for what it hands
//! out. Both start at a multiple of [`UNIT`], so that a huge page of that size in the file is one of the mapping. The read-write mapping is
//! not inherited over fork (see `fork`); neither appears in core dumps.

use std::fs::File;
use std::mem::{size_of, ManuallyDrop};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;

use memmap2::{MmapMut, MmapOptions};

use super::fork::{forks, Unshared};
use super::growing::{Growing, OF_HEAP, OF_TABLE};
use super::layout::{
    load_text, store_text, Client, Entry, Event, Extent, Geometry, Header, HeapControl, Pool, ALIGN, EVENTS,
    EVENT_SIZE, FIRST_OBJECTS, LAYOUT_HASH, LOG_BUCKET, MAGIC, NEVER_BUILT, NONE, OPTION_EVICTION, UNIT,
    VERSION,
};
use super::liveness::{self, Birth, Liveness};
use super::memory;
use super::own_file::{Identity, OwnFile};
use super::place::{owner_is_fine, random, Place};
use super::span::{ReadSpan, WriteSpan};
use crate::error::{Error, Kind, Result};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::clock::epoch_nanos;
use crate::sync::row::Row;
#[cfg(feature = "simulate")]
use crate::sync::sim;

/// What a new segment is made with.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Bytes the user can put.
    pub size: u64,
    /// Most objects.
    pub max_objects: u32,
    /// Most clients.
    pub max_clients: u32,
    /// Group that may use it.
    pub group: Option<u32>,
    /// Evict when full.
    pub eviction: bool,
    /// Reserve all memory now.
    pub reserve: bool,
}

/// A mapped range of addresses, aligned to [`UNIT`]. `memmap2` owns the addresses; the file lies over them.
struct Mapping {
    start: *mut u8,
    length: usize,
    addresses: ManuallyDrop<MmapMut>,
    /// Of one that can be written.
    unshared: Option<Unshared>,
}

impl Mapping {
    fn new(file: &File, length: u64, write: bool) -> Result<Mapping> {
        let failed = |e: &std::io::Error| Error::io(format!("mapping a store of {length} bytes"), e);
        let length =
            usize::try_from(length).map_err(|_| Error::invalid("the store is larger than an address"))?;
        let unit = to_usize(UNIT);
        let mut addresses =
            MmapOptions::new().len(length + unit).no_reserve_swap().map_anon().map_err(|e| failed(&e))?;
        let base = addresses.as_mut_ptr();
        let start = base.wrapping_add(base.align_offset(unit));
        let access = if write { libc::PROT_READ | libc::PROT_WRITE } else { libc::PROT_READ };
        let map = || {
            let flags = libc::MAP_SHARED | libc::MAP_FIXED;
            // SAFETY: the range lies within addresses that we own and nobody uses; MAP_FIXED replaces just them.
            let mapped = unsafe { libc::mmap(start.cast(), length, access, flags, file.as_raw_fd(), 0) };
            if mapped == libc::MAP_FAILED {
                return Err(std::io::Error::last_os_error());
            }
            Ok((start, length))
        };
        let unshared = if write {
            Some(Unshared::map(map)?)
        } else {
            map().map_err(|e| failed(&e))?;
            None
        };
        // SAFETY: our own mapping; the advice keeps its contents.
        unsafe { libc::madvise(start.cast(), length, libc::MADV_DONTDUMP) };
        #[cfg(feature = "simulate")]
        {
            let inode = file.metadata().map_or(0, |meta| meta.ino());
            sim::mapped(start.addr(), length, inode, (base.addr(), addresses.len()));
        }
        Ok(Mapping { start, length, addresses: ManuallyDrop::new(addresses), unshared })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        #[cfg(feature = "simulate")]
        sim::unmapped(self.start.addr());
        let addresses = &mut self.addresses;
        // SAFETY: dropped only here.
        let mut unmap = || unsafe { ManuallyDrop::drop(addresses) };
        match &self.unshared {
            // A forked child has something else at these addresses, which stays.
            Some(unshared) => unshared.unmap(unmap),
            None => unmap(),
        }
    }
}

/// An open segment.
pub struct Segment {
    bookkeeping: Mapping,
    reading: Mapping,
    file: OwnFile,
    forks: u32,
    geometry: Geometry,
    /// Whether written spans fault after sealing.
    protects: bool,
    /// The kernel's word on who lives. Dropped last, so that our number lives until all else is gone.
    pub liveness: Liveness,
}

// SAFETY: the mappings are only accessed through atomics, and through spans whose exclusivity the store's protocol grants.
unsafe impl Send for Segment {}
// SAFETY: as above.
unsafe impl Sync for Segment {}

impl Segment {
    /// Creates a whole store and its name; `None` if there is one by now. As long as the returned mark lives, other
    /// clients do not remove the store when they leave: its creator is not one of its clients yet.
    pub fn make(place: &Place, plan: &Plan) -> Result<Option<Birth>> {
        let geometry = Geometry::new(plan.size, plan.max_objects, plan.max_clients)?;
        let mode = if plan.group.is_some() { 0o660 } else { 0o600 };
        let file = place.make_unnamed(mode)?;
        if let Some(group) = plan.group {
            std::os::unix::fs::fchown(file.file(), None, Some(group))
                .map_err(|e| Error::io(format!("giving the store to group {group}"), &e))?;
        }
        // The process's umask may have taken bits away.
        file.file()
            .set_permissions(std::os::unix::fs::PermissionsExt::from_mode(mode))
            .map_err(|e| Error::io("setting the mode of the store", &e))?;
        file.file()
            .set_len(geometry.file_size)
            .map_err(|e| Error::io(format!("a store of {} bytes", geometry.file_size), &e))?;
        let mapping = Mapping::new(file.file(), geometry.file_size, true)?;
        // SAFETY: the start of our mapping; all of Header is atomics, and zero is valid for them. Memory is reserved for it
        // before it is touched.
        let header = unsafe { &*mapping.start.cast::<Header>() };
        let growing =
            Growing { file: file.file(), base: mapping.start, credit: &header.huge_credit, worth: OF_HEAP };
        growing.look_ahead()?;
        header.table_credit.store(header.huge_credit.load(Ordering::Relaxed), Ordering::Relaxed);
        memory::reserve_plain(file.file(), 0, geometry.fixed_end())?;
        header.version.store(VERSION, Ordering::Relaxed);
        header.layout_hash.store(LAYOUT_HASH, Ordering::Relaxed);
        header.size.store(plan.size, Ordering::Relaxed);
        header.file_size.store(geometry.file_size, Ordering::Relaxed);
        header.max_objects.store(plan.max_objects, Ordering::Relaxed);
        header.max_clients.store(plan.max_clients, Ordering::Relaxed);
        header.options.store(if plan.eviction { OPTION_EVICTION } else { 0 }, Ordering::Relaxed);
        header.created.store(epoch_nanos(), Ordering::Relaxed);
        header.identity.store(u64::from_le_bytes(random()?), Ordering::Relaxed);
        store_text(&header.path, &place.path.to_string_lossy());
        for list in
            [&header.declarations, &header.orphans, &header.orphans_last, &header.held, &header.entries_free]
        {
            list.store(NONE, Ordering::Relaxed);
        }
        let tables = Growing { credit: &header.table_credit, worth: OF_TABLE, ..growing };
        reserve_objects(&tables, &geometry, 0, FIRST_OBJECTS)?;
        header.objects_reserved.store(FIRST_OBJECTS, Ordering::Relaxed);
        header.index_level.store(index_level(FIRST_OBJECTS), Ordering::Relaxed);
        // SAFETY: within the mapping, reserved above, all atomics.
        let heap = unsafe { &*mapping.start.add(to_usize(geometry.heap)).cast::<HeapControl>() };
        super::heap::lay_out(heap, &geometry);
        if plan.reserve {
            let whole = |e: Error| {
                let size = geometry.file_size - geometry.small;
                e.context(format!("reserving the whole store, {size} bytes (a smaller store needs less)"))
            };
            let mut at = geometry.small;
            while at < geometry.file_size {
                at = growing.reserve(at, geometry.file_size).map_err(whole)?;
            }
            super::heap::reserved_from_the_start(heap);
            header.recoveries.store(NEVER_BUILT, Ordering::Relaxed);
            crate::sync::lock::release_dirty(&header.lock.0);
        }
        // The file has no name yet, so the order of these stores does not matter; the magic comes last all the same.
        header.magic.store(MAGIC, Ordering::Release);
        Ok(place.publish(&file)?.then(|| Birth::of(file)))
    }

    /// Opens what is at the place and checks that it is a store that we may use.
    pub fn open(place: &Place, accept: Option<u32>, protects: bool) -> Result<Segment> {
        let failed = |e: std::io::Error| Error::io(format!("opening the store {}", place.file.display()), &e);
        let file = place.open(true).map_err(failed)?;
        let meta = file.metadata().map_err(failed)?;
        if !meta.is_file() {
            return Err(Error::invalid(format!("{} is not a store: it is not a file", place.file.display())));
        }
        if !owner_is_fine(meta.uid(), accept) {
            return Err(Error::new(
                Kind::PermissionDenied,
                format!(
                    "the store {} belongs to user {}: name that user in the options to accept it",
                    place.path.display(),
                    meta.uid()
                ),
            ));
        }
        let named = |e: Error| e.context(place.path.display());
        if meta.len() < HEADER_SIZE {
            return Err(named(Error::new(Kind::Corrupt, "not a store: the file is too short")));
        }
        let geometry = {
            let page = Mapping::new(&file, HEADER_SIZE, false)?;
            // SAFETY: the start of the file, which is at least that long; Header is atomics only.
            Geometry::of_header(unsafe { &*page.start.cast::<Header>() }, meta.len()).map_err(named)?
        };
        let file = OwnFile::new(file)?;
        let identity = file.identity();
        let liveness = Liveness::open(identity, || place.open(true).map_err(failed))?;
        let other = place.open(false).map_err(failed)?;
        if Identity::of(&other)? != identity {
            return Err(Error::new(Kind::NotFound, "the store was replaced while it was opened"));
        }
        let reading = Mapping::new(&other, geometry.file_size, false)?;
        let bookkeeping = Mapping::new(file.file(), geometry.file_size, true)?;
        Ok(Segment { bookkeeping, reading, file, forks: forks(), geometry, protects, liveness })
    }

    /// The file, for questions about its identity.
    pub fn file(&self) -> &File {
        self.file.file()
    }

    /// Fails, from then on always, if the descriptors were closed behind our back: for the others we are dead. Costs three
    /// system calls: to be asked where others are made anyway.
    pub fn kept(&self) -> Result<()> {
        self.liveness.kept(&self.file)
    }

    /// Where everything lies.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// A reference into the read-write mapping. The offset is made from the geometry and a checked index.
    fn at<T>(&self, offset: u64) -> &T {
        let offset = to_usize(offset);
        debug_assert!(
            offset + size_of::<T>() <= self.bookkeeping.length && offset.is_multiple_of(align_of::<T>())
        );
        // SAFETY: the callers compute the offset from the geometry, which was checked against the file's length, and
        // from an index that they check; T is made of atomics, for which shared access is fine.
        unsafe { &*self.bookkeeping.start.add(offset).cast::<T>() }
    }

    fn words(&self, offset: u64, count: usize) -> &[AtomicU64] {
        debug_assert!(to_usize(offset) + count * 8 <= self.bookkeeping.length);
        // SAFETY: as in `at`; atomics may be shared.
        unsafe { std::slice::from_raw_parts(self.bookkeeping.start.add(to_usize(offset)).cast(), count) }
    }

    /// The header.
    pub fn header(&self) -> &Header {
        self.at(0)
    }

    /// The heap's control block.
    pub fn heap(&self) -> &HeapControl {
        self.at(self.geometry.heap)
    }

    /// The place of a client.
    pub fn client(&self, slot: u32) -> &Client {
        let slot = slot.min(self.geometry.max_clients - 1);
        self.at(self.geometry.clients + u64::from(slot) * size_of::<Client>() as u64)
    }

    /// The waiting bits of a bucket (or of [`LOG_BUCKET`]), one a client.
    pub fn bucket(&self, bucket: u64) -> &[AtomicU64] {
        let row = u64::from(self.geometry.max_clients / 8);
        self.words(self.geometry.buckets + bucket.min(LOG_BUCKET) * row, self.row_words())
    }

    /// Words in a row of bits.
    pub fn row_words(&self) -> usize {
        (self.geometry.max_clients / 64) as usize
    }

    /// Entries that have memory.
    pub fn objects_reserved(&self) -> u32 {
        self.header().objects_reserved.load(Ordering::Acquire).min(self.geometry.max_objects)
    }

    fn entry_offset(&self, index: u32) -> Result<u64> {
        if index >= self.objects_reserved() {
            return Err(Error::new(
                Kind::Corrupt,
                format!("the bookkeeping refers to entry {index}, which does not exist"),
            ));
        }
        Ok(self.geometry.entries + u64::from(index) * self.geometry.entry_stride)
    }

    /// An entry.
    pub fn entry(&self, index: u32) -> Result<&Entry> {
        Ok(self.at(self.entry_offset(index)?))
    }

    /// The first `count` entries, at most those that have memory, with their numbers.
    pub fn entries(&self, count: u32) -> impl Iterator<Item = (u32, &Entry)> {
        // Not asked again for each: the watermark only rises.
        let (start, stride) = (self.geometry.entries, self.geometry.entry_stride);
        let count = count.min(self.objects_reserved());
        (0..count).map(move |index| (index, self.at(start + u64::from(index) * stride)))
    }

    /// Has the processor fetch an entry and its rows, which will be looked at soon. Where it has no way, nothing is done.
    #[inline]
    pub fn prefetch_entry(&self, index: u32) {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::x86_64::{_mm_prefetch, _MM_HINT_T0};
            let offset = self.geometry.entries + u64::from(index) * self.geometry.entry_stride;
            let start = self.bookkeeping.start.wrapping_add(to_usize(offset));
            for at in (0..to_usize(self.geometry.entry_stride)).step_by(64) {
                // SAFETY: fetching reads nothing that the program sees, and faults nowhere.
                unsafe { _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(at).cast()) };
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = index;
    }

    /// The pins of an entry, one bit a client.
    pub fn pins(&self, index: u32) -> Result<Row<'_>> {
        let entry = self.entry_offset(index)?;
        let others = self.words(entry + size_of::<Entry>() as u64, self.row_words() - 1);
        Ok(Row::new(&self.at::<Entry>(entry).pins, others))
    }

    /// The wants of an entry, one bit a client.
    pub fn wants(&self, index: u32) -> Result<&[AtomicU64]> {
        let pins = u64::from(self.geometry.max_clients / 8) - 8;
        Ok(self.words(self.entry_offset(index)? + size_of::<Entry>() as u64 + pins, self.row_words()))
    }

    /// Extents that have memory.
    pub fn extents_reserved(&self) -> u32 {
        2 * self.objects_reserved() + 64
    }

    /// An extent.
    pub fn extent(&self, index: u32) -> Result<&Extent> {
        if index >= self.extents_reserved() {
            return Err(Error::new(
                Kind::Corrupt,
                format!("the bookkeeping refers to extent {index}, which does not exist"),
            ));
        }
        Ok(self.at(self.geometry.extents + u64::from(index) * size_of::<Extent>() as u64))
    }

    /// A word of scratch space per object, for rebuilding.
    pub fn scratch(&self) -> &[AtomicU64] {
        self.words(self.geometry.scratch, self.objects_reserved() as usize)
    }

    /// The index at a level: `2^level` slots.
    pub fn index_slots(&self, level: u32) -> &[AtomicU64] {
        let level = level.clamp(10, self.geometry.top_level);
        self.words(self.geometry.index + (8 << level), 1 << level)
    }

    /// The slot of the event log that this sequence has.
    pub fn event(&self, sequence: u64) -> &Event {
        self.at(self.geometry.events + sequence % EVENTS * EVENT_SIZE)
    }

    /// The offset of an address of this process, if it lies in one of the two mappings.
    #[inline]
    pub fn offset_of(&self, address: usize) -> Option<u64> {
        let within = |mapping: &Mapping| {
            let offset = address.wrapping_sub(mapping.start.addr());
            (offset < mapping.length).then_some(offset as u64)
        };
        within(&self.reading).or_else(|| within(&self.bookkeeping))
    }

    fn check_heap_range(&self, offset: u64, length: u64) -> Result<()> {
        let end = offset.checked_add(length);
        if offset < self.geometry.small
            || !offset.is_multiple_of(ALIGN)
            || end.is_none_or(|end| end > self.geometry.file_size)
        {
            return Err(Error::new(
                Kind::Corrupt,
                format!("the bookkeeping puts an object at {offset} (+{length}), outside of the heap"),
            ));
        }
        Ok(())
    }

    /// A sealed object's bytes, for whoever has it pinned.
    #[inline]
    pub fn sealed(&self, offset: u64, length: u64) -> Result<&[u8]> {
        self.check_heap_range(offset, length)?;
        // SAFETY: checked against the mapping, which lives as long as this; the bytes are never written while they are pinned.
        Ok(unsafe { std::slice::from_raw_parts(self.reading.start.add(to_usize(offset)), to_usize(length)) })
    }

    /// A sealed object's bytes, which keep the mapping.
    pub fn read_span(self: &Arc<Segment>, offset: u64, length: u64) -> Result<ReadSpan> {
        self.check_heap_range(offset, length)?;
        let start = self.reading.start.wrapping_add(to_usize(offset));
        Ok(ReadSpan::new(Arc::clone(self), start, to_usize(length)))
    }

    /// Bytes that the caller is creating. With write protection on they are opened by [`WriteSpan::open`].
    pub fn write_span(self: &Arc<Segment>, offset: u64, length: u64) -> Result<WriteSpan> {
        Mapped::new(self).write_span(offset, length)
    }

    /// With write protection on, changes the access of a span's pages. Protecting takes the whole pages within it, which are
    /// nobody else's; opening takes every page it touches: what was protected there belonged to earlier objects.
    pub(super) fn protect(&self, start: *mut u8, length: usize, write: bool) -> Result<()> {
        if !self.protects {
            return Ok(());
        }
        let page = memory::page_size();
        let (begin, end) = (start.addr(), start.addr() + length);
        let (first, last, access) = if write {
            (begin / page * page, end.next_multiple_of(page), libc::PROT_READ | libc::PROT_WRITE)
        } else {
            (begin.next_multiple_of(page), end / page * page, libc::PROT_READ)
        };
        if first < last {
            let from = start.wrapping_sub(begin).wrapping_add(first);
            // SAFETY: pages of our mapping of the heap, which begins and ends at page boundaries.
            if unsafe { libc::mprotect(from.cast(), last - first, access) } != 0 {
                let doing = if write { "opening pages for writing" } else { "protecting pages" };
                let doing = format!(
                    "{doing} (mprotect, for SDP_DAL_PROTECT; each protected object is a mapping, and a \
                     process may have at most vm.max_map_count of them)"
                );
                return Err(Error::io(doing, &std::io::Error::last_os_error()));
            }
        }
        Ok(())
    }

    /// Reserves bookkeeping for more objects. Called outside the lock; the watermark is raised under it.
    pub fn reserve_objects(&self, from: u32, to: u32) -> Result<()> {
        self.kept()?;
        reserve_objects(&self.growing(&self.header().table_credit, OF_TABLE), &self.geometry, from, to)
    }

    fn growing<'a>(&'a self, credit: &'a AtomicU64, worth: u64) -> Growing<'a> {
        Growing { file: self.file(), base: self.bookkeeping.start, credit, worth }
    }

    /// Reserves heap memory; see [`Growing::reserve`].
    pub fn reserve_heap(&self, from: u64, to: u64) -> Result<u64> {
        let to = to.next_multiple_of(UNIT).min(self.geometry.file_size);
        self.kept()?;
        self.growing(&self.header().huge_credit, OF_HEAP).reserve(from, to)
    }

    /// Gives heap memory back to the system. Under the lock, and above the watermark.
    pub fn punch_heap(&self, from: u64, to: u64) -> Result<()> {
        self.check_heap_range(from, to.saturating_sub(from))?;
        self.kept()?;
        memory::punch(self.file(), from, to.next_multiple_of(UNIT).min(self.geometry.file_size))
    }
}

/// Keeps a segment: a count of its own, with its cache lines to itself, for those who would otherwise meet at the segment's.
#[repr(align(128))]
pub struct Mapped(Arc<Segment>);

impl Mapped {
    /// A new count.
    pub fn new(segment: &Arc<Segment>) -> Arc<Mapped> {
        Arc::new(Mapped(Arc::clone(segment)))
    }

    /// As [`Segment::write_span`].
    pub fn write_span(self: &Arc<Mapped>, offset: u64, length: u64) -> Result<WriteSpan> {
        self.0.check_heap_range(offset, length)?;
        let start = self.0.bookkeeping.start.wrapping_add(to_usize(offset));
        Ok(WriteSpan::new(Arc::clone(self), start, to_usize(length)))
    }

    pub(super) fn segment(&self) -> &Segment {
        &self.0
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        // A forked child has a copy of the descriptor, and none of the lock.
        if self.forks == forks() && self.kept().is_err() {
            self.file.let_go();
            self.liveness.let_go();
        }
    }
}

fn reserve_objects(growing: &Growing<'_>, geometry: &Geometry, from: u32, to: u32) -> Result<()> {
    let (first, end) = (u64::from(from), u64::from(to));
    let extent = size_of::<Extent>() as u64;
    let stride = geometry.entry_stride;
    growing.reserve_within(geometry.entries + first * stride, geometry.entries + end * stride)?;
    let file = growing.file;
    memory::reserve_plain(
        file,
        geometry.extents + 2 * first * extent,
        geometry.extents + (2 * end + 64) * extent,
    )?;
    memory::reserve_plain(file, geometry.scratch + first * 8, geometry.scratch + end * 8)?;
    let level = index_level(to);
    growing.reserve_within(geometry.index + (8 << level), geometry.index + (16 << level))
}

/// The index's level for so many objects: at most half full.
pub fn index_level(objects: u32) -> u32 {
    objects.next_power_of_two().ilog2() + 1
}

/// Offsets fit addresses: this library is for 64-bit machines.
pub const fn to_usize(value: u64) -> usize {
    const _: () = assert!(size_of::<usize>() == 8);
    #[expect(clippy::cast_possible_truncation, reason = "an address has 64 bits, as asserted")]
    {
        value as usize
    }
}

/// The lower half of a word: an entry's number in an index slot or in the scratch space.
pub fn low_half(word: u64) -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "the other half holds something else")]
    {
        word as u32
    }
}

/// Bytes of a file that may be a store, at least.
pub const HEADER_SIZE: u64 = size_of::<Header>() as u64;

/// What a store looks like to one who does not attach.
pub struct Glance {
    /// The path under which it was made (cut).
    pub path: String,
    /// Nanoseconds since the epoch.
    pub created: u64,
    /// Bytes that the user can put.
    pub size: u64,
    /// Bytes of heap memory that exist.
    pub reserved: u64,
    /// Living clients.
    pub clients: u32,
    /// Client slots.
    pub max_clients: u32,
}

/// Looks at a file without attaching. `None`: it is not a store; an error: it is one that cannot be understood. Nothing is
/// mapped: whoever owns the file may cut it off meanwhile.
pub fn glance(file: &File) -> std::io::Result<Option<Glance>> {
    let unclear = |error: Error| std::io::Error::other(error.to_string());
    let mut magic = [0; 8];
    file.read_exact_at(&mut magic, 0)?;
    if u64::from_le_bytes(magic) != MAGIC {
        return Ok(None);
    }
    // SAFETY: Header, HeapControl and Client are made of atomic integers.
    let header: Vec<Header> = unsafe { copy_of(file, 0, 1)? };
    let geometry = Geometry::of_header(&header[0], file.metadata()?.len()).map_err(unclear)?;
    // SAFETY: as above.
    let heap: Vec<HeapControl> = unsafe { copy_of(file, geometry.heap, 1)? };
    // SAFETY: as above.
    let clients: Vec<Client> = unsafe { copy_of(file, geometry.clients, geometry.max_clients as usize)? };
    let used =
        |pool: &Pool, start: u64, end: u64| pool.reserved.load(Ordering::Relaxed).clamp(start, end) - start;
    let lives = |client: &&Client| {
        let number = client.number.load(Ordering::Relaxed);
        number != 0 && liveness::lives(file, number)
    };
    Ok(Some(Glance {
        path: load_text(&header[0].path),
        created: header[0].created.load(Ordering::Relaxed),
        size: geometry.size,
        reserved: used(&heap[0].small, geometry.small, geometry.small_end())
            + used(&heap[0].large, geometry.large, geometry.large_end()),
        clients: u32::try_from(clients.iter().filter(lives).count()).unwrap_or(u32::MAX),
        max_clients: geometry.max_clients,
    }))
}

/// What lies at an offset of a file, copied.
///
/// # Safety
/// Every pattern of bits is a `T`.
unsafe fn copy_of<T>(file: &File, offset: u64, count: usize) -> std::io::Result<Vec<T>> {
    let mut copy: Vec<T> = Vec::with_capacity(count);
    let size = count * size_of::<T>();
    // SAFETY: the room that was just allocated, all of it written before anybody sees it; the caller's promise on T.
    unsafe {
        std::ptr::write_bytes(copy.as_mut_ptr(), 0, count);
        let bytes = std::slice::from_raw_parts_mut(copy.as_mut_ptr().cast::<u8>(), size);
        file.read_exact_at(bytes, offset)?;
        copy.set_len(count);
    }
    Ok(copy)
}

/// A file in `/dev/shm` that no path leads to and no living client uses.
pub fn is_lost(file: &File, path: &Path) -> bool {
    let Ok(meta) = file.metadata() else { return false };
    let Ok(page) = Mapping::new(file, HEADER_SIZE, false) else { return false };
    if meta.len() < HEADER_SIZE {
        return false;
    }
    // SAFETY: the start of the file, which is that long; Header is atomics only.
    let header = unsafe { &*page.start.cast::<Header>() };
    if Geometry::of_header(header, meta.len()).is_err() || liveness::being_born(file) {
        return false;
    }
    let leads_here = std::fs::read_link(load_text(&header.path)).is_ok_and(|to| to == path);
    let last = header.numbers.load(Ordering::Relaxed);
    !leads_here
        && (last.saturating_sub(4096)..=last).all(|number| number == 0 || !liveness::lives(file, number))
}

#[cfg(test)]
mod tests;
