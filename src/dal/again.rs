//! Issuing a call again whose processor was lost, to another processor.
//!
//! The store keeps the outputs of such a call awaited ([`Attempt`]); this process finds them and issues the call again, with the
//! bytes of the first time, when a thread of it comes past ([`Errand`]). The outputs keep their IDs, the call keeps its inputs, and
//! the references hold the call as before. Rows whose outputs exist are skipped by the processor. A call without outputs is
//! issued again only if no processor has taken it.
//!
//! What issues a call again lives as long as the call is held here: by a reference to an output that does not exist yet, or by
//! the namespace. When it goes, the call is cancelled, or lost as any other.

use std::sync::{Arc, Weak};

use crate::error::{Error, Kind, Result};
use crate::log::{self, Level};
use crate::store::{
    full_timeout, Attempt, EntryKey, Errand, NewCall, ObjectId, ObjectState, Store, NO_CLIENT,
};
use crate::sync::atomic::Mutex;
use crate::sync::hash::FastMap;
use crate::timeout::{Deadline, Timeout};

use super::discovery::Target;
use super::finder::Finder;
use super::flight::Flight;
use super::ownership::{fresh_id, IssuedAgain, IssuedCall};

/// How many processors one look tries, if each turns out to have gone.
const TRIES: usize = 4;

/// A call as it is written.
#[derive(Clone)]
pub(super) struct Written {
    /// Its bytes, and then its metadata.
    pub(super) bytes: Vec<u8>,
    pub(super) data: usize,
}

/// The calls of one caller that are issued again should their processors be lost.
pub(super) struct Retries {
    finder: Arc<Finder>,
    calls: Mutex<Vec<Weak<Again>>>,
    /// Whether the store knows of this errand.
    is_known: Mutex<bool>,
}

/// One such call.
struct Again {
    all: Arc<Retries>,
    function: String,
    written: Written,
    outputs: Vec<(ObjectId, EntryKey)>,
    call: Weak<IssuedCall>,
    state: Mutex<State>,
}

struct State {
    /// How often it was issued.
    made: u32,
    target: Arc<Target>,
    /// Until when it waits for a processor, and for space in a full store, once it was found lost.
    until: Option<(Deadline, Deadline)>,
    /// It is not issued again.
    is_over: bool,
}

impl Retries {
    pub(super) fn new(finder: Arc<Finder>) -> Arc<Retries> {
        Arc::new(Retries { finder, calls: Mutex::default(), is_known: Mutex::new(false) })
    }

    /// A call was issued to this processor for the first time.
    pub(super) fn add(
        self: &Arc<Retries>,
        call: &Arc<IssuedCall>,
        target: &Arc<Target>,
        function: &str,
        written: &Written,
        outputs: Vec<(ObjectId, EntryKey)>,
    ) {
        let state = State { made: 1, target: target.clone(), until: None, is_over: false };
        let again = Arc::new(Again {
            all: self.clone(),
            function: function.to_owned(),
            written: written.clone(),
            outputs,
            call: Arc::downgrade(call),
            state: Mutex::new(state),
        });
        {
            let mut calls = self.calls.lock();
            if calls.len() == calls.capacity() {
                calls.retain(|call| call.strong_count() > 0);
            }
            calls.push(Arc::downgrade(&again));
        }
        call.is_issued_again_by(again);
        let is_known = std::mem::replace(&mut *self.is_known.lock(), true);
        if !is_known {
            let errand: Weak<dyn Errand> = Arc::<Retries>::downgrade(self);
            self.finder.namespace.store().add_errand(errand);
        }
    }
}

impl Errand for Retries {
    fn look(&self) -> bool {
        let calls: Vec<Arc<Again>> = {
            let mut calls = self.calls.lock();
            calls.retain(|call| call.strong_count() > 0);
            calls.iter().filter_map(Weak::upgrade).collect()
        };
        // Each processor is asked for once.
        let mut running = FastMap::default();
        let mut left = false;
        for call in calls {
            left |= call.look(&mut running);
        }
        left
    }
}

impl IssuedAgain for Again {
    fn is_open(&self) -> bool {
        let state = self.state.lock();
        !state.is_over && state.made < self.all.finder.options.attempts
    }
}

/// What came of a try to issue a call again.
enum Tried {
    /// It is done, or there is nothing to do.
    Done,
    /// It cannot be done yet.
    Later,
}

impl Again {
    /// Whether it is lost and cannot be issued again yet.
    fn look(&self, running: &mut FastMap<EntryKey, bool>) -> bool {
        let Some(call) = self.call.upgrade() else { return false };
        let store = self.all.finder.namespace.store();
        let mut state = self.state.lock();
        if state.is_over || state.made >= self.all.finder.options.attempts {
            return false;
        }
        let target = state.target.clone();
        let runs = || store.is_wanted(target.declaration) && store.alive(target.owner);
        if *running.entry(target.declaration).or_insert_with(runs) {
            return false;
        }
        store.reap_client(target.owner);
        match self.issue(store, &call, &mut state) {
            Ok(Tried::Done) => false,
            Ok(Tried::Later) => true,
            Err(error) => {
                let failed = self.give_up(store, &state, &error);
                state.is_over = failed.is_ok();
                failed.is_err()
            }
        }
        // What the call holds may go with this last reference to it: nothing is locked by then.
    }

    /// An error ends it.
    fn issue(&self, store: &Store, call: &Arc<IssuedCall>, state: &mut State) -> Result<Tried> {
        if !self.outputs.is_empty() {
            let (mut lost, mut pending) = (false, false);
            for (id, key) in &self.outputs {
                match store.look_key(*key, id) {
                    Ok(ObjectState::Awaited { producer: NO_CLIENT, .. }) => lost = true,
                    Ok(ObjectState::Awaited { .. } | ObjectState::Creating { .. }) | Err(_) => pending = true,
                    Ok(_) => {}
                }
            }
            // A processor that was closed may still run some rows, and the reaper of one that crashed may have come to some
            // outputs only: a second run would meet what is left of the first.
            match (lost, pending) {
                (true, false) => {}
                (true, true) => return Ok(Tried::Later),
                (false, _) => return Ok(Tried::Done),
            }
        }
        let Some((_, before)) = call.name() else { return Ok(Tried::Done) };
        let finder = &self.all.finder;
        let deadlines = || {
            let room = finder.namespace.full_timeout().unwrap_or_else(|| Timeout::After(full_timeout()));
            (finder.options.timeout.deadline(), room.deadline())
        };
        let (processor_until, room_until) = *state.until.get_or_insert_with(deadlines);
        for _ in 0..TRIES {
            let target = match finder.select_again(&self.function) {
                Ok(Some(target)) => target,
                Ok(None) => return Ok(Tried::Later),
                Err(error) if error.kind() == Kind::ProcessorLost && processor_until.passed() => {
                    return Err(error)
                }
                Err(error) if matches!(error.kind(), Kind::ProcessorLost | Kind::Busy) => {
                    return Ok(Tried::Later)
                }
                Err(error) => return Err(error),
            };
            let (data, metadata) = self.written.bytes.split_at(self.written.data);
            let number = state.made + 1;
            let attempt = Attempt { number, is_last: number >= finder.options.attempts };
            let id = fresh_id(target.prefix, store);
            // It never waits: whoever comes past waits for something else.
            let new = NewCall { id, data, metadata, full_timeout: Some(Timeout::Poll), attempt };
            match store.issue_again(&new, before, target.declaration, &self.outputs) {
                Ok(Some(want)) => {
                    if finder.options.max_in_flight > 0 {
                        target.flights.add(Flight { call: (id, want.key()), outputs: self.outputs.clone() });
                    }
                    call.was_issued_again(id, target.owner, want);
                    log::write(Level::Warning, || {
                        let (lost, now) = (state.target.title(), target.title());
                        format!(
                            "{}: processor {lost} crashed or was closed; issued the call again to {now} \
                             (attempt {number})",
                            self.function
                        )
                    });
                    (state.made, state.target, state.until) = (number, target, None);
                    return Ok(Tried::Done);
                }
                Ok(None) => {
                    // Without outputs: it was taken before its processor was lost.
                    state.is_over = self.outputs.is_empty();
                    return Ok(Tried::Done);
                }
                Err(error) if matches!(error.kind(), Kind::ProcessorLost | Kind::NotFound) => {
                    finder.forget(&target);
                }
                Err(error) if error.kind() == Kind::Busy => return Ok(Tried::Later),
                Err(error) if matches!(error.kind(), Kind::OutOfMemory | Kind::LimitReached) => {
                    return if room_until.passed() { Err(error) } else { Ok(Tried::Later) };
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Tried::Later)
    }

    fn give_up(&self, store: &Store, state: &State, error: &Error) -> Result<()> {
        let attempts = self.all.finder.options.attempts;
        let text = format!(
            "{}: the call was lost in attempt {} of {attempts}, and could not be issued again: {}",
            self.function,
            state.made,
            error.message()
        );
        let error = Error::new(error.kind(), text);
        store.fail_lost(&self.outputs, &error)?;
        log::write(Level::Error, || error.to_string());
        Ok(())
    }
}
