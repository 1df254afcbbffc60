//! Whose an output is between its attempts, and what ends it.

use super::super::testing::{fresh, id};
use super::super::{NewCall, ObjectState};
use super::*;

const FIRST: Attempt = Attempt { number: 1, is_last: false };

fn declare(store: &Store) -> Want {
    store.reserve(b"", &mut |prefix| Ok((prefix.to_vec(), Vec::new()))).unwrap()
}

fn call(declaration: &Want, n: u32, attempt: Attempt) -> NewCall<'static> {
    let mut id = *declaration.id().as_bytes();
    id[16..].copy_from_slice(&n.to_be_bytes());
    NewCall { id: ObjectId::new(id), data: &[7; 100], metadata: b"", full_timeout: None, attempt }
}

/// A call with outputs, which its processor has lost.
fn lost(
    store: &Store,
    own: &Want,
    attempt: Attempt,
    count: u32,
) -> (Want, Vec<(ObjectId, EntryKey)>, Vec<Want>) {
    let outputs: Vec<_> = (1..=count).map(id).collect();
    let mut wants = Vec::new();
    let issued = store.issue_call(&call(own, 1, attempt), own.key(), &outputs, &mut wants).unwrap();
    let error = Error::new(Kind::ProcessorLost, "it was closed");
    for want in &wants {
        store.lose(want.key(), &error).unwrap();
    }
    let keys = wants.iter().map(|want| (want.id(), want.key())).collect();
    (issued, keys, wants)
}

#[test]
fn a_lost_output_stays_awaited_and_passes_to_the_next_call() {
    let store = fresh("passes");
    let own = declare(&store);
    // More than one turn of the lock promises.
    let (before, outputs, wants) = lost(&store, &own, FIRST, u32::try_from(PROMISES).unwrap() + 3);
    assert!(outputs.iter().all(|(id, key)| store.is_output_lost(*key, id)));
    let last = Attempt { number: 2, is_last: true };
    let after = store.issue_again(&call(&own, 2, last), before.key(), own.key(), &outputs).unwrap().unwrap();
    drop(before);
    let awaited = |(id, key): &(ObjectId, EntryKey)| {
        store.look_key(*key, id).unwrap() == ObjectState::Awaited { key: *key, producer: store.number() }
    };
    assert!(outputs.iter().all(awaited));
    // There is nothing left for another one.
    let none = store.issue_again(&call(&own, 3, last), after.key(), own.key(), &outputs).unwrap();
    assert!(none.is_none());
    assert_eq!(store.queue(own.key(), 0).unwrap().len(), 1);
    // The last attempt fails.
    let error = Error::new(Kind::ProcessorLost, "it was closed");
    assert!(store.lose(outputs[0].1, &error).unwrap());
    let failed = store.look_key(outputs[0].1, &outputs[0].0).unwrap();
    let ObjectState::Failed { error, .. } = failed else { panic!("{failed:?}") };
    assert!(error.message().contains("it was closed; this was attempt 2"), "{error}");
    drop((wants, after));
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn an_output_of_one_attempt_fails_and_so_does_one_whose_call_was_dropped() {
    let store = fresh("dropped");
    let own = declare(&store);
    let (_before, outputs, _wants) = lost(&store, &own, Attempt::ONLY, 1);
    let failed = |store: &Store| matches!(store.look(&outputs[0].0), Ok(ObjectState::Failed { .. }));
    assert!(failed(&store));
    let store = fresh("dropped-later");
    let own = declare(&store);
    let (before, lost, _wants) = self::lost(&store, &own, FIRST, 1);
    assert_eq!(lost[0].0, outputs[0].0);
    assert!(!failed(&store));
    // Whoever looks at it ends it, once its caller does not want the call any more.
    drop(before);
    assert!(failed(&store));
}

#[test]
fn what_is_lost_is_failed_by_who_gives_up() {
    let store = fresh("given-up");
    let own = declare(&store);
    let (_before, outputs, _wants) = lost(&store, &own, FIRST, 2);
    store.create_output(outputs[0].1, &outputs[0].0, &CreateSpec::default()).unwrap().seal().unwrap();
    let error = Error::new(Kind::ProcessorLost, "no other one came");
    assert_eq!(store.fail_lost(&outputs, &error).unwrap(), 1);
    assert!(matches!(store.look(&outputs[0].0), Ok(ObjectState::Sealed { .. })));
    assert!(matches!(store.look(&outputs[1].0), Ok(ObjectState::Failed { .. })));
}
