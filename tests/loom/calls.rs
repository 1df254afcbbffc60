//! Claiming a call against dropping it, and ending it.

use loom::thread;

use sdp_dal::sync::life::{State, Word, CALL, CLAIMED, ENDED};

use crate::object::{Entry, Process, LIFE};
use crate::search;

/// What a processor had of a call.
#[derive(Clone, Copy, Default, PartialEq)]
struct Had {
    claimed: bool,
    ended: bool,
}

/// As `store::calls`' `claim` and `finish`, with the bytes in between.
fn process(processor: &Process) -> Had {
    if !processor.pin(LIFE) {
        return Had::default();
    }
    let claimed = processor.entry.state.claim(LIFE);
    let mut ended = false;
    if claimed {
        processor.assert_held(LIFE);
        ended = processor.entry.state.end(LIFE);
        assert!(!processor.entry.state.end(LIFE), "a call ends once");
    }
    processor.unpin(LIFE);
    Had { claimed, ended }
}

#[test]
fn a_call_is_claimed_by_one_or_cancelled() {
    search(3, || {
        let call = Entry::new(Word::new(State::Sealed, 0, LIFE).and(CALL));
        let running = [0, 1].map(|nth| {
            let processor = Process::new(&call, nth);
            thread::spawn(move || process(&processor))
        });
        let was = call.doom(LIFE).unwrap();
        let had = running.map(|processor| processor.join().unwrap());
        let claims = had.iter().filter(|had| had.claimed).count();
        assert_eq!(
            claims,
            usize::from(was.has(CLAIMED)),
            "cancelled, and run all the same; or claimed by two"
        );
        assert!(had.iter().all(|had| had.ended == had.claimed), "who claimed it ends it, dropped or not");
        call.assert_freed_once();
    });
}

#[test]
fn a_call_that_two_want_is_claimed_and_ended_once() {
    search(3, || {
        let call = Entry::new(Word::new(State::Sealed, 0, LIFE).and(CALL));
        let other = Process::new(&call, 1);
        let other = thread::spawn(move || process(&other));
        let had = [process(&Process::new(&call, 0)), other.join().unwrap()];
        assert_eq!(had.iter().filter(|had| had.claimed && had.ended).count(), 1);
        assert!(call.word().has(CLAIMED) && call.word().has(ENDED));
    });
}
