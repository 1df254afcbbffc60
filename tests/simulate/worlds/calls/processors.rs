//! Processors: several threads each, deferred calls, and several ways to close.

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Arc;
use std::time::Duration;

use sdp_dal::dal::{Call, Function, Processor, ProcessorOptions};
use sdp_dal::error::{Error, Kind, Result};
use sdp_dal::sync::sim::{self, Draws, Process};
use sdp_dal::timeout::Timeout;
use sdp_dal::wire::{Cell, Order};

use super::super::{is_bearable, open, Shared};
use super::{
    is_expected, number, outputs_of, schemas, Everybody, Ledger, DROPS, FAILS, FUNCTIONS, HALF, LATER,
    PANICS, SLOW,
};

/// A processor in its process.
#[derive(Clone)]
struct Workshop {
    everybody: Everybody,
    number: usize,
    /// Calls whose functions have returned.
    open: Shared<Vec<(Call, i64)>>,
    over: Shared<bool>,
}

pub(super) fn serves(everybody: &Everybody, process: Process, draws: &mut Draws) {
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
        let input = call.tensor(2)?;
        let input = number(&input.bytes()[input.origin()..]);
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
fn write(call: &Call, param: usize, value: i64) -> Result<()> {
    let mut writer = call.create_tensor(param, &[1], Order::C, false)?;
    writer.bytes_mut().copy_from_slice(&value.to_ne_bytes());
    writer.seal().map(drop)
}
