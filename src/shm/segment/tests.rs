//! What leaves the segment lies within it, and what it counts on has memory.

use std::os::unix::fs::MetadataExt;

use super::*;
use crate::shm::testing::Fresh;

fn kind<T>(result: Result<T>) -> Option<Kind> {
    result.err().map(|error| error.kind())
}

#[test]
fn a_segment_may_have_all_its_memory_from_the_start() {
    let plan = |reserve| Plan {
        size: 4 << 20,
        max_objects: 1024,
        max_clients: 64,
        group: None,
        eviction: false,
        reserve,
    };
    for reserve in [false, true] {
        let fresh = Fresh::with_plan(&format!("from-start-{reserve}"), &plan(reserve));
        let geometry = fresh.segment.geometry();
        let all = geometry.small_end() - geometry.small + geometry.large_end() - geometry.large;
        let told = glance(fresh.segment.file()).unwrap().unwrap().reserved;
        assert_eq!(told, if reserve { all } else { 0 });
    }
}

#[test]
fn spans_lie_in_the_heap() {
    let fresh = Fresh::new("spans", 1 << 20);
    let geometry = *fresh.segment.geometry();
    let segment = Arc::new(Segment::open(fresh.place(), None, false).unwrap());
    for (offset, length, fits) in [
        (geometry.small, 0, true),
        (geometry.small, geometry.file_size - geometry.small, true),
        (geometry.file_size - ALIGN, ALIGN, true),
        (geometry.file_size - ALIGN, ALIGN + 1, false),
        (geometry.small - ALIGN, ALIGN, false),
        (geometry.small + 1, ALIGN, false),
        (geometry.file_size + ALIGN, 0, false),
        (geometry.small, u64::MAX, false),
        (u64::MAX - 63, ALIGN, false),
        (0, ALIGN, false),
    ] {
        let expected = if fits { None } else { Some(Kind::Corrupt) };
        assert_eq!(kind(segment.read_span(offset, length)), expected, "reading {offset} (+{length})");
        assert_eq!(kind(segment.write_span(offset, length)), expected, "writing {offset} (+{length})");
    }
}

#[test]
fn what_is_beyond_a_table_is_not_given() {
    let fresh = Fresh::new("tables", 1 << 20);
    let segment = &fresh.segment;
    let last = segment.client(segment.geometry().max_clients - 1);
    assert!(std::ptr::eq(segment.client(u32::MAX), last) && !std::ptr::eq(segment.client(0), last));
    let objects = segment.objects_reserved();
    assert!(segment.entry(objects - 1).is_ok() && segment.pins(objects - 1).is_ok());
    assert_eq!(kind(segment.entry(objects)), Some(Kind::Corrupt));
    assert_eq!(kind(segment.wants(u32::MAX)), Some(Kind::Corrupt));
    let extents = segment.extents_reserved();
    assert!(segment.extent(extents - 1).is_ok());
    assert_eq!(kind(segment.extent(extents)), Some(Kind::Corrupt));
}

#[test]
fn tables_that_grow_have_memory() {
    let fresh = Fresh::with_objects("tables-grow", 1 << 20, 1 << 16);
    let (segment, geometry) = (&fresh.segment, *fresh.segment.geometry());
    let blocks = || segment.file().metadata().unwrap().blocks();
    // Reserving it once more brings nothing.
    let has_memory = |from: u64, bytes: u64| {
        let before = blocks();
        memory::reserve_plain(segment.file(), from, from + bytes).unwrap();
        assert_eq!(blocks(), before, "{bytes} bytes at {from} are not all there");
    };
    let mut from = segment.objects_reserved();
    for to in [2048, 3000, 1 << 16] {
        segment.reserve_objects(from, to).unwrap();
        let many = u64::from(to);
        has_memory(geometry.entries, many * geometry.entry_stride);
        has_memory(geometry.extents, (2 * many + 64) * size_of::<Extent>() as u64);
        has_memory(geometry.scratch, many * 8);
        let slots = segment.index_slots(index_level(to)).len() as u64;
        assert!(slots >= 2 * many && slots < 4 * many.next_power_of_two());
        has_memory(geometry.index + slots * 8, slots * 8);
        from = to;
    }
}
