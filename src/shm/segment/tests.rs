//! What leaves the segment lies within it, and what it counts on has memory.

use std::collections::BTreeSet;

use super::*;
use crate::shm::fork::{LockFile, PASSING};
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
fn tables_lie_where_they_have_room() {
    let fresh = Fresh::new("rooms", 1 << 20);
    let (segment, geometry) = (&fresh.segment, *fresh.segment.geometry());
    let start = std::ptr::from_ref(segment.header()).addr();
    let place = |bucket| segment.bucket(bucket).as_ptr().addr() - start;
    let row = segment.row_words() * 8;
    assert_eq!(place(0), to_usize(geometry.buckets));
    assert_eq!(place(3), place(2) + row);
    assert_eq!(place(LOG_BUCKET), place(LOG_BUCKET - 1) + row);
    assert_eq!(place(u64::MAX), place(LOG_BUCKET));
    assert!(place(LOG_BUCKET) + row <= to_usize(geometry.heap));
    // Every object may be there, with a free extent before each, and one behind the last of each region.
    let (objects, extents) = (segment.objects_reserved(), segment.extents_reserved());
    assert!(objects == geometry.max_objects && extents >= 2 * objects + 2);
    let end = geometry.extents + u64::from(extents) * size_of::<Extent>() as u64;
    assert!(end <= geometry.scratch);
}

#[test]
fn the_rows_of_an_entry_have_a_word_for_each_64_clients_and_share_none() {
    for max_clients in [64, 128, 256, 1024] {
        let plan = Plan {
            size: 1 << 20,
            max_objects: 1024,
            max_clients,
            group: None,
            eviction: false,
            reserve: false,
        };
        let fresh = Fresh::with_plan(&format!("rows-{max_clients}"), &plan);
        let segment = &fresh.segment;
        let words = max_clients as usize / 64;
        let place = |word: &AtomicU64| std::ptr::from_ref(word).addr();
        let begins = |index: u32| std::ptr::from_ref(segment.entry(index).unwrap()).addr();
        let pins: Vec<usize> = segment.pins(5).unwrap().into_iter().map(place).collect();
        let wants: Vec<usize> = segment.wants(5).unwrap().iter().map(place).collect();
        assert_eq!((pins.len(), wants.len()), (words, words));
        // Who is among the first clients finds its pin where it has just read what the object is.
        assert_eq!(pins[0] / 64, begins(5) / 64);
        let behind = begins(5) + size_of::<Entry>()..begins(6);
        assert!(pins[1..].iter().chain(&wants).all(|word| behind.contains(word)));
        assert_eq!(pins.iter().chain(&wants).collect::<BTreeSet<_>>().len(), 2 * words);
    }
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

#[test]
fn what_no_table_needs_has_no_memory() {
    let fresh = Fresh::with_objects("tables-only", 1 << 20, 1 << 16);
    let (segment, geometry) = (&fresh.segment, *fresh.segment.geometry());
    let page = memory::page_size() as u64;
    let mut pages = BTreeSet::new();
    let mut needs = |from: u64, bytes: u64| {
        pages.extend(from / page..(from + bytes).div_ceil(page));
        pages.len() as u64 * page
    };
    needs(0, geometry.fixed_end());
    let mut from = segment.objects_reserved();
    // Levels of the index are passed over.
    for to in [from, 2048, 3000, 1 << 16] {
        if to > from {
            segment.reserve_objects(from, to).unwrap();
        }
        let many = u64::from(to);
        needs(geometry.entries, many * geometry.entry_stride);
        needs(geometry.extents, (2 * many + 64) * size_of::<Extent>() as u64);
        needs(geometry.scratch, many * 8);
        let all = needs(geometry.index + (8 << index_level(to)), 8 << index_level(to));
        let meta = segment.file().metadata().unwrap();
        assert_eq!((meta.blocks() * 512, meta.len()), (all, geometry.file_size), "{to} objects");
        from = to;
    }
}

/// Whether a page can be written: what the kernel is to write there it refuses otherwise, without a signal.
fn is_writable(at: *mut u8) -> bool {
    let zeroes = File::open("/dev/zero").unwrap();
    // SAFETY: a byte of a mapping of the test's own store; nobody reads it.
    let read = unsafe { libc::read(zeroes.as_raw_fd(), at.cast(), 1) };
    assert!(read == 1 || std::io::Error::last_os_error().raw_os_error() == Some(libc::EFAULT));
    read == 1
}

#[test]
fn whole_pages_within_a_span_are_protected_and_every_page_that_it_touches_is_opened() {
    let fresh = Fresh::new("protects", 4 << 20);
    let page = memory::page_size() as u64;
    let start = fresh.segment.geometry().large;
    // In half pages: where the span begins and ends, and which of four pages can be written then.
    let steps = [
        (1, 7, false, [true, false, false, true]),
        (3, 5, true, [true, true, true, true]),
        (0, 8, false, [false; 4]),
        (3, 5, true, [false, true, true, false]),
        (2, 4, false, [false, false, true, false]),
        // No whole page.
        (5, 7, false, [false, false, true, false]),
        (5, 6, false, [false, false, true, false]),
        (0, 1, true, [true, false, true, false]),
        (1, 2, false, [true, false, true, false]),
        (2, 2, false, [true, false, true, false]),
        (2, 4, true, [true, true, true, false]),
    ];
    for protects in [true, false] {
        let segment = Arc::new(Segment::open(fresh.place(), None, protects).unwrap());
        let base = segment.write_span(start, 4 * page).unwrap().as_mut_ptr();
        for (from, to, open, writable) in steps {
            let span = segment.write_span(start + from * page / 2, (to - from) * page / 2).unwrap();
            if open {
                span.open().unwrap();
            } else {
                span.protect();
            }
            let pages = [0, 1, 2, 3].map(|nth| is_writable(base.wrapping_add(nth * to_usize(page))));
            let expected = if protects { writable } else { [true; 4] };
            assert_eq!(pages, expected, "{from} to {to}, opened: {open}, protection: {protects}");
        }
    }
}

#[test]
fn only_a_store_that_nobody_can_find_or_use_is_lost() {
    let fresh = Fresh::new("is-lost", 1 << 20);
    let (segment, path) = (&fresh.segment, &*fresh.place().file);
    let lost = || is_lost(&fresh.place().open(true).unwrap(), path);
    assert!(lost());
    let header = segment.header();
    header.version.store(VERSION + 1, Ordering::Relaxed);
    assert!(!lost(), "it is of another version, which counts its clients in another way");
    header.version.store(VERSION, Ordering::Relaxed);
    let maker = LockFile::open(PASSING, || Ok(fresh.place().open(true).unwrap())).unwrap();
    liveness::mark_birth(&maker);
    assert!(!lost(), "its name is still being made");
    drop(maker);
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("store");
    store_text(&header.path, link.to_str().unwrap());
    assert!(lost());
    std::os::unix::fs::symlink(path, &link).unwrap();
    assert!(!lost(), "its path leads to it");
    std::fs::remove_file(&link).unwrap();
    segment.liveness.be(1, segment.file()).unwrap();
    header.numbers.store(1, Ordering::Relaxed);
    assert!(!lost(), "a client uses it");
}

#[test]
fn what_is_too_short_for_a_store_is_not_lost() {
    let short = tempfile::tempfile_in("/dev/shm").unwrap();
    for length in [0, 8, HEADER_SIZE - 1, HEADER_SIZE] {
        short.set_len(length).unwrap();
        assert!(!is_lost(&short, Path::new("/dev/shm/short")), "{length} bytes");
    }
}
