//! Waits that could never end: a function waits for the output of a call that cannot run before the function has
//! returned.
//!
//! This file is the waiter's side: which processors a thread runs calls of ([`Place`]), and a wait that asks them.
//! [`Threads`](super::threads::Threads) is the processor's side. Cycles over several processors or processes are not
//! detected, nor waits in threads that a function has started.
//!
//! If the turns are free, but all threads that ever came for calls wait, another thread may still come. The wait then
//! fails after [`GRACE`].

use std::cell::RefCell;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use crate::error::{Error, Kind, Result};
use crate::store::ObjectId;
use crate::sync::clock;
use crate::timeout::Timeout;

/// How long all threads of a processor must have waited for its own calls.
const GRACE: Duration = Duration::from_secs(5);
/// How often that is looked at.
const SLICE: Duration = Duration::from_secs(1);

/// A processor as those see it who wait in one of its functions.
pub(super) trait Place: Send + Sync {
    /// Whether this thread runs one of its calls.
    fn runs_here(&self) -> bool;

    /// This thread is going to wait for these objects. None if they are not up to calls of this processor.
    fn begin_wait(&self, ids: &[ObjectId]) -> Result<Option<Waiting>>;
}

/// Takes a wait back.
pub(super) struct Waiting {
    pub(super) end: Box<dyn FnMut(bool) -> Option<u64>>,
}

impl Waiting {
    /// How often threads had come for calls, if now all of them wait.
    fn all_wait(&mut self) -> Option<u64> {
        (self.end)(false)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        (self.end)(true);
    }
}

thread_local! {
    /// The processors of which this thread runs calls, or has run some since it last looked.
    static PLACES: RefCell<Vec<Weak<dyn Place>>> = const { RefCell::new(Vec::new()) };
}

/// This thread is about to run a call of the processor.
pub(super) fn enter(place: &Arc<dyn Place>) {
    let _ = PLACES.try_with(|places| {
        let mut places = places.borrow_mut();
        let place = Arc::downgrade(place);
        if !places.iter().any(|known| known.ptr_eq(&place)) {
            places.push(place);
        }
    });
}

/// The processors of which this thread runs calls now.
fn places() -> Vec<Arc<dyn Place>> {
    let here = PLACES.try_with(|places| {
        let mut places = places.borrow_mut();
        if places.is_empty() {
            return Vec::new();
        }
        let here: Vec<_> =
            places.iter().filter_map(Weak::upgrade).filter(|place| place.runs_here()).collect();
        *places = here.iter().map(Arc::downgrade).collect();
        here
    });
    here.unwrap_or_default()
}

/// Waits for all of these objects with `wait`, unless this thread would wait for itself.
pub(super) fn guard<T>(
    ids: &[ObjectId],
    timeout: Timeout,
    wait: &mut dyn FnMut(Timeout) -> Result<T>,
) -> Result<T> {
    if timeout == Timeout::Poll {
        return wait(timeout);
    }
    let places = places();
    if places.is_empty() {
        return wait(timeout);
    }
    // What is there is not waited for.
    match wait(Timeout::Poll) {
        Err(error) if error.kind() == Kind::Timeout => {}
        done => return done,
    }
    let mut waits = Vec::new();
    for place in places {
        waits.extend(place.begin_wait(ids)?);
    }
    let deadline = timeout.deadline();
    let mut since: Option<(Vec<Option<u64>>, Instant)> = None;
    while !waits.is_empty() {
        match deadline.left(SLICE) {
            Some(slice) if slice == SLICE => match wait(Timeout::After(slice)) {
                Err(error) if error.kind() == Kind::Timeout => {}
                done => return done,
            },
            _ => break,
        }
        let now: Vec<_> = waits.iter_mut().map(Waiting::all_wait).collect();
        match &since {
            _ if now.iter().all(Option::is_none) => since = None,
            Some((before, begun)) if *before == now => {
                if clock::since(*begun) >= GRACE {
                    return Err(Error::invalid(
                        "this wait would never end: all threads that take calls for the processor wait for \
                         its own calls; use more threads to process calls, or let the function return (it can \
                         defer its call)",
                    ));
                }
            }
            _ => since = Some((now, clock::now())),
        }
    }
    wait(deadline.remaining())
}
