//! Processors: offering functions and running the calls that come.

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Arc;
use std::time::Instant;

use crate::error::{Error, Kind, Result};
use crate::log::{self, Level};
use crate::store::{id_text, ObjectId, Prefix, Store, Want, Watch, PREFIX_SIZE};
use crate::sync::atomic::Mutex;
use crate::sync::clock;
use crate::timeout::Timeout;
use crate::wire::{CallSchema, Metadata};
use once_cell::sync::OnceCell;

use super::call::Call;
use super::crew::Crew;
use super::function::{FunctionOptions, Offered};
use super::ownership::{declare, program_name};
use super::pending::PendingRow;
use super::queue::{CallQueue, Scan};
use super::standstill::{Place, Waiting};
use super::take;

/// A function that runs a call. An error or a panic fails the outputs that are not sealed yet.
pub type Function = Arc<dyn Fn(&Call) -> Result<()> + Send + Sync>;

/// Options of a processor.
#[derive(Clone, Debug, Default)]
pub struct ProcessorOptions {
    /// The name that callers see. Default: the name of the program.
    pub name: Option<String>,
    /// Start of the prefix of its namespace, up to 4 bytes. A prefix of 4 bytes that is in use by another client is
    /// refused.
    pub prefix: Vec<u8>,
    /// How many threads its functions may use in total ([`Call::thread_budget`]). 0: as many as the CPU affinity of the
    /// process and the quota of its control group allow, shared with the other processes of the store that run functions.
    pub threads: u32,
    /// Leave the thread pools of libraries as they are. Default: before a function runs, OpenMP, OpenBLAS and MKL are told
    /// to use at most [`Call::thread_budget`] threads, and never more than the program has set.
    pub leaves_pools: bool,
    /// The thread that takes a call with [`Processor::next`] runs its function ([`Call::run_here`]).
    pub taker_runs: bool,
    /// How long the outputs of its functions wait for space in a full store. None: `SDP_DAL_FULL_TIMEOUT`.
    pub full_timeout: Option<Timeout>,
}

/// Offers functions and runs calls. Several threads may take calls from one processor at the same time. Dropping it
/// closes it.
pub struct Processor {
    store: Store,
    name: String,
    prefix: Vec<u8>,
    functions: Vec<(Arc<Offered>, Option<Function>)>,
    threads: u32,
    leaves_pools: bool,
    taker_runs: bool,
    full_timeout: Option<Timeout>,
    started: OnceCell<Arc<Started>>,
    /// It was shut down before it was started, or while it was.
    shut: Mutex<bool>,
}

/// What there is once the declaration is published.
struct Started {
    store: Store,
    name: String,
    prefix: Prefix,
    /// None once it is closed.
    declaration: Mutex<Option<Want>>,
    queue: Mutex<Queue>,
    /// Held by who fails what is left in the queue.
    refusing: Mutex<()>,
    /// Set while an event loop is to be woken when a call may be ready.
    watch: Mutex<Option<Watch>>,
    crew: Arc<Crew>,
}

struct Queue {
    calls: CallQueue,
    closed: bool,
}

impl Processor {
    /// Creates a processor without functions. Nothing is written yet.
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
            leaves_pools: options.leaves_pools,
            taker_runs: options.taker_runs,
            full_timeout: options.full_timeout,
            started: OnceCell::new(),
            shut: Mutex::new(false),
        })
    }

    /// Registers a function. With None its calls can only be taken with [`Processor::next`]. A name that is already registered
    /// adds a form to its function, which must differ in element types only and have the same options. ALREADY_STARTED after
    /// `start`, ALREADY_EXISTS for a name that is already registered if this is no such form.
    pub fn register(&mut self, schema: CallSchema, function: Option<Function>) -> Result<()> {
        self.register_with(schema, FunctionOptions::default(), function)
    }

    /// Like [`Processor::register`], with options for running its calls.
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
            let text = format!(
                "processor '{}' has already started: function '{name}' cannot be registered any more",
                self.name
            );
            return Err(Error::new(Kind::AlreadyStarted, text));
        }
        let full_timeout = options.full_timeout.or(self.full_timeout);
        let options = FunctionOptions { full_timeout, ..options };
        let place = self.functions.len();
        let index = self.check_form(&schema, options)?.unwrap_or(place);
        self.functions.push((Arc::new(Offered::new((index, place), schema, options)), function));
        Ok(())
    }

    /// The place of the first form of this function; none if it has none yet.
    fn check_form(&self, schema: &CallSchema, options: FunctionOptions) -> Result<Option<usize>> {
        let mut forms =
            self.functions.iter().map(|(form, _)| form).filter(|form| form.schema.name == schema.name);
        let Some(first) = forms.next() else { return Ok(None) };
        let refused = |why: &str| {
            let text = format!("processor '{}' already has a function '{}'", self.name, schema.name);
            Error::new(Kind::AlreadyExists, format!("{text}, and this is no further form of it: {why}"))
        };
        for form in std::iter::once(first).chain(forms) {
            form.schema.check_form(schema).map_err(|wrong| refused(wrong.message()))?;
        }
        if first.options != options {
            return Err(refused("it has other options than the other form"));
        }
        Ok(Some(first.index))
    }

    /// Publishes the functions, so that callers find them. The first `next` or `process` does this too.
    pub fn start(&mut self) -> Result<()> {
        self.started().map(drop)
    }

    fn started(&self) -> Result<&Arc<Started>> {
        // In a forked child other threads of the parent may hold what follows, and for ever.
        self.store.here()?;
        if let Some(started) = self.started.get() {
            return Ok(started);
        }
        if *self.shut.lock() {
            return Err(was_closed());
        }
        let _held = log::hold();
        let started = self.started.get_or_try_init(|| {
            let functions: Vec<_> = self.functions.iter().map(|(offered, _)| offered.clone()).collect();
            let schemas = functions.iter().map(|offered| (*offered.schema).clone()).collect();
            let declaration = declare(&self.store, &self.prefix, &self.name, schemas, Metadata::new())?;
            let count = functions.len();
            let crew = Crew::new(&self.store, declaration.id(), count, self.threads, self.leaves_pools);
            let calls = CallQueue::new(&self.store, declaration.key(), functions)?;
            let prefix = declaration.id().prefix();
            log::write(Level::Info, || {
                format!("{} waiting for calls at prefix {}", self.name, id_text(&prefix))
            });
            Ok(Arc::new(Started {
                store: self.store.clone(),
                name: self.name.clone(),
                prefix: declaration.id().prefix(),
                declaration: Mutex::new(Some(declaration)),
                watch: Mutex::new(None),
                queue: Mutex::new(Queue { calls, closed: false }),
                refusing: Mutex::new(()),
                crew,
            }))
        })?;
        // Who has shut it down meanwhile has not seen it. (Whoever comes later does.)
        if *self.shut.lock() {
            started.shutdown()?;
        }
        Ok(started)
    }

    /// The prefix of its namespace. Starts the processor if that was not done before.
    pub fn prefix(&self) -> Result<Prefix> {
        Ok(self.started()?.prefix)
    }

    /// Sets whether the event descriptor of the store becomes readable when a call may be ready. Starts the processor
    /// if that was not done before.
    pub fn watch(&self, on: bool) -> Result<()> {
        let started = self.started()?;
        // What the calls wait for is watched anyway.
        let watch = on.then(|| self.store.watch(&[ObjectId::declaration(started.prefix)])).transpose()?;
        let before = std::mem::replace(&mut *started.watch.lock(), watch);
        drop(before);
        Ok(())
    }

    /// The name that callers see.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The functions offered, in order of registration.
    pub fn functions(&self) -> impl Iterator<Item = &CallSchema> {
        self.functions.iter().map(|(offered, _)| &*offered.schema)
    }

    /// Takes the oldest call whose inputs exist and whose function may run. The function counts as running until the
    /// call is finished or the handle is dropped. A call that cannot run (an input has failed or is lost, or is not
    /// what the function expects) fails its outputs and is skipped. TIMEOUT if no call arrived. INTERRUPTED.
    /// PROCESSOR_LOST if the processor is closed.
    pub fn next(&self, timeout: Timeout) -> Result<Call> {
        let started = self.started()?;
        let inside = started.crew.enter();
        let call = started.next(timeout)?;
        call.given_by(started.clone(), Some(inside.pulls()));
        if self.taker_runs {
            call.run_here();
        }
        Ok(call)
    }

    /// Takes a call like [`Processor::next`], and runs its function in this thread. Returns false if no call arrived in
    /// time. An error or a panic of the function fails the outputs of the call, and the processor continues.
    pub fn process(&self, timeout: Timeout) -> Result<bool> {
        if let Some((offered, _)) = self.functions.iter().find(|(_, function)| function.is_none()) {
            let name = &offered.schema.name;
            return Err(Error::invalid(format!(
                "'{name}' was registered without a callback: take its calls with sdp_dal_processor_next()"
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
            call.given_by(started.clone(), None);
            call.run_here();
            let outcome = call_function(&call, function);
            return end(call, outcome).map(|()| true);
        }
        Ok(true)
    }

    /// Shuts the processor down. Callers do not find it any more, and its queued calls fail with PROCESSOR_LOST. `next`
    /// and `process` return PROCESSOR_LOST from now on, in all threads. Does not wait for running functions, and may be
    /// called by one of them. After an error (BUSY) some calls may be left: call it again. Otherwise calling it again
    /// does nothing.
    pub fn shutdown(&self) -> Result<()> {
        if self.is_the_parents() {
            // It closes it itself.
            return Ok(());
        }
        *self.shut.lock() = true;
        match self.started.get() {
            Some(started) => started.shutdown(),
            None => Ok(()),
        }
    }

    /// Like [`Processor::shutdown`], but then waits until no thread is in `next` or `process`. Called from a function
    /// that `process` runs, it does nothing and returns INVALID_ARGUMENT. Calls taken with `next` and deferred calls
    /// may still be finished.
    pub fn join(&self) -> Result<()> {
        let crew = self.started.get().map(|started| started.crew.clone());
        if crew.as_ref().is_some_and(|crew| !self.is_the_parents() && crew.has_this_thread()) {
            return Err(Error::invalid(
                "a function cannot close the processor that runs it: shut it down, and let another thread close it",
            ));
        }
        let shut = self.shutdown();
        // In a forked child the processor is the parent's, and its threads are not here to be waited for.
        if let Some(crew) = crew.filter(|_| !self.is_the_parents()) {
            crew.wait_until_idle();
        }
        // What a thread that was about to take it had to put back.
        shut.and_then(|()| self.shutdown())
    }

    /// Whether this is a forked child that has inherited it.
    fn is_the_parents(&self) -> bool {
        self.store.here().is_err_and(|error| error.kind() == Kind::Forked)
    }

    /// Like [`Processor::join`], but also drops the functions.
    pub fn close(self) -> Result<()> {
        self.join()
    }
}

#[cfg(test)]
impl Processor {
    /// How often its queue has looked at a call, or at what calls wait for.
    pub(super) fn looks(&self) -> u64 {
        self.started().map_or(0, |started| started.queue.lock().calls.looks())
    }

    /// How many calls wait in this process.
    pub(super) fn pending(&self) -> usize {
        self.started().map_or(0, |started| started.queue.lock().calls.pending())
    }
}

impl Drop for Processor {
    fn drop(&mut self) {
        let _ = self.join();
    }
}

fn was_closed() -> Error {
    Error::new(Kind::ProcessorLost, "this processor was closed")
}

/// Runs a function; a panic is an error.
fn call_function(call: &Call, function: &Function) -> Result<()> {
    catch_unwind(AssertUnwindSafe(|| function(call))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        Err(Error::new(Kind::FunctionFailed, format!("panicked: {}", text.unwrap_or("no message"))))
    })
}

/// The function has returned; whatever came of it, the call has ended for this thread afterwards.
fn end(call: Call, outcome: Result<()>) -> Result<()> {
    let Err(error) = outcome else {
        call.returned();
        return Ok(());
    };
    let failed = call.fail(&error);
    // Nothing is left to be written, also if it was deferred.
    let _ = call.finish();
    failed
}

impl Place for Started {
    fn runs_here(&self) -> bool {
        self.crew.threads(|threads| threads.runs_here())
    }

    fn begin_wait(&self, ids: &[ObjectId]) -> Result<Option<Waiting>> {
        let ours = {
            let _held = log::hold();
            let mut queue = self.queue.lock();
            if queue.closed || queue.calls.pull(&self.store, false).is_err() {
                return Ok(None);
            }
            queue.calls.let_go();
            self.crew.threads(|threads| threads.begin_wait(&|id| queue.calls.needed_for(id), ids))?
        };
        let crew = self.crew.clone();
        let end = move |end: bool| {
            crew.threads(|threads| {
                if end {
                    threads.end_wait();
                }
                threads.all_wait()
            })
        };
        Ok(ours.then(|| Waiting { end: Box::new(end) }))
    }
}

impl Started {
    fn next(&self, timeout: Timeout) -> Result<Call> {
        let deadline = timeout.deadline();
        let mut left = timeout;
        loop {
            // What holds up the lock must not hold up a poll.
            let patience = self.store.patience(left);
            let now = clock::now();
            // Who is always busy must see, too, that the producer of an input has died.
            self.store.reap_by_turn_at(now);
            let scan = self.scan(false, now).map_err(|error| deadline.or_late(error))?;
            drop(patience);
            let scan = match scan {
                Scan::Blocked(wake_bits) => self.wait(wake_bits, deadline.remaining())?,
                ready @ Scan::Ready(..) => ready,
            };
            if let Scan::Ready(row, turn) = scan {
                let mut turn = Some(turn);
                match take::take(&self.store, &row, &mut turn) {
                    Ok(Some(call)) => return Ok(call),
                    Ok(None) => {}
                    Err(error) => {
                        // Before its turn is over: else a later call of an ordered function would come before it.
                        self.put_back(row);
                        return Err(error);
                    }
                }
            }
            left = deadline.remaining();
        }
    }

    /// Waits until a call is ready or other bits are to be slept on.
    fn wait(&self, wake_bits: u32, timeout: Timeout) -> Result<Scan> {
        let queue = [ObjectId::declaration(self.prefix)];
        self.store.wait_besides(&queue, wake_bits, timeout, &mut || match self.scan(true, clock::now())? {
            Scan::Blocked(now) if now & !wake_bits == 0 => Ok(None),
            scan => Ok(Some(scan)),
        })
    }

    fn scan(&self, idle: bool, now: Instant) -> Result<Scan> {
        let _held = log::hold();
        if self.store.owes_failures() {
            // Does not wait for the lock: what is owed stays so until the next look.
            let _patience = self.store.patience(Timeout::Poll);
            let _ = self.store.fail_owed();
        }
        let mut queue = self.queue.lock();
        if queue.closed {
            return Err(was_closed());
        }
        queue.calls.pull(&self.store, false)?;
        queue.calls.scan(&self.store, &self.crew, idle, now)
    }

    /// A row that could not be taken now. If the processor was shut down meanwhile, it is refused, or left to `join`.
    fn put_back(&self, row: PendingRow) {
        let closed = {
            let mut queue = self.queue.lock();
            queue.calls.put_back(row);
            // SYNC: who shuts it down sets this and takes the rows under this mutex: it finds this one, or we see that it is closed.
            queue.closed
        };
        if closed {
            let _ = self.refuse_all();
        }
    }

    /// What the calls end with that were not taken before it was closed.
    fn lost(&self) -> Error {
        Error::new(
            Kind::ProcessorLost,
            format!("processor '{}' was closed before it ran this call; the inputs still exist", self.name),
        )
    }

    fn shutdown(&self) -> Result<()> {
        self.queue.lock().closed = true;
        self.crew.wake();
        // Issuing refuses a declaration that nobody wants: what is in the queue now is all that ever comes. It stays as long as
        // there are calls.
        let declaration = self.declaration.lock().take();
        drop(declaration);
        self.refuse_all()
    }

    /// Fails all that is in the queue of a processor that is closed. One thread at a time: what it has to put back, as the store's
    /// lock could not be had, is found by the next.
    fn refuse_all(&self) -> Result<()> {
        let _held = log::hold();
        let _one = self.refusing.lock();
        let (pulled, rows) = {
            let mut queue = self.queue.lock();
            let pulled = queue.calls.pull(&self.store, true);
            (pulled, queue.calls.take_all())
        };
        let (mut result, error) = (pulled, self.lost());
        for row in rows {
            if let Err(error) = take::refuse(&self.store, &row, &error) {
                result = Err(error);
                self.queue.lock().calls.put_back(row);
            }
        }
        self.store.fail_owed().and(result)
    }
}

#[cfg(test)]
mod tests;
