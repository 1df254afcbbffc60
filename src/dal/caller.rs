//! Callers: finding processors and issuing calls to them.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::error::{Error, Kind, Result};
use crate::store::{CreateSpec, EntryKey, ObjectId, ObjectState, Prefix, Want};
use crate::timeout::{Deadline, Timeout};
use crate::wire::{CallEncoder, CallSchema, Cell, Direction, ParamType};

use super::args::{plan, Args, Planned, PutValue, Results};
use super::discovery::{too_few, Declarations, Target};
use super::expect::Expectation;
use super::flight::Flight;
use super::issued::{IssuedCall, Unfinished};
use super::namespace::{fresh_id, Namespace};
use super::reference::Ref;

/// Pauses between two looks for processors: the first and the longest.
const SEARCH_PAUSE: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(100));

/// Which processors a caller wants.
#[derive(Clone, Debug)]
pub struct CallerOptions {
    /// Fewer compatible ones are an error.
    pub minimum_processors: usize,
    /// Start of the processors' prefix.
    pub processor_prefix: Vec<u8>,
    /// How long to wait for the minimum when the caller is made, and for room when calls in flight are
    /// limited.
    pub timeout: Timeout,
    /// Most unfinished calls of this caller to one processor; 0: no limit.
    pub max_in_flight: usize,
}

impl Default for CallerOptions {
    fn default() -> CallerOptions {
        CallerOptions {
            minimum_processors: 1,
            processor_prefix: Vec::new(),
            timeout: Timeout::Poll,
            max_in_flight: 0,
        }
    }
}

/// A processor that a caller found.
#[derive(Clone, Debug)]
pub struct FoundProcessor {
    /// The name it gave itself.
    pub name: String,
    /// The prefix of its namespace.
    pub prefix: Prefix,
}

/// Finds processors that offer all of its functions and issues calls to them. Any thread may use it.
pub struct Caller {
    namespace: Namespace,
    options: CallerOptions,
    strict_dims: bool,
    functions: Vec<CallEncoder>,
    schemas: Vec<Arc<CallSchema>>,
    declarations: Declarations,
    processors: Mutex<Processors>,
}

/// The processors found, by prefix.
#[derive(Default)]
struct Processors {
    targets: Vec<Arc<Target>>,
    /// One that was found and has gone.
    lost: Option<String>,
}

/// A call's row with its objects, before anything is written.
struct Prepared<'a> {
    cells: Vec<Cell>,
    inputs: Vec<Ref>,
    claims: Vec<Want>,
    /// Tensors and tables given by value, with the references under which they are put.
    values: Vec<(Ref, PutValue<'a>, usize)>,
    outputs: Vec<(usize, Option<Ref>)>,
}

impl Caller {
    /// A caller for these functions, with outputs and values in `namespace`. NO_PROCESSOR if fewer compatible
    /// processors than the minimum come within the options' timeout.
    pub fn new(namespace: &Namespace, schemas: Vec<CallSchema>, options: &CallerOptions) -> Result<Caller> {
        let schemas: Vec<_> = schemas.into_iter().map(Arc::new).collect();
        for (nth, schema) in schemas.iter().enumerate() {
            if schemas[..nth].iter().any(|other| other.name == schema.name) {
                return Err(Error::invalid(format!("the function '{}' is given twice", schema.name)));
            }
        }
        let functions =
            schemas.iter().map(|schema| CallEncoder::new(schema.clone())).collect::<Result<_>>()?;
        let caller = Caller {
            namespace: namespace.clone(),
            options: options.clone(),
            strict_dims: true,
            functions,
            schemas,
            declarations: Declarations::default(),
            processors: Mutex::new(Processors::default()),
        };
        caller.find_processors(options.timeout)?;
        Ok(caller)
    }

    /// Whether tensors whose sizes are known when a call is issued must agree in equal dimension names (the
    /// default).
    pub fn set_strict_dims(&mut self, strict: bool) {
        self.strict_dims = strict;
    }

    /// Looks again for compatible processors: new ones join only here. Waits for the minimum; returns their
    /// number. NO_PROCESSOR says how many were found and why others do not fit. Running calls are not
    /// touched.
    pub fn find_processors(&self, timeout: Timeout) -> Result<usize> {
        let deadline = timeout.deadline();
        let (mut pause, longest) = SEARCH_PAUSE;
        loop {
            let known = self.processors.lock().targets.clone();
            let start = &self.options.processor_prefix;
            let found = self.declarations.search(self.namespace.store(), start, &self.schemas, &known)?;
            let minimum = self.options.minimum_processors;
            let count = found.targets.len();
            let error = (count < minimum).then(|| too_few(&self.schemas, start, minimum, &found));
            let mut processors = self.processors.lock();
            processors.targets = found.targets;
            if count > 0 {
                processors.lost = None;
            }
            drop(processors);
            let Some(error) = error else { return Ok(count) };
            let Some(left) = deadline.left(pause) else { return Err(error) };
            self.pause(left)?;
            pause = (pause * 2).min(longest);
        }
    }

    /// Waits without watching anything; only an interrupt ends it early.
    fn pause(&self, time: Duration) -> Result<()> {
        let nothing: Result<()> =
            self.namespace.store().wait_until(&[], Timeout::After(time), &mut || Ok(None));
        match nothing {
            Err(error) if error.kind() != Kind::Timeout => Err(error),
            _ => Ok(()),
        }
    }

    /// The number of processors found that still live.
    pub fn num_processors(&self) -> usize {
        match self.living() {
            Ok(living) => living.len(),
            Err(_) => self.processors.lock().targets.len(),
        }
    }

    /// The processors found that still live, by prefix.
    pub fn processors(&self) -> Vec<FoundProcessor> {
        let _ = self.living();
        self.processors
            .lock()
            .targets
            .iter()
            .map(|target| FoundProcessor { name: target.name.clone(), prefix: target.prefix })
            .collect()
    }

    /// Where values and outputs lie.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// The functions it can call.
    pub fn functions(&self) -> impl Iterator<Item = &CallSchema> {
        self.schemas.iter().map(|schema| &**schema)
    }

    /// Issues one call and does not wait for it: the results fill in later. All arguments are checked first.
    /// With a limit of calls in flight it waits for room up to the options' timeout.
    pub fn call(&self, function: &str, args: &Args<'_>) -> Result<Results> {
        self.call_within(function, args, self.options.timeout)
    }

    /// As [`Caller::call`]; waits for room up to `timeout` (TIMEOUT). INVALID_ARGUMENT names function and
    /// parameter, OBJECT_DELETED an input that is gone; NO_PROCESSOR if none was found, PROCESSOR_LOST if all
    /// that were found have gone.
    pub fn call_within(&self, function: &str, args: &Args<'_>, timeout: Timeout) -> Result<Results> {
        let encoder = self.function(function)?;
        let schema = encoder.schema();
        let planned = plan(schema, args, self.strict_dims)?;
        let mut prepared = self.prepare(schema, planned)?;
        let bytes = encoder.encode(std::slice::from_ref(&prepared.cells))?;
        self.namespace.sweep(2 * prepared.outputs.len() + 2);
        let deadline = timeout.deadline();
        let mut target = self.choose(function, timeout, &deadline)?;
        for (reference, source, param) in std::mem::take(&mut prepared.values) {
            let context = || format!("{function}: parameter '{}'", schema.params[param].name);
            source.put(&reference).map_err(|error| error.context(context()))?;
            prepared.inputs.push(reference);
        }
        loop {
            match self.issue(&target, encoder, &bytes, &mut prepared) {
                Ok(()) => return Ok(Results::new(schema.clone(), prepared.outputs)),
                Err(error) if matches!(error.kind(), Kind::ProcessorLost | Kind::NotFound) => {
                    self.forget(&target);
                    target = self.choose(function, timeout, &deadline)?;
                }
                Err(error) => return Err(error.context(function)),
            }
        }
    }

    fn function(&self, name: &str) -> Result<&CallEncoder> {
        self.functions.iter().find(|encoder| encoder.schema().name == name).ok_or_else(|| {
            let names: Vec<_> = self.schemas.iter().map(|schema| schema.name.as_str()).collect();
            let text = format!("this caller has no function '{name}', only: {}", names.join(", "));
            Error::new(Kind::NotFound, text)
        })
    }

    /// Gives every object its ID and claims the inputs. Nothing is written.
    fn prepare<'a>(&self, schema: &CallSchema, planned: Vec<Planned<'a>>) -> Result<Prepared<'a>> {
        let mut prepared = Prepared {
            cells: Vec::with_capacity(planned.len()),
            inputs: Vec::new(),
            claims: Vec::new(),
            values: Vec::new(),
            outputs: Vec::new(),
        };
        for (place, (param, planned)) in schema.params.iter().zip(planned).enumerate() {
            let is_output = param.direction == Direction::Out;
            let expect = || Expectation::of_param(param);
            let reference = match planned {
                Planned::Value(cell) => {
                    prepared.cells.push(cell);
                    continue;
                }
                Planned::Null => {
                    prepared.cells.push(Cell::Null);
                    if is_output {
                        prepared.outputs.push((place, None));
                    }
                    continue;
                }
                Planned::ObjectId(id) if param.ty == ParamType::Id => {
                    prepared.cells.push(Cell::Id(id));
                    continue;
                }
                Planned::ObjectId(id) => self.namespace.borrow(id, expect()),
                Planned::Object(reference) => reference,
                Planned::NewOutput => self.namespace.new_ref(expect())?,
                Planned::Put(source) => {
                    let reference = self.namespace.new_ref(expect())?;
                    prepared.cells.push(Cell::Id(reference.id()));
                    prepared.values.push((reference, source, place));
                    continue;
                }
            };
            let named = |error: Error| error.context(format!("{}: parameter '{}'", schema.name, param.name));
            self.check_store(&reference).map_err(named)?;
            prepared.cells.push(Cell::Id(reference.id()));
            if is_output {
                prepared.outputs.push((place, Some(reference)));
            } else {
                if param.ty != ParamType::Id {
                    prepared.claims.extend(reference.claim_input().map_err(named)?);
                }
                prepared.inputs.push(reference);
            }
        }
        Ok(prepared)
    }

    fn check_store(&self, reference: &Ref) -> Result<()> {
        let (ours, theirs) = (self.namespace.store(), reference.store());
        if ours.number() == theirs.number() && ours.path() == theirs.path() {
            return Ok(());
        }
        Err(Error::invalid(format!(
            "object {} lies in the store {}, the caller uses {}",
            reference.id(),
            theirs.path().display(),
            ours.path().display()
        )))
    }

    /// Writes the call into the processor's namespace, publishes it and ties the outputs to it. On an error
    /// the prepared call can be issued to another processor.
    fn issue(
        &self,
        target: &Target,
        encoder: &CallEncoder,
        bytes: &[u8],
        prepared: &mut Prepared<'_>,
    ) -> Result<()> {
        let store = self.namespace.store();
        let id = fresh_id(target.prefix, store);
        let outputs: Vec<Ref> = prepared.outputs.iter().filter_map(|(_, output)| output.clone()).collect();
        let ids: Vec<ObjectId> = outputs.iter().map(Ref::id).collect();
        let new: Vec<bool> =
            outputs.iter().map(|output| matches!(output.state(), Ok(ObjectState::Absent))).collect();
        let data_size = u64::try_from(bytes.len()).map_err(|_| Error::invalid("the call is too large"))?;
        let spec = CreateSpec {
            data_size,
            metadata: encoder.metadata(),
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
        let mut claims = std::mem::take(&mut prepared.claims);
        for ((output, promise), new) in outputs.iter().zip(promises).zip(new) {
            claims.extend(output.promised(promise, new));
        }
        let inputs = std::mem::take(&mut prepared.inputs);
        let call = Arc::new(IssuedCall::new(id, target.owner, want, inputs, claims));
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

    /// The least busy living processor that has room for another call of ours; waits for room.
    fn choose(&self, function: &str, timeout: Timeout, deadline: &Deadline) -> Result<Arc<Target>> {
        let limit = match self.options.max_in_flight {
            0 => usize::MAX,
            limit => limit,
        };
        if limit == usize::MAX {
            // Whether it still lives is seen when the call is issued.
            if let [only] = &self.processors.lock().targets[..] {
                return Ok(only.clone());
            }
        }
        if let Some(target) = self.least_busy(function, limit)? {
            return Ok(target);
        }
        let mut watched = Vec::new();
        for target in &self.processors.lock().targets {
            target.flights.watch(&mut watched);
        }
        let timeout = super::remaining(timeout, deadline);
        self.namespace
            .store()
            .wait_until(&watched, timeout, &mut || self.least_busy(function, limit))
            .map_err(|error| match error.kind() {
                Kind::Timeout => {
                    let text = format!(
                        "{function}: every processor still has {limit} unfinished calls of this caller"
                    );
                    Error::new(Kind::Timeout, text)
                }
                _ => error,
            })
    }

    /// None if all living processors have `limit` calls of ours. An error if none lives.
    fn least_busy(&self, function: &str, limit: usize) -> Result<Option<Arc<Target>>> {
        let living = self.living()?;
        if living.is_empty() {
            return Err(self.nobody(function));
        }
        let store = self.namespace.store();
        let has_room =
            |target: &Target| limit == usize::MAX || target.flights.count(store, target.owner) < limit;
        // The first of equals: they are sorted by prefix.
        let idle =
            living.into_iter().filter(|(_, target)| has_room(target)).min_by_key(|(queued, _)| *queued);
        Ok(idle.map(|(_, target)| target))
    }

    /// The processors found that still live, with the calls in their queues. Forgets the others.
    fn living(&self) -> Result<Vec<(u32, Arc<Target>)>> {
        let namespaces = self.namespace.store().namespaces()?;
        let queued = |target: &Target| {
            let namespace = namespaces.iter().find(|namespace| namespace.key == target.declaration)?;
            namespace.alive.then_some(namespace.queued)
        };
        let mut processors = self.processors.lock();
        let mut living = Vec::new();
        let mut lost = None;
        processors.targets.retain(|target| match queued(target) {
            Some(queued) => {
                living.push((queued, target.clone()));
                true
            }
            None => {
                lost = Some(target.title());
                false
            }
        });
        if lost.is_some() {
            processors.lost = lost;
        }
        Ok(living)
    }

    fn forget(&self, target: &Arc<Target>) {
        let mut processors = self.processors.lock();
        processors.targets.retain(|other| !Arc::ptr_eq(other, target));
        processors.lost = Some(target.title());
    }

    fn nobody(&self, function: &str) -> Error {
        match &self.processors.lock().lost {
            Some(lost) => {
                let text = format!("{function}: processor {lost} has gone; the inputs are still there");
                Error::new(Kind::ProcessorLost, format!("{text}: find another and call again"))
            }
            None => {
                let text = format!("{function}: no processor was found that offers it");
                Error::new(Kind::NoProcessor, format!("{text}: start one and call find_processors"))
            }
        }
    }
}
