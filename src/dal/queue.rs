//! The calls that have come to a processor and wait for their inputs.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::error::{Error, Kind, Result};
use crate::store::{Buffer, Claim, EntryKey, ObjectId, ObjectState, QueuedCall, Store};
use crate::timeout::Timeout;
use crate::wire::{CallDecoder, CallSchema, Cell, DecodedCall, Direction, ParamType};

use super::output::in_function;
use super::tensor::{KnownTensor, Tensor};

/// How often a look at an input asks whether its producer still lives.
const PROBE_INTERVAL: Duration = Duration::from_millis(100);

/// Most objects that one wait watches; what lies beyond is seen at the next slice of the wait.
const WATCH_MAX: usize = 1024;

/// A function that a processor offers.
pub(super) struct Offered {
    /// Its place in the list of functions.
    pub(super) index: usize,
    pub(super) schema: Arc<CallSchema>,
    /// Whether equal dimension names must have equal sizes.
    pub(super) strict_dims: bool,
}

impl Offered {
    /// The parameters that a call waits for, with their IDs in this row. Null ones are left out.
    pub(super) fn inputs<'a>(&'a self, row: &'a [Cell]) -> impl Iterator<Item = (usize, ObjectId)> + 'a {
        self.schema.params.iter().zip(row).enumerate().filter_map(|(param, (spec, cell))| {
            match (&spec.ty, cell) {
                (ParamType::Tensor { .. } | ParamType::Table(_) | ParamType::Oid, Cell::Id(id))
                    if spec.direction == Direction::In =>
                {
                    Some((param, *id))
                }
                _ => None,
            }
        })
    }
}

enum Ownership {
    Queued,
    /// Ours; the call object stays pinned until its last row has ended, which tells the caller that it is
    /// running.
    Claimed(Buffer),
    Gone,
}

struct Rows {
    ownership: Ownership,
    left: usize,
}

/// A call object in our queue: one row per invocation, in the order of our own schema's parameters.
pub(super) struct CallObject {
    store: Store,
    call: QueuedCall,
    pub(super) function: Arc<Offered>,
    pub(super) rows: Vec<Vec<Cell>>,
    state: Mutex<Rows>,
    /// The tensor that was read last for each parameter: rows often share it.
    read: Mutex<Vec<Option<(EntryKey, KnownTensor)>>>,
}

impl CallObject {
    /// Takes the call, once for all its rows. False if its caller has dropped it.
    pub(super) fn claim(&self) -> Result<bool> {
        let mut state = self.state.lock();
        if let Ownership::Queued = state.ownership {
            state.ownership = match self.store.claim(&self.call)? {
                Claim::Claimed(buffer) => Ownership::Claimed(buffer),
                Claim::Gone => Ownership::Gone,
            };
        }
        Ok(matches!(state.ownership, Ownership::Claimed(_)))
    }

    /// Reads the tensor of a parameter.
    pub(super) fn read(&self, param: usize, buffer: Buffer) -> Result<Tensor> {
        if self.rows.len() == 1 {
            return Tensor::read(buffer);
        }
        let key = buffer.key();
        let mut read = self.read.lock();
        match read.get(param) {
            Some(Some((known, tensor))) if *known == key => Ok(Tensor::known(buffer, tensor)),
            _ => {
                let tensor = Tensor::read(buffer)?;
                let places = read.len().max(param + 1);
                read.resize_with(places, || None);
                read[param] = Some((key, tensor.header()));
                Ok(tensor)
            }
        }
    }

    /// Whether its caller still wants it.
    pub(super) fn is_wanted(&self) -> bool {
        self.store.is_wanted(self.call.key)
    }

    /// Whether nothing is to be done about it any more.
    fn is_gone(&self) -> bool {
        match self.state.lock().ownership {
            Ownership::Gone => true,
            Ownership::Queued => !self.is_wanted(),
            Ownership::Claimed(_) => false,
        }
    }

    /// One row has ended; with the last one the call leaves the queue.
    pub(super) fn end_row(&self) -> Result<()> {
        let mut state = self.state.lock();
        state.left = state.left.saturating_sub(1);
        if state.left > 0 {
            return Ok(());
        }
        let ended = std::mem::replace(&mut state.ownership, Ownership::Gone);
        drop(state);
        match ended {
            Ownership::Claimed(buffer) => {
                let finished = self.store.finish(self.call.key);
                drop(buffer);
                finished
            }
            _ => Ok(()),
        }
    }
}

/// An input that a row waits for.
struct Awaited {
    id: ObjectId,
    /// The entry it was seen with: if that goes, the input is lost.
    seen: Option<EntryKey>,
}

/// One invocation that waits for its inputs.
pub(super) struct PendingRow {
    pub(super) object: Arc<CallObject>,
    pub(super) row: usize,
    inputs: Vec<Awaited>,
    /// The first input that has not been seen to exist.
    next: usize,
}

impl PendingRow {
    pub(super) fn cells(&self) -> &[Cell] {
        &self.object.rows[self.row]
    }

    /// The entry that the `nth` input was seen with.
    pub(super) fn seen(&self, nth: usize) -> Option<EntryKey> {
        self.inputs.get(nth).and_then(|input| input.seen)
    }

    /// True when every input exists, or when one has failed or is known to be lost: then the call is taken to
    /// be failed, without waiting for the others.
    fn is_ready(&mut self, store: &Store, probe: bool) -> Result<bool> {
        while let Some(input) = self.inputs.get_mut(self.next) {
            let (key, sealed) = match store.look(&input.id)? {
                ObjectState::Absent => return Ok(input.seen.is_some()),
                ObjectState::Failed { .. } => return Ok(true),
                ObjectState::Sealed { key } => (key, true),
                ObjectState::Awaited { key, .. } | ObjectState::Creating { key } => (key, false),
            };
            if *input.seen.get_or_insert(key) != key {
                return Ok(true);
            }
            if !sealed && !probe {
                return Ok(false);
            }
            if !sealed {
                // Asking for it makes the store test whether its producer lives.
                match store.get_key(key, &input.id, Timeout::Poll) {
                    Ok(_) => {}
                    Err(error) if error.kind() == Kind::Timeout => return Ok(false),
                    Err(_) => return Ok(true),
                }
            }
            self.next += 1;
        }
        Ok(true)
    }
}

/// What a look at the queue found.
pub(super) enum Scan {
    /// The oldest call whose inputs exist, taken off the list.
    Ready(PendingRow),
    /// Nothing to do until one of these (sorted) changes.
    Blocked(Vec<ObjectId>),
}

/// A processor's private list of the calls in its queue, decoded once.
pub(super) struct CallQueue {
    declaration: EntryKey,
    /// The last call that was pulled.
    after: u64,
    pending: VecDeque<PendingRow>,
    probed: Instant,
    functions: Vec<Arc<Offered>>,
    decoder: CallDecoder,
}

impl CallQueue {
    pub(super) fn new(declaration: EntryKey, functions: Vec<Arc<Offered>>) -> Result<CallQueue> {
        let schemas: Vec<_> = functions.iter().map(|function| function.schema.clone()).collect();
        let decoder = CallDecoder::new(&schemas)?;
        let (pending, probed) = (VecDeque::new(), Instant::now());
        Ok(CallQueue { declaration, after: 0, pending, probed, functions, decoder })
    }

    /// Takes over what was issued since the last time. Calls that cannot be understood are failed at once.
    pub(super) fn pull(&mut self, store: &Store) -> Result<()> {
        loop {
            // The store gives some hundred at a time.
            let calls = store.queue(self.declaration, self.after)?;
            if calls.is_empty() {
                return Ok(());
            }
            for call in calls {
                match store.get_key(call.key, &call.id, Timeout::Poll) {
                    Ok(buffer) => self.add(store, &call, &buffer)?,
                    // Its caller has dropped it.
                    Err(error)
                        if matches!(error.kind(), Kind::ObjectDeleted | Kind::NotFound | Kind::Timeout) => {}
                    Err(error) => return Err(error),
                }
                self.after = call.sequence;
            }
        }
    }

    fn add(&mut self, store: &Store, call: &QueuedCall, buffer: &Buffer) -> Result<()> {
        let decoded = match self.decoder.decode(buffer.data(), buffer.metadata()) {
            Ok(decoded) => decoded,
            Err(_) => return discard(store, call),
        };
        let function = self.functions.iter().find(|function| function.schema.name == decoded.function);
        let rows = match function {
            Some(function) => match_rows(&function.schema, &decoded),
            None => Err(Error::new(Kind::NotFound, "the processor does not offer this function")),
        };
        let (function, rows) = match (function, rows) {
            (Some(function), Ok(rows)) => (function.clone(), rows),
            (_, Err(error)) => return reject(store, call, &decoded, &error),
            (None, Ok(_)) => return discard(store, call),
        };
        if rows.is_empty() {
            return discard(store, call);
        }
        let state = Mutex::new(Rows { ownership: Ownership::Queued, left: rows.len() });
        let read = Mutex::default();
        let object = Arc::new(CallObject { store: store.clone(), call: *call, function, rows, state, read });
        for row in 0..object.rows.len() {
            let inputs =
                object.function.inputs(&object.rows[row]).map(|(_, id)| Awaited { id, seen: None }).collect();
            self.pending.push_back(PendingRow { object: object.clone(), row, inputs, next: 0 });
        }
        Ok(())
    }

    /// Finds the oldest call whose inputs exist; forgets those that were cancelled.
    pub(super) fn scan(&mut self, store: &Store) -> Result<Scan> {
        let probe = self.probed.elapsed() >= PROBE_INTERVAL;
        if probe {
            self.probed = Instant::now();
        }
        let mut place = 0;
        while let Some(row) = self.pending.get_mut(place) {
            if row.object.is_gone() {
                self.pending.remove(place);
            } else if !row.is_ready(store, probe)? {
                place += 1;
            } else if let Some(row) = self.pending.remove(place) {
                return Ok(Scan::Ready(row));
            }
        }
        Ok(Scan::Blocked(self.missing()))
    }

    fn missing(&self) -> Vec<ObjectId> {
        let missing = self.pending.iter().filter_map(|row| row.inputs.get(row.next));
        let mut missing: Vec<_> = missing.map(|input| input.id).collect();
        missing.sort_unstable();
        missing.dedup();
        missing.truncate(WATCH_MAX - 1);
        missing
    }

    /// Everything that waits, for a processor that closes.
    pub(super) fn take_all(&mut self) -> VecDeque<PendingRow> {
        std::mem::take(&mut self.pending)
    }
}

/// The decoded rows in the order of our parameters; a caller's schema may lack nullable inputs.
fn match_rows(offered: &CallSchema, decoded: &DecodedCall) -> Result<Vec<Vec<Cell>>> {
    if *decoded.schema == *offered {
        return Ok(decoded.rows.clone());
    }
    let mismatches = decoded.schema.mismatches(offered);
    if !mismatches.is_empty() {
        return Err(Error::invalid(format!("the caller's schema does not fit: {}", mismatches.join("; "))));
    }
    let place = |name: &str| decoded.schema.params.iter().position(|param| param.name == name);
    let places: Vec<_> = offered.params.iter().map(|param| place(&param.name)).collect();
    let pick = |row: &Vec<Cell>| {
        places
            .iter()
            .map(|place| place.and_then(|place| row.get(place)).cloned().unwrap_or(Cell::Null))
            .collect()
    };
    Ok(decoded.rows.iter().map(pick).collect())
}

/// Takes a call off the queue of which nothing can be said.
fn discard(store: &Store, call: &QueuedCall) -> Result<()> {
    if let Claim::Claimed(_) = store.claim(call)? {
        store.finish(call.key)?;
    }
    Ok(())
}

/// Fails all outputs of a call that we have promised.
fn reject(store: &Store, call: &QueuedCall, decoded: &DecodedCall, error: &Error) -> Result<()> {
    if let Claim::Claimed(_) = store.claim(call)? {
        let error = in_function(error, &decoded.function);
        for cell in decoded.rows.iter().flat_map(|row| decoded.schema.params.iter().zip(row)) {
            let (param, Cell::Id(id)) = cell else { continue };
            if param.direction != Direction::Out {
                continue;
            }
            if let ObjectState::Awaited { key, producer } = store.look(id)? {
                if producer == store.number() {
                    store.fail(key, &error)?;
                }
            }
        }
        store.finish(call.key)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Elem, Param};
    use arrow::datatypes::DataType;

    fn param(name: &str, direction: Direction, ty: ParamType) -> Param {
        Param::new(name, direction, ty, true)
    }

    fn tensor() -> ParamType {
        ParamType::Tensor { elem: Elem::Float64, dims: Vec::new() }
    }

    #[test]
    fn a_call_waits_for_its_object_inputs_only() {
        let params = vec![
            param("x", Direction::In, ParamType::Scalar(DataType::Int64)),
            param("ms", Direction::In, tensor()),
            param("wgt", Direction::In, tensor()),
            param("tag", Direction::In, ParamType::Id),
            param("done", Direction::In, ParamType::Oid),
            param("dirty", Direction::Out, tensor()),
        ];
        let schema = Arc::new(CallSchema::new("f", params));
        let offered = Offered { index: 0, schema, strict_dims: true };
        let id = |byte| ObjectId::new([byte; 20]);
        let row =
            [Cell::Int(1), Cell::Id(id(1)), Cell::Null, Cell::Id(id(2)), Cell::Id(id(3)), Cell::Id(id(4))];
        let inputs: Vec<_> = offered.inputs(&row).collect();
        assert_eq!(inputs, [(1, id(1)), (4, id(3))]);
    }

    #[test]
    fn rows_follow_our_own_order_of_parameters() {
        let x = param("x", Direction::In, ParamType::Scalar(DataType::Int64));
        let y = param("y", Direction::In, ParamType::Scalar(DataType::Int64));
        let schema = CallSchema::new("f", vec![x.clone(), y.clone()]);
        let decoded = DecodedCall {
            function: "f".to_owned(),
            schema: Arc::new(schema.clone()),
            rows: vec![vec![Cell::Int(1), Cell::Int(2)]],
        };
        let same = match_rows(&schema, &decoded).unwrap();
        assert!(matches!(same[0][..], [Cell::Int(1), Cell::Int(2)]));
        let extra = param("extra", Direction::In, tensor());
        let offered = CallSchema::new("f", vec![y, extra, x]);
        let turned = match_rows(&offered, &decoded).unwrap();
        assert!(matches!(turned[0][..], [Cell::Int(2), Cell::Null, Cell::Int(1)]));
    }
}
