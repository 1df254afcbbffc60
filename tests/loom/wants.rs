//! Claims that an object must exist: one that was given holds, and the last one that goes takes the object with it.

use std::sync::Arc;

use loom::thread;

use sdp_dal::sync::atomic::{lock, AtomicU64, Mutex, Ordering};
use sdp_dal::sync::life::{Fate, State, StateWord, Word};
use sdp_dal::sync::row::RowBit;
use sdp_dal::sync::wants::Wants;

use crate::object::LIFE;
use crate::search;

/// An object that nobody keeps, and the claims of two processes on it.
struct Object {
    store: Mutex<()>,
    state: StateWord,
    pins: [AtomicU64; 1],
    row: [AtomicU64; 1],
    processes: [Wants; 2],
}

impl Object {
    fn new() -> Arc<Object> {
        Arc::new(Object {
            store: Mutex::new(()),
            state: StateWord::new(Word::new(State::Sealed, 0, LIFE)),
            pins: [AtomicU64::new(0)],
            row: [AtomicU64::new(0)],
            processes: [Wants::default(), Wants::default()],
        })
    }

    fn word(&self) -> Word {
        Word(self.state.load(Ordering::Acquire))
    }

    fn bit(&self, process: usize) -> RowBit<'_> {
        RowBit { word: &self.row[0], mask: 1 << process }
    }

    /// As `Store::want_life`. False if it is gone.
    fn claim(&self, process: usize) -> bool {
        let _store = lock(&self.store);
        if !self.word().is_visible() {
            return false;
        }
        self.processes[process].claim(0, LIFE, self.bit(process));
        true
    }

    /// As dropping a `Want`, and `settle`.
    fn let_go(&self, process: usize) {
        if self.processes[process].give_back(0, LIFE, &self.state, self.bit(process)) {
            let _store = lock(&self.store);
            if self.word().fate(&self.pins, &self.row, false) == Fate::Doomed {
                assert!(self.state.doom(LIFE).is_some());
            }
        }
    }
}

#[test]
fn a_claim_that_was_given_holds_though_another_lets_the_last_one_go() {
    for claimer in [0, 1] {
        search(3, move || {
            let object = Object::new();
            assert!(object.claim(0));
            let other = object.clone();
            let other = thread::spawn(move || other.let_go(0));
            let held = object.claim(claimer);
            other.join().unwrap();
            assert_eq!(held, object.word().is_visible(), "claimed, and gone all the same; or neither");
            if held {
                object.let_go(claimer);
                assert!(!object.word().is_visible(), "nobody wants it, and it stays");
            }
        });
    }
}

#[test]
fn two_let_go_at_once() {
    for other in [0, 1] {
        search(3, move || {
            let object = Object::new();
            assert!(object.claim(0) && object.claim(other));
            let first = object.clone();
            let first = thread::spawn(move || first.let_go(0));
            object.let_go(other);
            first.join().unwrap();
            assert!(!object.word().is_visible(), "nobody wants it, and it stays");
        });
    }
}
