//! When memory is taken over, and when not.

use super::super::testing::{fresh, give_spares_back, id, promised, Neighbour};
use super::super::{CreateSpec, DeleteMode, ObjectState, Want};
use super::*;
use crate::error::{Error, Kind};
use crate::timeout::Timeout;

/// An input that we want, of so many bytes, each of which is 7.
fn given(store: &Store, id: &ObjectId, data_size: usize) -> Want {
    let spec =
        CreateSpec { data_size: data_size as u64, metadata: b"seven", want: true, ..CreateSpec::default() };
    let mut writer = store.create(id, &spec).unwrap();
    writer.data_mut().fill(7);
    writer.seal().unwrap().unwrap()
}

/// An output that we want and make.
fn awaited(store: &Store, id: &ObjectId) -> Want {
    promised(store, id, (store.number(), store.attachment.slot), None)
}

fn take(store: &Store, input: Buffer, output: &Want) -> TakenOver {
    store.take_over(input, store.number(), output.key(), &output.id()).unwrap()
}

fn taken(outcome: TakenOver) -> Writer {
    match outcome {
        TakenOver::Taken(writer) => writer,
        TakenOver::Refused(_) => panic!("it was refused"),
    }
}

fn is_refused(outcome: TakenOver) -> bool {
    matches!(outcome, TakenOver::Refused(input) if input.data().iter().all(|byte| *byte == 7))
}

#[test]
fn an_output_has_the_bytes_of_the_input_where_they_are() {
    let store = fresh("handed");
    for (n, size) in [(1, 100), (2, 70_000)] {
        let (input, output) = (given(&store, &id(n), size), awaited(&store, &id(10 + n)));
        let buffer = store.get(&id(n), Timeout::Poll).unwrap();
        let before = (buffer.data().as_ptr().addr(), store.stat().unwrap().used);
        let mut writer = taken(take(&store, buffer, &output));
        assert!(matches!(store.look(&id(n)).unwrap(), ObjectState::Absent));
        assert!(matches!(store.look(&id(10 + n)).unwrap(), ObjectState::Creating { .. }));
        assert_eq!(writer.data_mut(), vec![7; size]);
        writer.data_mut().fill(8);
        assert_eq!(store.check().unwrap(), Vec::<String>::new());
        writer.seal().unwrap();
        let made = store.get(&id(10 + n), Timeout::Poll).unwrap();
        assert_eq!((made.data().as_ptr().addr(), store.stat().unwrap().used), before);
        assert_eq!((made.data(), made.metadata()), (&*vec![8; size], &b"seven"[..]));
        drop((input, made, output));
        give_spares_back(&store);
        assert_eq!(store.check().unwrap(), Vec::<String>::new());
        let stat = store.stat().unwrap();
        assert_eq!((stat.objects, stat.used, stat.used_small), (0, 0, 0));
    }
}

#[test]
fn what_somebody_else_has_is_not_taken() {
    let store = fresh("not-handed");
    let output = awaited(&store, &id(10));
    let get = || store.get(&id(1), Timeout::Poll).unwrap();
    let want = given(&store, &id(1), 5000);
    let index = want.key().index;
    let (first, second) = (get(), get());
    assert!(is_refused(take(&store, first, &output)), "another pin of ours");
    let twin = second.clone();
    assert!(is_refused(take(&store, second, &output)), "another handle of the pin");
    drop(twin);
    let other = Neighbour::new(&store, 200);
    for row in ["pins", "wants"] {
        let segment = &store.attachment.segment;
        let set = || match row {
            "pins" => bit_of(segment.pins(index).unwrap(), other.slot).unwrap().set(),
            _ => bit_of(segment.wants(index).unwrap(), other.slot).unwrap().set(),
        };
        let clear = || match row {
            "pins" => bit_of(segment.pins(index).unwrap(), other.slot).unwrap().clear(),
            _ => bit_of(segment.wants(index).unwrap(), other.slot).unwrap().clear(),
        };
        set();
        assert!(is_refused(take(&store, get(), &output)), "{row} of another client");
        clear();
    }
    let by_other = store.take_over(get(), other.number, output.key(), &output.id()).unwrap();
    assert!(is_refused(by_other), "we want it, and another gives it away");
    store.set_keep(want.key(), true).unwrap();
    assert!(is_refused(take(&store, get(), &output)), "it is kept");
    store.set_keep(want.key(), false).unwrap();
    let held = get();
    store.delete(&id(1), DeleteMode::WhenReleased).unwrap();
    assert!(is_refused(take(&store, held, &output)), "it goes when it is released");
    let want = given(&store, &id(2), 5000);
    store.fail(output.key(), &Error::new(Kind::FunctionFailed, "no")).unwrap();
    assert!(is_refused(take(&store, store.get(&id(2), Timeout::Poll).unwrap(), &output)), "no output waits");
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
    drop((want, output));
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn an_output_that_is_given_up_is_awaited_again_and_its_input_lost() {
    let store = fresh("handed-aborted");
    let (_input, output) = (given(&store, &id(1), 70_000), awaited(&store, &id(2)));
    let buffer = store.get(&id(1), Timeout::Poll).unwrap();
    taken(take(&store, buffer, &output)).abort();
    assert!(matches!(store.look(&id(2)).unwrap(), ObjectState::Awaited { .. }));
    assert_eq!(store.stat().unwrap().used, 0);
    assert!(!store.contains(&id(1)).unwrap());
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn a_chain_stays_in_one_place() {
    let store = fresh("handed-chain");
    let mut want = given(&store, &id(1), 100_000);
    let peak = store.stat().unwrap().used;
    for n in 2..300 {
        let output = awaited(&store, &id(n));
        let buffer = store.get(&want.id(), Timeout::Poll).unwrap();
        let writer = taken(take(&store, buffer, &output));
        assert_eq!(store.stat().unwrap().used, peak);
        writer.seal().unwrap();
        want = output;
    }
    assert_eq!(store.stat().unwrap().objects, 1);
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}

#[test]
fn a_creation_that_is_too_large_gives_the_rest_back() {
    let store = fresh("shrunk");
    for size in [200, 3000, 70_000, 3 << 20] {
        let rest = size / 3;
        let spec =
            CreateSpec { data_size: size as u64, metadata: b"behind", want: true, ..CreateSpec::default() };
        let mut writer = store.create(&id(1), &spec).unwrap();
        let larger = writer.shrink(size + 1).unwrap_err();
        assert_eq!(larger.kind(), Kind::InvalidArgument);
        for (nth, byte) in (0u32..).zip(writer.data_mut()) {
            *byte = nth as u8;
        }
        writer.shrink(size).unwrap();
        writer.shrink(rest).unwrap();
        assert_eq!(writer.data_mut().len(), rest);
        assert_eq!(store.check().unwrap(), Vec::<String>::new());
        let figures = store.attachment.locked(|locked| locked.heap().figures()).unwrap();
        let used = figures.used + figures.used_small;
        assert!((rest..rest + 200).contains(&usize::try_from(used).unwrap()), "{used} for {rest}");
        let want = writer.seal().unwrap();
        let buffer = store.get(&id(1), Timeout::Poll).unwrap();
        assert!((0u32..).zip(buffer.data()).all(|(nth, byte)| *byte == nth as u8));
        assert_eq!((buffer.data().len(), buffer.metadata()), (rest, &b"behind"[..]));
        drop((want, buffer));
        give_spares_back(&store);
        assert_eq!(store.check().unwrap(), Vec::<String>::new());
        assert_eq!(store.stat().unwrap().objects, 0);
    }
}
