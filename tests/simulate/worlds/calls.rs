//! Processors and callers as programs have them: what is called comes, or it is said why not.

use std::collections::HashMap;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sdp_dal::dal::{
    wait_many, Arg, Args, Call, Caller, CallerOptions, Function, FunctionOptions, Namespace, Processor,
    ProcessorOptions, Ref, Results, Select, WaitMode,
};
use sdp_dal::error::{Error, Kind, Result};
use sdp_dal::store::{ObjectId, StoreOptions};
use sdp_dal::sync::sim::{self, Draws, Process};
use sdp_dal::timeout::Timeout;
use sdp_dal::wire::{CallSchema, Cell, Elem, Layout, Order, TensorSource};

use super::{is_bearable, open, options, Scene, Shared, Witness, World};

pub const CALLS: World = World {
    name: "calls",
    what: "processors and callers: chains, batches, broadcasts, cancelled and deferred calls, processors that close; all outputs end",
    length: 20_000,
    people,
};

const FUNCTIONS: [(&str, FunctionOptions); 3] = [
    ("plain", FunctionOptions { reentrant: false, ordered: false, loose_dims: false }),
    ("ordered", FunctionOptions { reentrant: false, ordered: true, loose_dims: false }),
    ("free", FunctionOptions { reentrant: true, ordered: false, loose_dims: false }),
];

fn schemas() -> Vec<CallSchema> {
    let signature =
        |name| format!("{name}(x: int64, how: int64, ys: int64[i]) -> (zs: int64[i], us: int64[i])");
    FUNCTIONS.iter().map(|(name, _)| CallSchema::parse(&signature(name)).unwrap()).collect()
}

/// What a run of a function does.
const GIVES: i64 = 0;
const FAILS: i64 = 1;
/// Writes the first output only.
const HALF: i64 = 2;
/// Both outputs come when the function has returned.
const LATER: i64 = 3;
/// It is deferred, and then nobody writes anything.
const DROPS: i64 = 4;
const SLOW: i64 = 5;
const PANICS: i64 = 6;

/// A row that was to be issued.
struct Row {
    begin: u64,
    /// `u64::MAX`: issuing has not come back.
    end: u64,
    /// The first of its batch.
    batch: i64,
    input: i64,
    to_all: bool,
    refused: bool,
}

/// All that is known of all calls of the world.
#[derive(Default)]
struct Ledger {
    rows: HashMap<i64, Row>,
    next: i64,
    /// Which processor ran what: processor, function, row.
    ran: Vec<(usize, usize, i64)>,
    /// Runs by processor and function.
    running: HashMap<(usize, usize), u32>,
    /// Functions that `process` runs, by processor.
    inside: HashMap<usize, u32>,
    processors: usize,
    /// Outputs that others may take as inputs.
    known: Vec<(ObjectId, i64)>,
}

impl Ledger {
    /// A run begins. What is wrong with it.
    fn run(&mut self, processor: usize, function: usize, x: i64, input: i64) -> Option<String> {
        let row = self.rows.get(&x)?;
        let mut wrong = Vec::new();
        if row.refused {
            wrong.push("was refused".to_owned());
        }
        if row.input != input {
            wrong.push(format!("has the input {input}, not {}", row.input));
        }
        let twice =
            |(other, _, ran): &&(usize, usize, i64)| *ran == x && (!row.to_all || *other == processor);
        if self.ran.iter().any(|ran| twice(&ran)) {
            wrong.push("ran before".to_owned());
        }
        if FUNCTIONS[function].1.ordered {
            let here = self.ran.iter().filter(|ran| (ran.0, ran.1) == (processor, function));
            for (_, _, other) in here {
                let before = &self.rows[other];
                if row.end < before.begin || row.batch == before.batch && x < *other {
                    wrong.push(format!("was issued before {other}, which ran before it"));
                }
            }
        }
        let running = self.running.entry((processor, function)).or_default();
        *running += 1;
        if *running > 1 && !FUNCTIONS[function].1.reentrant {
            wrong.push("runs beside another one of its function".to_owned());
        }
        self.ran.push((processor, function, x));
        (!wrong.is_empty()).then(|| format!("call {x} of {}: {}", FUNCTIONS[function].0, wrong.join(", ")))
    }
}

/// What all have in common.
#[derive(Clone)]
struct Everybody {
    path: PathBuf,
    options: StoreOptions,
    witness: Witness,
    ledger: Shared<Ledger>,
    callers: Shared<Vec<Process>>,
    /// Whether processors close before the callers have gone.
    closes: bool,
    /// What the prefixes of processors begin with: all of one, and there is one processor at a time.
    prefix: Vec<u8>,
}

fn people(scene: &mut Scene) {
    let size = *scene.draws.pick(&[1 << 20, 1 << 20, 1 << 20, 96 << 10]);
    let options = StoreOptions { size: Some(size), ..options() };
    let everybody = Everybody {
        path: scene.path.clone(),
        witness: Witness::new(scene, &options, |_| Ok(()), |_| {}),
        options,
        ledger: Shared::new(Ledger::default()),
        callers: Shared::new(Vec::new()),
        closes: scene.draws.one_in(3),
        prefix: if scene.draws.one_in(4) { vec![9; 4] } else { Vec::new() },
    };
    let callers = 1 + scene.draws.below(3);
    let processors = 1 + scene.draws.below(if callers > 2 { 2 } else { 3 });
    for _ in 0..callers {
        let process = everybody.witness.client();
        everybody.callers.with(|callers| callers.push(process));
        let (everybody, mut draws) = (everybody.clone(), Draws::new(scene.draws.word()));
        sim::spawn(process, "caller", move || calls(&everybody, process, &mut draws));
    }
    for _ in 0..processors {
        let process = everybody.witness.client();
        let (everybody, mut draws) = (everybody.clone(), Draws::new(scene.draws.word()));
        sim::spawn(process, "processor", move || serves(&everybody, process, &mut draws));
    }
}

fn is_expected(error: &Error, kinds: &[Kind]) -> bool {
    is_bearable(error) || kinds.contains(&error.kind())
}

// ---- processors -----------------------------------------------------------------------------------------------------

/// A processor in its process.
#[derive(Clone)]
struct Workshop {
    everybody: Everybody,
    number: usize,
    /// Calls whose functions have returned.
    open: Shared<Vec<(Call, i64)>>,
    over: Shared<bool>,
}

fn serves(everybody: &Everybody, process: Process, draws: &mut Draws) {
    if !everybody.witness.has_begun() {
        return;
    }
    let Some(store) = open(&everybody.path, &everybody.options) else { return };
    let lives = if everybody.closes { 1 + draws.below(2) } else { 1 };
    for life in 0..lives {
        let number = everybody.ledger.with(|ledger| {
            ledger.processors += 1;
            ledger.processors
        });
        let shop = Workshop {
            everybody: everybody.clone(),
            number,
            open: Shared::new(Vec::new()),
            over: Shared::new(false),
        };
        let options = ProcessorOptions { prefix: everybody.prefix.clone(), ..ProcessorOptions::default() };
        let mut processor = Processor::new(&store, &options).unwrap();
        for (schema, (_, options)) in schemas().into_iter().zip(FUNCTIONS) {
            let shop = shop.clone();
            let function: Function = Arc::new(move |call| shop.run(call));
            processor.register_with(schema, options, Some(function)).unwrap();
        }
        if let Err(error) = started(everybody, &mut processor) {
            assert!(is_expected(&error, &[Kind::NamespaceInUse]), "starting: {error}");
            continue;
        }
        let processor = Arc::new(processor);
        for worker in 0..1 + draws.below(3) {
            let (shop, processor, draws) = (shop.clone(), processor.clone(), Draws::new(draws.word()));
            sim::spawn(process, &format!("worker{worker}"), move || shop.works(&processor, draws));
        }
        let finisher = shop.clone();
        sim::spawn(process, "finisher", move || finisher.finishes());
        if everybody.closes && (life == 0 || draws.one_in(2)) {
            sim::sleep(Duration::from_micros(*draws.pick(&[10, 200, 1000, 20_000, 400_000])));
        } else {
            let callers = everybody.callers.with(|callers| callers.clone());
            while callers.iter().any(|caller| sim::is_running(*caller)) {
                sim::sleep(Duration::from_millis(20));
            }
        }
        close(&shop, process, &processor, draws);
        shop.over.with(|over| *over = true);
    }
}

/// Starts it, when the one before it has gone.
fn started(everybody: &Everybody, processor: &mut Processor) -> Result<()> {
    let callers = everybody.callers.with(|callers| callers.clone());
    for turn in 0.. {
        match processor.start() {
            Err(error)
                if error.kind() == Kind::NamespaceInUse
                    && !everybody.prefix.is_empty()
                    && callers.iter().any(|caller| sim::is_running(*caller)) =>
            {
                sim::sleep(Duration::from_micros(if turn < 50 { 100 } else { 50_000 }));
            }
            other => return other,
        }
    }
    Ok(())
}

/// Shuts it down in one of several ways.
fn close(shop: &Workshop, process: Process, processor: &Arc<Processor>, draws: &mut Draws) {
    sim::note(|| "closes its processor".to_owned());
    match draws.below(4) {
        0 => again(&|| processor.shutdown()),
        1 => {
            let processor = processor.clone();
            sim::spawn(process, "closer", move || again(&|| processor.join()));
        }
        _ => {}
    }
    again(&|| processor.join());
    let inside = shop.everybody.ledger.with(|ledger| ledger.inside.get(&shop.number).copied());
    assert!(inside.unwrap_or(0) == 0, "threads are inside though the processor is closed: {inside:?}");
}

fn again(work: &dyn Fn() -> Result<()>) {
    while let Err(error) = work() {
        assert!(is_bearable(&error), "closing: {error}");
        sim::sleep(Duration::from_millis(10));
    }
}

impl Workshop {
    /// Runs what comes until the processor is closed.
    fn works(&self, processor: &Processor, mut draws: Draws) {
        loop {
            let timeout =
                *draws.pick(&[Timeout::Forever, Timeout::Forever, Timeout::After(Duration::from_millis(70))]);
            let done = if draws.one_in(4) {
                self.pulls(processor, timeout)
            } else {
                processor.process(timeout).map(drop)
            };
            match done {
                Ok(()) => {}
                Err(error) if error.kind() == Kind::ProcessorLost => break,
                Err(error) if is_bearable(&error) => drop(sim::sleep(Duration::from_millis(1))),
                Err(error) => panic!("processing: {error}"),
            }
        }
    }

    fn pulls(&self, processor: &Processor, timeout: Timeout) -> Result<()> {
        let call = processor.next(timeout)?;
        call.run_here();
        // What this does counts as a function that runs, not as a thread that is inside.
        let panicked = |_| Err(Error::new(Kind::FunctionFailed, "it panicked"));
        match catch_unwind(AssertUnwindSafe(|| self.do_it(&call))).unwrap_or_else(panicked) {
            // Finished, it would be over though it was deferred.
            Ok(()) if int(&call, 1) == LATER => drop(call),
            Ok(()) => {
                let _ = call.finish();
            }
            Err(error) => {
                let _ = call.fail(&error);
            }
        }
        Ok(())
    }

    /// What `process` runs.
    fn run(&self, call: &Call) -> Result<()> {
        let inside = Inside::new(&self.everybody.ledger, self.number);
        let done = self.do_it(call);
        drop(inside);
        done
    }

    fn do_it(&self, call: &Call) -> Result<()> {
        let (x, how) = (int(call, 0), int(call, 1));
        let input = number(call.tensor(2)?.bytes());
        let function = call.function_index();
        let ledger = &self.everybody.ledger;
        sim::note(|| format!("runs {x} of {} ({how})", call.function()));
        if let Some(wrong) = ledger.with(|ledger| ledger.run(self.number, function, x, input)) {
            sim::fail(wrong);
        }
        let running = Running { ledger, key: (self.number, function) };
        let (zs, us) = outputs_of(x, input);
        match how {
            FAILS => return Err(Error::new(Kind::FunctionFailed, "it was to fail")),
            PANICS => panic!("it was to panic"),
            HALF => write(call, 3, zs)?,
            LATER => {
                let open = (call.defer()?, zs);
                self.open.with(|calls| calls.push(open));
            }
            DROPS => drop(call.defer()?),
            _ => {
                if how == SLOW {
                    sim::sleep(Duration::from_millis(5));
                }
                write(call, 3, zs)?;
                write(call, 4, us)?;
            }
        }
        drop(running);
        Ok(())
    }

    /// Writes the outputs of deferred calls.
    fn finishes(&self) {
        loop {
            let over = self.over.with(|over| *over);
            while let Some((call, zs)) = self.open.with(Vec::pop) {
                let written = write(&call, 3, zs).and_then(|()| write(&call, 4, zs + 1));
                match written {
                    Ok(()) => drop(call.finish()),
                    Err(error) => drop(call.fail(&error)),
                }
            }
            if over {
                return;
            }
            sim::sleep(Duration::from_millis(2));
        }
    }
}

/// A function that `process` runs.
struct Inside<'a> {
    ledger: &'a Shared<Ledger>,
    number: usize,
}

impl<'a> Inside<'a> {
    fn new(ledger: &'a Shared<Ledger>, number: usize) -> Inside<'a> {
        ledger.with(|ledger| *ledger.inside.entry(number).or_default() += 1);
        Inside { ledger, number }
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.ledger.with(|ledger| *ledger.inside.entry(self.number).or_default() -= 1);
    }
}

struct Running<'a> {
    ledger: &'a Shared<Ledger>,
    key: (usize, usize),
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.ledger.with(|ledger| *ledger.running.entry(self.key).or_default() -= 1);
    }
}

fn int(call: &Call, param: usize) -> i64 {
    match call.cell(param) {
        Ok(Cell::Int(value)) => *value,
        other => panic!("parameter {param} is {other:?}"),
    }
}

fn outputs_of(x: i64, input: i64) -> (i64, i64) {
    let zs = input.wrapping_mul(3).wrapping_add(x);
    (zs, zs.wrapping_add(1))
}

fn number(bytes: &[u8]) -> i64 {
    i64::from_ne_bytes(bytes[..8].try_into().unwrap())
}

fn write(call: &Call, param: usize, value: i64) -> Result<()> {
    let mut writer = call.create_tensor(param, &[1], Order::C, false)?;
    writer.bytes_mut().copy_from_slice(&value.to_ne_bytes());
    writer.seal().map(drop)
}

// ---- callers --------------------------------------------------------------------------------------------------------

/// What becomes of an output.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Comes,
    Fails,
    /// Its input may be somebody's who lets it go.
    Unknown,
    /// It waits for what is never put.
    Never,
}

#[derive(Clone)]
struct Output {
    reference: Ref,
    value: i64,
    fate: Fate,
}

struct Client {
    everybody: Everybody,
    namespace: Namespace,
    caller: Arc<Caller>,
    draws: Draws,
    held: Vec<Output>,
    /// Inputs that are to be put later.
    late: Vec<(Ref, i64)>,
    /// Inputs that never come.
    never: Vec<Ref>,
    limited: bool,
}

fn calls(everybody: &Everybody, process: Process, draws: &mut Draws) {
    if !everybody.witness.has_begun() {
        return;
    }
    let Some(store) = open(&everybody.path, &everybody.options) else { return };
    let namespace = Namespace::new(&store, Some("caller"));
    let options = CallerOptions {
        timeout: Timeout::After(Duration::from_secs(20)),
        max_in_flight: *draws.pick(&[0, 0, 1, 2]),
        select: if draws.one_in(4) { Select::First } else { Select::LeastBusy },
        ..CallerOptions::default()
    };
    let caller = match Caller::new(&namespace, schemas(), &options) {
        Ok(caller) => Arc::new(caller),
        Err(error) => {
            let strict = sim::is_calm() && !everybody.closes && everybody.options.size == Some(1 << 20);
            let expected = is_expected(&error, &[Kind::NoProcessor]) && !strict;
            assert!(expected, "looking for processors: {error}");
            return;
        }
    };
    let client = |draws: &mut Draws| Client {
        everybody: everybody.clone(),
        namespace: namespace.clone(),
        caller: caller.clone(),
        draws: Draws::new(draws.word()),
        held: Vec::new(),
        late: Vec::new(),
        never: Vec::new(),
        limited: options.max_in_flight > 0,
    };
    if draws.one_in(4) {
        let other = client(draws);
        let acts = 1 + draws.below(4);
        sim::spawn(process, "beside", move || other.live(acts));
    }
    let acts = 1 + draws.below(7);
    client(draws).live(acts);
}

fn put(reference: &Ref, value: i64) -> Result<()> {
    let layout = Layout::contiguous(Elem::Int64, &[1], Order::C, &[String::new()]).unwrap();
    reference.put_tensor(&TensorSource { bytes: &value.to_ne_bytes(), origin: 0, layout: &layout })
}

impl Client {
    /// Whether nothing may go wrong.
    fn is_strict(&self) -> bool {
        sim::is_calm() && !self.everybody.closes && self.everybody.options.size == Some(1 << 20)
    }

    fn live(mut self, acts: u64) {
        for _ in 0..acts {
            if let Err(error) = self.act() {
                let kinds = [Kind::ProcessorLost, Kind::NoProcessor, Kind::ObjectDeleted, Kind::InputLost];
                assert!(is_expected(&error, &kinds), "calling: {error}");
                // What others let go may be deleted.
                let may =
                    self.limited && error.kind() == Kind::Timeout || error.kind() == Kind::ObjectDeleted;
                assert!(may || !self.is_strict(), "calling: {error}");
                sim::note(|| format!("{error}"));
                if matches!(error.kind(), Kind::ProcessorLost | Kind::NoProcessor) {
                    let _ = self.caller.find_processors(Timeout::After(Duration::from_millis(200)));
                }
            }
        }
        self.end();
    }

    fn act(&mut self) -> Result<()> {
        match self.draws.below(12) {
            0..=3 => self.call(1, false),
            4 | 5 => {
                let rows = 1 + self.draws.below(4) as usize;
                self.call(rows, false)
            }
            6 => self.call(1, true),
            7 => {
                let Some((reference, value)) = self.late.pop() else { return Ok(()) };
                put(&reference, value).inspect_err(|_| self.late.push((reference, value)))
            }
            8 | 9 => {
                // Cancelled, if nobody else holds an output of it.
                if !self.held.is_empty() {
                    let at = self.draws.below(self.held.len() as u64) as usize;
                    let gone = self.held.swap_remove(at);
                    sim::note(|| format!("drops {} ({:?})", gone.reference.id(), gone.fate));
                    drop(gone);
                }
                Ok(())
            }
            10 => {
                if !self.held.is_empty() {
                    let at = self.draws.below(self.held.len() as u64) as usize;
                    self.look(&self.held[at], Timeout::After(Duration::from_millis(50)));
                }
                self.namespace.sweep(10);
                Ok(())
            }
            _ => self.wait_for_many(),
        }
    }

    /// An input: its value, and what becomes of a call that takes it. One of several rows takes no output that may never come:
    /// it is wanted as long as any row of the batch is, also by those that an ordered function runs after it.
    fn input(&mut self, is_alone: bool) -> Result<(Ref, i64, Fate)> {
        let value = self.draws.below(1000) as i64;
        match self.draws.below(10) {
            0..=2 if !self.held.is_empty() => {
                let at = self.draws.below(self.held.len() as u64) as usize;
                let output = &self.held[at];
                if !is_alone && matches!(output.fate, Fate::Never | Fate::Unknown) {
                    return self.input(is_alone);
                }
                Ok((output.reference.clone(), output.value, output.fate))
            }
            3 | 4 => {
                let reference = self.namespace.new_ref(None)?;
                if self.draws.one_in(4) {
                    self.never.push(reference.clone());
                    return Ok((reference, value, Fate::Never));
                }
                self.late.push((reference.clone(), value));
                Ok((reference, value, Fate::Comes))
            }
            5 => {
                let known = self.everybody.ledger.with(|ledger| ledger.known.last().copied());
                let Some((id, value)) = known.filter(|_| is_alone) else { return self.input(is_alone) };
                Ok((self.namespace.borrow(id, None), value, Fate::Unknown))
            }
            _ => {
                let reference = self.namespace.new_ref(None)?;
                put(&reference, value)?;
                Ok((reference, value, Fate::Comes))
            }
        }
    }

    /// Issues rows, to one processor or to all.
    fn call(&mut self, rows: usize, to_all: bool) -> Result<()> {
        let (function, _) = *self.draws.pick(&FUNCTIONS);
        let mut planned = Vec::new();
        for _ in 0..rows {
            let how = *self.draws.pick(&[
                GIVES, GIVES, GIVES, GIVES, GIVES, GIVES, FAILS, HALF, LATER, LATER, DROPS, SLOW, PANICS,
            ]);
            planned.push((self.input(rows == 1)?, how));
        }
        let begin = sim::steps();
        let first = self.everybody.ledger.with(|ledger| {
            let first = ledger.next + 1;
            ledger.next += rows as i64;
            for (x, ((_, input, _), _)) in (first..).zip(&planned) {
                let row = Row { begin, end: u64::MAX, batch: first, input: *input, to_all, refused: false };
                ledger.rows.insert(x, row);
            }
            first
        });
        let mut args = Vec::new();
        for (x, ((reference, _, _), how)) in (first..).zip(&planned) {
            let mut row = Args::new();
            row.push(Arg::Cell(Cell::Int(x)));
            row.push(Arg::Cell(Cell::Int(*how)));
            row.push(Arg::Ref(reference.clone()));
            args.push(row);
        }
        let timeout = Timeout::After(Duration::from_secs(5));
        sim::note(|| {
            let inputs: Vec<_> = planned.iter().map(|((input, _, fate), _)| (input.id(), *fate)).collect();
            format!("issues {rows} of {function} from {first} on, with {inputs:?}")
        });
        let issued: Result<Vec<Vec<Results>>> = if to_all {
            let replies = self.caller.broadcast(function, &args[0], timeout)?;
            let mut all = Vec::new();
            for reply in replies {
                match reply.results {
                    Ok(results) => all.push(results),
                    Err(error) => assert!(
                        is_expected(&error, &[Kind::ProcessorLost]),
                        "a broadcast to {}: {error}",
                        reply.processor.name
                    ),
                }
            }
            Ok(all)
        } else if rows == 1 {
            self.caller.call_within(function, &args[0], timeout).map(|results| vec![vec![results]])
        } else {
            self.caller.batch(function, &args, timeout).map(|results| vec![results])
        };
        let end = sim::steps();
        let refused = issued.is_err();
        self.everybody.ledger.with(|ledger| {
            for x in first..first + rows as i64 {
                let ran = ledger.ran.iter().any(|(_, _, ran)| *ran == x);
                assert!(!(ran && refused), "{x} was refused, and it ran");
                if let Some(row) = ledger.rows.get_mut(&x) {
                    (row.end, row.refused) = (end, refused);
                }
            }
        });
        for results in issued? {
            for (x, ((_, input, fate), how)) in (first..).zip(&planned) {
                let (zs, us) = outputs_of(x, *input);
                let of = |fails: bool| if *fate == Fate::Comes && fails { Fate::Fails } else { *fate };
                let all = matches!(*how, FAILS | DROPS | PANICS);
                let row = &results[(x - first) as usize];
                for (at, value, fate) in [(0, zs, of(all)), (1, us, of(all || *how == HALF))] {
                    let reference = row.at(at).unwrap().clone();
                    self.everybody.ledger.with(|ledger| ledger.known.push((reference.id(), value)));
                    self.held.push(Output { reference, value, fate });
                }
            }
        }
        Ok(())
    }

    fn wait_for_many(&mut self) -> Result<()> {
        let refs: Vec<&Ref> = self.held.iter().map(|output| &output.reference).collect();
        let mode = if self.draws.one_in(2) { WaitMode::All } else { WaitMode::Any };
        let ends = wait_many(&refs, mode, Timeout::After(Duration::from_millis(40)))?;
        for (end, output) in ends.into_iter().zip(&self.held) {
            match end {
                Ok(()) => {
                    let got = output.reference.get_tensor(Timeout::Poll);
                    self.judge(output, got.map(|tensor| number(tensor.bytes())));
                }
                Err(error) => self.judge(output, Err(error)),
            }
        }
        Ok(())
    }

    fn look(&self, output: &Output, timeout: Timeout) {
        sim::note(|| format!("waits for {}", output.reference.id()));
        let got = output.reference.get_tensor(timeout).map(|tensor| number(tensor.bytes()));
        self.judge(output, got);
    }

    /// Whether an output may end like this.
    fn judge(&self, output: &Output, got: Result<i64>) {
        let Output { reference, value, fate } = output;
        let id = reference.id();
        sim::note(|| format!("sees {id} ({fate:?}): {:?}", got.as_ref().map_err(Error::kind)));
        match got {
            Ok(found) => {
                assert_eq!(found, *value, "output {id} ({fate:?})");
                assert!(!matches!(fate, Fate::Fails | Fate::Never), "output {id} came: {fate:?}");
            }
            Err(error) if error.kind() == Kind::Timeout => {}
            Err(error) => {
                let meant = [Kind::FunctionFailed, Kind::OutputNotWritten];
                let lost = [Kind::ProcessorLost, Kind::InputLost];
                let fits = match fate {
                    Fate::Fails => meant.contains(&error.kind()),
                    // Whatever became of the others' call.
                    Fate::Unknown => is_expected(&error, &meant) || lost.contains(&error.kind()),
                    Fate::Comes | Fate::Never => false,
                };
                let lost = !self.is_strict() && is_expected(&error, &lost);
                assert!(fits || lost, "output {id} ({fate:?}): {error}");
            }
        }
    }

    /// All that may still come is waited for, as long as it takes.
    fn end(mut self) {
        // Of what others let go nobody knows whether it comes; until it is given up an ordered function waits for it.
        self.held.retain(|output| !matches!(output.fate, Fate::Never | Fate::Unknown));
        self.never.clear();
        for (reference, value) in std::mem::take(&mut self.late) {
            if let Err(error) = put(&reference, value) {
                assert!(is_bearable(&error) && !self.is_strict(), "putting an input: {error}");
                // It never comes now.
                return;
            }
        }
        for output in &self.held {
            self.look(output, Timeout::Forever);
        }
        sim::note(|| "has all".to_owned());
    }
}
