//! The calls that have come to a processor: which may run, and which is the oldest of these.
//!
//! A row is looked at when it comes, and then only when what it waits for rang (see `pending`): taking a call costs the same
//! however many others wait. Those that may run stand in a heap for each function, by the order of issue. Of an ordered function only
//! the oldest row is looked at, when its turn has come.
//!
//! Every quarter of a second everything that is waited for is looked at all the same, some at a time while there are calls to
//! run: for changers that were stopped before they rang, and to forget rows that were cancelled.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::{Error, Kind, Result};
use crate::log::{self, Level};
use crate::store::{Buffer, Claim, EntryKey, Lookout, ObjectId, QueuedCall, Store};
use crate::sync::clock;
use crate::sync::hash::FastMap;
use crate::timeout::Timeout;
use crate::wire::{CallDecoder, CallSchema, Cell, DecodedRows};

use super::call_object::CallObject;
use super::crew::{Crew, Turn};
use super::failure::{in_function, tell_nobody};
use super::function::Offered;
use super::pending::{is_unchanged, PendingRow, Sight, Watchlist};

/// How often everything is looked at.
const SWEEP_INTERVAL: Duration = Duration::from_millis(250);
/// How many objects one scan looks at for that while there may be something better to do.
const SWEEP_LOOKS: usize = 512;
/// How many rows are followed to find out what an object waits for.
const FOLLOWED: usize = 10_000;

/// The order of the first row that is not of a call that is issued again: those come before.
const FIRST: u64 = 1 << 63;

/// What a look at the queue found.
pub(super) enum Scan {
    /// The oldest call that may run now, taken off the list, and its function's turn.
    Ready(PendingRow, Turn),
    /// Nothing to do until a call comes or one of these bits rings.
    Blocked(u32),
}

/// The rows of an ordered function, by their order.
#[derive(Default)]
struct Line {
    /// The one that was looked at.
    front: Option<u64>,
    behind: VecDeque<u64>,
}

/// A processor's private list of the calls in its queue, decoded once.
pub(super) struct CallQueue {
    declaration: EntryKey,
    /// The last call that was pulled.
    after: u64,
    /// Memory for those that are pulled.
    pulled: Vec<QueuedCall>,
    /// The call that was pulled last, whose bytes are still pinned: mostly it is taken at once.
    fresh: Option<Arc<CallObject>>,
    /// All rows that were not taken, by their order.
    rows: FastMap<u64, PendingRow>,
    /// Which of them is to make an object.
    makers: FastMap<ObjectId, u64>,
    watchlist: Watchlist,
    /// By function, for all its forms at the place of the first: the rows that can be taken.
    ready: Vec<BinaryHeap<Reverse<u64>>>,
    /// By function, for those that are ordered.
    lines: Vec<Line>,
    /// Rows and buckets that are to be looked at: they stay here if that goes wrong.
    unplaced: Vec<u64>,
    due: Vec<usize>,
    /// The bucket at which the sweep has come, and when it began.
    sweep: usize,
    swept: Instant,
    /// The orders of the next row, and of the next one of a call that is issued again: from 0 and from [`FIRST`] on.
    next_again: u64,
    next: u64,
    /// How often anything was looked at.
    looks: u64,
    functions: Vec<Arc<Offered>>,
    decoder: CallDecoder,
}

impl CallQueue {
    pub(super) fn new(
        store: &Store,
        declaration: EntryKey,
        functions: Vec<Arc<Offered>>,
    ) -> Result<CallQueue> {
        let schemas: Vec<_> = functions.iter().map(|function| function.schema.clone()).collect();
        Ok(CallQueue {
            declaration,
            after: 0,
            pulled: Vec::new(),
            fresh: None,
            rows: FastMap::default(),
            makers: FastMap::default(),
            watchlist: Watchlist::new(store),
            ready: functions.iter().map(|_| BinaryHeap::new()).collect(),
            lines: functions.iter().map(|_| Line::default()).collect(),
            unplaced: Vec::new(),
            due: Vec::new(),
            sweep: Lookout::BUCKETS,
            swept: clock::now(),
            next_again: 0,
            next: FIRST,
            looks: 0,
            functions,
            decoder: CallDecoder::new(&schemas)?,
        })
    }

    /// How often a row, or what rows wait for, was looked at.
    #[cfg(test)]
    pub(super) fn looks(&self) -> u64 {
        self.looks
    }

    /// How many rows were not taken yet.
    #[cfg(test)]
    pub(super) fn pending(&self) -> usize {
        self.rows.len()
    }

    /// Takes over what was issued since the last time. Calls that cannot be run at all are failed at once. Without `certain`
    /// one that is just being issued may be missed; its ring comes later.
    pub(super) fn pull(&mut self, store: &Store, certain: bool) -> Result<()> {
        while certain || store.has_queued(self.declaration, self.after)? {
            // The store gives some hundred at a time.
            self.pulled.clear();
            store.queue_into(self.declaration, self.after, &mut self.pulled)?;
            if self.pulled.is_empty() {
                break;
            }
            for at in 0..self.pulled.len() {
                let call = self.pulled[at];
                match store.get_key(call.key, &call.id, Timeout::Poll) {
                    Ok(buffer) => self.add(store, &call, buffer)?,
                    // Its caller has dropped it.
                    Err(error)
                        if matches!(error.kind(), Kind::ObjectDeleted | Kind::NotFound | Kind::Timeout) => {}
                    Err(error) if error.kind() == Kind::Corrupt => reject(store, &call, &error)?,
                    Err(error) => return Err(error),
                }
                self.after = call.sequence;
            }
        }
        Ok(())
    }

    fn add(&mut self, store: &Store, call: &QueuedCall, buffer: Buffer) -> Result<()> {
        let decoded = match self.decoder.decode_rows(buffer.data(), buffer.metadata()) {
            Ok(decoded) => decoded,
            Err(error) => return reject(store, call, &not_understood(&error)),
        };
        let refused = |error: &Error, name: &str| reject(store, call, &in_function(error, name));
        let function = match self.form_of(&decoded.schema) {
            Ok(function) => function,
            Err(error) => return refused(&error, &decoded.schema.name),
        };
        if decoded.rows.is_empty() {
            return refused(&Error::new(Kind::Corrupt, "the call has no rows"), &function.schema.name);
        }
        let (rows, there, given) = match_rows(&function.schema, decoded);
        let object = CallObject::new(store, *call, function.clone(), rows, given, buffer);
        self.let_go();
        self.fresh = Some(object.clone());
        let is_again = store.is_issued_again(call.key)?;
        for row in 0..object.rows.len() {
            let next = if is_again { &mut self.next_again } else { &mut self.next };
            let order = *next;
            *next += 1;
            self.insert(PendingRow::new(&object, row, order, &there));
            if function.options.ordered {
                self.line_up(function.index, order);
            } else {
                self.unplaced.push(order);
            }
        }
        if function.options.ordered {
            self.look_at_front(&function);
        }
        Ok(())
    }

    /// Puts a row of an ordered function into its line. One of a call that is issued again comes before all others, which may
    /// wait for its outputs.
    fn line_up(&mut self, index: usize, order: u64) {
        if order >= FIRST {
            self.lines[index].behind.push_back(order);
            return;
        }
        let again = self.lines[index].behind.iter().take_while(|other| **other < FIRST).count();
        let waiting = self.lines[index].front.filter(|front| *front >= FIRST);
        let sight = waiting.and_then(|front| self.rows.get(&front)).and_then(PendingRow::waits_for);
        if let (Some(front), Some(sight)) = (waiting, sight) {
            self.watchlist.remove(sight, front);
            self.lines[index].front = None;
            self.lines[index].behind.insert(again, front);
        }
        self.lines[index].behind.insert(again, order);
    }

    /// The form that a call is for: the one with its schema, or the first that is compatible with it.
    fn form_of(&self, schema: &Arc<CallSchema>) -> Result<Arc<Offered>> {
        if let Some(known) = self.functions.iter().find(|function| Arc::ptr_eq(&function.schema, schema)) {
            return Ok(known.clone());
        }
        let mut reasons = Vec::new();
        for function in self.functions.iter().filter(|function| function.schema.name == schema.name) {
            let mismatches = schema.mismatches(&function.schema);
            if mismatches.is_empty() {
                return Ok(function.clone());
            }
            reasons.push(mismatches.join("; "));
        }
        if reasons.is_empty() {
            return Err(Error::new(Kind::NotFound, "the processor does not offer this function"));
        }
        let reasons = reasons.join("; or: ");
        Err(Error::invalid(format!("the schema of the caller is not compatible: {reasons}")))
    }

    fn insert(&mut self, row: PendingRow) {
        for (_, id) in row.object.function.outputs(row.cells()) {
            self.makers.insert(id, row.order);
        }
        self.rows.insert(row.order, row);
    }

    fn remove(&mut self, order: u64) -> Option<PendingRow> {
        let row = self.rows.remove(&order)?;
        for (_, id) in row.object.function.outputs(row.cells()) {
            if self.makers.get(&id) == Some(&order) {
                self.makers.remove(&id);
            }
        }
        Some(row)
    }

    /// Puts a row back that was taken, its function's turn not being over.
    pub(super) fn put_back(&mut self, row: PendingRow) {
        let (function, order) = (row.object.function.clone(), row.order);
        self.insert(row);
        self.ready[function.index].push(Reverse(order));
        if function.options.ordered {
            self.lines[function.index].front = Some(order);
        }
    }

    /// Finds the oldest call whose inputs exist and whose function may run; forgets those that were cancelled. `idle`: there is
    /// nothing better to do than to look at everything, if it is time for that.
    pub(super) fn scan(&mut self, store: &Store, crew: &Arc<Crew>, idle: bool, now: Instant) -> Result<Scan> {
        let scan = self.find(store, crew, idle, now);
        match (&scan, &self.fresh) {
            // It is claimed next, for which it is pinned already.
            (Ok(Scan::Ready(row, _)), Some(fresh)) if Arc::ptr_eq(&row.object, fresh) => self.fresh = None,
            _ => self.let_go(),
        }
        scan
    }

    /// A call that waits is not pinned: its caller may drop it.
    pub(super) fn let_go(&mut self) {
        if let Some(object) = self.fresh.take() {
            object.let_go();
        }
    }

    fn find(&mut self, store: &Store, crew: &Arc<Crew>, idle: bool, now: Instant) -> Result<Scan> {
        self.place_all(store)?;
        self.watchlist.rung(&mut self.due)?;
        while let Some(bucket) = self.due.last().copied() {
            self.look_into(store, bucket, false)?;
            self.due.pop();
        }
        self.sweep(store, idle, now)?;
        let mut oldest: Option<(u64, usize)> = None;
        for index in 0..self.functions.len() {
            if let Some(order) = self.first_of(store, crew, index)? {
                if oldest.is_none_or(|(before, _)| order < before) {
                    oldest = Some((order, index));
                }
            }
        }
        let Some((order, function)) = oldest else { return Ok(Scan::Blocked(self.watchlist.wake_bits())) };
        self.ready[function].pop();
        self.lines[function].front = None;
        let row = self.remove(order).ok_or_else(|| Error::internal("a row that is ready is not there"))?;
        Ok(Scan::Ready(row, crew.begin(function)))
    }

    /// The oldest row of a function that can be taken, if the function may run.
    fn first_of(&mut self, store: &Store, crew: &Arc<Crew>, index: usize) -> Result<Option<u64>> {
        let line = &self.lines[index];
        let has_rows = !self.ready[index].is_empty() || line.front.is_some() || !line.behind.is_empty();
        // A function that is busy wakes us when it has become free.
        if !has_rows || !crew.may_run(&self.functions[index]) {
            return Ok(None);
        }
        let function = self.functions[index].clone();
        if function.options.ordered {
            self.move_up(store, index)?;
        }
        while let Some(Reverse(order)) = self.ready[index].peek().copied() {
            if self.rows.get(&order).is_some_and(|row| !row.object.has_ended()) {
                return Ok(Some(order));
            }
            self.ready[index].pop();
            self.remove(order);
            if function.options.ordered {
                self.move_up(store, index)?;
            }
        }
        Ok(None)
    }

    /// Lets the oldest row of an ordered function that is still wanted be its front.
    fn move_up(&mut self, store: &Store, index: usize) -> Result<()> {
        loop {
            if let Some(front) = self.lines[index].front {
                if self.rows.get(&front).is_some_and(|row| !row.object.is_gone()) {
                    return Ok(());
                }
                self.lines[index].front = None;
                self.forget(front);
            }
            let Some(next) = self.lines[index].behind.pop_front() else { return Ok(()) };
            self.lines[index].front = Some(next);
            self.unplaced.push(next);
            self.place_all(store)?;
        }
    }

    /// A row that nobody wants any more.
    fn forget(&mut self, order: u64) {
        if let Some(sight) = self.remove(order).and_then(|row| row.waits_for()) {
            self.watchlist.remove(sight, order);
        }
    }

    /// The front of an ordered function is looked at again, as calls were added whose results it may take.
    fn look_at_front(&mut self, function: &Offered) {
        let Some(front) = self.lines[function.index].front else { return };
        let Some(sight) = self.rows.get(&front).and_then(PendingRow::waits_for) else { return };
        if self.makers.contains_key(&sight.0) {
            self.watchlist.remove(sight, front);
            self.unplaced.push(front);
        }
    }

    /// Puts rows where they belong: among those that are ready, or with what they wait for.
    fn place_all(&mut self, store: &Store) -> Result<()> {
        while let Some(order) = self.unplaced.last().copied() {
            self.place(store, order)?;
            self.unplaced.pop();
        }
        Ok(())
    }

    fn place(&mut self, store: &Store, order: u64) -> Result<()> {
        loop {
            let Some(row) = self.rows.get_mut(&order) else { return Ok(()) };
            let function = row.object.function.index;
            self.looks += 1;
            let is_ready = row.dropped || row.hopeless.is_some() || row.is_ready(store)?;
            let sight = if is_ready { None } else { row.waits_for() };
            let Some(sight) = sight else {
                self.ready[function].push(Reverse(order));
                return Ok(());
            };
            if let Some(error) = self.hopeless(order, &sight.0) {
                if let Some(row) = self.rows.get_mut(&order) {
                    row.hopeless = Some(Box::new(error));
                }
                continue;
            }
            if !self.watchlist.add(sight, order)? {
                return Ok(());
            }
            self.looks += 1;
            if is_unchanged(store, sight)? {
                return Ok(());
            }
            self.watchlist.remove(sight, order);
        }
    }

    /// Why a row can never run that waits for this: a later row of the same ordered function is to make it.
    fn hopeless(&self, order: u64, id: &ObjectId) -> Option<Error> {
        let (row, maker) = (self.rows.get(&order)?, self.rows.get(self.makers.get(id)?)?);
        let function = &row.object.function;
        if !function.options.ordered || maker.object.function.index != function.index || maker.order <= order
        {
            return None;
        }
        let name = |param: Option<(usize, ObjectId)>| {
            param.map_or("", |(param, _)| function.schema.params[param].name.as_str())
        };
        let input = name(function.inputs(row.cells()).find(|(_, other)| other == id));
        let output = name(function.outputs(maker.cells()).find(|(_, other)| other == id));
        let (taker, maker) = match Arc::ptr_eq(&row.object, &maker.object) {
            true => (format!("row {}: ", row.row), format!("row {}", maker.row)),
            false => (String::new(), "a later call".to_owned()),
        };
        Some(Error::invalid(format!(
            "{taker}input '{input}' is the output '{output}' of {maker}, but the calls of the function run in \
             the order in which they were issued, so neither could run: first issue the call that creates it"
        )))
    }

    /// Looks at what is waited for in a bucket, and lets those look again for whom something has changed. In a `sweep` also
    /// forgets the calls that were cancelled, and lets go on the rows of a batch that were.
    fn look_into(&mut self, store: &Store, bucket: usize, sweep: bool) -> Result<()> {
        for sight in self.watchlist.sights(bucket) {
            if sweep {
                let mut gone = Vec::new();
                let is_gone = |order: u64| self.rows.get(&order).is_none_or(|row| row.object.is_gone());
                self.watchlist.retain(sight, |order| {
                    let is_gone = is_gone(order);
                    gone.extend(is_gone.then_some(order));
                    !is_gone
                });
                gone.into_iter().for_each(|order| drop(self.remove(order)));
                self.end_dropped(store, sight)?;
            }
            self.looks += 1;
            if !is_unchanged(store, sight)? {
                self.unplaced.extend(self.watchlist.take(sight));
            }
        }
        self.place_all(store)
    }

    /// Lets rows be taken whose outputs nobody wants any more: else they would wait for an input that may never come, and with
    /// them an ordered function, and the call object.
    fn end_dropped(&mut self, store: &Store, sight: Sight) -> Result<()> {
        let mut dropped = Vec::new();
        for order in self.watchlist.rows(sight) {
            if let Some(row) = self.rows.get_mut(order) {
                row.dropped = row.was_dropped(store)?;
                dropped.extend(row.dropped.then_some(*order));
            }
        }
        self.watchlist.retain(sight, |order| self.rows.get(&order).is_some_and(|row| !row.dropped));
        self.unplaced.append(&mut dropped);
        Ok(())
    }

    fn sweep(&mut self, store: &Store, idle: bool, now: Instant) -> Result<()> {
        if self.sweep == Lookout::BUCKETS && now.saturating_duration_since(self.swept) >= SWEEP_INTERVAL {
            self.swept = now;
            self.sweep = if self.watchlist.is_empty() { Lookout::BUCKETS } else { 0 };
        }
        let mut left = if idle { usize::MAX } else { SWEEP_LOOKS };
        while self.sweep < Lookout::BUCKETS && left > 0 {
            left = left.saturating_sub(self.watchlist.len(self.sweep));
            self.look_into(store, self.sweep, true)?;
            self.sweep += 1;
        }
        Ok(())
    }

    /// What must happen before an object can be made, as far as that is up to calls that wait here: the functions whose turn
    /// must come (one that is re-entrant always may run), and the objects that are needed and that no call is to make which
    /// waits here.
    pub(super) fn needed_for(&self, id: &ObjectId) -> (Vec<usize>, Vec<ObjectId>) {
        let (mut functions, mut others) = (Vec::new(), Vec::new());
        let mut seen = HashSet::new();
        let mut open = vec![*id];
        while let Some(id) = open.pop() {
            let Some(row) = self.makers.get(&id).and_then(|order| self.rows.get(order)) else {
                others.push(id);
                continue;
            };
            if seen.len() >= FOLLOWED || !seen.insert(row.order) {
                continue;
            }
            let function = &row.object.function;
            if !function.options.reentrant && !functions.contains(&function.index) {
                functions.push(function.index);
            }
            open.extend(row.missing());
        }
        (functions, others)
    }

    /// Everything that waits, in the order of issue, for a processor that closes.
    pub(super) fn take_all(&mut self) -> Vec<PendingRow> {
        self.makers.clear();
        self.watchlist.clear();
        self.ready.iter_mut().for_each(BinaryHeap::clear);
        self.lines.fill_with(Line::default);
        self.unplaced.clear();
        self.let_go();
        let mut rows: Vec<_> = self.rows.drain().map(|(_, row)| row).collect();
        rows.sort_unstable_by_key(|row| row.order);
        rows
    }
}

/// Rows; by parameter, whether its objects were there at issue; and whether they are given away.
type Matched = (Vec<Vec<Cell>>, Vec<bool>, Vec<bool>);

/// The decoded rows in the order of our parameters, with what is said of these; a caller's schema may lack nullable inputs.
fn match_rows(offered: &Arc<CallSchema>, decoded: DecodedRows) -> Matched {
    if Arc::ptr_eq(&decoded.schema, offered) || *decoded.schema == **offered {
        return (decoded.rows, decoded.there, decoded.given);
    }
    let place = |name: &str| decoded.schema.params.iter().position(|param| param.name == name);
    let places: Vec<_> = offered.params.iter().map(|param| place(&param.name)).collect();
    let pick = |row: &Vec<Cell>| {
        places
            .iter()
            .map(|place| place.and_then(|place| row.get(place)).cloned().unwrap_or(Cell::Null))
            .collect()
    };
    let bits = |bits: &[bool]| {
        let bit = |place: usize| bits.get(place).copied().unwrap_or(false);
        places.iter().map(|place| place.is_some_and(bit)).collect()
    };
    (decoded.rows.iter().map(pick).collect(), bits(&decoded.there), bits(&decoded.given))
}

fn not_understood(error: &Error) -> Error {
    let kind = if error.kind() == Kind::InvalidArgument { Kind::Corrupt } else { error.kind() };
    Error::new(kind, format!("the processor cannot understand the call: {error}"))
}

/// Ends a call that cannot be run: fails all its outputs that are still awaited from us.
fn reject(store: &Store, call: &QueuedCall, error: &Error) -> Result<()> {
    // Before it is claimed: if something goes wrong in between, all of it is done again.
    let told = store.fail_outputs(call.key, error)? > 0;
    let claimed = match store.claim(call) {
        Ok(Claim::Claimed(_)) => {
            store.finish(call.key)?;
            true
        }
        Ok(Claim::Gone) => false,
        // It is as damaged for us as it was before.
        Err(error) if error.kind() == Kind::Corrupt => false,
        Err(error) => return Err(error),
    };
    if !told && claimed {
        tell_nobody(store, call.issuer, error);
    }
    if told || claimed {
        // Without an output that carries it, the log is the only place for it.
        log::write(if told { Level::Warning } else { Level::Error }, || {
            let QueuedCall { id, issuer, .. } = call;
            format!("the call {id} of client {issuer} was refused: {error}")
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
