//! The calls that have come to a processor and wait for their inputs.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::error::{Error, Kind, Result};
use crate::log::{self, Level};
use crate::store::{Buffer, Claim, EntryKey, ObjectId, ObjectState, QueuedCall, Store};
use crate::timeout::Timeout;
use crate::wire::{CallDecoder, CallSchema, Cell, DecodedCall, Direction, ParamType};

use super::crew::{Crew, Turn};
use super::output::{in_function, tell_nobody};
use super::processor::FunctionOptions;
use super::tensor::{KnownTensor, Tensor};

/// How often a look at an input asks whether its producer still lives.
const PROBE_INTERVAL: Duration = Duration::from_millis(100);

/// A function that a processor offers.
pub(super) struct Offered {
    /// Its place in the list of functions.
    pub(super) index: usize,
    pub(super) schema: Arc<CallSchema>,
    pub(super) options: FunctionOptions,
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
    pub(super) store: Store,
    pub(super) call: QueuedCall,
    pub(super) function: Arc<Offered>,
    pub(super) rows: Vec<Vec<Cell>>,
    state: Mutex<Rows>,
    /// The tensor that was read last for each parameter: rows often share it.
    read: Mutex<Vec<Option<(EntryKey, KnownTensor)>>>,
}

impl CallObject {
    /// Takes the call, once for all its rows. False if its caller has dropped it.
    pub(super) fn claim(&self) -> Result<bool> {
        let _held = log::hold();
        let mut state = self.state.lock();
        if let Ownership::Queued = state.ownership {
            state.ownership = match self.store.claim(&self.call)? {
                Claim::Claimed(buffer) => Ownership::Claimed(buffer),
                Claim::Gone => Ownership::Gone,
            };
        }
        Ok(matches!(state.ownership, Ownership::Claimed(_)))
    }

    /// Its bytes, until its last row has ended.
    pub(super) fn buffer(&self) -> Option<Buffer> {
        match &self.state.lock().ownership {
            Ownership::Claimed(buffer) => Some(buffer.clone()),
            Ownership::Queued | Ownership::Gone => None,
        }
    }

    /// Reads the tensor of a parameter.
    pub(super) fn read(&self, param: usize, buffer: Buffer) -> Result<Tensor> {
        if self.rows.len() == 1 {
            return Tensor::read(buffer);
        }
        let key = buffer.key();
        let _held = log::hold();
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

impl fmt::Display for CallObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let QueuedCall { id, issuer, .. } = &self.call;
        write!(f, "the call {id} of {} by client {issuer}", self.function.schema.name)
    }
}

/// An input that a row waits for.
struct Awaited {
    id: ObjectId,
    /// The entry it was seen with: if that goes, the input is lost.
    seen: Option<EntryKey>,
    /// It was there when the call was issued: if it is absent, it is lost, too.
    was_there: bool,
}

/// One invocation that waits for its inputs.
pub(super) struct PendingRow {
    pub(super) object: Arc<CallObject>,
    pub(super) row: usize,
    /// Its place in the order of issue.
    order: u64,
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
                ObjectState::Absent => return Ok(input.seen.is_some() || input.was_there),
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
    /// The oldest call that may run now, taken off the list, and its function's turn.
    Ready(PendingRow, Turn),
    /// Nothing to do until one of these (sorted) changes.
    Blocked(Vec<ObjectId>),
}

/// A processor's private list of the calls in its queue, decoded once.
pub(super) struct CallQueue {
    declaration: EntryKey,
    /// The last call that was pulled.
    after: u64,
    /// By function, each in the order of issue.
    pending: Vec<VecDeque<PendingRow>>,
    /// How many rows were ever added.
    added: u64,
    probed: Instant,
    functions: Vec<Arc<Offered>>,
    decoder: CallDecoder,
}

impl CallQueue {
    pub(super) fn new(declaration: EntryKey, functions: Vec<Arc<Offered>>) -> Result<CallQueue> {
        let schemas: Vec<_> = functions.iter().map(|function| function.schema.clone()).collect();
        let decoder = CallDecoder::new(&schemas)?;
        let pending = functions.iter().map(|_| VecDeque::new()).collect();
        Ok(CallQueue { declaration, after: 0, pending, added: 0, probed: Instant::now(), functions, decoder })
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
            Err(error) => return discard(store, call, &error),
        };
        let function = self.functions.iter().find(|function| function.schema.name == decoded.function);
        let rows = match function {
            Some(function) => match_rows(&function.schema, &decoded, call.there),
            None => Err(Error::new(Kind::NotFound, "the processor does not offer this function")),
        };
        let (function, (rows, there)) = match (function, rows) {
            (Some(function), Ok(rows)) => (function.clone(), rows),
            (_, Err(error)) => return reject(store, call, &decoded, &error),
            (None, Ok(_)) => return discard(store, call, &Error::internal("its function is not known")),
        };
        if rows.is_empty() {
            return discard(store, call, &Error::invalid("it has no rows"));
        }
        let state = Mutex::new(Rows { ownership: Ownership::Queued, left: rows.len() });
        let read = Mutex::default();
        let object = Arc::new(CallObject { store: store.clone(), call: *call, function, rows, state, read });
        for row in 0..object.rows.len() {
            let inputs = object.function.inputs(&object.rows[row]);
            let inputs =
                inputs.map(|(param, id)| Awaited { id, seen: None, was_there: there[param] }).collect();
            let pending = PendingRow { object: object.clone(), row, order: self.added, inputs, next: 0 };
            self.added += 1;
            self.pending[object.function.index].push_back(pending);
        }
        Ok(())
    }

    /// Finds the oldest call whose inputs exist and whose function may run; forgets those that were cancelled.
    pub(super) fn scan(&mut self, store: &Store, crew: &Arc<Crew>) -> Result<Scan> {
        let probe = self.probed.elapsed() >= PROBE_INTERVAL;
        if probe {
            self.probed = Instant::now();
        }
        let mut missing = Vec::new();
        let mut oldest: Option<(u64, usize, usize)> = None;
        for (function, rows) in self.functions.iter().zip(&mut self.pending) {
            // A function that is busy wakes us when it has become free.
            if rows.is_empty() || !crew.may_run(function) {
                continue;
            }
            let before = oldest.map_or(u64::MAX, |(order, ..)| order);
            if let Some(place) = first_ready(rows, function, before, store, probe, &mut missing)? {
                oldest = Some((rows[place].order, function.index, place));
            }
        }
        if let Some((_, function, place)) = oldest {
            if let Some(row) = self.pending[function].remove(place) {
                return Ok(Scan::Ready(row, crew.begin(function)));
            }
        }
        missing.sort_unstable();
        missing.dedup();
        Ok(Scan::Blocked(missing))
    }

    /// Everything that waits, for a processor that closes.
    pub(super) fn take_all(&mut self) -> Vec<PendingRow> {
        self.pending.iter_mut().flat_map(std::mem::take).collect()
    }
}

/// The place of a function's first call that can be taken, if it was issued `before`. What the others wait for goes
/// to `missing`.
fn first_ready(
    rows: &mut VecDeque<PendingRow>,
    function: &Offered,
    before: u64,
    store: &Store,
    probe: bool,
    missing: &mut Vec<ObjectId>,
) -> Result<Option<usize>> {
    let mut place = 0;
    while let Some(row) = rows.get_mut(place).filter(|row| row.order < before) {
        if row.object.is_gone() {
            rows.remove(place);
            continue;
        }
        if row.is_ready(store, probe)? {
            return Ok(Some(place));
        }
        missing.extend(row.inputs.get(row.next).map(|input| input.id));
        if function.options.ordered {
            return Ok(None);
        }
        place += 1;
    }
    Ok(None)
}

/// The decoded rows in the order of our parameters, and which of these were there at issue; a caller's schema may lack
/// nullable inputs.
fn match_rows(
    offered: &CallSchema,
    decoded: &DecodedCall,
    there: u32,
) -> Result<(Vec<Vec<Cell>>, Vec<bool>)> {
    let was_there = |place: usize| {
        u32::try_from(place).is_ok_and(|bit| there.checked_shr(bit).is_some_and(|bits| bits & 1 == 1))
    };
    if *decoded.schema == *offered {
        return Ok((decoded.rows.clone(), (0..offered.params.len()).map(was_there).collect()));
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
    let there = places.iter().map(|place| place.is_some_and(was_there)).collect();
    Ok((decoded.rows.iter().map(pick).collect(), there))
}

/// Takes a call off the queue whose outputs, if it has any, are not known.
fn discard(store: &Store, call: &QueuedCall, error: &Error) -> Result<()> {
    if let Claim::Claimed(_) = store.claim(call)? {
        store.finish(call.key)?;
        log::write(Level::Error, || {
            let QueuedCall { id, issuer, .. } = call;
            format!("the call {id} of client {issuer} was dropped: it cannot be understood: {error}")
        });
    }
    Ok(())
}

/// Fails all outputs of a call that we have promised.
fn reject(store: &Store, call: &QueuedCall, decoded: &DecodedCall, error: &Error) -> Result<()> {
    if let Claim::Claimed(_) = store.claim(call)? {
        let error = in_function(error, &decoded.function);
        let mut told = false;
        for cell in decoded.rows.iter().flat_map(|row| decoded.schema.params.iter().zip(row)) {
            let (param, Cell::Id(id)) = cell else { continue };
            if param.direction != Direction::Out {
                continue;
            }
            if let ObjectState::Awaited { key, producer } = store.look(id)? {
                if producer == store.number() {
                    told |= store.fail(key, &error)?;
                }
            }
        }
        if !told {
            tell_nobody(store, call.issuer, &error);
        }
        store.finish(call.key)?;
        // Without an output that carries it, the log is the only place for it.
        log::write(if told { Level::Warning } else { Level::Error }, || {
            let QueuedCall { id, issuer, .. } = call;
            format!("the call {id} of client {issuer} was refused: {error}")
        });
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
        ParamType::Tensor { elem: Elem::Float64, dims: Vec::new(), order: None }
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
        let offered = Offered { index: 0, schema, options: FunctionOptions::default() };
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
        let (same, there) = match_rows(&schema, &decoded, 0b10).unwrap();
        assert!(matches!(same[0][..], [Cell::Int(1), Cell::Int(2)]));
        assert_eq!(there, [false, true]);
        let extra = param("extra", Direction::In, tensor());
        let offered = CallSchema::new("f", vec![y, extra, x]);
        let (turned, there) = match_rows(&offered, &decoded, 0b10).unwrap();
        assert_eq!(there, [true, false, false]);
        assert!(matches!(turned[0][..], [Cell::Int(2), Cell::Null, Cell::Int(1)]));
    }
}
