//! What is told late, or cannot be told.

use std::sync::mpsc;

use super::super::testing::{fresh, id, put};
use super::super::{CreateSpec, DeleteMode};
use super::*;
use crate::error::Kind;

/// Everything that is there now.
fn all(log: &mut Subscription) -> Vec<EventKind> {
    std::iter::from_fn(|| log.next(Timeout::Poll).ok()).map(|event| event.kind).collect()
}

#[test]
fn what_has_gone_before_its_sealing_was_told_does_not_come_back() {
    let store = fresh("told-late");
    let mut log = store.subscribe(b"").unwrap();
    let key = put(&store, &id(1));
    let _held = store.get(&id(1), Timeout::Poll).unwrap();
    assert!(store.delete(&id(1), DeleteMode::Now).unwrap());
    assert_eq!(all(&mut log), [EventKind::Sealed, EventKind::Deleted]);
    store.attachment.tell(EventKind::Sealed, key);
    assert_eq!(all(&mut log), []);
    // What is deleted and held may be a call that runs.
    store.attachment.tell(EventKind::CallEnded, key);
    assert_eq!(all(&mut log), [EventKind::CallEnded]);
}

#[test]
fn what_cannot_be_told_makes_readers_list_again() {
    let store = fresh("not-told");
    let mut log = store.subscribe(b"").unwrap();
    let writer = store.create(&id(1), &CreateSpec { keep: true, ..CreateSpec::default() }).unwrap();
    let (begin, begun) = mpsc::channel();
    let (end, ended) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        let attachment = &store.attachment;
        scope.spawn(move || {
            let held = attachment.locked(|_| {
                begin.send(()).unwrap();
                let _ = ended.recv();
                Ok(())
            });
            held.unwrap();
        });
        begun.recv().unwrap();
        // Sealing does not need the lock.
        writer.seal().unwrap();
        drop(end);
    });
    assert_eq!(all(&mut log), [EventKind::Resync]);
    assert!(store.contains(&id(1)).unwrap());
}

#[test]
fn a_whole_id_is_the_longest_prefix() {
    let store = fresh("whole-id");
    let mut log = store.subscribe(id(1).as_bytes()).unwrap();
    for n in 0..3 {
        put(&store, &id(n));
    }
    assert_eq!(log.next(Timeout::Poll).unwrap().id, id(1));
    assert_eq!(all(&mut log), []);
    let longer = [id(1).as_bytes(), &[0][..]].concat();
    assert_eq!(store.subscribe(&longer).err().map(|error| error.kind()), Some(Kind::InvalidArgument));
}
