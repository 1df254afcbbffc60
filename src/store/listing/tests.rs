//! A list has all that begins so and nothing else, whichever way it was found.

use super::super::testing::{fresh, id, put};
use super::super::DeleteMode;
use super::*;
use crate::timeout::Timeout;

#[test]
fn what_went_while_a_list_is_read_is_left_out() {
    let store = fresh("listing");
    let keys = [1, 2, 3, 4].map(|n| put(&store, &id(n)));
    let mut listing = store.listing(&[]).unwrap().map(|info| info.unwrap().id);
    assert_eq!(listing.next(), Some(id(1)));
    for n in [2, 3] {
        store.delete(&id(n), DeleteMode::Now).unwrap();
    }
    // The entry of one is another object's; that of the other is free.
    let new = put(&store, &id(5));
    assert!(keys[1..3].iter().any(|key| key.index == new.index));
    assert_eq!(listing.collect::<Vec<_>>(), [id(4)]);
    assert_eq!(store.list(&[]).unwrap().len(), 3);
}

#[test]
fn a_list_has_what_begins_so_in_the_order_of_ids_and_what_is_deleted_and_held() {
    let store = fresh("prefixes");
    // Neighbours in every byte, made in another order.
    let mut ids: Vec<ObjectId> = (0..ID_SIZE).map(|at| id_with(at, 1)).collect();
    ids.extend((0..ID_SIZE).map(|at| id_with(at, 0x80)));
    ids.push(ObjectId::new([0x55; ID_SIZE]));
    for id in &ids {
        put(&store, id);
    }
    let held = store.get(&ids[7], Timeout::Poll).unwrap();
    store.delete(&ids[7], DeleteMode::Now).unwrap();
    put(&store, &ids[7]);
    ids.push(ids[7]);
    ids.sort_unstable();
    let listed =
        |prefix: &[u8]| -> Vec<ObjectId> { store.list(prefix).unwrap().iter().map(|info| info.id).collect() };
    for of in &ids {
        for length in 0..=ID_SIZE {
            let prefix = &of.as_bytes()[..length];
            let begins = |id: &&ObjectId| id.as_bytes().starts_with(prefix);
            assert_eq!(listed(prefix), ids.iter().filter(begins).copied().collect::<Vec<_>>(), "{prefix:x?}");
        }
    }
    let states = store.list(held.id().as_bytes()).unwrap();
    assert_eq!(states.iter().filter(|info| info.state == "doomed").count(), 1);
    assert_eq!(listed(&[0x55; ID_SIZE + 1]), [], "no ID is so long");
}

/// Differs from others in one byte.
fn id_with(at: usize, byte: u8) -> ObjectId {
    let mut bytes = [0x55; ID_SIZE];
    bytes[at] = byte;
    ObjectId::new(bytes)
}

fn in_namespace(number: u8) -> ObjectId {
    let mut bytes = [0x11; ID_SIZE];
    bytes[ID_SIZE - 1] = number;
    ObjectId::new(bytes)
}

#[test]
fn by_the_lists_there_is_what_is_there_by_all_entries() {
    let store = fresh("by-lists");
    let namespace = &in_namespace(0).prefix();
    // Before there is a declaration, and after.
    put(&store, &in_namespace(9));
    assert!(store.found_in_namespace(namespace).is_none());
    let declaration = ObjectId::declaration(in_namespace(0).prefix());
    put(&store, &declaration);
    for number in [3, 1, 2, 7] {
        put(&store, &in_namespace(number));
        put(&store, &id(u32::from(number)));
    }
    // Deleted and held, here and elsewhere; the ID of one is used again.
    let held = [in_namespace(1), in_namespace(2), id(7)].map(|id| store.get(&id, Timeout::Poll).unwrap());
    for buffer in &held {
        store.delete(&buffer.id(), DeleteMode::Now).unwrap();
    }
    put(&store, &in_namespace(2));
    let listed = |prefix: &[u8], count: usize| {
        let mut by_lists = store.found_in_namespace(prefix).unwrap();
        let mut by_all = store.found_anywhere(prefix);
        by_lists.sort_unstable();
        by_all.sort_unstable();
        assert!(
            by_lists == by_all && by_all.len() == count,
            "{prefix:x?}: {} {}",
            by_lists.len(),
            by_all.len()
        );
    };
    listed(namespace, 7);
    listed(&in_namespace(2).as_bytes()[..7], 6);
    listed(in_namespace(2).as_bytes(), 2);
    listed(declaration.as_bytes(), 1);
    listed(in_namespace(8).as_bytes(), 0);
    for short in [&namespace[..PREFIX_SIZE - 1], &[][..]] {
        assert!(store.found_in_namespace(short).is_none());
    }
    drop(held);
    listed(namespace, 5);
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn a_list_that_leads_elsewhere_is_not_believed() {
    let store = fresh("by-lists-astray");
    let namespace = &in_namespace(0).prefix();
    put(&store, &ObjectId::declaration(*namespace));
    let last = put(&store, &in_namespace(1));
    let next = &store.attachment.segment.entry(last.index).unwrap().next;
    // As if it had become another's meanwhile, to somebody who is led there again and again.
    for elsewhere in [id(1), ObjectId::declaration([1; 4])] {
        let elsewhere = put(&store, &elsewhere);
        next.store(elsewhere.index, Ordering::SeqCst);
        assert!(store.found_in_namespace(namespace).is_none());
        assert_eq!(store.list(namespace).unwrap().len(), 2);
    }
    next.store(crate::shm::layout::NONE, Ordering::SeqCst);
    assert!(store.found_in_namespace(namespace).is_some());
}

#[test]
fn what_a_rebuild_may_have_changed_under_it_is_not_believed() {
    let store = fresh("by-lists-rebuilt");
    let namespace = &in_namespace(0).prefix();
    put(&store, &ObjectId::declaration(in_namespace(0).prefix()));
    put(&store, &in_namespace(1));
    let changes = &store.attachment.segment.header().index_changes.0;
    assert!(store.found_in_namespace(namespace).is_some());
    changes.begin();
    assert!(store.found_in_namespace(namespace).is_none());
    assert_eq!(store.list(namespace).unwrap().len(), 2);
    changes.end();
    assert!(store.found_in_namespace(namespace).is_some());
}
