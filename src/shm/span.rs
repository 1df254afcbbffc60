//! How bytes leave the segment: a span that is read, and a span that its creator writes.

use std::sync::Arc;

use super::segment::Segment;

/// Copies of this size and more go around the cache: they are read by another core, later.
pub const STREAM_FROM: usize = 1 << 20;

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
    Segment(Arc<Segment>),
    /// Private memory, freed with the span.
    Scratch { _memory: Scratch },
}

// SAFETY: nobody else has a pointer to these bytes while they are being created.
unsafe impl Send for WriteSpan {}

impl WriteSpan {
    pub(super) fn new(segment: Arc<Segment>, start: *mut u8, length: usize) -> WriteSpan {
        WriteSpan { owner: Owner::Segment(segment), start, length }
    }

    /// Private memory, zeroed, aligned like an object.
    pub fn scratch(length: usize) -> Option<WriteSpan> {
        let scratch = Scratch::new(length)?;
        Some(WriteSpan { start: scratch.0, owner: Owner::Scratch { _memory: scratch }, length })
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

    /// Copies `bytes` to `offset`; large ones with non-temporal stores.
    ///
    /// # Panics
    /// If they do not fit.
    pub fn copy_from(&mut self, offset: usize, bytes: &[u8]) {
        let to = &mut self.bytes_mut()[offset..offset + bytes.len()];
        if bytes.len() >= STREAM_FROM {
            stream(to, bytes);
        } else {
            to.copy_from_slice(bytes);
        }
    }

    /// With write protection on: lets the creator's pointer write (`true`), or fault from now on.
    pub fn protect(&self, write: bool) {
        if let Owner::Segment(segment) = &self.owner {
            segment.protect(self.start, self.length, write);
        }
    }
}

/// Copies with stores that bypass the cache. The stores are complete (fenced) on return.
#[cfg(target_arch = "x86_64")]
fn stream(to: &mut [u8], from: &[u8]) {
    use std::arch::x86_64::{__m128i, _mm_loadu_si128, _mm_sfence, _mm_stream_si128};
    let head = to.as_ptr().align_offset(64).min(to.len());
    to[..head].copy_from_slice(&from[..head]);
    let (to, from) = (&mut to[head..], &from[head..]);
    let blocks = to.len() / 64;
    let mut target = to.as_mut_ptr().cast::<__m128i>();
    let mut source = from.as_ptr().cast::<__m128i>();
    for _ in 0..blocks {
        // SAFETY: both pointers stay within their slices (64 bytes a block); the target is 64-byte aligned; SSE2 is part of
        // every x86-64.
        unsafe {
            let a = _mm_loadu_si128(source);
            let b = _mm_loadu_si128(source.add(1));
            let c = _mm_loadu_si128(source.add(2));
            let d = _mm_loadu_si128(source.add(3));
            _mm_stream_si128(target, a);
            _mm_stream_si128(target.add(1), b);
            _mm_stream_si128(target.add(2), c);
            _mm_stream_si128(target.add(3), d);
            target = target.add(4);
            source = source.add(4);
        }
    }
    to[blocks * 64..].copy_from_slice(&from[blocks * 64..]);
    // SYNC: non-temporal stores are not ordered by the release that seals; this fence orders them before it.
    // SAFETY: SSE is part of every x86-64.
    unsafe { _mm_sfence() };
}

#[cfg(not(target_arch = "x86_64"))]
fn stream(to: &mut [u8], from: &[u8]) {
    to.copy_from_slice(from);
}

struct Scratch(*mut u8, std::alloc::Layout);

impl Scratch {
    fn new(length: usize) -> Option<Scratch> {
        let layout = std::alloc::Layout::from_size_align(length.max(1), 64).ok()?;
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

    #[test]
    fn streaming_copies_every_byte_at_every_alignment() {
        let source: Vec<u8> = (0..STREAM_FROM + 300).map(|i| (i * 31 % 251) as u8).collect();
        for shift in [0, 1, 15, 63, 64, 65] {
            let mut span = WriteSpan::scratch(STREAM_FROM + 400).unwrap();
            let bytes = &source[shift..shift + STREAM_FROM + 77];
            span.copy_from(shift, bytes);
            assert_eq!(&span.bytes_mut()[shift..shift + bytes.len()], bytes);
            assert!(span.bytes_mut()[shift + bytes.len()..].iter().all(|byte| *byte == 0));
        }
    }
}
