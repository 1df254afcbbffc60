//! The worlds: who does what, and what must be.

mod calls;
mod events;
mod growth;
mod holding;
mod objects;
mod openings;
mod prefixes;
mod promises;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sdp_dal::error::{Error, Kind, Result};
use sdp_dal::store::{Create, ObjectId, Store, StoreOptions};
use sdp_dal::sync::sim::{self, Draws, Order, Outcome, Plan, Process};

/// A kind of world.
pub struct World {
    pub name: &'static str,
    pub what: &'static str,
    /// About how many steps it takes.
    pub length: u64,
    /// Adds the clients.
    pub people: fn(&mut Scene),
}

pub const ALL: &[World] = &[
    objects::OBJECTS,
    objects::FULL,
    openings::OPENINGS,
    prefixes::PREFIXES,
    promises::PROMISES,
    calls::CALLS,
    events::EVENTS,
    growth::GROWTH,
    holding::HOLDING,
];

pub fn named(name: &str) -> Option<&'static World> {
    ALL.iter().find(|world| world.name == name)
}

type Judge = Box<dyn FnOnce(&Outcome) -> Option<String>>;

/// What a world is made of.
pub struct Scene {
    pub path: PathBuf,
    pub draws: Draws,
    /// What is looked at when all have gone.
    pub judges: Vec<Judge>,
}

/// Something that all tasks of a world write to, and that is no part of it. Never held over a step.
pub struct Shared<T>(Arc<Mutex<T>>);

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Shared(Arc::clone(&self.0))
    }
}

impl<T> Shared<T> {
    pub fn new(value: T) -> Shared<T> {
        Shared(Arc::new(Mutex::new(value)))
    }

    pub fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        work(&mut self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

/// A client who has the store from the beginning to the end: to the others it is one store.
#[derive(Clone)]
pub struct Witness {
    /// Whether it has it; `None`: not yet.
    begun: Shared<Option<bool>>,
    everybody: Shared<Vec<Process>>,
}

impl Witness {
    /// A witness who does `first`, waits until all others have gone, reaps the killed, and then does `last`: nothing may be
    /// left after it.
    pub fn new(
        scene: &Scene,
        options: &StoreOptions,
        first: impl Fn(&Store) -> Result<()> + Send + 'static,
        last: impl FnOnce(&Store) + Send + 'static,
    ) -> Witness {
        let witness = Witness { begun: Shared::new(None), everybody: Shared::new(Vec::new()) };
        let (path, options, itself) = (scene.path.clone(), options.clone(), witness.clone());
        sim::spawn(sim::process(false), "witness", move || {
            // Where memory is short it takes some tries.
            let (mut tries, mut store, mut begun) = (0..30, None, false);
            while !begun && tries.next().is_some() {
                store = store.or_else(|| open(&path, &options));
                begun = store.as_ref().is_some_and(|store| match first(store) {
                    Ok(()) => true,
                    Err(error) => {
                        assert!(is_bearable(&error), "beginning: {error}");
                        false
                    }
                });
            }
            itself.begun.with(|now| *now = Some(begun));
            let Some(store) = store else { return };
            let others = itself.everybody.with(|everybody| everybody.clone());
            while others.iter().any(|process| sim::is_running(*process)) {
                sim::sleep(Duration::from_millis(50));
            }
            store.reap_all();
            last(&store);
            let stat = store.stat().unwrap();
            let left = (stat.objects, stat.used, stat.used_small, stat.clients);
            assert_eq!(left, (0, 0, 0, 1), "something is left: {stat:?}");
            assert_eq!(store.check().unwrap(), Vec::<String>::new());
        });
        witness
    }

    /// A client beside it.
    pub fn client(&self) -> Process {
        let process = sim::process(true);
        self.everybody.with(|everybody| everybody.push(process));
        process
    }

    /// Waits until the store is there. False if there was no memory for it.
    pub fn has_begun(&self) -> bool {
        loop {
            match self.begun.with(|begun| *begun) {
                Some(begun) => return begun,
                None => drop(sim::sleep(Duration::from_millis(1))),
            }
        }
    }
}

/// Plays a seed of a world.
pub fn play(world: &World, number: u64, story: bool) -> Outcome {
    let mut draws = Draws::new(number);
    let order = if draws.one_in(3) {
        Order::Priorities(1 + draws.below(5) as u32)
    } else {
        Order::Walk(*draws.pick(&[1, 2, 5, 20, 100, 500, 3000]))
    };
    let length = world.length * draws.pick(&[1, 2, 4]) / 2;
    let few = |draws: &mut Draws| *draws.pick(&[0, 0, 0, 1, 1, 1, 2, 3]);
    let plan = Plan {
        seed: draws.word(),
        order,
        length,
        kills: few(&mut draws),
        stops: few(&mut draws),
        pauses: draws.below(6) as u32,
        jumps: few(&mut draws),
        refusals: if draws.one_in(4) { 5 + draws.below(40) } else { 0 },
        most: (600, 10_000_000),
        story,
    };
    let link = draws.one_in(8);
    let folder = if link { "/tmp" } else { "/dev/shm" };
    // Always as long: it is written into the store, word by word, and each is a step.
    let path = PathBuf::from(format!("{folder}/sdp-dal-sim-{:010}-{:03}", std::process::id(), number % 1000));
    sim::begin(plan.clone());
    if story {
        sim_note(&plan);
    }
    let mut scene = Scene { path: path.clone(), draws, judges: Vec::new() };
    (world.people)(&mut scene);
    let mut outcome = sim::run();
    if outcome.failure.is_none() {
        outcome.failure =
            scene.judges.into_iter().find_map(|judge| judge(&outcome)).or_else(|| left_over(&path));
    }
    let target = std::fs::read_link(&path);
    let _ = std::fs::remove_file(&path);
    if let Ok(target) = target {
        let _ = std::fs::remove_file(target);
    }
    outcome
}

fn sim_note(plan: &Plan) {
    println!("{plan:?}");
}

/// What is still there though all have gone. One who was killed leaves his store to the next who comes.
fn left_over(path: &std::path::Path) -> Option<String> {
    let options = StoreOptions { create: Create::Never, ..options() };
    match Store::open(path, &options) {
        Ok(store) => {
            if let Some(wrong) = store.check().ok()?.first() {
                return Some(format!("who came last found: {wrong}"));
            }
            drop(store);
        }
        Err(error) if error.kind() == Kind::NotFound => {}
        Err(error) => return Some(format!("who came last could not open the store: {error}")),
    }
    std::fs::symlink_metadata(path).is_ok().then(|| "the store is there though all have gone".to_owned())
}

/// A small store.
pub fn options() -> StoreOptions {
    StoreOptions {
        size: Some(1 << 20),
        max_objects: Some(1024),
        max_clients: Some(64),
        // As long wherever it runs: see `play`.
        name: Some("simulated".to_owned()),
        ..StoreOptions::default()
    }
}

pub fn id(prefix: u8, n: u32) -> ObjectId {
    let mut bytes = [prefix; 20];
    bytes[16..].copy_from_slice(&n.to_be_bytes());
    ObjectId::new(bytes)
}

/// The bytes of an object with this value.
pub fn fill(bytes: &mut [u8], value: u32) {
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = (value.wrapping_mul(31).wrapping_add(at as u32) % 251) as u8;
    }
    if let Some(first) = bytes.get_mut(..4) {
        first.copy_from_slice(&value.to_ne_bytes());
    }
}

/// The value of an object, all of whose bytes must be right.
pub fn value(bytes: &[u8]) -> u32 {
    let value = u32::from_ne_bytes(bytes[..4].try_into().unwrap());
    let mut expected = vec![0; bytes.len()];
    fill(&mut expected, value);
    assert!(bytes == expected, "wrong bytes in an object of {} bytes with value {value}", bytes.len());
    value
}

/// An error that a client may hear whatever it does, when others are stopped, killed, or hold all the memory.
pub fn is_bearable(error: &Error) -> bool {
    matches!(error.kind(), Kind::Timeout | Kind::Busy | Kind::OutOfMemory | Kind::LimitReached)
}

/// Opens the store of the world. A world in which somebody is stopped for long may be `Busy`.
pub fn open(path: &std::path::Path, options: &StoreOptions) -> Option<Store> {
    match Store::open(path, options) {
        Ok(store) => Some(store),
        Err(error) if is_bearable(&error) => None,
        Err(error) => panic!("opening: {error}"),
    }
}
