//! The calls of one caller that a processor has not finished yet, for callers that limit their number.

use crate::store::{EntryKey, ObjectId, ObjectState, Store};
use crate::sync::atomic::Mutex;

use super::ownership::call_ended;

/// One call on its way, of however many rows.
pub(super) struct Flight {
    pub(super) call: (ObjectId, EntryKey),
    /// Those that were not seen to have ended; looked at from the last one on.
    pub(super) outputs: Vec<(ObjectId, EntryKey)>,
}

impl Flight {
    /// Whether every output has ended (an error of the look counts as not yet).
    fn has_landed(&mut self, store: &Store, processor: u32) -> bool {
        if self.outputs.is_empty() {
            return call_ended(store, &self.call.0, self.call.1, processor);
        }
        while let Some((id, key)) = self.outputs.last() {
            match store.look(id) {
                Ok(ObjectState::Awaited { key: now, .. } | ObjectState::Creating { key: now })
                    if now == *key =>
                {
                    return false
                }
                Ok(_) => self.outputs.pop(),
                Err(_) => return false,
            };
        }
        true
    }
}

/// The calls under way to one processor.
#[derive(Default)]
pub(super) struct Flights {
    flights: Mutex<Vec<Flight>>,
}

impl Flights {
    pub(super) fn add(&self, flight: Flight) {
        self.flights.lock().push(flight);
    }

    /// How many have not landed.
    pub(super) fn count(&self, store: &Store, processor: u32) -> usize {
        let _held = crate::log::hold();
        let mut flights = self.flights.lock();
        flights.retain_mut(|flight| !flight.has_landed(store, processor));
        flights.len()
    }

    /// The objects whose change may mean that one has landed, or that another one is to be watched.
    pub(super) fn watch(&self, ids: &mut Vec<ObjectId>) {
        let next = |flight: &Flight| flight.outputs.last().map_or(flight.call.0, |(id, _)| *id);
        ids.extend(self.flights.lock().iter().map(next));
    }
}
