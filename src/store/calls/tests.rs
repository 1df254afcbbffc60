//! Whose a call and its outputs are, and how much of a queue is given at once.

use super::super::testing::{fresh, id, promised, put, DEAD};
use super::super::DeleteMode;
use super::*;

const BEYOND: EntryKey = EntryKey { index: u32::MAX, generation: 1 };

fn declare(store: &Store) -> Want {
    store.reserve(b"", &mut |prefix| Ok((prefix.to_vec(), Vec::new()))).unwrap()
}

fn issue(store: &Store, declaration: &Want, n: u32, outputs: &[ObjectId]) -> (Want, Vec<Want>) {
    let mut call = *declaration.id().as_bytes();
    call[16..].copy_from_slice(&n.to_be_bytes());
    let spec = CreateSpec { data_size: 8, want: true, ..CreateSpec::default() };
    let writer = store.create(&ObjectId::new(call), &spec).unwrap();
    store.issue(writer, declaration.key(), outputs).unwrap()
}

#[test]
fn a_queue_is_given_in_parts_and_in_order() {
    let store = fresh("parts");
    let declaration = declare(&store);
    let count = BATCH + 3;
    let _calls: Vec<_> = (1..).take(count).map(|n| issue(&store, &declaration, n, &[])).collect();
    let first = store.queue(declaration.key(), 0).unwrap();
    assert_eq!(first.len(), BATCH);
    let rest = store.queue(declaration.key(), first[BATCH - 1].sequence).unwrap();
    assert_eq!(rest.len(), count - BATCH);
    assert!([first, rest].concat().is_sorted_by(|a, b| a.sequence < b.sequence));
}

/// In a store that has room for one object more.
#[test]
fn a_call_whose_outputs_are_there_needs_no_entries_for_them() {
    let store = fresh("outputs-there");
    let declaration = declare(&store);
    let (one, two) = (put(&store, &id(1)), put(&store, &id(2)));
    let most = u32::try_from(store.stat().unwrap().max_objects).unwrap();
    for n in 3..most - 1 {
        put(&store, &id(n));
    }
    let mut call = *declaration.id().as_bytes();
    call[19] = 1;
    let call = NewCall {
        id: ObjectId::new(call),
        data: &[7; 100],
        metadata: b"",
        full_timeout: None,
        attempt: Attempt::ONLY,
    };
    assert!(call.spec().want, "it is claimed from its birth on, also if it is written first");
    let mut wants = Vec::new();
    let none = store.issue_call(&call, declaration.key(), &[id(most), id(1)], &mut wants);
    assert_eq!(none.err().unwrap().kind(), Kind::LimitReached);
    let _call = store.issue_call(&call, declaration.key(), &[id(1), id(2)], &mut wants).unwrap();
    assert_eq!(wants.iter().map(Want::key).collect::<Vec<_>>(), [one, two]);
    assert_eq!(store.stat().unwrap().objects, u64::from(most));
}

/// In one turn of the lock, or, as it is large, in several: what comes of it is the same.
#[test]
fn a_call_is_issued_whole_or_not_at_all() {
    let store = fresh("whole");
    let declaration = declare(&store);
    let before = store.stat().unwrap();
    for size in [300, SMALL_CALL + 1] {
        let data = vec![7; size];
        let named = |n: u32| {
            let mut id = *declaration.id().as_bytes();
            id[16..].copy_from_slice(&n.to_be_bytes());
            NewCall {
                id: ObjectId::new(id),
                data: &data,
                metadata: b"a call",
                full_timeout: None,
                attempt: Attempt::ONLY,
            }
        };
        let mut wants = Vec::new();
        let mut calls = Vec::new();
        for n in 1..=3 {
            calls.push(store.issue_call(&named(n), declaration.key(), &[id(n)], &mut wants).unwrap());
        }
        // An ID that is taken; a declaration that has gone.
        let again = store.issue_call(&named(2), declaration.key(), &[id(9)], &mut wants);
        assert_eq!(again.err().unwrap().kind(), Kind::AlreadyExists);
        let gone = EntryKey { generation: declaration.key().generation + 1, ..declaration.key() };
        let lost = store.issue_call(&named(4), gone, &[id(9)], &mut wants);
        assert_eq!(lost.err().unwrap().kind(), Kind::ProcessorLost);
        assert_eq!(wants.iter().map(Want::id).collect::<Vec<_>>(), [id(1), id(2), id(3)]);
        let queue = store.queue(declaration.key(), 0).unwrap();
        assert_eq!(
            queue.iter().map(|call| call.key).collect::<Vec<_>>(),
            calls.iter().map(Want::key).collect::<Vec<_>>()
        );
        let last = queue.last().unwrap();
        assert!(!store.has_queued(declaration.key(), last.sequence).unwrap());
        let Ok(Claim::Claimed(buffer)) = store.claim(last) else { panic!("it was not claimed") };
        assert_eq!((buffer.data(), buffer.metadata()), (&data[..], &b"a call"[..]));
        assert_eq!(store.info(&last.id).unwrap().pinned_by.len(), 1, "by us, who have claimed it");
        drop((buffer, calls, wants));
        let after = store.stat().unwrap();
        assert_eq!((after.objects, after.used), (before.objects, before.used));
        assert!(store.check().unwrap().is_empty());
    }
}

#[test]
fn what_is_wrong_with_a_call_does_not_pass_for_a_call_that_went() {
    let store = fresh("claim-beyond");
    let call = QueuedCall { key: BEYOND, id: id(1), sequence: 1, issuer: 1 };
    assert_eq!(store.claim(&call).err().map(|error| error.kind()), Some(Kind::Corrupt));
}

#[test]
fn only_its_producer_fails_what_a_call_was_to_make() {
    let store = fresh("producers");
    let declaration = declare(&store);
    let (call, _ours) = issue(&store, &declaration, 1, &[id(1)]);
    let _theirs = promised(&store, &id(2), DEAD, Some(call.key()));
    assert_eq!(store.fail_outputs(call.key(), &Error::new(Kind::FunctionFailed, "on purpose")).unwrap(), 1);
    let state = |n| store.info(&id(n)).unwrap().state;
    assert_eq!((state(1), state(2)), ("failed", "awaited"));
}

#[test]
fn an_output_of_another_processor_is_never_taken_over() {
    let store = fresh("not-ours");
    let declaration = declare(&store);
    let (gone, _) = issue(&store, &declaration, 1, &[]);
    let of = gone.key();
    let theirs = promised(&store, &id(1), DEAD, Some(of));
    drop(gone);
    let _issued = issue(&store, &declaration, 2, &[id(1)]);
    assert!(is_of(store.attachment.segment.entry(theirs.key().index).unwrap(), of));
}

#[test]
fn only_what_the_dead_was_to_make_is_buried() {
    let store = fresh("buried");
    let writer = store.create(&id(1), &CreateSpec { data_size: 8, ..CreateSpec::default() }).unwrap();
    let ours = promised(&store, &id(2), (store.number(), store.attachment.slot), None);
    let bury = |key| store.bury(key, &id(0), DEAD.0).unwrap();
    assert!(!bury(writer.key().unwrap()) && !bury(ours.key()));
    assert_eq!(store.info(&id(2)).unwrap().state, "awaited");
    writer.seal().unwrap();
    assert!(store.delete(&id(2), DeleteMode::Now).unwrap());
}
