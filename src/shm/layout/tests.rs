//! Words keep their parts apart, regions do not overlap, and a header is believed only if all of it adds up.

use super::*;
use crate::shm::segment::index_level;
use crate::shm::testing::Fresh;
use crate::sync::life::GENERATION_MASK;

const STATES: [State; 6] =
    [State::Free, State::Awaited, State::Creating, State::Sealed, State::Failed, State::Doomed];
const FLAGS: [u64; 5] = [CLAIMED, WHEN_RELEASED, CALL, ABANDONED, ENDED];

#[test]
fn the_parts_of_a_word_do_not_touch_each_other() {
    for state in STATES {
        for (slot, generation) in [(0, 0), (1, 1), (1023, 5), (7, GENERATION_MASK), (1023, GENERATION_MASK)] {
            let word = Word::new(state, slot, generation);
            assert_eq!((word.state(), word.slot(), word.generation()), (state, slot, generation));
            assert!(FLAGS.iter().all(|flag| !word.has(*flag)));
            for flag in FLAGS {
                let flagged = word.and(flag);
                assert_eq!(
                    (flagged.state(), flagged.slot(), flagged.generation()),
                    (state, slot, generation)
                );
                assert!(FLAGS.iter().all(|other| flagged.has(*other) == (*other == flag)));
                for next in STATES {
                    let with = flagged.with(next);
                    assert_eq!((with.state(), with.slot(), with.generation()), (next, slot, generation));
                    assert!(with.has(flag));
                }
            }
            let freed = word.and(CLAIMED | ENDED).freed();
            assert!(freed == Word::new(State::Free, 0, generation + 1));
            assert_eq!(freed.generation(), (generation + 1) & GENERATION_MASK);
        }
    }
    assert_eq!(Word(0).state(), State::Free);
    assert!((6..16).all(|state| Word(state).state() == State::Free));
}

#[test]
fn regions_lie_one_behind_the_other_and_have_room() {
    for (size, objects, clients) in [
        (1, 1024, 64),
        (1 << 20, 1024, 1024),
        (100 << 20, 1 << 16, 256),
        (64 << 30, 1 << 20, 256),
        (1 << 43, 1 << 26, 128),
    ] {
        let geometry = Geometry::new(size, objects, clients).unwrap();
        let (many, rows) = (u64::from(objects), u64::from(clients / 64) * 8);
        let regions = [
            (0, size_of::<Header>() as u64),
            (geometry.clients, u64::from(clients) * size_of::<Client>() as u64),
            (geometry.buckets, (BUCKETS + 1) * rows),
            (geometry.heap, size_of::<HeapControl>() as u64),
            (geometry.events, EVENTS * EVENT_SIZE),
            (geometry.entries, many * geometry.entry_stride),
            // Two objects have a free extent between them at most, and each region one behind its last.
            (geometry.extents, (2 * many + 2) * size_of::<Extent>() as u64),
            (geometry.scratch, many * 8),
            (geometry.index, (2 << geometry.top_level) * 8),
            (geometry.small, 1 << 20),
            (geometry.large, size),
            (geometry.file_size, 0),
        ];
        for pair in regions.windows(2) {
            assert!(pair[0].0 + pair[0].1 <= pair[1].0, "{pair:?} of {geometry:?}");
        }
        assert_eq!(geometry.fixed_end(), geometry.events + EVENTS * EVENT_SIZE);
        assert!(geometry.fixed_end() <= geometry.entries);
        assert!(geometry.entry_stride >= size_of::<Entry>() as u64 + 2 * rows - 8);
        assert!(geometry.entry_stride.is_multiple_of(64));
        // At most half full.
        assert!(1u64 << geometry.top_level >= 2 * many && geometry.top_level == index_level(objects));
        assert_eq!(geometry.small_end(), geometry.large);
        assert!(
            geometry.large_end() >= geometry.large + size
                && geometry.large_end() < geometry.large + size + ALIGN
        );
        assert!(geometry.small_end() - geometry.small >= (size / 8).min(1 << 30));
        for offset in [geometry.entries, geometry.small, geometry.large, geometry.file_size] {
            assert!(offset.is_multiple_of(UNIT));
        }
        // What is not used has no memory; but no more addresses than needed.
        assert!(geometry.file_size < geometry.large_end() + UNIT);
        assert!(geometry.large - geometry.small <= (size / 8).max(1 << 20) + UNIT);
    }
}

#[test]
fn sizes_have_bounds() {
    let fits = |size, objects, clients| Geometry::new(size, objects, clients).is_ok();
    assert!(fits(1, 1024, 64) && fits(1 << 43, 1 << 26, 1024));
    for (size, objects, clients) in [
        (0, 1024, 64),
        ((1 << 43) + 1, 1024, 64),
        (1, 512, 64),
        (1, 1025, 64),
        (1, 1 << 27, 64),
        (1, 1024, 0),
        (1, 1024, 65),
        (1, 1024, 1088),
    ] {
        let error = Geometry::new(size, objects, clients).unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidArgument, "{size} {objects} {clients}");
    }
}

#[test]
fn a_header_is_believed_if_it_adds_up() {
    let fresh = Fresh::new("header", 1 << 20);
    let header = fresh.segment.header();
    let geometry = *fresh.segment.geometry();
    let length = geometry.file_size;
    let kind = |length| Geometry::of_header(header, length).err().map(|error| error.kind());
    assert_eq!(Geometry::of_header(header, length).unwrap(), geometry);
    assert_eq!(kind(length - 1), Some(Kind::Corrupt));
    assert_eq!(kind(length + UNIT), Some(Kind::Corrupt));
    let word64 = |word: &AtomicU64, wrong: &[u64], expected| {
        let right = word.load(Ordering::Relaxed);
        for wrong in wrong {
            word.store(*wrong, Ordering::Relaxed);
            assert_eq!(kind(length), expected, "{wrong} for {right}");
        }
        word.store(right, Ordering::Relaxed);
    };
    let word32 = |word: &AtomicU32, wrong: &[u32], expected| {
        let right = word.load(Ordering::Relaxed);
        for wrong in wrong {
            word.store(*wrong, Ordering::Relaxed);
            assert_eq!(kind(length), expected, "{wrong} for {right}");
        }
        word.store(right, Ordering::Relaxed);
    };
    word64(&header.magic, &[0, MAGIC + 1], Some(Kind::Corrupt));
    word32(&header.version, &[0, VERSION - 1, VERSION + 1], Some(Kind::Unsupported));
    word32(&header.incompatible, &[1, 1 << 31], Some(Kind::Unsupported));
    word32(&header.compatible, &[1, 1 << 31], None);
    word64(&header.layout_hash, &[0, LAYOUT_HASH + 1], Some(Kind::Unsupported));
    word64(&header.size, &[0, geometry.size + UNIT, u64::MAX], Some(Kind::Corrupt));
    word64(&header.file_size, &[0, length + UNIT], Some(Kind::Corrupt));
    word32(&header.max_objects, &[0, 1000, 1 << 20], Some(Kind::Corrupt));
    word32(&header.max_clients, &[0, 65, 1024 + 64], Some(Kind::Corrupt));
    let most = geometry.max_objects;
    word32(&header.objects_reserved, &[most], None);
    word32(&header.objects_reserved, &[most + 1, u32::MAX], Some(Kind::Corrupt));
    word32(&header.index_level, &[10, geometry.top_level], None);
    word32(&header.index_level, &[0, 9, geometry.top_level + 1], Some(Kind::Corrupt));
    assert_eq!(kind(length), None);
}

#[test]
fn text_is_cut_between_characters() {
    let words: [AtomicU64; 2] = std::array::from_fn(|_| AtomicU64::new(u64::MAX));
    for (text, kept) in [
        ("", ""),
        ("eight by", "eight by"),
        ("sixteen bytes...", "sixteen bytes..."),
        ("sixteen bytes....", "sixteen bytes..."),
        ("fifteen bytes..\u{e9}", "fifteen bytes.."),
        ("fourteen bytes\u{e9}", "fourteen bytes\u{e9}"),
    ] {
        store_text(&words, text);
        assert_eq!(load_text(&words), kept);
    }
    words[1].store(0xff, Ordering::Relaxed);
    assert_eq!(load_text(&words), "fourteen\u{fffd}");
}

#[test]
fn stores_of_older_builds_can_be_opened() {
    // Another number: processes of this build share no store with those of the last one. If that is meant, write it down here;
    // else something was moved by accident.
    assert_eq!(LAYOUT_HASH, 0x2a07_4ab7_3e1d_8801);
}
