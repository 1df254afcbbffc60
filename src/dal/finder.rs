//! Which processors a caller has found, and which of them gets the next call.
//!
//! Processors that have crashed or closed leave by themselves. New ones join when the program looks for them, and when a call
//! finds that all of them have gone.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, Kind, Result};
use crate::log::{self, Level};
use crate::store::{id_text, EntryKey, ObjectId};
use crate::sync::atomic::Mutex;
use crate::timeout::{Deadline, Timeout};
use crate::wire::CallSchema;

use super::discovery::{too_few, Declarations, Found, FoundProcessor, Target};
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
    /// Number of compatible processors that are waited for when the caller is created. Fewer are an error then, and only
    /// then.
    pub minimum_processors: usize,
    /// Start of the prefixes of the processors to use.
    pub processor_prefix: Vec<u8>,
    /// How long to wait for the minimum when the caller is created. Also how long issuing waits for calls to end when
    /// `max_in_flight` is reached, and, with `attempts` of 2 and more, for another processor when all have gone.
    pub timeout: Timeout,
    /// Maximum number of unfinished calls of this caller at one processor. 0: no limit. A batch is one call.
    pub max_in_flight: usize,
    /// Which of several processors gets a call.
    pub select: Select,
    /// Whether to check, when a call is issued, that dimensions of the same name have equal sizes, and the sizes in the
    /// signature. Only tensors whose sizes are known are checked.
    pub strict_dims: bool,
    /// To how many processors a call is issued at most, one after the other, if the earlier ones crash or are closed before
    /// it has ended. 0 and 1: once.
    pub attempts: u32,
    /// How long values, and calls themselves, wait for space in a full store. None: that of the namespace.
    pub full_timeout: Option<Timeout>,
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
            attempts: 1,
            full_timeout: None,
        }
    }
}

/// The processors of a caller. Its calls that are not finished share it.
pub(super) struct Finder {
    pub(super) namespace: Namespace,
    pub(super) options: CallerOptions,
    pub(super) schemas: Vec<Arc<CallSchema>>,
    declarations: Declarations,
    processors: Mutex<Processors>,
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

impl Finder {
    pub(super) fn new(
        namespace: Namespace,
        schemas: Vec<Arc<CallSchema>>,
        options: &CallerOptions,
    ) -> Finder {
        Finder {
            namespace,
            options: options.clone(),
            schemas,
            declarations: Declarations::default(),
            processors: Mutex::new(Processors::default()),
        }
    }

    /// Waits for the minimum when the caller is created. NO_PROCESSOR says how many were found and why others are not
    /// compatible.
    pub(super) fn find_first(&self) -> Result<()> {
        let minimum = self.options.minimum_processors;
        let found = self.find(minimum, self.options.timeout)?;
        if found.targets.len() < minimum {
            let start = &self.options.processor_prefix;
            return Err(too_few(&self.schemas, start, minimum, &found));
        }
        Ok(())
    }

    /// Looks again, and waits only if there is none. How many there are now.
    pub(super) fn find_again(&self, timeout: Timeout) -> Result<usize> {
        let enough = self.options.minimum_processors.min(1);
        Ok(self.find(enough, timeout)?.targets.len())
    }

    /// Looks until there are `enough`, or the timeout has passed.
    fn find(&self, enough: usize, timeout: Timeout) -> Result<Found> {
        let deadline = timeout.deadline();
        let (mut pause, longest) = SEARCH_PAUSE;
        self.namespace.store().here()?;
        loop {
            let _patience = self.namespace.store().patience(deadline.remaining());
            let found = self.search().map_err(|error| deadline.or_late(error))?;
            if found.targets.len() >= enough {
                return Ok(found);
            }
            let Some(left) = deadline.left(pause) else { return Ok(found) };
            self.pause(left)?;
            pause = (pause * 2).min(longest);
        }
    }

    /// Looks once.
    fn search(&self) -> Result<Found> {
        let known = self.found();
        let start = &self.options.processor_prefix;
        let found = self.declarations.search(self.namespace.store(), start, &self.schemas, &known)?;
        self.adopt(found.targets.clone());
        Ok(found)
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

    /// Waits until a processor that was found crashes or is closed.
    pub(super) fn next_lost(&self, timeout: Timeout) -> Result<FoundProcessor> {
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

    /// A living processor for another call of ours, as the options select it; waits for room. When all have gone and others
    /// are not there either, it waits for one to appear if lost calls are to be issued again.
    pub(super) fn choose(&self, function: &str, deadline: &Deadline) -> Result<Arc<Target>> {
        let (mut pause, longest) = SEARCH_PAUSE;
        loop {
            if let Some(only) = self.only() {
                return Ok(only);
            }
            let chosen = match self.select(function) {
                Ok(None) => self.wait_for_room(deadline, &mut || self.select(function)),
                chosen => chosen.and_then(|target| target.ok_or_else(|| self.nobody(function))),
            };
            let error = match chosen {
                Err(error) if error.kind() == Kind::ProcessorLost && self.options.attempts > 1 => error,
                Err(error) if error.kind() == Kind::Timeout => return Err(error.context(function)),
                chosen => return chosen,
            };
            let Some(left) = deadline.left(pause) else { return Err(error) };
            self.pause(left)?;
            pause = (pause * 2).min(longest);
        }
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
    pub(super) fn select(&self, function: &str) -> Result<Option<Arc<Target>>> {
        self.select_among(function, true)
    }

    /// The same for a call that is issued again. If none has room it goes beyond `max_in_flight`: calls that were issued
    /// meanwhile may wait for its outputs, and would keep the room for ever.
    pub(super) fn select_again(&self, function: &str) -> Result<Option<Arc<Target>>> {
        self.select_among(function, false)
    }

    fn select_among(&self, function: &str, has_room: bool) -> Result<Option<Arc<Target>>> {
        let mut living = self.living()?;
        if living.is_empty() && self.processors.lock().lost.is_some() {
            // All that were found have gone: others may have come since.
            self.search()?;
            living = self.living()?;
        }
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
        let (mut free, full): (Vec<_>, Vec<_>) = living.into_iter().partition(|target| self.has_room(target));
        if free.is_empty() && !has_room {
            free = full;
        }
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
    pub(super) fn known(&self) -> Vec<Arc<Target>> {
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
