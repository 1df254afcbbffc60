//! Who goes first.

use super::super::testing::fresh;
use super::*;

fn victim(released: u64) -> Victim {
    Victim { released, index: 0, generation: 0, size: released }
}

fn victims(small: &[u64], large: &[u64]) -> Victims {
    let of = |released: &[u64]| released.iter().copied().map(victim).collect();
    Victims { small: of(small), large: of(large) }
}

#[test]
fn the_longest_released_goes_first_where_it_makes_room() {
    let order = |small: &[u64], large: &[u64], small_too| {
        let mut victims = victims(small, large);
        std::iter::from_fn(|| victims.next(small_too)).map(|victim| victim.released).collect::<Vec<_>>()
    };
    assert_eq!(order(&[1, 4], &[2, 3, 5], true), [1, 2, 3, 4, 5]);
    assert_eq!(order(&[1, 4], &[2, 3, 5], false), [2, 3, 5]);
    assert_eq!(order(&[1, 4], &[], true), [1, 4]);
    assert!(order(&[1, 4], &[], false).is_empty());
    assert_eq!(order(&[], &[2], true), [2]);
}

#[test]
fn as_many_go_as_make_the_bytes_and_no_more_than_a_turn() {
    let store = fresh("chosen");
    let choose = |bytes, small_too| {
        *lock(&store.attachment.victims) = victims(&[10, 40], &[20, 30, 50]);
        let chosen = store.attachment.choose(bytes, small_too);
        chosen.iter().map(|victim| victim.released).collect::<Vec<_>>()
    };
    assert_eq!(choose(1, true), [10]);
    assert_eq!(choose(10, true), [10]);
    assert_eq!(choose(11, true), [10, 20]);
    assert_eq!(choose(30, false), [20, 30]);
    assert_eq!(choose(1000, false), [20, 30, 50]);
    assert!(choose(0, true).is_empty());
    // Those without bytes count, too.
    *lock(&store.attachment.victims) = victims(&[0; 3 * TURN], &[]);
    assert_eq!(store.attachment.choose(3, true).len(), 3);
    assert_eq!(store.attachment.choose(u64::MAX, true).len(), TURN);
    assert_eq!(lock(&store.attachment.victims).small.len(), 2 * TURN - 3);
}
