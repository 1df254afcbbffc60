//! Issuing: all rows are checked, their objects named and claimed, and only then is anything written.
//!
//! A call and a batch are one thing here: a call object with rows. It is published in one step, and then every output of
//! every row holds it; so it stays wanted until the last of them exists or was dropped.

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::{Error, Kind, Result};
use crate::store::{Attempt, NewCall, ObjectId, ObjectState, Want};
use crate::sync::hash::FastMap;
use crate::timeout::Timeout;
use crate::wire::{CallSchema, Cell, Direction, Param, ParamType, MAX_ROWS};

use super::again::Written;
use super::args::{plan, Arg, Args, GivenRows, Planned, PutValue, Results};
use super::caller::{Caller, Function, Spare};
use super::discovery::FoundProcessor;
use super::discovery::Target;
use super::flight::Flight;
use super::giving::Gives;
use super::ownership::{fresh_id, Held, IssuedCall, Ref, Unfinished};
use super::passed::{copied, Passed, Reason};

/// An output of a row, before its call has a processor.
pub(super) enum Output {
    /// Gets a reference of its own.
    New,
    Null,
    Given(Ref),
}

/// The outputs of all rows, one row behind the other: as many in each as the function has. None for a null one.
pub(super) type AllOutputs = Vec<Option<Ref>>;

/// A value that is not in the store, or cannot be passed as it is there.
struct CopiedValue<'a> {
    /// Under which it is put.
    reference: Ref,
    value: PutValue<'a>,
    row: usize,
    param: usize,
    why: Reason,
}

/// Rows with their objects, before anything is written.
#[derive(Default)]
pub(super) struct Prepared<'a> {
    /// Only of a call that may be issued again.
    function: String,
    rows: usize,
    /// A cell for each parameter, one row behind the other. The outputs' are set when the call is addressed.
    cells: Vec<Cell>,
    /// As [`AllOutputs`].
    outputs: Vec<Output>,
    inputs: Held,
    /// Tensors and tables given by value that are copied.
    values: Vec<CopiedValue<'a>>,
    /// Outputs of one row that another row takes: the call claims them, as a reference of its own would keep it alive.
    passed_on: Vec<ObjectId>,
    /// By parameter: whether its object is not there in some row when the call is issued. As long as the last such one.
    absent: Vec<bool>,
    /// Whether an output was given, not made here.
    pub(super) given: bool,
    /// How often the call may be issued; 0 is once, too.
    attempts: u32,
    /// The inputs that are given away.
    pub(super) gives: Gives,
}

impl Prepared<'_> {
    fn note_absent(&mut self, param: usize) {
        if self.absent.len() <= param {
            self.absent.resize(param + 1, false);
        }
        self.absent[param] = true;
    }

    /// By parameter: whether its objects are there, so that one which is absent later was deleted. The call claims them.
    fn there<'s>(&'s self, schema: &'s CallSchema) -> impl Iterator<Item = bool> + 's {
        let there = |(place, param): (usize, &Param)| {
            param.is_awaited() && !self.absent.get(place).copied().unwrap_or(false)
        };
        schema.params.iter().enumerate().map(there)
    }
}

impl Caller {
    /// Issues one call, and does not wait for it: the results will exist later. All arguments are checked first. If
    /// `max_in_flight` is reached it waits, up to the timeout of the options.
    pub fn call(&self, function: &str, args: &Args<'_>) -> Result<Results> {
        self.call_within(function, args, self.finder.options.timeout)
    }

    /// Like [`Caller::call`], but waits up to `timeout` if `max_in_flight` is reached (TIMEOUT). INVALID_ARGUMENT names
    /// the function and the parameter, and OBJECT_DELETED an input that was deleted. NO_PROCESSOR if none was found.
    /// PROCESSOR_LOST if all that were found crashed or were closed.
    pub fn call_within(&self, function: &str, args: &Args<'_>, timeout: Timeout) -> Result<Results> {
        let mut results = self.batch(function, std::slice::from_ref(args), timeout)?;
        results.pop().ok_or_else(|| Error::internal("a call without its row"))
    }

    /// Issues calls of one function to one processor at once, as rows of one call object. Returns one set of results
    /// for each row. Errors are those of [`Caller::call_within`], and name the row (from 0). After an error, no row was
    /// issued. A batch counts as one call for `max_in_flight`, until its last row has ended.
    pub fn batch(&self, function: &str, rows: &[Args<'_>], timeout: Timeout) -> Result<Vec<Results>> {
        Ok(self.batch_to(function, rows, timeout)?.map(|(_, results)| results).unwrap_or_default())
    }

    /// Like [`Caller::batch`], but also returns the processor that got it, None if there are no rows.
    pub fn batch_to(
        &self,
        function: &str,
        rows: &[Args<'_>],
        timeout: Timeout,
    ) -> Result<Option<(FoundProcessor, Vec<Results>)>> {
        let function = self.form(function, GivenRows::Each(rows))?;
        let issued = self.issue_rows(function, GivenRows::Each(rows), timeout)?;
        Ok(issued.map(|(target, outputs)| (target.found(), results_of(function, rows.len(), outputs))))
    }

    /// Like [`Caller::batch`], but takes the function by its index in [`Caller::functions`], and the arguments by position,
    /// row after row, one for each parameter. The references to the outputs are returned in the same way, None for a null
    /// one.
    pub fn batch_flat(
        &self,
        function: usize,
        args: &[Arg<'_>],
        rows: usize,
        timeout: Timeout,
    ) -> Result<Vec<Option<Ref>>> {
        let function = self.nth(function)?;
        let width = function.width_of(args, rows)?;
        let issued = self.issue_rows(function, GivenRows::Flat(args, width, rows), timeout)?;
        Ok(issued.map(|(_, outputs)| outputs).unwrap_or_default())
    }

    fn issue_rows(
        &self,
        function: &Function,
        rows: GivenRows<'_>,
        timeout: Timeout,
    ) -> Result<Option<(Arc<Target>, AllOutputs)>> {
        let mut spare = std::mem::take(&mut *self.spare.lock());
        let issued = self.issue_with(&mut spare, function, rows, timeout);
        spare.clear();
        *self.spare.lock() = spare;
        issued
    }

    fn issue_with(
        &self,
        spare: &mut Spare,
        function: &Function,
        rows: GivenRows<'_>,
        timeout: Timeout,
    ) -> Result<Option<(Arc<Target>, AllOutputs)>> {
        let name = &function.schema().name;
        let mut prepared = self.prepare(function, rows, std::mem::take(&mut spare.cells))?;
        if rows.count() == 0 {
            return Ok(None);
        }
        prepared.attempts = self.finder.options.attempts;
        if prepared.attempts > 1 {
            prepared.function.clone_from(name);
        }
        self.finder.namespace.store().run_errands();
        let outputs = self.address(function, &mut prepared)?;
        let written = self.write(function, &prepared, std::mem::take(&mut spare.bytes))?;
        // Mostly nothing is waited for, and no clock is read.
        let mut deadline = None;
        let mut choose = |known: Option<Arc<Target>>| match known {
            Some(only) => Ok(only),
            None => self.finder.choose(name, deadline.get_or_insert_with(|| timeout.deadline())),
        };
        let mut target = choose(self.finder.only())?;
        let inputs = self.put_values(function.schema(), &mut prepared)?;
        loop {
            match self.issue(&target, &written, &outputs, &inputs, &prepared, spare) {
                Ok(()) => {
                    (spare.cells, spare.bytes) = (prepared.cells, written.bytes);
                    return Ok(Some((target, outputs)));
                }
                Err(error) if matches!(error.kind(), Kind::ProcessorLost | Kind::NotFound) => {
                    self.finder.forget(&target);
                    target = choose(None)?;
                }
                Err(error) => return Err(error.context(name)),
            }
        }
    }

    /// Checks all rows, gives the values their IDs and claims the inputs. Nothing is written. The cells go into `cells`.
    pub(super) fn prepare<'a>(
        &self,
        function: &Function,
        rows: GivenRows<'a>,
        cells: Vec<Cell>,
    ) -> Result<Prepared<'a>> {
        let (schema, count) = (function.schema(), rows.count());
        self.finder.namespace.store().here()?;
        if count > MAX_ROWS {
            return Err(Error::invalid(format!(
                "{}: the batch has {count} rows, but at most {MAX_ROWS} are allowed: split it into several batches",
                schema.name
            )));
        }
        let many = count > 1;
        let in_row =
            |row: usize, error: Error| if many { error.context(format!("row {row}")) } else { error };
        let width = schema.params.len();
        let mut planned = Vec::with_capacity(count * width);
        for row in 0..count {
            plan(schema, &function.expects, rows.row(row), self.strict_dims, &mut planned)
                .map_err(|error| in_row(row, error))?;
        }
        let given = if many { Some(given_outputs(schema, count, &planned)?) } else { None };
        if let Some(given) = &given {
            refuse_ring(schema, count, &planned, given)?;
        }
        let mut prepared = Prepared { rows: count, cells, ..Prepared::default() };

        prepared.cells.reserve(planned.len());
        prepared.outputs.reserve_exact(count * function.outputs.len());
        let many = given.map(|given| Many { given, seen: FastMap::default() });
        let outputs = outputs_given(schema, &planned);
        let mut all = Rows { caller: self, many, outputs: &outputs, prepared };
        let mut planned = planned.into_iter();
        for row in 0..count {
            all.add(function, row, planned.by_ref().take(width)).map_err(|error| in_row(row, error))?;
        }
        all.prepared.gives.settle();
        Ok(all.prepared)
    }

    /// Gives every output that was not given a reference of its own, and writes the outputs into their cells.
    pub(super) fn address(&self, function: &Function, prepared: &mut Prepared<'_>) -> Result<AllOutputs> {
        let width = function.expects.len();
        let mut all = Vec::with_capacity(prepared.outputs.len());
        let places = (0..prepared.rows)
            .flat_map(|row| function.outputs.iter().map(move |place| (row * width + place, *place)));
        for ((at, place), output) in places.zip(&prepared.outputs) {
            let reference = match output {
                Output::Null => None,
                Output::Given(reference) => Some(reference.clone()),
                Output::New => Some(self.finder.namespace.unswept_ref(&function.expects[place])?),
            };
            prepared.cells[at] = reference.as_ref().map_or(Cell::Null, |reference| Cell::Id(reference.id()));
            all.push(reference);
        }
        Ok(all)
    }

    /// The call's bytes, in memory that is used again.
    pub(super) fn write(
        &self,
        function: &Function,
        prepared: &Prepared<'_>,
        mut bytes: Vec<u8>,
    ) -> Result<Written> {
        let (encoder, width) = (&function.encoder, function.expects.len());
        let row = |row: usize| &prepared.cells[row * width..(row + 1) * width];
        encoder.encode_rows(prepared.rows, row, &mut bytes)?;
        let data = bytes.len();
        encoder.metadata_into(prepared.there(encoder.schema()), prepared.gives.columns(width), &mut bytes);
        Ok(Written { bytes, data })
    }

    /// Puts what was given by value; what the calls have to hold.
    pub(super) fn put_values(
        &self,
        schema: &CallSchema,
        prepared: &mut Prepared<'_>,
    ) -> Result<Option<Arc<Held>>> {
        let store = self.finder.namespace.store();
        for CopiedValue { reference, value, row, param, why } in std::mem::take(&mut prepared.values) {
            let param = &schema.params[param];
            let named = || {
                let row = if prepared.rows > 1 { format!("row {row}: ") } else { String::new() };
                format!("{row}{}: parameter '{}'", schema.name, param.name)
            };
            let bytes = value.put(&reference, param).map_err(|error| error.context(named()))?;
            copied(store, bytes, named, why);
        }
        let held = std::mem::take(&mut prepared.inputs);
        Ok((!held.is_empty()).then(|| Arc::new(held)))
    }

    fn check_store(&self, reference: &Ref) -> Result<()> {
        reference.check_store(self.finder.namespace.store(), "the caller uses")
    }

    /// Writes the call into the processor's namespace, publishes it and ties the outputs to it. After an error
    /// the call can be issued to another processor.
    pub(super) fn issue(
        &self,
        target: &Arc<Target>,
        written: &Written,
        outputs: &AllOutputs,
        inputs: &Option<Arc<Held>>,
        prepared: &Prepared<'_>,
        spare: &mut Spare,
    ) -> Result<()> {
        let store = self.finder.namespace.store();
        let id = fresh_id(target.prefix, store);
        let outputs = || outputs.iter().flatten();
        spare.ids.clear();
        spare.ids.extend(outputs().map(Ref::id));
        // Only a borrowed one asks.
        let is_new = |output: &Ref| !output.is_owning() && matches!(output.state(), Ok(ObjectState::Absent));
        let new: Vec<bool> = if prepared.given { outputs().map(is_new).collect() } else { Vec::new() };
        let (data, metadata) = written.bytes.split_at(written.data);
        let full_timeout = self.finder.namespace.full_timeout();
        let attempt = Attempt { number: 1, is_last: prepared.attempts < 2 };
        let call = NewCall { id, data, metadata, full_timeout, attempt };
        spare.wants.clear();
        let want = store.issue_call(&call, target.declaration, &spare.ids, &mut spare.wants)?;
        let call_key = want.key();
        // The processor is at work meanwhile.
        self.finder.namespace.sweep(2 * spare.ids.len() + 2);
        let mut claims = Vec::with_capacity(prepared.passed_on.len());
        for id in &prepared.passed_on {
            claims.push(store.want(id)?);
        }
        if self.finder.options.max_in_flight > 0 {
            let outputs = spare.ids.iter().copied().zip(spare.wants.iter().map(Want::key)).collect();
            target.flights.add(Flight { call: (id, call_key), outputs });
        }
        let keys = || spare.ids.iter().copied().zip(spare.wants.iter().map(Want::key));
        let tried = (prepared.attempts > 1).then(|| keys().collect());
        for (nth, (output, promise)) in outputs().zip(spare.wants.drain(..)).enumerate() {
            claims.extend(output.promised(promise, new.get(nth).copied().unwrap_or(false)));
        }
        let call = Arc::new(IssuedCall::new(id, target.owner, want, claims, inputs.clone()));
        if let Some(tried) = tried {
            self.retries.add(&call, target, &prepared.function, written, tried);
        }
        for output in outputs() {
            output.depend_on(call.clone());
            self.finder.namespace.remember(output.unfinished());
        }
        if outputs().next().is_none() {
            self.finder.namespace.remember(Unfinished::Call(call));
        }
        prepared.gives.issued();
        Ok(())
    }
}

/// What the caller gets of a call.
pub(super) fn results_of(function: &Function, rows: usize, outputs: AllOutputs) -> Vec<Results> {
    let mut outputs = outputs.into_iter();
    let mut row = || function.outputs.iter().map(|place| (*place, outputs.next().flatten())).collect();
    (0..rows).map(|_| Results::new(function.schema().clone(), row())).collect()
}

/// The outputs that were given, of all rows, if there are values that must not be one of them.
fn outputs_given(schema: &CallSchema, planned: &[Planned<'_>]) -> Vec<ObjectId> {
    if !planned.iter().any(|planned| matches!(planned, Planned::Put(_))) {
        return Vec::new();
    }
    let outputs = schema.params.iter().cycle().zip(planned);
    let outputs = outputs.filter(|(param, _)| param.direction == Direction::Out);
    let given = outputs.filter_map(|(_, planned)| match planned {
        Planned::Object(reference) => Some(reference.id()),
        Planned::ObjectId(id) => Some(*id),
        _ => None,
    });
    given.collect()
}

/// The outputs that were given; two rows must not have the same.
fn given_outputs(
    schema: &CallSchema,
    rows: usize,
    planned: &[Planned<'_>],
) -> Result<FastMap<ObjectId, usize>> {
    let mut given = FastMap::default();
    let width = schema.params.len();
    for row in 0..rows {
        let planned = &planned[row * width..(row + 1) * width];
        for (param, planned) in schema.params.iter().zip(planned) {
            let id = match planned {
                Planned::Object(reference) => reference.id(),
                Planned::ObjectId(id) => *id,
                _ => continue,
            };
            if param.direction == Direction::In {
                continue;
            }
            if let Some(other) = given.insert(id, row) {
                return Err(Error::invalid(format!(
                    "row {row}: {}: parameter '{}' names the object {id}, which is already an output of row \
                     {other}: each output needs an object of its own",
                    schema.name, param.name
                )));
            }
        }
    }
    Ok(given)
}

/// What one row takes from another one: the parameter that takes it, and the row that makes it.
#[derive(Clone, Copy)]
struct Taken {
    param: usize,
    id: ObjectId,
    from: usize,
}

/// Rows that take each other's outputs in a ring could never run.
fn refuse_ring(
    schema: &CallSchema,
    rows: usize,
    planned: &[Planned<'_>],
    given: &FastMap<ObjectId, usize>,
) -> Result<()> {
    if given.is_empty() {
        return Ok(());
    }
    let width = schema.params.len();
    let planned = |row: usize| &planned[row * width..(row + 1) * width];
    let object = |planned: &Planned<'_>| match planned {
        Planned::Object(reference) | Planned::Given(reference) => Some(reference.id()),
        Planned::ObjectId(id) => Some(*id),
        _ => None,
    };
    let takes = |row: usize| {
        let params = schema.params.iter().zip(planned(row)).enumerate();
        params.filter(|(_, (param, _))| param.is_awaited()).filter_map(move |(param, (_, planned))| {
            let id = object(planned)?;
            given.get(&id).map(|from| Taken { param, id, from: *from })
        })
    };
    // Kahn 1962: takes out the rows that can run, again and again; what is left takes from what is left.
    let mut open: Vec<usize> = (0..rows).map(|row| takes(row).count()).collect();
    let mut takers: HashMap<usize, Vec<usize>> = HashMap::new();
    for row in 0..rows {
        takes(row).for_each(|taken| takers.entry(taken.from).or_default().push(row));
    }
    let mut free: Vec<usize> = (0..rows).filter(|row| open[*row] == 0).collect();
    while let Some(row) = free.pop() {
        for taker in takers.remove(&row).unwrap_or_default() {
            open[taker] -= 1;
            if open[taker] == 0 {
                free.push(taker);
            }
        }
    }
    let Some(mut row) = open.iter().position(|open| *open > 0) else { return Ok(()) };
    // From any of these the way leads into a ring; it is told from where it is entered.
    let mut seen: HashMap<usize, usize> = HashMap::new();
    let mut way: Vec<(usize, Taken)> = Vec::new();
    while !seen.contains_key(&row) {
        let Some(taken) = takes(row).find(|taken| open[taken.from] > 0) else { return Ok(()) };
        seen.insert(row, way.len());
        way.push((row, taken));
        row = taken.from;
    }
    let ring = &way[seen.get(&row).copied().unwrap_or(0)..];
    let output = |taken: &Taken| {
        let mut outputs = schema.params.iter().zip(planned(taken.from));
        outputs
            .find(|(param, planned)| param.direction == Direction::Out && object(planned) == Some(taken.id))
    };
    let told = ring.iter().take(MOST_TOLD).map(|(row, taken)| {
        let output = output(taken).map_or("", |(param, _)| &param.name);
        let input = &schema.params[taken.param].name;
        format!("'{input}' of row {row} is '{output}' of row {}", taken.from)
    });
    let told = told.collect::<Vec<_>>().join(", ");
    let more = if ring.len() > MOST_TOLD { ", and others" } else { "" };
    Err(Error::invalid(format!(
        "{}: {} rows depend on each other in a cycle, so that none could run: {told}{more}",
        schema.name,
        ring.len()
    )))
}

/// How many rows of a ring an error names.
const MOST_TOLD: usize = 4;

/// What is known of several rows.
struct Many {
    /// Outputs that were given, with their rows.
    given: FastMap<ObjectId, usize>,
    /// References that are held already: many rows name the same.
    seen: FastMap<(usize, bool), ()>,
}

/// Rows on their way to a [`Prepared`].
struct Rows<'c, 'a> {
    caller: &'c Caller,
    /// None for a single row.
    many: Option<Many>,
    /// The outputs that were given.
    outputs: &'c [ObjectId],
    prepared: Prepared<'a>,
}

impl<'a> Rows<'_, 'a> {
    fn add(
        &mut self,
        function: &Function,
        row: usize,
        planned: impl Iterator<Item = Planned<'a>>,
    ) -> Result<()> {
        let schema = function.schema();
        for (place, (param, planned)) in schema.params.iter().zip(planned).enumerate() {
            let named = |error: Error| error.context(format!("{}: parameter '{}'", schema.name, param.name));
            let expect = &function.expects[place];
            let is_output = param.direction == Direction::Out;
            let namespace = &self.caller.finder.namespace;
            let given = matches!(planned, Planned::Given(_));
            let reference = match planned {
                Planned::Value(cell) => {
                    self.prepared.cells.push(cell);
                    continue;
                }
                Planned::Null | Planned::NewOutput => {
                    if is_output {
                        let new = matches!(planned, Planned::NewOutput);
                        self.prepared.outputs.push(if new { Output::New } else { Output::Null });
                    }
                    self.prepared.cells.push(Cell::Null);
                    continue;
                }
                Planned::ObjectId(id) if param.ty == ParamType::Id => {
                    self.prepared.cells.push(Cell::Id(id));
                    continue;
                }
                Planned::ObjectId(id) => Ref::borrowed(namespace.store(), id, expect),
                Planned::Object(reference) | Planned::Given(reference) => reference,
                Planned::Put(value) => {
                    let order = param.ty.order();
                    let reference = match Passed::of(namespace.store(), value, expect, order, self.outputs)
                        .and_then(|passed| passed.into_input(expect))
                    {
                        Ok((reference, claim)) => {
                            self.prepared.inputs.claims.extend(claim);
                            if function.starts[place] {
                                self.prepared.gives.keep(place);
                            }
                            reference
                        }
                        Err(why) => {
                            let reference = namespace.unswept_ref(expect)?;
                            let copied =
                                CopiedValue { reference: reference.clone(), value, row, param: place, why };
                            self.prepared.values.push(copied);
                            if function.starts[place] {
                                self.prepared.gives.put(place);
                            }
                            reference
                        }
                    };
                    self.prepared.cells.push(reference.cell());
                    self.prepared.inputs.take(reference);
                    continue;
                }
            };
            self.prepared.cells.push(reference.cell());
            if is_output {
                self.caller.check_store(&reference).map_err(named)?;
                self.prepared.given = true;
                self.prepared.outputs.push(Output::Given(reference));
            } else {
                let waits = param.ty != ParamType::Id;
                let start =
                    function.starts[place].then(|| (reference.clone(), given && reference.is_unused()));
                if !self.hold(reference, waits).map_err(named)? {
                    self.prepared.note_absent(place);
                }
                match start {
                    Some((reference, true)) if reference.is_claimed_once() => {
                        self.prepared.gives.give(place, reference);
                    }
                    Some(_) => self.prepared.gives.keep(place),
                    None => {}
                }
            }
        }
        Ok(())
    }

    /// Keeps an input alive for the call; `waits` if the call needs the object and not only its name. Whether the object
    /// is there.
    fn hold(&mut self, reference: Ref, waits: bool) -> Result<bool> {
        if let Some(Many { given, seen }) = &mut self.many {
            if waits && given.contains_key(&reference.id()) {
                self.caller.check_store(&reference)?;
                if self.prepared.gives.is_any() && self.prepared.passed_on.contains(&reference.id()) {
                    self.prepared.gives.share(reference.id());
                }
                self.prepared.passed_on.push(reference.id());
                return Ok(false);
            }
            if seen.insert((reference.address(), waits), ()).is_some() {
                self.prepared.gives.share(reference.id());
                return Ok(reference.was_seen());
            }
        }
        self.caller.check_store(&reference)?;
        if waits {
            self.prepared.inputs.claims.extend(reference.claim_input()?);
        }
        let there = reference.was_seen();
        self.prepared.inputs.take(reference);
        Ok(there)
    }
}
