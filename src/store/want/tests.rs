//! Which object a claim is on.

use super::super::testing::{fresh, id, put};
use super::super::DeleteMode;
use super::*;
use crate::timeout::Timeout;

#[test]
fn a_life_is_claimed_by_its_own_name_and_until_it_is_deleted() {
    let store = fresh("claimed");
    let key = put(&store, &id(1));
    let claim = |id: &ObjectId| store.want_life(key, id).map(|want| want.key()).map_err(|error| error.kind());
    assert_eq!(claim(&id(1)), Ok(key));
    assert_eq!(claim(&id(2)), Err(Kind::ObjectDeleted));
    // Deleted, it goes on as long as it is held.
    let held = store.get(&id(1), Timeout::Poll).unwrap();
    store.delete(&id(1), DeleteMode::Now).unwrap();
    assert_eq!(claim(&id(1)), Err(Kind::ObjectDeleted));
    drop(held);
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}
