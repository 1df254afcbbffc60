//! The calls of one caller that a processor has not finished yet, for callers that limit their number.

use parking_lot::Mutex;

use crate::store::{EntryKey, ObjectId, ObjectState, Store};

use super::issued::call_ended;

/// One call on its way.
pub(super) struct Flight {
    pub(super) call: (ObjectId, EntryKey),
    pub(super) outputs: Vec<(ObjectId, EntryKey)>,
}

impl Flight {
    /// Whether every output has ended (an error of the look counts as not yet).
    fn has_landed(&self, store: &Store, processor: u32) -> bool {
        if self.outputs.is_empty() {
            return call_ended(store, &self.call.0, self.call.1, processor);
        }
        self.outputs.iter().all(|(id, key)| match store.look(id) {
            Ok(ObjectState::Awaited { key: now, .. } | ObjectState::Creating { key: now }) => now != *key,
            Ok(_) => true,
            Err(_) => false,
        })
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
        flights.retain(|flight| !flight.has_landed(store, processor));
        flights.len()
    }

    /// The objects whose change may mean that one has landed.
    pub(super) fn watch(&self, ids: &mut Vec<ObjectId>) {
        for flight in &*self.flights.lock() {
            ids.push(flight.call.0);
            ids.extend(flight.outputs.iter().map(|(id, _)| *id));
        }
    }
}
