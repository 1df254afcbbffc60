//! Processors and callers as programs have them: what is called comes, or it is said why not.

mod callers;
mod processors;

use std::collections::HashMap;
use std::path::PathBuf;

use sdp_dal::dal::FunctionOptions;
use sdp_dal::error::{Error, Kind};
use sdp_dal::store::{ObjectId, StoreOptions};
use sdp_dal::sync::sim::{self, Draws, Process};
use sdp_dal::wire::CallSchema;

use super::{is_bearable, options, Scene, Shared, Witness, World};

pub const CALLS: World = World {
    name: "calls",
    what: "processors and callers: chains, batches, broadcasts, cancelled and deferred calls, processors that close; all outputs end",
    length: 20_000,
    people,
};

const FUNCTIONS: [(&str, FunctionOptions); 3] = [
    ("plain", FunctionOptions { reentrant: false, ordered: false, loose_dims: false, full_timeout: None }),
    ("ordered", FunctionOptions { reentrant: false, ordered: true, loose_dims: false, full_timeout: None }),
    ("free", FunctionOptions { reentrant: true, ordered: false, loose_dims: false, full_timeout: None }),
];

fn schemas() -> Vec<CallSchema> {
    let signature =
        |name| format!("{name}(x: int64, how: int64, ys: int64[*]) -> (zs: int64[i], us: int64[i])");
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
    /// How often it may be issued, should its processors be lost.
    attempts: usize,
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
        if self.ran.iter().filter(twice).count() >= row.attempts {
            wrong.push("ran before".to_owned());
        }
        if FUNCTIONS[function].1.ordered {
            let here = self.ran.iter().filter(|ran| (ran.0, ran.1) == (processor, function));
            for (_, _, other) in here {
                let before = &self.rows[other];
                if row.attempts > 1 || before.attempts > 1 {
                    // Issued again, it comes behind those that came after it.
                    continue;
                }
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
        sim::spawn(process, "caller", move || callers::calls(&everybody, process, &mut draws));
    }
    for _ in 0..processors {
        let process = everybody.witness.client();
        let (everybody, mut draws) = (everybody.clone(), Draws::new(scene.draws.word()));
        sim::spawn(process, "processor", move || processors::serves(&everybody, process, &mut draws));
    }
}

fn is_expected(error: &Error, kinds: &[Kind]) -> bool {
    is_bearable(error) || kinds.contains(&error.kind())
}

fn outputs_of(x: i64, input: i64) -> (i64, i64) {
    let zs = input.wrapping_mul(3).wrapping_add(x);
    (zs, zs.wrapping_add(1))
}

fn number(bytes: &[u8]) -> i64 {
    i64::from_ne_bytes(bytes[..8].try_into().unwrap())
}
