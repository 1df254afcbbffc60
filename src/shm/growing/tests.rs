//! What tries cost and save; and that memory is there.

use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::MetadataExt;

use memmap2::MmapMut;

use super::*;
use crate::shm::testing::Fresh;

const PRICE: Price = Price(1000);

/// A store's file, mapped once more, and a credit of its own.
struct Ground {
    fresh: Fresh,
    map: MmapMut,
    credit: AtomicU64,
}

impl Ground {
    fn new(name: &str) -> Ground {
        let fresh = Fresh::new(name, 64 << 20);
        // SAFETY: a file of this test, which nobody makes shorter.
        let map = unsafe { MmapMut::map_mut(fresh.segment.file()) }.unwrap();
        Ground { fresh, map, credit: AtomicU64::new(0) }
    }

    fn growing(&self) -> Growing<'_> {
        Growing {
            file: self.fresh.segment.file(),
            base: self.map.as_ptr(),
            credit: &self.credit,
            worth: OF_HEAP,
        }
    }

    /// The credit after a try, from this one.
    fn learns(&self, before: i64, plain: u64, cost: u64) -> i64 {
        self.growing().set_credit(before);
        self.growing().learn(plain, cost, PRICE);
        self.credit.load(Ordering::Relaxed).cast_signed()
    }

    fn kept(&self) -> u64 {
        self.fresh.segment.file().metadata().unwrap().blocks() * 512
    }
}

#[test]
fn what_tries_save_is_credit_and_what_they_lose_is_paid_with_patience() {
    let ground = Ground::new("credit");
    let unit = i64::try_from(UNIT).unwrap();
    assert_eq!(ground.learns(0, 2000, 500), unit * 3 / 2);
    assert_eq!(ground.learns(unit, 2000, 500), unit * 5 / 2);
    assert_eq!(ground.learns(unit, 0, 500), unit / 2);
    assert_eq!(ground.learns(unit, 0, 1000), 0);
    assert_eq!(ground.learns(MOST_CREDIT, 2000, 500), MOST_CREDIT);
    assert_eq!(ground.learns(unit, 0, 2000), -PATIENCE * unit);
    // A loss is over when the next try comes.
    assert_eq!(ground.learns(-5, 1000, 0), unit);
    assert_eq!(ground.learns(0, 0, u64::MAX), LEAST_CREDIT);
    assert_eq!(ground.learns(0, u64::MAX, 0), MOST_CREDIT);
    assert_eq!(PRICE.of(3), 3000);
    assert_eq!(PRICE.of(u64::MAX), u64::MAX);
}

#[test]
fn a_damaged_credit_is_bounded() {
    let ground = Ground::new("bounds");
    let growing = ground.growing();
    for (credit, read) in [
        (i64::MAX, MOST_CREDIT),
        (i64::MIN, LEAST_CREDIT),
        (MOST_CREDIT, MOST_CREDIT),
        (0, 0),
        (-1, -1),
        (LEAST_CREDIT, LEAST_CREDIT),
    ] {
        growing.set_credit(credit);
        assert_eq!(growing.credit(), read);
        assert_eq!(growing.tries_huge(), credit >= 0 && units_are_huge_pages());
    }
}

#[test]
fn plain_pages_are_got_until_the_loss_is_paid() {
    let ground = Ground::new("plain");
    let growing = ground.growing();
    let from = ground.fresh.segment.geometry().large;
    let unit = i64::try_from(UNIT).unwrap();
    let before = ground.kept();
    growing.set_credit(-3 * unit - 5);
    let most = if units_are_huge_pages() { 4 * UNIT } else { ROUND };
    assert_eq!(growing.plain(from, from + 16 * UNIT).unwrap(), from + most);
    assert_eq!(growing.credit(), 0);
    assert_eq!(ground.kept(), before + most);
    // Not beyond what is asked for, and whole units from where the last one ended.
    growing.set_credit(-100 * unit);
    let at = from + most;
    let (some, gained) = (LARGEST_PAGE, i64::try_from(LARGEST_PAGE).unwrap());
    assert_eq!(growing.plain(at, at + some).unwrap(), at + some);
    assert_eq!(growing.credit(), -100 * unit + gained);
    assert_eq!(growing.plain(at + some, at + ROUND + UNIT).unwrap(), at + ROUND);
    assert_eq!(ground.kept(), before + most + ROUND);
}

#[test]
fn memory_is_there_whatever_it_is_made_of() {
    for (credit, name) in [(0, "huge"), (MOST_CREDIT, "rich"), (-(5 << 20), "mixed"), (LEAST_CREDIT, "poor")]
    {
        let ground = Ground::new(name);
        ground.growing().set_credit(credit);
        let before = ground.kept();
        let from = ground.fresh.segment.geometry().large;
        for (from, to) in [(from, from + 3 * UNIT), (from + 3 * UNIT, from + 20 * UNIT)] {
            assert_eq!(ground.growing().reserve(from, to).unwrap(), to);
        }
        assert_eq!(ground.kept(), before + 20 * UNIT, "{name}");
        assert!(ground.map[usize::try_from(from).unwrap()..]
            .iter()
            .step_by(4096)
            .take(20 << 8)
            .all(|byte| *byte == 0));
    }
}

#[test]
fn a_part_of_a_table_has_the_memory_that_it_is_made_of_and_no_more() {
    let page = page_size() as u64;
    for (credit, name) in
        [(MOST_CREDIT, "table-rich"), (-(5 << 20), "table-mixed"), (LEAST_CREDIT, "table-poor")]
    {
        let ground = Ground::new(name);
        ground.growing().set_credit(credit);
        let start = ground.fresh.segment.geometry().large;
        let mut all = ground.kept();
        // Within a unit, over the border of two, whole ones, and more than a round.
        for (from, pages) in
            [(0, 1), (UNIT - page, 2), (2 * UNIT, UNIT / page), (4 * UNIT + page, 10 * UNIT / page)]
        {
            ground.growing().reserve_within(start + from, start + from + pages * page).unwrap();
            all += pages * page;
            assert_eq!(ground.kept(), all, "{name}: {pages} pages at {from}");
        }
    }
}

#[test]
fn memory_that_runs_out_later_is_got_as_far_as_it_goes() {
    // SAFETY: a name that ends; the descriptor is ours.
    let file = unsafe { File::from_raw_fd(libc::memfd_create(c"growing".as_ptr(), libc::MFD_ALLOW_SEALING)) };
    file.set_len(ROUND).unwrap();
    // SAFETY: the descriptor is open.
    assert_eq!(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, libc::F_SEAL_GROW) }, 0);
    // SAFETY: as above.
    let map = unsafe { MmapMut::map_mut(&file) }.unwrap();
    let credit = AtomicU64::new(LEAST_CREDIT.cast_unsigned());
    let growing = Growing { file: &file, base: map.as_ptr(), credit: &credit, worth: OF_HEAP };
    assert_eq!(growing.reserve(0, 2 * ROUND).unwrap(), ROUND);
    assert!(growing.reserve(ROUND, 2 * ROUND).is_err());
}

/// Kernels that can map pages for writing before they are touched, and have huge pages of a unit.
fn measures(ground: &Ground) -> bool {
    let at = ground.fresh.segment.geometry().large;
    reserve_plain(ground.fresh.segment.file(), at, at + LARGEST_PAGE).unwrap();
    units_are_huge_pages() && populate(ground.map.as_ptr(), at, at + LARGEST_PAGE)
}

#[test]
fn the_first_credit_is_for_some_tries_or_less_than_nothing() {
    let ground = Ground::new("first");
    ground.growing().look_ahead().unwrap();
    let (credit, most) = (ground.growing().credit(), i64::try_from(MOST * UNIT).unwrap());
    if !measures(&ground) {
        assert_eq!(credit, 0);
        return;
    }
    // The wait of a whole try was seen, or none.
    assert!(credit == FIRST_CREDIT || credit < PATIENCE * (FIRST_CREDIT - most), "{credit}");
}

#[test]
fn the_price_of_a_unit_is_that_of_all_its_pages() {
    let ground = Ground::new("price");
    if !measures(&ground) {
        return;
    }
    let (growing, large) = (ground.growing(), ground.fresh.segment.geometry().large);
    // Beyond what is there already.
    let from = |unit: u64| large.next_multiple_of(UNIT) + (1 + unit) * UNIT;
    let price = (0..4).map(|unit| growing.measure(from(unit)).unwrap().unwrap().0).min().unwrap();
    let sample = |at| {
        let ((), cost) = spent(|| {
            reserve_plain(growing.file, at, at + SAMPLE).unwrap();
            assert!(populate(growing.base, at, at + SAMPLE));
        });
        cost.used
    };
    // The first of a unit costs more than the second.
    let sample = (4..12).flat_map(|unit| [from(unit), from(unit) + SAMPLE]).map(sample).min().unwrap();
    let samples = price / sample;
    // 32, but for what else the processor did meanwhile.
    assert!((8..128).contains(&samples), "a unit costs as much as {samples} samples of {sample} ns");
}

#[test]
fn every_unit_of_a_try_can_become_a_huge_page() {
    let ground = Ground::new("eligible");
    let growing = ground.growing();
    let from = |n: u64| ground.fresh.segment.geometry().large.next_multiple_of(UNIT) + 2 * n * UNIT;
    // Free memory may lie in pieces: some pairs of units do not become huge pages even so.
    let can = (0..8).any(|n| {
        for unit in [from(n), from(n) + UNIT] {
            reserve_plain(growing.file, unit, unit + page_size() as u64).unwrap();
        }
        collapse(growing.base, from(n), from(n) + 2 * UNIT)
    });
    let does = (8..14).any(|n| {
        growing.set_credit(0);
        // Cheap, if it is done; and else a loss of as much.
        let mut tries = Tries { price: Some(Price(1 << 40)), units: 2, most: 2 };
        assert_eq!(growing.huge(from(n), from(n) + 2 * UNIT, &mut tries).unwrap(), from(n) + 2 * UNIT);
        growing.credit() > 0
    });
    assert!(does || !can);
}

#[test]
fn huge_pages_are_not_tried_where_nothing_can_be_measured() {
    let ground = Ground::new("blind");
    let (length, file) = (ground.map.len(), ground.fresh.segment.file());
    // SAFETY: a new mapping of this test's file, which nobody touches.
    let base = unsafe {
        libc::mmap(std::ptr::null_mut(), length, libc::PROT_READ, libc::MAP_SHARED, file.as_raw_fd(), 0)
    };
    assert_ne!(base, libc::MAP_FAILED);
    let growing = Growing { file, base: base.cast(), credit: &ground.credit, worth: OF_HEAP };
    let from = ground.fresh.segment.geometry().large.next_multiple_of(UNIT);
    let to = from + 3 * UNIT;
    assert_eq!(growing.reserve(from, to).unwrap(), to);
    let left = if units_are_huge_pages() { i64::try_from(3 * UNIT).unwrap() - MOST_CREDIT } else { 0 };
    assert_eq!(growing.credit(), left);
    // SAFETY: mapped above.
    unsafe { libc::munmap(base, length) };
}

#[test]
fn work_costs_processor_time_or_waiting() {
    let (sum, busy) = spent(|| (0..1_000_000u64).fold(0, |sum, n| std::hint::black_box(sum + n)));
    assert!(sum > 0 && busy.used > 0);
    let asleep = std::time::Duration::from_millis(50);
    let ((), slept) = spent(|| std::thread::sleep(asleep));
    assert!(u128::from(slept.used + slept.waited) >= asleep.as_nanos(), "asleep, it neither works nor waits");
    assert!(slept.waited > slept.used, "asleep, it works");
}
