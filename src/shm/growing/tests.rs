//! What tries cost and save; and that memory is there.

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
        Growing { file: self.fresh.segment.file(), base: self.map.as_ptr(), credit: &self.credit }
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
fn work_costs_processor_time_or_waiting() {
    let (sum, busy) = spent(|| (0..1_000_000u64).fold(0, |sum, n| std::hint::black_box(sum + n)));
    assert!(sum > 0 && busy.used > 0);
    let asleep = std::time::Duration::from_millis(50);
    let ((), slept) = spent(|| std::thread::sleep(asleep));
    assert!(u128::from(slept.used + slept.waited) >= asleep.as_nanos(), "asleep, it neither works nor waits");
    assert!(slept.waited > slept.used, "asleep, it works");
}
