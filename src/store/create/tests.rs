//! What memory a creation gets, and how the bookkeeping grows for it.

use super::super::options::StoreOptions;
use super::super::testing::{fresh, fresh_with, id};
use super::super::DeleteMode;
use super::*;

fn sized(data_size: u64) -> CreateSpec<'static> {
    CreateSpec { data_size, ..CreateSpec::default() }
}

#[test]
fn memory_is_zeroed_if_that_is_asked_for() {
    let store = fresh("zeroed");
    for (zeroed, found) in [(true, 0), (false, 7)] {
        let mut before = store.create(&id(1), &sized(1000)).unwrap();
        before.data_mut().fill(7);
        before.abort();
        let mut writer = store.create(&id(1), &CreateSpec { zeroed, ..sized(1000) }).unwrap();
        assert!(writer.data_mut().iter().all(|byte| *byte == found), "{zeroed}");
    }
}

#[test]
fn an_output_that_was_deleted_is_written_to_private_memory() {
    let store = fresh("deleted-output");
    let declaration = store.reserve(b"", &mut |prefix| Ok((prefix.to_vec(), Vec::new()))).unwrap();
    let mut call = *declaration.id().as_bytes();
    call[19] = 1;
    let writer = store.create(&ObjectId::new(call), &CreateSpec { want: true, ..sized(8) }).unwrap();
    let (_call, outputs) = store.issue(writer, declaration.key(), &[id(1)]).unwrap();
    let create = || store.create_output(outputs[0].key(), &id(1), &sized(8));
    let first = create().unwrap();
    assert!(!first.is_scratch());
    assert_eq!(create().err().map(|error| error.kind()), Some(Kind::AlreadyExists));
    // Its creator still holds it.
    assert!(store.delete(&id(1), DeleteMode::Now).unwrap());
    let second = create().unwrap();
    assert!(second.is_scratch() && second.key().is_none());
    for writer in [second, first] {
        assert!(writer.seal().unwrap().is_none());
    }
    assert!(!store.contains(&id(1)).unwrap());
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn the_bookkeeping_is_doubled_until_it_is_as_large_as_it_may_be() {
    let options = StoreOptions { max_objects: Some(8192), ..StoreOptions::default() };
    let store = fresh_with("doubled", options);
    let attachment = &store.attachment;
    let mut objects = attachment.segment.objects_reserved();
    assert!(objects < 4096);
    while objects < 8192 {
        attachment.grow_objects().unwrap();
        assert_eq!(attachment.segment.objects_reserved(), 2 * objects);
        objects *= 2;
    }
    assert_eq!(attachment.grow_objects().unwrap_err().kind(), Kind::LimitReached);
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}
