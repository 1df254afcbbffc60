//! Callers: finding processors and issuing calls to them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, Kind, Result};
use crate::log::{self, Level};
use crate::store::{id_text, EntryKey, ObjectId, Want};
use crate::sync::atomic::Mutex;
use crate::timeout::{Deadline, Timeout};
use crate::wire::{form_params, CallEncoder, CallSchema, Cell, Direction};

use super::discovery::{too_few, Declarations, FoundProcessor, Target};
use super::expect::Expectation;
use super::ownership::Namespace;

/// Pauses between two looks for processors: the first and the longest.
const SEARCH_PAUSE: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(100));

/// Most losses that are kept for somebody who never asks.
const UNTOLD_MAX: usize = 1024;

/// Which of several processors gets a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Select {
    /// The one with the fewest unfinished calls.
    #[default]
    LeastBusy,
    /// The one with the lowest prefix, always the same one while it runs: for functions that accumulate state.
    First,
}

/// Options of a caller.
#[derive(Clone, Debug)]
pub struct CallerOptions {
    /// Minimum number of compatible processors. Fewer are an error.
    pub minimum_processors: usize,
    /// Start of the prefixes of the processors to use.
    pub processor_prefix: Vec<u8>,
    /// How long to wait for the minimum when the caller is created. Also how long to wait for calls to end when
    /// `max_in_flight` is reached.
    pub timeout: Timeout,
    /// Maximum number of unfinished calls of this caller at one processor. 0: no limit. A batch is one call.
    pub max_in_flight: usize,
    /// Which of several processors gets a call.
    pub select: Select,
    /// Whether to check, when a call is issued, that dimensions of the same name have equal sizes, and the sizes in the
    /// signature. Only tensors whose sizes are known are checked.
    pub strict_dims: bool,
}

impl Default for CallerOptions {
    fn default() -> CallerOptions {
        CallerOptions {
            minimum_processors: 1,
            processor_prefix: Vec::new(),
            timeout: Timeout::Poll,
            max_in_flight: 0,
            select: Select::LeastBusy,
            strict_dims: true,
        }
    }
}

/// Finds processors that offer all of its functions, and issues calls to them. Any thread may use it.
pub struct Caller {
    pub(super) namespace: Namespace,
    pub(super) options: CallerOptions,
    pub(super) functions: Vec<Function>,
    /// Memory that is used again.
    pub(super) spare: Mutex<Spare>,
    pub(super) schemas: Vec<Arc<CallSchema>>,
    declarations: Declarations,
    processors: Mutex<Processors>,
}

/// A function that can be called, and what of it is worked out once.
pub(super) struct Function {
    pub(super) encoder: CallEncoder,
    /// By parameter.
    pub(super) expects: Vec<Arc<Expectation>>,
    /// The places of its outputs.
    pub(super) outputs: Vec<usize>,
    /// The places of the parameters in which the forms of the function differ; empty if it has one form.
    pub(super) differs: Vec<usize>,
}

/// Memory for issuing a call, which the next one uses again.
#[derive(Default)]
pub(super) struct Spare {
    /// The call's bytes, and its metadata.
    pub(super) bytes: Vec<u8>,
    pub(super) cells: Vec<Cell>,
    pub(super) ids: Vec<ObjectId>,
    pub(super) wants: Vec<Want>,
}

/// Of more rows, memory is not kept.
const SPARE_MOST: usize = 4096;

impl Spare {
    /// Empties what it holds, and lets go what is large.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.cells.clear();
        self.ids.clear();
        self.wants.clear();
        if self.cells.capacity() > SPARE_MOST {
            *self = Spare::default();
        }
    }
}

impl Function {
    fn new(schema: &Arc<CallSchema>, all: &[Arc<CallSchema>]) -> Result<Function> {
        let params = &schema.params;
        let forms = all.iter().filter(|other| other.name == schema.name);
        let is_output = |place: &usize| params[*place].direction == Direction::Out;
        Ok(Function {
            encoder: CallEncoder::new(schema.clone())?,
            expects: params.iter().map(|param| Arc::new(Expectation::of_param(param))).collect(),
            outputs: (0..params.len()).filter(is_output).collect(),
            differs: form_params(forms.map(|form| &**form)),
        })
    }

    pub(super) fn schema(&self) -> &Arc<CallSchema> {
        self.encoder.schema()
    }
}

/// The processors found, by prefix.
#[derive(Default)]
struct Processors {
    targets: Vec<Arc<Target>>,
    /// One that was found and has gone.
    lost: Option<String>,
    /// Those that have gone and that nobody was told of.
    untold: VecDeque<FoundProcessor>,
    /// What [`Select::First`] has settled on.
    first: Option<EntryKey>,
}

impl Processors {
    /// Keeps the targets for which `stays` holds; the others have gone.
    fn retain(&mut self, mut stays: impl FnMut(&Arc<Target>) -> bool) -> Vec<Arc<Target>> {
        let (stay, gone): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.targets).into_iter().partition(|target| stays(target));
        self.targets = stay;
        for target in &gone {
            self.lost = Some(target.title());
            self.untold.push_back(target.found());
        }
        let most = self.untold.len().min(UNTOLD_MAX);
        self.untold.drain(..self.untold.len() - most);
        gone
    }
}

impl Caller {
    /// Creates a caller for these functions, with outputs and values in `namespace`. Several of one name are forms of one
    /// function, which differ in element types only. Then the arguments of a call choose the form, unless it is called by
    /// the name of a form ([`CallSchema::form_name`]). NO_PROCESSOR if there are fewer compatible processors than the
    /// minimum within the timeout of the options.
    pub fn new(namespace: &Namespace, schemas: Vec<CallSchema>, options: &CallerOptions) -> Result<Caller> {
        let schemas: Vec<_> = schemas.into_iter().map(Arc::new).collect();
        for (nth, schema) in schemas.iter().enumerate() {
            for other in schemas[..nth].iter().filter(|other| other.name == schema.name) {
                let twice =
                    |wrong: Error| wrong.context(format!("the function '{}' is given twice", schema.name));
                other.check_form(schema).map_err(twice)?;
            }
        }
        let functions =
            schemas.iter().map(|schema| Function::new(schema, &schemas)).collect::<Result<_>>()?;
        let caller = Caller {
            namespace: namespace.clone(),
            options: options.clone(),
            functions,
            spare: Mutex::default(),
            schemas,
            declarations: Declarations::default(),
            processors: Mutex::new(Processors::default()),
        };
        caller.find_processors(options.timeout)?;
        Ok(caller)
    }

    /// Sets [`CallerOptions::strict_dims`].
    pub fn set_strict_dims(&mut self, strict: bool) {
        self.options.strict_dims = strict;
    }

    /// The timeout of the options, for functions without a timeout of their own.
    pub fn timeout(&self) -> Timeout {
        self.options.timeout
    }

    /// Looks again for compatible processors. New processors are found only here. It waits for the minimum, and returns
    /// their number. NO_PROCESSOR says how many were found and why others are not compatible. Running calls are not
    /// affected.
    pub fn find_processors(&self, timeout: Timeout) -> Result<usize> {
        let deadline = timeout.deadline();
        let (mut pause, longest) = SEARCH_PAUSE;
        self.namespace.store().here()?;
        loop {
            let _patience = self.namespace.store().patience(deadline.remaining());
            let known = self.processors.lock().targets.clone();
            let start = &self.options.processor_prefix;
            let found = self.declarations.search(self.namespace.store(), start, &self.schemas, &known);
            let found = found.map_err(|error| deadline.or_late(error))?;
            let minimum = self.options.minimum_processors;
            let count = found.targets.len();
            let error = (count < minimum).then(|| too_few(&self.schemas, start, minimum, &found));
            self.adopt(found.targets);
            let Some(error) = error else { return Ok(count) };
            let Some(left) = deadline.left(pause) else { return Err(error) };
            self.pause(left)?;
            pause = (pause * 2).min(longest);
        }
    }

    /// Takes over what a search has found.
    fn adopt(&self, found: Vec<Arc<Target>>) {
        let (new, gone) = {
            let mut processors = self.processors.lock();
            let named = |target: &Arc<Target>, among: &[Arc<Target>]| {
                among.iter().any(|other| other.declaration == target.declaration)
            };
            let gone = processors.retain(|target| named(target, &found));
            // Another thread's search may have been faster: its targets know what is in flight.
            let new: Vec<_> =
                found.into_iter().filter(|target| !named(target, &processors.targets)).collect();
            processors.targets.extend(new.iter().cloned());
            processors.targets.sort_by_key(|target| target.prefix);
            if !processors.targets.is_empty() {
                processors.lost = None;
            }
            (new, gone)
        };
        for target in new {
            log::write(Level::Info, || {
                format!("Found processor {} at prefix {}", target.name, id_text(&target.prefix))
            });
        }
        tell(&gone);
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

    /// The number of processors found that are still running.
    pub fn num_processors(&self) -> usize {
        self.known().len()
    }

    /// The processors found that are still running, sorted by prefix.
    pub fn processors(&self) -> Vec<FoundProcessor> {
        self.known().iter().map(|target| target.found()).collect()
    }

    /// The namespace for values and outputs.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// The functions it can call, each form by itself, in the order in which they were given.
    pub fn functions(&self) -> impl Iterator<Item = &CallSchema> {
        self.schemas.iter().map(|schema| &**schema)
    }

    /// Waits until a processor that this caller found crashes or is closed, and returns it. Each is returned once.
    /// TIMEOUT if there was none. A crash is noticed within 250 ms.
    pub fn next_lost(&self, timeout: Timeout) -> Result<FoundProcessor> {
        let declaration = |target: &Arc<Target>| ObjectId::declaration(target.prefix);
        let watched: Vec<_> = self.processors.lock().targets.iter().map(declaration).collect();
        let waited = self.namespace.store().wait_until(&watched, timeout, &mut || {
            let untold = self.processors.lock().untold.pop_front();
            if untold.is_some() {
                return Ok(untold);
            }
            self.living()?;
            Ok(self.processors.lock().untold.pop_front())
        });
        waited.map_err(|error| match error.kind() {
            Kind::Timeout => Error::new(Kind::Timeout, "all processors of this caller are still running"),
            _ => error,
        })
    }

    /// The only processor found, if calls need no room. Whether it still lives is seen when the call is issued.
    pub(super) fn only(&self) -> Option<Arc<Target>> {
        match &self.processors.lock().targets[..] {
            [only] if self.options.max_in_flight == 0 => Some(only.clone()),
            _ => None,
        }
    }

    /// A living processor for another call of ours, as the options select it; waits for room.
    pub(super) fn choose(&self, function: &str, deadline: &Deadline) -> Result<Arc<Target>> {
        if let Some(only) = self.only() {
            return Ok(only);
        }
        if let Some(target) = self.select(function)? {
            return Ok(target);
        }
        self.wait_for_room(deadline, &mut || self.select(function)).map_err(|error| match error.kind() {
            Kind::Timeout => error.context(function),
            _ => error,
        })
    }

    /// Waits until `look` gives something, which it may when a call in flight has ended or a processor has gone.
    pub(super) fn wait_for_room<T>(
        &self,
        deadline: &Deadline,
        look: &mut dyn FnMut() -> Result<Option<T>>,
    ) -> Result<T> {
        loop {
            let watched = self.in_flight();
            let timeout = deadline.remaining();
            let waited = self.namespace.store().wait_until(&watched, timeout, &mut || match look()? {
                Some(found) => Ok(Some(Some(found))),
                None if self.in_flight() != watched => Ok(Some(None)),
                None => Ok(None),
            });
            match waited {
                Ok(Some(found)) => return Ok(found),
                Ok(None) => {}
                Err(error) if error.kind() == Kind::Timeout => {
                    let limit = self.options.max_in_flight;
                    let text = format!(
                        "this caller already has {limit} unfinished calls at the processor, which is \
                         its max_in_flight"
                    );
                    return Err(Error::new(Kind::Timeout, text));
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// What to watch for room.
    fn in_flight(&self) -> Vec<ObjectId> {
        let mut watched = Vec::new();
        for target in &self.processors.lock().targets {
            watched.push(ObjectId::declaration(target.prefix));
            target.flights.watch(&mut watched);
        }
        watched
    }

    /// Whether another call of ours may be sent there.
    pub(super) fn has_room(&self, target: &Target) -> bool {
        let limit = self.options.max_in_flight;
        limit == 0 || target.flights.count(self.namespace.store(), target.owner) < limit
    }

    /// None if those that may be chosen have no room. An error if none lives.
    fn select(&self, function: &str) -> Result<Option<Arc<Target>>> {
        let mut living = self.living()?;
        if self.options.select == Select::First {
            let mut processors = self.processors.lock();
            let settled = living.iter().position(|target| processors.first == Some(target.declaration));
            living.truncate(settled.unwrap_or(0) + 1);
            living.drain(..settled.unwrap_or(0));
            processors.first = living.first().map(|target| target.declaration);
        }
        if living.is_empty() {
            return Err(self.nobody(function));
        }
        // The first of equals: they are sorted by prefix.
        let mut free: Vec<_> = living.into_iter().filter(|target| self.has_room(target)).collect();
        if free.len() < 2 {
            return Ok(free.pop());
        }
        let declarations: Vec<_> = free.iter().map(|target| target.declaration).collect();
        Ok(Some(free.swap_remove(self.namespace.store().least_queued(&declarations)?)))
    }

    /// The processors found, whether they live or not.
    pub(super) fn found(&self) -> Vec<Arc<Target>> {
        self.processors.lock().targets.clone()
    }

    /// The processors found that still live, or all of them where that cannot be asked.
    fn known(&self) -> Vec<Arc<Target>> {
        self.living().unwrap_or_else(|_| self.found())
    }

    /// The processors found that still live. Forgets the others. Takes no lock of the store.
    pub(super) fn living(&self) -> Result<Vec<Arc<Target>>> {
        let store = self.namespace.store();
        store.here()?;
        let (living, gone) = {
            let mut processors = self.processors.lock();
            let lives =
                |target: &Arc<Target>| store.is_wanted(target.declaration) && store.alive(target.owner);
            let gone = processors.retain(lives);
            (processors.targets.clone(), gone)
        };
        tell(&gone);
        Ok(living)
    }

    /// It turned out to be gone.
    pub(super) fn forget(&self, target: &Arc<Target>) {
        let gone = self.processors.lock().retain(|other| !Arc::ptr_eq(other, target));
        tell(&gone);
    }

    pub(super) fn nobody(&self, function: &str) -> Error {
        match &self.processors.lock().lost {
            Some(lost) => {
                let text =
                    format!("{function}: processor {lost} crashed or was closed; the inputs still exist");
                Error::new(Kind::ProcessorLost, format!("{text}: find another processor and call again"))
            }
            None => {
                let text = format!("{function}: no processor that offers it was found");
                Error::new(Kind::NoProcessor, format!("{text}: start one, then look for processors again"))
            }
        }
    }
}

/// Tells the log who has gone.
fn tell(gone: &[Arc<Target>]) {
    for target in gone {
        log::write(Level::Warning, || format!("processor {} crashed or was closed", target.title()));
    }
}
