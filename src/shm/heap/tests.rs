//! The heap against a model of it, step by step; what a growth may do beside a trim.

use std::collections::BTreeMap;

use super::*;
use crate::shm::testing::Fresh;

const MB: u64 = 1 << 20;

/// What the heap holds, as a user of it knows.
struct Model<'a> {
    heap: Heap<'a>,
    /// By offset: bytes asked for, and the extent.
    held: BTreeMap<u64, (u64, u32)>,
}

impl<'a> Model<'a> {
    fn of(fresh: &'a Fresh) -> Model<'a> {
        Model { heap: Heap::new(&fresh.segment), held: BTreeMap::new() }
    }

    /// Takes so many bytes, and grows the heap for them if it must; where they lie.
    fn take(&mut self, size: u64) -> Option<u64> {
        loop {
            if let Some(taken) = self.heap.take(size).unwrap() {
                assert!(self.held.insert(taken.offset, (size, taken.extent)).is_none(), "taken twice");
                self.is_sound();
                return Some(taken.offset);
            }
            let growth = self.heap.growth(size).unwrap()?;
            assert!(growth.to > growth.from && growth.from == self.heap.above(growth.region).0);
            // The memory is not touched: no need to reserve it.
            self.heap.raise(growth, growth.to).unwrap();
            assert_eq!(self.heap.above(growth.region).0, growth.to);
            self.is_sound();
        }
    }

    fn give(&mut self, offset: u64) {
        let (_, extent) = self.held.remove(&offset).unwrap();
        self.heap.give(extent).unwrap();
        self.is_sound();
    }

    fn used(&self) -> Vec<(u64, u64, u32)> {
        self.held.iter().map(|(offset, (size, extent))| (*offset, *size, *extent)).collect()
    }

    /// As after a death inside the lock: all is built anew from what is held.
    fn rebuild(&mut self) {
        let used = self.used();
        self.heap.reset();
        for (offset, size, _) in used {
            let extent = self.heap.place(offset, size).unwrap();
            self.held.insert(offset, (size, extent));
        }
        self.heap.close().unwrap();
        self.is_sound();
    }

    /// Nothing overlaps, no extent is empty, everything lies in its region and is aligned, and the heap's own check and figures agree.
    fn is_sound(&self) {
        let geometry = self.heap.segment.geometry();
        let mut wrong = Vec::new();
        self.heap.check(&self.used(), &mut wrong).unwrap();
        assert_eq!(wrong, Vec::<String>::new());
        for pool in Region::ALL.map(|region| self.heap.pool(region)) {
            let mut at = get32(&pool.last);
            while at != NONE {
                let extent = self.heap.extent(at).unwrap();
                assert!(get64(&extent.size) & !USED > 0, "extent {at} has no bytes");
                at = get32(&extent.before);
            }
        }
        let (mut used, mut used_small, mut end) = (0, 0, geometry.small);
        for (offset, (size, _)) in &self.held {
            assert!(*offset >= end && offset.is_multiple_of(ALIGN));
            end = offset + size.max(&1).next_multiple_of(ALIGN);
            if *offset < geometry.large {
                assert!(*size < SMALL && end <= geometry.small_end());
                used_small += end - offset;
            } else {
                assert!(end <= geometry.large_end());
                used += end - offset;
            }
        }
        let figures = self.heap.figures().unwrap();
        let all = geometry.large_end() - geometry.large;
        assert_eq!((figures.used, figures.used_small, figures.free), (used, used_small, all - used));
        let reserved = Region::ALL.map(|region| self.heap.above(region).0);
        assert_eq!(figures.reserved, reserved[0] - geometry.small + reserved[1] - geometry.large);
        assert_eq!(figures.largest, self.largest(), "the largest free run");
    }

    /// The longest run of the large region that is not held, or what the heap says if that is in the same class of sizes.
    fn largest(&self) -> u64 {
        let geometry = self.heap.segment.geometry();
        let (mut at, mut runs) = (geometry.large, Vec::new());
        for (offset, (size, _)) in self.held.range(geometry.large..) {
            runs.push(offset - at);
            at = offset + rounded(*size);
        }
        runs.push(geometry.large_end() - at);
        let longest = runs.iter().copied().max().unwrap_or(0);
        let said = self.heap.figures().unwrap().largest;
        // A class is a sixteenth of a power of two.
        let same_class = said <= longest && longest - said <= longest / 16;
        if runs.contains(&said) && same_class {
            said
        } else {
            longest
        }
    }
}

#[test]
fn a_class_is_a_sixteenth_of_a_power_of_two() {
    let of_units = |units: u64| class(units * ALIGN);
    assert_eq!([0, 1, 2, 3, 4, 7].map(of_units), [(0, 0), (0, 0), (1, 0), (1, 8), (2, 0), (2, 12)]);
    assert_eq!(
        [15, 16, 17, 31, 32, 33, 34].map(of_units),
        [(3, 14), (4, 0), (4, 1), (4, 15), (5, 0), (5, 0), (5, 1)]
    );
    assert_eq!(class(16 * ALIGN + ALIGN - 1), (4, 0));
    assert_eq!(class(u64::MAX), (FIRST - 1, 15));
    assert_eq!([0, 1, ALIGN, ALIGN + 1].map(rounded), [ALIGN, ALIGN, ALIGN, 2 * ALIGN]);
}

fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

#[test]
fn a_heap_holds_what_was_taken_and_not_given_back() {
    for seed in 1..=4u64 {
        let fresh = Fresh::new(&format!("model-{seed}"), 16 * MB);
        let mut model = Model::of(&fresh);
        let mut state = seed;
        let mut refused = 0;
        for _ in 0..400 {
            if model.held.is_empty() || random(&mut state) % 5 < 3 {
                let most = [200, SMALL, 100_000, 3 * MB][(random(&mut state) % 4) as usize];
                refused += u32::from(model.take(random(&mut state) % most).is_none());
            } else {
                let nth = random(&mut state) as usize % model.held.len();
                let offset = *model.held.keys().nth(nth).unwrap();
                model.give(offset);
            }
        }
        assert!(refused > 0 && !model.held.is_empty(), "it was never full");
        // A rebuild from what is held comes to the same.
        model.rebuild();
        while let Some(offset) = model.held.keys().next().copied() {
            model.give(offset);
        }
        // All of it is one run again, and all memory can go.
        assert_eq!(model.take(16 * MB), Some(fresh.segment.geometry().large));
        model.give(fresh.segment.geometry().large);
        for region in Region::ALL {
            let start = model.heap.start(model.heap.pool(region));
            while let Some((to, from)) = model.heap.lower(region, 4 * MB).unwrap() {
                assert!(to < from && from - to <= 4 * MB && to.is_multiple_of(UNIT));
                assert_eq!(model.heap.above(region).0, to);
                model.is_sound();
            }
            assert_eq!(model.heap.above(region).0, start);
        }
    }
}

#[test]
fn what_was_given_last_is_taken_first_and_a_larger_run_is_cut() {
    let fresh = Fresh::new("order", 16 * MB);
    let mut model = Model::of(&fresh);
    let offsets: Vec<u64> = (0..8).map(|_| model.take(10_000).unwrap()).collect();
    assert!(offsets.windows(2).all(|pair| pair[1] - pair[0] == rounded(10_000)), "side by side");
    model.give(offsets[1]);
    model.give(offsets[5]);
    model.give(offsets[3]);
    assert_eq!(model.take(10_000), Some(offsets[3]));
    assert_eq!(model.take(10_000), Some(offsets[5]));
    // What fits only in part of a run leaves the rest free.
    assert_eq!(model.take(5_000), Some(offsets[1]));
    assert_eq!(model.take(4_900), Some(offsets[1] + rounded(5_000)));
}

#[test]
fn small_objects_lie_in_their_region_until_it_is_full() {
    let fresh = Fresh::new("small", 32 * MB);
    let mut model = Model::of(&fresh);
    let geometry = *fresh.segment.geometry();
    let size = SMALL - ALIGN;
    assert!(model.take(size).unwrap() < geometry.large);
    let all = model.take(31 * MB).unwrap();
    model.give(all);
    assert_eq!(model.take(SMALL), Some(geometry.large));
    // A large one starts at a huge page if it can, and what lies before it stays free; the least that fits is cut.
    assert_eq!(model.take(29 * MB), Some(geometry.large + UNIT));
    assert_eq!(model.take(10_000), Some(geometry.large + UNIT + 29 * MB));
    assert_eq!(model.take(MB), Some(geometry.large + SMALL));
    // What the region has; then it grows, but what needs its bytes at once gets them in the large one.
    while let Some(taken) = model.heap.take(size).unwrap() {
        assert!(taken.offset < geometry.large);
        model.held.insert(taken.offset, (size, taken.extent));
    }
    assert_eq!(model.heap.growth(size).unwrap().unwrap().region, Region::Small);
    let taken = model.heap.take_now(size).unwrap().unwrap();
    assert!(taken.offset > geometry.large);
    model.heap.give(taken.extent).unwrap();
    let growth = model.heap.growth(size).unwrap().unwrap();
    model.heap.raise(growth, growth.to).unwrap();
    assert_eq!(growth.to, geometry.small_end());
    let mut in_large = 0;
    while let Some(taken) = model.heap.take(size).unwrap() {
        in_large += u32::from(taken.offset >= geometry.large);
        model.held.insert(taken.offset, (size, taken.extent));
    }
    assert!(model.heap.growth(size).unwrap().is_none());
    assert!(in_large > 100, "only {in_large}");
    assert!(model.heap.take_now(size).unwrap().is_none());
    model.is_sound();
}

#[test]
fn memory_that_was_reserved_before_a_trim_does_not_count() {
    for (region, other, size) in [(Region::Small, Region::Large, 100), (Region::Large, Region::Small, 3 * MB)]
    {
        let fresh = Fresh::new(&format!("trims-{size}"), 16 * MB);
        let model = Model::of(&fresh);
        let growth = || model.heap.growth(size).unwrap().unwrap();
        let start = model.heap.above(region).0;
        let stale = growth();
        assert_eq!((stale.region, stale.from), (region, start));
        model.heap.count_trim(region);
        model.heap.raise(stale, stale.to).unwrap();
        assert_eq!(model.heap.above(region).0, start, "the memory may be gone");
        let now = growth();
        model.heap.count_trim(other);
        model.heap.raise(now, now.to).unwrap();
        assert_eq!(model.heap.above(region).0, now.to, "another region's trims are no matter");
        // Two that grow at once: the second finds it done.
        model.heap.raise(now, now.to).unwrap();
        assert_eq!(model.heap.above(region).0, now.to);
        model.is_sound();
    }
}

#[test]
fn an_extent_is_given_once_and_objects_do_not_overlap() {
    let fresh = Fresh::new("twice", 4 * MB);
    let mut model = Model::of(&fresh);
    let large = model.take(10_000).unwrap();
    let extent = model.held[&large].1;
    model.give(large);
    assert_eq!(model.heap.give(extent).unwrap_err().kind(), Kind::Corrupt);
    model.heap.reset();
    let reserved = model.heap.above(Region::Large).0;
    for (offset, size) in [(large + 1, 64), (large, u64::MAX), (large, reserved - large + 1), (reserved, 64)]
    {
        assert_eq!(model.heap.place(offset, size).unwrap_err().kind(), Kind::Corrupt, "{offset} {size}");
    }
    model.heap.place(large, 100).unwrap();
    assert_eq!(model.heap.place(large + 64, 64).unwrap_err().kind(), Kind::Corrupt);
    model.heap.place(large + 128, reserved - large - 128).unwrap();
}

#[test]
fn damaged_words_are_an_error_and_no_panic() {
    let fresh = Fresh::new("damaged", 16 * MB);
    let mut model = Model::of(&fresh);
    model.take(10_000).unwrap();
    for pool in Region::ALL.map(|region| model.heap.pool(region)) {
        set64(&pool.first_map, u64::MAX);
        pool.second_map.iter().for_each(|map| set32(map, u32::MAX));
        pool.used.store(u64::MAX, Ordering::Relaxed);
        pool.reserved.store(u64::MAX, Ordering::Relaxed);
    }
    let figures = model.heap.figures().unwrap();
    assert_eq!((figures.used, figures.free), (16 * MB, 0), "no more than there is");
    for size in [1, SMALL - 1, 10_000, 3 * MB, 16 * MB, 1 << 45] {
        assert!(model.heap.take(size).err().is_none_or(|error| error.kind() == Kind::Corrupt));
        assert!(model.heap.growth(size).err().is_none_or(|error| error.kind() == Kind::Corrupt));
    }
}

#[test]
fn the_last_run_is_found_behind_many_of_its_class_that_are_too_short() {
    let fresh = Fresh::new("behind", 64 * MB);
    let mut model = Model::of(&fresh);
    let large = fresh.segment.geometry().large;
    let all = model.take(64 * MB).unwrap();
    model.give(all);
    let size = MB + (32 << 10);
    let holes: Vec<u64> = (0..20).map(|_| (model.take(MB).unwrap(), model.take(MB).unwrap()).0).collect();
    assert_eq!(model.take(24 * MB - size), Some(large + 40 * MB));
    holes.into_iter().for_each(|hole| model.give(hole));
    assert!(class(size) == class(MB) && 20 > TRIES);
    assert_eq!(model.take(size), Some(large + 64 * MB - size));
}

#[test]
fn a_full_heap_is_rebuilt_as_it_was() {
    let fresh = Fresh::new("full", 8 * MB);
    let mut model = Model::of(&fresh);
    let large = fresh.segment.geometry().large;
    model.rebuild();
    let offsets: Vec<u64> = (0..4).map(|_| model.take(2 * MB).unwrap()).collect();
    assert_eq!(offsets, [0, 2, 4, 6].map(|at| large + at * MB));
    model.rebuild();
    model.give(offsets[1]);
    model.rebuild();
    assert_eq!(model.take(2 * MB), Some(offsets[1]));
    assert_eq!(model.take(2 * MB), None);
}

#[test]
fn only_objects_below_the_limit_let_the_small_region_grow() {
    let fresh = Fresh::new("limit", 4 * MB);
    let mut model = Model::of(&fresh);
    assert_eq!(model.heap.growth(SMALL - 1).unwrap().unwrap().region, Region::Large, "it is rounded up");
    assert_eq!(model.heap.growth(SMALL - ALIGN).unwrap().unwrap().region, Region::Small);
    assert_eq!(model.take(SMALL), Some(fresh.segment.geometry().large));
    assert_eq!(model.heap.above(Region::Small).0, fresh.segment.geometry().small);
}

#[test]
fn what_fits_for_sure_is_taken_before_the_whole_class_is_looked_through() {
    let fresh = Fresh::new("for-sure", 64 * MB);
    let mut model = Model::of(&fresh);
    let large = fresh.segment.geometry().large;
    let size = MB + (32 << 10);
    let fits = (model.take(size).unwrap(), model.take(MB).unwrap()).0;
    let holes: Vec<u64> = (0..20).map(|_| (model.take(MB).unwrap(), model.take(MB).unwrap()).0).collect();
    model.give(fits);
    holes.into_iter().for_each(|hole| model.give(hole));
    assert!(class(size) == class(MB) && 20 > TRIES);
    // The region can grow, and does.
    let end = model.heap.above(Region::Large).0;
    let rest = model.take(end - large - size - 41 * MB).unwrap();
    assert_eq!(model.heap.take(size).unwrap(), None);
    model.give(rest);
    // It cannot, but a longer run is there.
    while model.heap.above(Region::Large).0 < large + 64 * MB {
        let growth = model.heap.growth(20 * MB).unwrap().unwrap();
        model.heap.raise(growth, growth.to).unwrap();
    }
    let taken = model.take(size).unwrap();
    assert!(taken > fits + 40 * MB, "{taken} is not behind all that is held");
}

#[test]
fn damaged_lists_give_nothing_away() {
    let damaged = |name: &str, damage: &dyn Fn(&Pool, &Extent)| {
        let fresh = Fresh::new(name, 16 * MB);
        let mut model = Model::of(&fresh);
        let all = model.take(16 * MB).unwrap();
        model.give(all);
        let pool = model.heap.pool(Region::Large);
        damage(pool, model.heap.extent(get32(&pool.last)).unwrap());
        let error = model.heap.take(MB).unwrap_err();
        assert_eq!(error.kind(), Kind::Corrupt);
        let mut wrong = Vec::new();
        model.heap.check(&[], &mut wrong).unwrap();
        wrong
    };
    // Shorter than what its list is for.
    let wrong = damaged("list-short", &|_, extent| set64(&extent.size, ALIGN));
    assert!(wrong.iter().any(|text| text.contains("in the wrong list")), "{wrong:?}");
    // Marks of lists that are none.
    damaged("list-none", &|pool, _| set64(&pool.first_map, 1 << 45));
    damaged("list-empty", &|pool, _| {
        set64(&pool.first_map, 1 << 30);
        set32(&pool.second_map[30], 0);
    });
}
