//! Who gets which prefix.

use std::path::PathBuf;

use super::super::testing::{fresh, put};
use super::super::StoreOptions;
use super::*;

fn declare(store: &Store, start: &[u8]) -> Want {
    store.reserve(start, &mut |prefix| Ok((prefix.to_vec(), Vec::new()))).unwrap()
}

/// Closes a namespace in which an object stays, so that its declaration does.
fn leave(store: &Store, declaration: Want) {
    let mut member = *declaration.id().as_bytes();
    member[PREFIX_SIZE] = 1;
    put(store, &ObjectId::new(member));
    drop(declaration);
    assert!(store.contains(&ObjectId::new(member)).unwrap());
}

#[test]
fn who_was_too_slow_takes_the_next_prefix() {
    let store = fresh("faster");
    let mut faster = None;
    let slower = store.reserve(b"", &mut |prefix| {
        faster.get_or_insert_with(|| declare(&store, b""));
        Ok((prefix.to_vec(), Vec::new()))
    });
    assert_eq!(faster.unwrap().id().prefix(), [0; 4]);
    assert_eq!(slower.unwrap().id().prefix(), [0, 0, 0, 1]);
}

#[test]
fn a_declaration_that_does_not_fit_is_not_tried_again() {
    let store = fresh("unfit");
    let mut tries = 0;
    let error = store.reserve(b"", &mut |_| {
        tries += 1;
        if tries > 1 {
            return Err(Error::internal("tried again"));
        }
        Ok((vec![0; 5 << 20], Vec::new()))
    });
    assert_eq!(error.err().map(|error| error.kind()), Some(Kind::OutOfMemory));
}

#[test]
fn where_all_prefixes_are_declared_the_lowest_of_those_whose_owners_have_gone_is_taken() {
    let store = fresh("lowest");
    // What does not begin as asked for is no matter, be it lower or higher.
    leave(&store, declare(&store, b"abb\xff"));
    leave(&store, declare(&store, b"abd\0"));
    let mut owners: Vec<_> = (0..=u8::MAX).map(|_| Some(declare(&store, b"abc"))).collect();
    let in_use = store.reserve(b"abc", &mut |prefix| Ok((prefix.to_vec(), Vec::new())));
    assert_eq!(in_use.err().map(|error| error.kind()), Some(Kind::NamespaceInUse));
    for n in [5, 200, 3] {
        leave(&store, owners[n].take().unwrap());
    }
    let lowest = declare(&store, b"abc");
    let second = declare(&store, b"abc");
    assert_eq!((lowest.id().prefix(), second.id().prefix()), (*b"abc\x03", *b"abc\x05"));
    // Now it is the newest of them.
    leave(&store, lowest);
    assert_eq!(declare(&store, b"abc").id().prefix(), *b"abc\x03");
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn one_look_reports_as_many_namespaces_as_it_has_room_for() {
    let path = PathBuf::from(format!("/dev/shm/sdp-dal-test-unit-many-names-{}", std::process::id()));
    let options = StoreOptions { size: Some(4 << 20), ..StoreOptions::default() };
    let store = Store::open(&path, &options).unwrap();
    let one_more = u32::try_from(MOST).unwrap() + 1;
    let owners: Vec<_> = (0..one_more).map(|n| declare(&store, &n.to_be_bytes())).collect();
    assert_eq!(store.namespaces().unwrap().len(), MOST);
    drop(owners);
}
