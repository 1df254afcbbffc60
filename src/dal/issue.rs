//! Issuing: all rows are checked, their objects named and claimed, and only then is anything written.
//!
//! A call and a batch are one thing here: a call object with rows. It is published in one step, and then every output of
//! every row holds it; so it stays wanted until the last of them exists or was dropped.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::error::{Error, Kind, Result};
use crate::store::{CreateSpec, EntryKey, ObjectId, ObjectState, Want};
use crate::timeout::Timeout;
use crate::wire::{CallEncoder, CallSchema, Cell, Direction, Param, ParamType, MAX_ROWS};

use super::args::{plan, Args, Planned, PutValue, Results};
use super::caller::Caller;
use super::discovery::FoundProcessor;
use super::discovery::Target;
use super::expect::Expectation;
use super::flight::Flight;
use super::ownership::{fresh_id, Held, IssuedCall, Ref, Unfinished};

/// An output of a row, before its call has a processor.
pub(super) enum Output {
    /// Gets a reference of its own.
    New,
    Null,
    Given(Ref),
}

/// The outputs of one row, with the places of their parameters.
pub(super) type RowOutputs = Vec<(usize, Option<Ref>)>;

/// Rows with their objects, before anything is written.
#[derive(Default)]
pub(super) struct Prepared<'a> {
    /// The outputs' cells are set when the call is addressed.
    pub(super) cells: Vec<Vec<Cell>>,
    pub(super) outputs: Vec<Vec<(usize, Output)>>,
    pub(super) inputs: Held,
    /// Tensors and tables given by value: the references under which they are put, with row and parameter.
    values: Vec<(Ref, PutValue<'a>, usize, usize)>,
    /// Outputs of one row that another row takes: the call claims them, as a reference of its own would keep it alive.
    pub(super) passed_on: Vec<ObjectId>,
    /// By parameter: whether its object is not there in some row when the call is issued. As long as the last such one.
    absent: Vec<bool>,
    /// Whether an output was given, not made here.
    pub(super) given: bool,
}

impl Prepared<'_> {
    fn note_absent(&mut self, param: usize) {
        if self.absent.len() <= param {
            self.absent.resize(param + 1, false);
        }
        self.absent[param] = true;
    }

    /// By parameter: whether its objects are there, so that one which is absent later was deleted. The call claims them.
    fn there(&self, schema: &CallSchema) -> Vec<bool> {
        let there = |(place, param): (usize, &Param)| {
            param.is_awaited() && !self.absent.get(place).copied().unwrap_or(false)
        };
        schema.params.iter().enumerate().map(there).collect()
    }
}

impl Caller {
    /// Issues one call and does not wait for it: the results fill in later. All arguments are checked first.
    /// With a limit of calls in flight it waits for room up to the options' timeout.
    pub fn call(&self, function: &str, args: &Args<'_>) -> Result<Results> {
        self.call_within(function, args, self.options.timeout)
    }

    /// As [`Caller::call`]; waits for room up to `timeout` (TIMEOUT). INVALID_ARGUMENT names function and
    /// parameter, OBJECT_DELETED an input that is gone; NO_PROCESSOR if none was found, PROCESSOR_LOST if all
    /// that were found have gone.
    pub fn call_within(&self, function: &str, args: &Args<'_>, timeout: Timeout) -> Result<Results> {
        let mut results = self.batch(function, std::slice::from_ref(args), timeout)?;
        results.pop().ok_or_else(|| Error::internal("a call without its row"))
    }

    /// Issues calls of one function to one processor at once, as rows of one call object: one set of results for each
    /// row, none for none. Errors are those of [`Caller::call_within`] and name the row (from 0); then no row was issued.
    /// A batch counts as one call of those that may be in flight, until its last row has ended.
    pub fn batch(&self, function: &str, rows: &[Args<'_>], timeout: Timeout) -> Result<Vec<Results>> {
        Ok(self.batch_to(function, rows, timeout)?.map(|(_, results)| results).unwrap_or_default())
    }

    /// As [`Caller::batch`], and says which processor got it; None for no rows.
    pub fn batch_to(
        &self,
        function: &str,
        rows: &[Args<'_>],
        timeout: Timeout,
    ) -> Result<Option<(FoundProcessor, Vec<Results>)>> {
        let encoder = self.function(function)?;
        let schema = encoder.schema();
        let mut prepared = self.prepare(schema, rows)?;
        if rows.is_empty() {
            return Ok(None);
        }
        let outputs = self.address(schema, &mut prepared)?;
        let bytes = encoder.encode(&prepared.cells)?;
        let deadline = timeout.deadline();
        let mut target = self.choose(function, &deadline)?;
        let inputs = self.put_values(schema, &mut prepared)?;
        loop {
            match self.issue(&target, encoder, &bytes, &outputs, &inputs, &prepared) {
                Ok(()) => return Ok(Some((target.found(), results_of(schema, outputs)))),
                Err(error) if matches!(error.kind(), Kind::ProcessorLost | Kind::NotFound) => {
                    self.forget(&target);
                    target = self.choose(function, &deadline)?;
                }
                Err(error) => return Err(error.context(function)),
            }
        }
    }

    pub(super) fn function(&self, name: &str) -> Result<&CallEncoder> {
        self.functions.iter().find(|encoder| encoder.schema().name == name).ok_or_else(|| {
            let names: Vec<_> = self.schemas.iter().map(|schema| schema.name.as_str()).collect();
            let text = format!("this caller has no function '{name}', only: {}", names.join(", "));
            Error::new(Kind::NotFound, text)
        })
    }

    /// Checks all rows, gives the values their IDs and claims the inputs. Nothing is written.
    pub(super) fn prepare<'a>(&self, schema: &CallSchema, rows: &'a [Args<'_>]) -> Result<Prepared<'a>> {
        self.namespace.store().here()?;
        if rows.len() > MAX_ROWS {
            return Err(Error::invalid(format!(
                "{}: the batch has {} rows, at most {MAX_ROWS} are possible: make several batches of it",
                schema.name,
                rows.len()
            )));
        }
        let many = rows.len() > 1;
        let in_row =
            |row: usize, error: Error| if many { error.context(format!("row {row}")) } else { error };
        let mut planned = Vec::with_capacity(rows.len());
        for (row, args) in rows.iter().enumerate() {
            planned.push(plan(schema, args, self.options.strict_dims).map_err(|error| in_row(row, error))?);
        }
        let given = if many { given_outputs(schema, &planned)? } else { HashMap::new() };
        refuse_ring(schema, &planned, &given)?;
        let mut rows =
            Rows { caller: self, given, seen: HashSet::new(), many, prepared: Prepared::default() };
        for (row, planned) in planned.into_iter().enumerate() {
            rows.add(schema, row, planned).map_err(|error| in_row(row, error))?;
        }
        Ok(rows.prepared)
    }

    /// Gives every output that was not given a reference of its own, and writes the outputs into their cells.
    pub(super) fn address(
        &self,
        schema: &CallSchema,
        prepared: &mut Prepared<'_>,
    ) -> Result<Vec<RowOutputs>> {
        let mut all = Vec::with_capacity(prepared.outputs.len());
        let mut count = 0;
        for (cells, outputs) in prepared.cells.iter_mut().zip(&prepared.outputs) {
            let mut row = Vec::with_capacity(outputs.len());
            for (place, output) in outputs {
                let reference = match output {
                    Output::Null => None,
                    Output::Given(reference) => Some(reference.clone()),
                    Output::New => {
                        Some(self.namespace.unswept_ref(Expectation::of_param(&schema.params[*place]))?)
                    }
                };
                cells[*place] = reference.as_ref().map_or(Cell::Null, |reference| Cell::Id(reference.id()));
                row.push((*place, reference));
                count += 1;
            }
            all.push(row);
        }
        self.namespace.sweep(2 * count + 2);
        Ok(all)
    }

    /// Puts what was given by value; what the calls have to hold.
    pub(super) fn put_values(&self, schema: &CallSchema, prepared: &mut Prepared<'_>) -> Result<Arc<Held>> {
        for (reference, source, row, param) in std::mem::take(&mut prepared.values) {
            source.put(&reference, &schema.params[param]).map_err(|error| {
                let row = if prepared.cells.len() > 1 { format!("row {row}: ") } else { String::new() };
                error.context(format!("{row}{}: parameter '{}'", schema.name, schema.params[param].name))
            })?;
        }
        Ok(Arc::new(std::mem::take(&mut prepared.inputs)))
    }

    fn check_store(&self, reference: &Ref) -> Result<()> {
        reference.check_store(self.namespace.store(), "the caller uses")
    }

    /// Writes the call into the processor's namespace, publishes it and ties the outputs to it. After an error
    /// the call can be issued to another processor.
    pub(super) fn issue(
        &self,
        target: &Target,
        encoder: &CallEncoder,
        bytes: &[u8],
        outputs: &[RowOutputs],
        inputs: &Arc<Held>,
        prepared: &Prepared<'_>,
    ) -> Result<()> {
        let store = self.namespace.store();
        let id = fresh_id(target.prefix, store);
        let outputs: Vec<&Ref> = outputs.iter().flatten().filter_map(|(_, output)| output.as_ref()).collect();
        let ids: Vec<ObjectId> = outputs.iter().map(|output| output.id()).collect();
        // Only a borrowed one asks.
        let is_new = |output: &&Ref| !output.is_owning() && matches!(output.state(), Ok(ObjectState::Absent));
        let new: Vec<bool> = outputs.iter().map(is_new).collect();
        let data_size = u64::try_from(bytes.len()).map_err(|_| Error::invalid("the call is too large"))?;
        let spec = CreateSpec {
            data_size,
            metadata: &encoder.metadata_with(&prepared.there(encoder.schema())),
            want: true,
            keep: false,
            evictable: false,
            zeroed: false,
            full_timeout: None,
        };
        let mut writer = store.create(&id, &spec)?;
        writer.copy_from(0, bytes);
        let (want, promises) = store.issue(writer, target.declaration, &ids)?;
        let call_key = want.key();
        let keys: Vec<EntryKey> = promises.iter().map(Want::key).collect();
        let mut claims = Vec::with_capacity(prepared.passed_on.len());
        for id in &prepared.passed_on {
            claims.push(store.want(id)?);
        }
        for ((output, promise), new) in outputs.iter().zip(promises).zip(new) {
            claims.extend(output.promised(promise, new));
        }
        let call = Arc::new(IssuedCall::new(id, target.owner, want, claims, inputs.clone()));
        for output in &outputs {
            output.depend_on(call.clone());
            self.namespace.remember(output.unfinished());
        }
        if outputs.is_empty() {
            self.namespace.remember(Unfinished::Call(call));
        }
        if self.options.max_in_flight > 0 {
            let outputs = ids.into_iter().zip(keys).collect();
            target.flights.add(Flight { call: (id, call_key), outputs });
        }
        Ok(())
    }
}

/// What the caller gets of a call.
pub(super) fn results_of(schema: &Arc<CallSchema>, outputs: Vec<RowOutputs>) -> Vec<Results> {
    outputs.into_iter().map(|row| Results::new(schema.clone(), row)).collect()
}

/// The outputs that were given; two rows must not have the same.
fn given_outputs(schema: &CallSchema, planned: &[Vec<Planned<'_>>]) -> Result<HashMap<ObjectId, usize>> {
    let mut given = HashMap::new();
    for (row, planned) in planned.iter().enumerate() {
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
                    "row {row}: {}: parameter '{}' names the object {id}, which is an output of row {other} already: \
                     an output needs its own",
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
    planned: &[Vec<Planned<'_>>],
    given: &HashMap<ObjectId, usize>,
) -> Result<()> {
    if given.is_empty() {
        return Ok(());
    }
    let object = |planned: &Planned<'_>| match planned {
        Planned::Object(reference) => Some(reference.id()),
        Planned::ObjectId(id) => Some(*id),
        _ => None,
    };
    let takes = |row: usize| {
        let params = schema.params.iter().zip(&planned[row]).enumerate();
        params.filter(|(_, (param, _))| param.is_awaited()).filter_map(move |(param, (_, planned))| {
            let id = object(planned)?;
            given.get(&id).map(|from| Taken { param, id, from: *from })
        })
    };
    // Kahn 1962: takes out the rows that can run, again and again; what is left takes from what is left.
    let mut open: Vec<usize> = (0..planned.len()).map(|row| takes(row).count()).collect();
    let mut takers: HashMap<usize, Vec<usize>> = HashMap::new();
    for row in 0..planned.len() {
        takes(row).for_each(|taken| takers.entry(taken.from).or_default().push(row));
    }
    let mut free: Vec<usize> = (0..planned.len()).filter(|row| open[*row] == 0).collect();
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
        let mut outputs = schema.params.iter().zip(&planned[taken.from]);
        outputs
            .find(|(param, planned)| param.direction == Direction::Out && object(planned) == Some(taken.id))
    };
    let told = ring.iter().take(MOST_TOLD).map(|(row, taken)| {
        let output = output(taken).map_or("", |(param, _)| &param.name);
        let input = &schema.params[taken.param].name;
        format!("'{input}' of row {row} is '{output}' of row {}", taken.from)
    });
    let told = told.collect::<Vec<_>>().join(", ");
    let more = if ring.len() > MOST_TOLD { ", and so on" } else { "" };
    Err(Error::invalid(format!(
        "{}: {} rows take each other's outputs in a ring, so that none could run: {told}{more}",
        schema.name,
        ring.len()
    )))
}

/// How many rows of a ring an error names.
const MOST_TOLD: usize = 4;

/// Rows on their way to a [`Prepared`].
struct Rows<'c, 'a> {
    caller: &'c Caller,
    /// Outputs that were given, with their rows.
    given: HashMap<ObjectId, usize>,
    /// References that are held already: many rows name the same.
    seen: HashSet<(usize, bool)>,
    many: bool,
    prepared: Prepared<'a>,
}

impl<'a> Rows<'_, 'a> {
    fn add(&mut self, schema: &CallSchema, row: usize, planned: Vec<Planned<'a>>) -> Result<()> {
        let mut cells = Vec::with_capacity(planned.len());
        let mut outputs = Vec::new();
        for (place, (param, planned)) in schema.params.iter().zip(planned).enumerate() {
            let named = |error: Error| error.context(format!("{}: parameter '{}'", schema.name, param.name));
            let expect = || Expectation::of_param(param);
            let is_output = param.direction == Direction::Out;
            let namespace = &self.caller.namespace;
            let reference = match planned {
                Planned::Value(cell) => {
                    cells.push(cell);
                    continue;
                }
                Planned::Null | Planned::NewOutput => {
                    if is_output {
                        let new = matches!(planned, Planned::NewOutput);
                        outputs.push((place, if new { Output::New } else { Output::Null }));
                    }
                    cells.push(Cell::Null);
                    continue;
                }
                Planned::ObjectId(id) if param.ty == ParamType::Id => {
                    cells.push(Cell::Id(id));
                    continue;
                }
                Planned::ObjectId(id) => namespace.borrow(id, expect()),
                Planned::Object(reference) => reference,
                Planned::Put(source) => {
                    let reference = namespace.unswept_ref(expect())?;
                    cells.push(Cell::Id(reference.id()));
                    self.prepared.inputs.refs.push(reference.clone());
                    self.prepared.values.push((reference, source, row, place));
                    continue;
                }
            };
            cells.push(Cell::Id(reference.id()));
            if is_output {
                self.caller.check_store(&reference).map_err(named)?;
                self.prepared.given = true;
                outputs.push((place, Output::Given(reference)));
            } else {
                let waits = param.ty != ParamType::Id;
                if !self.hold(reference, waits).map_err(named)? {
                    self.prepared.note_absent(place);
                }
            }
        }
        self.prepared.cells.push(cells);
        self.prepared.outputs.push(outputs);
        Ok(())
    }

    /// Keeps an input alive for the call; `waits` if the call needs the object and not only its name. Whether the object
    /// is there.
    fn hold(&mut self, reference: Ref, waits: bool) -> Result<bool> {
        if self.many {
            if waits && self.given.contains_key(&reference.id()) {
                self.caller.check_store(&reference)?;
                self.prepared.passed_on.push(reference.id());
                return Ok(false);
            }
            if !self.seen.insert((reference.address(), waits)) {
                return Ok(reference.was_seen());
            }
        }
        self.caller.check_store(&reference)?;
        if waits {
            self.prepared.inputs.claims.extend(reference.claim_input()?);
        }
        let there = reference.was_seen();
        self.prepared.inputs.refs.push(reference);
        Ok(there)
    }
}
