//! How long a list may be.

use super::super::testing::{fresh, id, put};
use super::*;

#[test]
fn a_list_of_all_entries_is_walked_and_a_ring_is_damage() {
    let store = fresh("list-of-all");
    let segment = &store.attachment.segment;
    let header = segment.header();
    let most = segment.geometry().max_objects;
    for n in 0..most {
        put(&store, &id(n));
    }
    assert_eq!(segment.objects_reserved(), most);
    let walked = || {
        store.attachment.locked(|locked| {
            let mut seen = 0;
            locked.walk(get(&header.orphans), |_, _| {
                seen += 1;
                Ok(true)
            })?;
            Ok(seen)
        })
    };
    assert_eq!(walked().unwrap(), most);
    set(&segment.entry(get(&header.orphans_last)).unwrap().next, get(&header.orphans));
    assert_eq!(walked().unwrap_err().kind(), Kind::Corrupt);
    assert_eq!(walked().unwrap(), most, "the next one has rebuilt it");
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}
