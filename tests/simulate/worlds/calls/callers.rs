//! Callers: what they call with, what they let go, and what must become of each output.

use std::sync::Arc;
use std::time::Duration;

use sdp_dal::dal::{wait_many, Arg, Args, Caller, CallerOptions, Namespace, Ref, Results, Select, WaitMode};
use sdp_dal::error::{Error, Kind, Result};
use sdp_dal::sync::sim::{self, Draws, Process};
use sdp_dal::timeout::Timeout;
use sdp_dal::wire::{Cell, Elem, Layout, Order, Part, TensorSource};

use super::super::{is_bearable, open};
use super::{
    is_expected, number, outputs_of, schemas, Everybody, Row, DROPS, FAILS, FUNCTIONS, GIVES, HALF, LATER,
    PANICS, SLOW,
};

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
    attempts: usize,
}

pub(super) fn calls(everybody: &Everybody, process: Process, draws: &mut Draws) {
    if !everybody.witness.has_begun() {
        return;
    }
    let Some(store) = open(&everybody.path, &everybody.options) else { return };
    let namespace = Namespace::new(&store, Some("caller"));
    let options = CallerOptions {
        timeout: Timeout::After(Duration::from_secs(20)),
        max_in_flight: *draws.pick(&[0, 0, 1, 2]),
        attempts: *draws.pick(&[1, 1, 2, 3]),
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
        attempts: options.attempts as usize,
    };
    if draws.one_in(4) {
        let other = client(draws);
        let acts = 1 + draws.below(4);
        sim::spawn(process, "beside", move || other.live(acts));
    }
    let acts = 1 + draws.below(7);
    client(draws).live(acts);
}

/// The value, and others behind it of which a part may be taken.
fn put(reference: &Ref, value: i64) -> Result<()> {
    let layout = Layout::contiguous(Elem::Int64, &[3], Order::C, &[String::new()]).unwrap();
    let bytes: Vec<u8> = (0..3).flat_map(|at| nth(value, at).to_ne_bytes()).collect();
    reference.put_tensor(&TensorSource { bytes: &bytes, origin: 0, layout: &layout })
}

/// The elements of an input with this value.
fn nth(value: i64, at: i64) -> i64 {
    value ^ (at * 0x5555)
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

    /// The input, or a part of it: mostly of what does not exist yet, and sometimes of another part.
    fn part(&mut self, (reference, value, fate): (Ref, i64, Fate)) -> Result<(Ref, i64, Fate)> {
        if !self.draws.one_in(3) {
            return Ok((reference, value, fate));
        }
        let is_put = !self.held.iter().any(|output| output.reference.id() == reference.id());
        // Outputs have one element.
        let (text, at) = match self.draws.below(4) {
            0 if is_put && fate == Fate::Comes => ("[1:]", 1),
            1 if is_put && fate == Fate::Comes => ("[::-1]", 2),
            2 => ("[0:2][0+:1]", 0),
            _ => ("[:1]", 0),
        };
        Ok((reference.part_of(&text.parse::<Part>()?)?, nth(value, at), fate))
    }

    /// Issues rows, to one processor or to all.
    fn call(&mut self, rows: usize, to_all: bool) -> Result<()> {
        let (function, _) = *self.draws.pick(&FUNCTIONS);
        let mut planned = Vec::new();
        for _ in 0..rows {
            let how = *self.draws.pick(&[
                GIVES, GIVES, GIVES, GIVES, GIVES, GIVES, FAILS, HALF, LATER, LATER, DROPS, SLOW, PANICS,
            ]);
            let input = self.input(rows == 1)?;
            planned.push((self.part(input)?, how));
        }
        let begin = sim::steps();
        let first = self.everybody.ledger.with(|ledger| {
            let first = ledger.next + 1;
            ledger.next += rows as i64;
            for (x, ((_, input, _), _)) in (first..).zip(&planned) {
                let (end, batch, input) = (u64::MAX, first, *input);
                let attempts = if to_all { 1 } else { self.attempts };
                let row = Row { begin, end, batch, input, to_all, refused: false, attempts };
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
            let told = |input: &Ref| input.as_part().map(ToString::to_string).unwrap_or_default();
            let inputs = planned.iter().map(|((input, _, fate), _)| (input.id(), told(input), *fate));
            let inputs: Vec<_> = inputs.collect();
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
