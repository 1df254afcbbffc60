//! Processors: offering functions and running the calls that come.

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Arc;

use crate::error::{Error, Kind, Result};
use crate::log::{self, Level};
use crate::store::{id_text, ObjectId, Prefix, Store, Want, Watch, PREFIX_SIZE};
use crate::sync::atomic::Mutex;
use crate::timeout::Timeout;
use crate::wire::{CallSchema, Metadata};
use once_cell::sync::OnceCell;

use super::call::Call;
use super::crew::Crew;
use super::namespace::{declare, program_name};
use super::queue::{CallQueue, Offered, Scan};
use super::take;

/// What runs a call. An error or a panic fails the outputs that are not sealed yet.
pub type Function = Arc<dyn Fn(&Call) -> Result<()> + Send + Sync>;

/// How a processor appears to callers.
#[derive(Clone, Debug, Default)]
pub struct ProcessorOptions {
    /// The name that callers see; None: the program's.
    pub name: Option<String>,
    /// Start of the namespace's prefix, up to 4 bytes. A full one that belongs to a living client is refused.
    pub prefix: Vec<u8>,
    /// How many threads its functions may use all together ([`Call::thread_budget`]); 0: what the process's affinity and
    /// its control group's quota leave.
    pub threads: u32,
}

/// How the calls of a function are run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FunctionOptions {
    /// It may run in several threads at once, in as many as take calls. Without this its calls wait for each other
    /// while those of other functions are taken.
    pub reentrant: bool,
    /// Its calls run strictly in the order in which they were issued, by whomever, one at a time; the rows of a batch in
    /// their order. One whose inputs do not exist yet holds up those behind it, but not the calls of other
    /// functions. One that fails by its inputs fails in its turn. Cannot go with `reentrant`.
    pub ordered: bool,
    /// Equal dimension names may have different sizes, and fixed sizes of the signature are not checked.
    pub loose_dims: bool,
}

/// Offers functions and runs calls. Several threads may take calls from one processor at once. Dropping it
/// closes it.
pub struct Processor {
    store: Store,
    name: String,
    prefix: Vec<u8>,
    functions: Vec<(Arc<Offered>, Option<Function>)>,
    threads: u32,
    started: OnceCell<Started>,
}

/// What there is once the declaration is published.
struct Started {
    store: Store,
    prefix: Prefix,
    /// None once it is closed.
    declaration: Mutex<Option<Want>>,
    queue: Mutex<Queue>,
    /// Set while an event loop is to be woken when a call may be ready.
    watch: Mutex<Option<Watched>>,
    crew: Arc<Crew>,
}

/// What an event loop is woken for.
#[derive(Default)]
struct Watched {
    ids: Vec<ObjectId>,
    _kept: Option<Watch>,
}

struct Queue {
    calls: CallQueue,
    closed: bool,
}

impl Processor {
    /// A processor without functions; nothing is written yet.
    pub fn new(store: &Store, options: &ProcessorOptions) -> Result<Processor> {
        if options.prefix.len() > PREFIX_SIZE {
            let len = options.prefix.len();
            return Err(Error::invalid(format!(
                "a processor's prefix has at most {PREFIX_SIZE} bytes, not {len}"
            )));
        }
        Ok(Processor {
            store: store.clone(),
            name: options.name.clone().unwrap_or_else(program_name),
            prefix: options.prefix.clone(),
            functions: Vec::new(),
            threads: options.threads,
            started: OnceCell::new(),
        })
    }

    /// Offers a function. With None its calls come only out of [`Processor::next`]. ALREADY_STARTED after
    /// `start`, ALREADY_EXISTS for a name that is taken.
    pub fn register(&mut self, schema: CallSchema, function: Option<Function>) -> Result<()> {
        self.register_with(schema, FunctionOptions::default(), function)
    }

    /// As [`Processor::register`], and says how its calls are run.
    pub fn register_with(
        &mut self,
        schema: CallSchema,
        options: FunctionOptions,
        function: Option<Function>,
    ) -> Result<()> {
        let name = &schema.name;
        if options.reentrant && options.ordered {
            return Err(Error::invalid(format!(
                "function '{name}' cannot be both re-entrant and ordered: ordered calls run one at a time"
            )));
        }
        if self.started.get().is_some() {
            let text = format!("processor '{}' has started: '{name}' comes too late", self.name);
            return Err(Error::new(Kind::AlreadyStarted, text));
        }
        if self.functions.iter().any(|(offered, _)| offered.schema.name == *name) {
            let text = format!("processor '{}' has a function '{name}' already", self.name);
            return Err(Error::new(Kind::AlreadyExists, text));
        }
        let index = self.functions.len();
        let offered = Offered { index, schema: Arc::new(schema), options };
        self.functions.push((Arc::new(offered), function));
        Ok(())
    }

    /// Publishes the declaration: from now on callers find the functions. Also done by the first `next` or
    /// `process`.
    pub fn start(&mut self) -> Result<()> {
        self.started().map(drop)
    }

    fn started(&self) -> Result<&Started> {
        // In a forked child other threads of the parent may hold what follows, and for ever.
        self.store.here()?;
        let _held = log::hold();
        self.started.get_or_try_init(|| {
            let functions: Vec<_> = self.functions.iter().map(|(offered, _)| offered.clone()).collect();
            let schemas = functions.iter().map(|offered| (*offered.schema).clone()).collect();
            let declaration = declare(&self.store, &self.prefix, &self.name, schemas, Metadata::new())?;
            let crew = Crew::new(&self.store, declaration.id(), functions.len(), self.threads);
            let calls = CallQueue::new(declaration.key(), functions)?;
            let prefix = declaration.id().prefix();
            log::write(Level::Info, || {
                format!("{} waiting for calls at prefix {}", self.name, id_text(&prefix))
            });
            Ok(Started {
                store: self.store.clone(),
                prefix: declaration.id().prefix(),
                declaration: Mutex::new(Some(declaration)),
                watch: Mutex::new(None),
                queue: Mutex::new(Queue { calls, closed: false }),
                crew,
            })
        })
    }

    /// The prefix of its namespace; starts the processor if that has not happened yet.
    pub fn prefix(&self) -> Result<Prefix> {
        Ok(self.started()?.prefix)
    }

    /// Lets the store's event descriptor become readable when a call may be ready, or no longer; starts the processor if
    /// that has not happened yet.
    pub fn watch(&self, on: bool) -> Result<()> {
        let started = self.started()?;
        if !on {
            let watched = started.watch.lock().take();
            drop(watched);
            return Ok(());
        }
        started.watch.lock().get_or_insert_default();
        started.watch_anew(&[ObjectId::declaration(started.prefix)])
    }

    /// The name that callers see.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The functions offered, in order of registration.
    pub fn functions(&self) -> impl Iterator<Item = &CallSchema> {
        self.functions.iter().map(|(offered, _)| &*offered.schema)
    }

    /// Takes the oldest call whose inputs exist and whose function may run: it counts as running until it is finished or the
    /// handle is dropped. A call that cannot run (an input has failed or is lost, or
    /// is not what the function expects) fails its outputs and is passed over. TIMEOUT if none came,
    /// INTERRUPTED, PROCESSOR_LOST once the processor is closed.
    pub fn next(&self, timeout: Timeout) -> Result<Call> {
        let started = self.started()?;
        let pulling = started.crew.pull();
        let call = started.next(timeout)?;
        call.pulled(pulling);
        Ok(call)
    }

    /// Takes a call as [`Processor::next`] does and runs its function in this thread; false if none came in
    /// time. What the function returns or panics with fails the call's outputs: the processor goes on.
    pub fn process(&self, timeout: Timeout) -> Result<bool> {
        if let Some((offered, _)) = self.functions.iter().find(|(_, function)| function.is_none()) {
            let name = &offered.schema.name;
            return Err(Error::invalid(format!(
                "'{name}' was registered without a callback: take calls with next"
            )));
        }
        let started = self.started()?;
        let _inside = started.crew.enter();
        let call = match started.next(timeout) {
            Ok(call) => call,
            Err(error) if error.kind() == Kind::Timeout => return Ok(false),
            Err(error) => return Err(error),
        };
        if let Some((_, Some(function))) = self.functions.get(call.function_index()) {
            return run(call, function).map(|()| true);
        }
        Ok(true)
    }

    /// Closes the processor: it leaves the callers' lists, its queued calls fail with PROCESSOR_LOST, and
    /// threads that wait in `next` or `process` get PROCESSOR_LOST. Waits for running callbacks;
    /// INVALID_ARGUMENT from within one. Calls taken with `next` and deferred ones may still be finished. Closing again
    /// does nothing.
    pub fn shutdown(&self) -> Result<()> {
        match self.started.get() {
            Some(started) => started.close(&self.name),
            None => Ok(()),
        }
    }

    /// As [`Processor::shutdown`], and gives the functions back.
    pub fn close(self) -> Result<()> {
        self.shutdown()
    }
}

impl Drop for Processor {
    fn drop(&mut self) {
        let _ = self.shutdown();
    }
}

/// Runs a function; whatever comes of it, the call has ended for this thread afterwards.
fn run(call: Call, function: &Function) -> Result<()> {
    let outcome = catch_unwind(AssertUnwindSafe(|| function(&call))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        Err(Error::new(Kind::FunctionFailed, format!("panicked: {}", text.unwrap_or("no text"))))
    });
    let Err(error) = outcome else {
        call.returned();
        return Ok(());
    };
    let failed = call.fail(&error);
    // Nothing is left to be written, also if it was deferred.
    let _ = call.finish();
    failed
}

impl Started {
    fn next(&self, timeout: Timeout) -> Result<Call> {
        let deadline = timeout.deadline();
        loop {
            // What holds up the lock must not hold up a poll.
            let patience = self.store.patience(super::remaining(timeout, &deadline));
            let scan = self.scan()?;
            drop(patience);
            let scan = match scan {
                Scan::Blocked(missing) => self.wait(&missing, super::remaining(timeout, &deadline))?,
                ready => ready,
            };
            if let Scan::Ready(row, turn) = scan {
                if let Some(call) = take::take(&self.store, row, turn)? {
                    return Ok(call);
                }
            }
        }
    }

    /// Waits until a call is ready or other inputs are to be watched.
    fn wait(&self, missing: &[ObjectId], timeout: Timeout) -> Result<Scan> {
        let mut ids = vec![ObjectId::declaration(self.prefix)];
        ids.extend_from_slice(missing);
        self.watch_anew(&ids)?;
        self.store.wait_until(&ids, timeout, &mut || match self.scan()? {
            Scan::Blocked(now) if now.iter().all(|id| missing.binary_search(id).is_ok()) => Ok(None),
            scan => Ok(Some(scan)),
        })
    }

    /// What an event loop is woken for changes with the calls that wait.
    fn watch_anew(&self, ids: &[ObjectId]) -> Result<()> {
        let _held = log::hold();
        let mut watch = self.watch.lock();
        match &mut *watch {
            Some(watched) if watched.ids != ids => {
                let kept = self.store.watch(ids)?;
                *watched = Watched { ids: ids.to_vec(), _kept: Some(kept) };
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn scan(&self) -> Result<Scan> {
        let _held = log::hold();
        let mut queue = self.queue.lock();
        if queue.closed {
            return Err(Error::new(Kind::ProcessorLost, "this processor was closed"));
        }
        queue.calls.pull(&self.store)?;
        queue.calls.scan(&self.store, &self.crew)
    }

    fn close(&self, name: &str) -> Result<()> {
        if self.store.here().is_err_and(|error| error.kind() == Kind::Forked) {
            // The processor is the parent's, and its threads are not here to be waited for.
            return Ok(());
        }
        if self.crew.has_this_thread() {
            return Err(Error::invalid("a function cannot close the processor that runs it"));
        }
        if std::mem::replace(&mut self.queue.lock().closed, true) {
            return Ok(());
        }
        let error = Error::new(
            Kind::ProcessorLost,
            format!("processor '{name}' was closed before it ran this call; the inputs are still there"),
        );
        let refused = self.refuse_all(&error);
        // From here on nothing can be issued to us any more.
        let declaration = self.declaration.lock().take();
        drop(declaration);
        // What came in between. The store has failed it if the queue went with the declaration.
        let _ = self.refuse_all(&error);
        self.crew.wake();
        self.crew.wait_until_idle();
        refused
    }

    fn refuse_all(&self, error: &Error) -> Result<()> {
        let (pulled, rows) = {
            let _held = log::hold();
            let mut queue = self.queue.lock();
            let pulled = queue.calls.pull(&self.store);
            (pulled, queue.calls.take_all())
        };
        let mut result = pulled;
        for row in &rows {
            if let Err(error) = take::refuse(&self.store, row, error) {
                result = Err(error);
            }
        }
        result
    }
}
