//! How bytes leave the segment: a span that is read, and a span that its creator writes.

use std::sync::Arc;

use super::layout::ALIGN;
use super::segment::{to_usize, Mapped, Segment};
use crate::error::Result;
use crate::log::{self, Level};

/// Copies of this size and more go around the cache, where the processor has a way: they are read by another core, later.
pub const MANY: usize = 1 << 20;

/// Bytes of a sealed object in the read-only mapping. They stay as long as the object is pinned; the mapping stays as long
/// as this lives.
#[derive(Clone)]
pub struct ReadSpan {
    segment: Arc<Segment>,
    start: *const u8,
    length: usize,
}

// SAFETY: the bytes are never written while they can be read through this (sealed and pinned), and the mapping is shared.
unsafe impl Send for ReadSpan {}
// SAFETY: as above; only reads happen.
unsafe impl Sync for ReadSpan {}

impl ReadSpan {
    /// `start..start + length` must lie within the read-only mapping of `segment`, which the segment has checked.
    pub(super) fn new(segment: Arc<Segment>, start: *const u8, length: usize) -> ReadSpan {
        ReadSpan { segment, start, length }
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: checked against the mapping when made; the mapping lives as long as `segment`.
        unsafe { std::slice::from_raw_parts(self.start, self.length) }
    }

    /// The segment.
    pub fn segment(&self) -> &Arc<Segment> {
        &self.segment
    }
}

/// Bytes that only this process, their creator, can see: of an object being created, or private scratch memory.
pub struct WriteSpan {
    owner: Owner,
    start: *mut u8,
    length: usize,
}

/// What the bytes belong to.
enum Owner {
    /// An object being created.
    Segment(Arc<Mapped>),
    /// Private memory, freed with the span.
    Scratch { _memory: Scratch },
}

// SAFETY: nobody else has a pointer to these bytes while they are being created.
unsafe impl Send for WriteSpan {}

impl WriteSpan {
    pub(super) fn new(mapped: Arc<Mapped>, start: *mut u8, length: usize) -> WriteSpan {
        WriteSpan { owner: Owner::Segment(mapped), start, length }
    }

    /// Private memory, zeroed, aligned like an object.
    pub fn scratch(length: usize) -> Option<WriteSpan> {
        let scratch = Scratch::new(length)?;
        Some(WriteSpan { start: scratch.0, owner: Owner::Scratch { _memory: scratch }, length })
    }

    /// Ends it after the first `length` bytes. With write protection on, whole pages behind them are protected: they are to
    /// become somebody else's.
    pub fn shorten(&mut self, length: usize) {
        let length = length.min(self.length);
        if let Owner::Segment(mapped) = &self.owner {
            let rest = self.start.wrapping_add(length);
            if let Err(error) = mapped.segment().protect(rest, self.length - length, false) {
                log::write(Level::Error, || error.to_string());
            }
        }
        self.length = length;
    }

    /// Whether this is private memory.
    pub fn is_scratch(&self) -> bool {
        matches!(self.owner, Owner::Scratch { .. })
    }

    /// Where the bytes begin.
    pub fn as_mut_ptr(&mut self) -> *mut u8 {
        self.start
    }

    /// The bytes.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: in bounds when made; only the creator has access, and it has `self` exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.length) }
    }

    /// Copies `bytes` to `offset`; from [`MANY`] on around the cache.
    ///
    /// # Panics
    /// If they do not fit.
    pub fn copy_from(&mut self, offset: usize, bytes: &[u8]) {
        let to = &mut self.bytes_mut()[offset..offset + bytes.len()];
        if bytes.len() >= MANY {
            copy_many(to, bytes);
        } else {
            to.copy_from_slice(bytes);
        }
    }

    /// With write protection on: lets the creator's pointer write.
    pub fn open(&self) -> Result<()> {
        match &self.owner {
            Owner::Segment(mapped) => mapped.segment().protect(self.start, self.length, true),
            Owner::Scratch { .. } => Ok(()),
        }
    }

    /// With write protection on: lets the creator's pointer fault from now on. Should that fail, the log tells: the object is
    /// as good without.
    pub fn protect(&self) {
        if let Owner::Segment(mapped) = &self.owner {
            if let Err(error) = mapped.segment().protect(self.start, self.length, false) {
                log::write(Level::Error, || error.to_string());
            }
        }
    }
}

/// Copies many bytes: around the cache on x86-64, elsewhere with plain stores.
fn copy_many(to: &mut [u8], from: &[u8]) {
    #[cfg(target_arch = "x86_64")]
    if around_the_cache() {
        return x86::stream(to, from);
    }
    plain(to, from);
}

/// Copies as the system's library does it best.
fn plain(to: &mut [u8], from: &[u8]) {
    // SYNC: plain stores, which the release that seals orders by itself.
    to.copy_from_slice(from);
}

/// Whether this processor's own way is taken.
#[cfg(all(target_arch = "x86_64", not(feature = "failpoints")))]
fn around_the_cache() -> bool {
    true
}

/// Whether this processor's own way is taken: not in a process of a test with `SDP_DAL_PLAIN_COPIES` in its environment, which
/// copies as other machines do.
#[cfg(all(target_arch = "x86_64", feature = "failpoints"))]
fn around_the_cache() -> bool {
    static IS: once_cell::sync::Lazy<bool> =
        once_cell::sync::Lazy::new(|| std::env::var_os("SDP_DAL_PLAIN_COPIES").is_none());
    *IS
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m128i, _mm_loadu_si128, _mm_prefetch, _mm_sfence, _mm_stream_si128, _MM_HINT_T0,
    };

    /// Bytes of a cache line, and of a page, of every x86-64.
    const LINE: usize = 64;
    const PAGE: usize = 4096;
    /// So many pages are copied side by side, a line of each in turn, while the lines behind them are fetched: the memory works
    /// on all of them at once. Gives a quarter to a half more than one line after the other.
    const SIDE_BY_SIDE: usize = 4;

    /// Copies with stores that bypass the cache. The stores are complete (fenced) on return.
    pub fn stream(to: &mut [u8], from: &[u8]) {
        assert_eq!(to.len(), from.len(), "copies are as long as what is copied");
        let head = to.as_ptr().align_offset(LINE).min(to.len());
        to[..head].copy_from_slice(&from[..head]);
        let (to, from) = (&mut to[head..], &from[head..]);
        let (target, source) = (to.as_mut_ptr(), from.as_ptr());
        let group = SIDE_BY_SIDE * PAGE;
        let grouped = to.len() - to.len() % group;
        for start in (0..grouped).step_by(group) {
            for line in (start..start + PAGE).step_by(LINE) {
                for at in (line..line + group).step_by(PAGE) {
                    // SAFETY: `at` and the line from it lie below `grouped`, inside both slices; the target is aligned to
                    // lines. Fetching what lies behind the source does nothing.
                    unsafe {
                        _mm_prefetch::<_MM_HINT_T0>(source.wrapping_add(at + group).cast());
                        stream_line(target.add(at), source.add(at));
                    }
                }
            }
        }
        let lines = to.len() / LINE * LINE;
        for at in (grouped..lines).step_by(LINE) {
            // SAFETY: as above, below `lines`.
            unsafe { stream_line(target.add(at), source.add(at)) };
        }
        to[lines..].copy_from_slice(&from[lines..]);
        // SYNC: non-temporal stores are not ordered by the release that seals; this fence orders them before it.
        // SAFETY: SSE is part of every x86-64.
        unsafe { _mm_sfence() };
    }

    /// Copies a line past the cache.
    ///
    /// # Safety
    /// Both have 64 bytes; `to` is aligned to them.
    #[inline]
    unsafe fn stream_line(to: *mut u8, from: *const u8) {
        let (to, from) = (to.cast::<__m128i>(), from.cast::<__m128i>());
        // SAFETY: the caller's promise; SSE2 is part of every x86-64.
        unsafe {
            let a = _mm_loadu_si128(from);
            let b = _mm_loadu_si128(from.add(1));
            let c = _mm_loadu_si128(from.add(2));
            let d = _mm_loadu_si128(from.add(3));
            _mm_stream_si128(to, a);
            _mm_stream_si128(to.add(1), b);
            _mm_stream_si128(to.add(2), c);
            _mm_stream_si128(to.add(3), d);
        }
    }
}

struct Scratch(*mut u8, std::alloc::Layout);

impl Scratch {
    fn new(length: usize) -> Option<Scratch> {
        let layout = std::alloc::Layout::from_size_align(length.max(1), to_usize(ALIGN)).ok()?;
        // SAFETY: the layout's size is not zero.
        let start = unsafe { std::alloc::alloc_zeroed(layout) };
        (!start.is_null()).then_some(Scratch(start, layout))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout, freed once.
        unsafe { std::alloc::dealloc(self.0, self.1) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    /// Every way in which this machine can copy, and that of the others.
    type Copy = fn(&mut [u8], &[u8]);
    const WAYS: &[Copy] = &[
        copy_many,
        plain,
        #[cfg(target_arch = "x86_64")]
        x86::stream,
    ];

    #[test]
    fn private_memory_is_given_back() {
        // So much is mapped alone. What stays mapped has an address of its own each time; what was given back is met
        // again, if not at once (another thread may take its place), then within a few dozen.
        let taken = || WriteSpan::scratch(40 << 20).unwrap().as_mut_ptr().addr();
        let addresses: HashSet<usize> = (0..64).map(|_| taken()).collect();
        assert!(addresses.len() < 64);
    }

    #[test]
    fn every_way_copies_every_byte_at_every_alignment() {
        // Whole groups of pages and a few bytes; some pages and lines more; less than a line.
        for length in [MANY + 77, MANY + 3 * 4096 + 200, 5] {
            let source: Vec<u8> = (0..length + 100).map(|i| (i * 31 % 251) as u8).collect();
            for shift in [0, 1, 15, 63, 64, 65, 127] {
                let bytes = &source[shift.min(100)..][..length];
                for (way, copy) in WAYS.iter().enumerate() {
                    let mut span = WriteSpan::scratch(length + 200).unwrap();
                    copy(&mut span.bytes_mut()[shift..shift + length], bytes);
                    let [before, copied, behind] =
                        [0..shift, shift..shift + length, shift + length..length + 200]
                            .map(|range| span.bytes_mut()[range].to_vec());
                    assert!(before.iter().chain(&behind).all(|byte| *byte == 0), "way {way}, from {shift}");
                    assert!(copied == bytes, "way {way}, from {shift}");
                }
            }
        }
    }
}
