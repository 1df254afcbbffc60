//! Readers of the event log beside clients whose changes it tells of.

use std::collections::HashMap;
use std::time::Duration;

use sdp_dal::error::{Error, Kind, Result};
use sdp_dal::store::{
    Create, CreateSpec, DeleteMode, Event, EventKind, ObjectId, Store, StoreOptions, Subscription,
};
use sdp_dal::sync::sim::{self, Draws, Process};
use sdp_dal::timeout::Timeout;

use super::{fill, id, is_bearable, open, options, Scene, Shared, Witness, World};

pub const EVENTS: World = World {
    name: "events",
    what: "readers of the log: what they believe to be there is what is there, whatever they miss is told to them",
    length: 12_000,
    people,
};

/// Objects that all fight for.
const SHARED: u8 = 0xcc;
/// Objects of which each has one life.
const ONCE: u8 = 0xcd;

fn people(scene: &mut Scene) {
    let witness = Witness::new(
        scene,
        &options(),
        |_| Ok(()),
        |store| {
            for object in store.list(b"").unwrap() {
                store.delete(&object.id, DeleteMode::Now).unwrap();
            }
        },
    );
    let changers: Shared<Vec<Process>> = Shared::new(Vec::new());
    let next = Shared::new(0);
    // Most make fewer events than the log has slots.
    let many = scene.draws.one_in(12);
    for _ in 0..1 + scene.draws.below(3) {
        let process = witness.client();
        changers.with(|changers| changers.push(process));
        let (path, witness, next) = (scene.path.clone(), witness.clone(), next.clone());
        let mut draws = Draws::new(scene.draws.word());
        sim::spawn(process, "changer", move || {
            if !witness.has_begun() {
                return;
            }
            let Some(store) = open(&path, &stays(&options())) else { return };
            let acts = if many { 150 + draws.below(100) } else { 2 + draws.below(14) };
            for _ in 0..acts {
                if let Err(error) = change(&store, &mut draws, &next) {
                    let raced =
                        [Kind::AlreadyExists, Kind::NamespaceInUse, Kind::ObjectDeleted, Kind::ProcessorLost];
                    let expected = is_bearable(&error) || raced.contains(&error.kind());
                    assert!(expected, "changing: {error}");
                }
            }
        });
    }
    for _ in 0..1 + scene.draws.below(2) {
        let process = witness.client();
        let (path, witness, changers) = (scene.path.clone(), witness.clone(), changers.clone());
        let mut draws = Draws::new(scene.draws.word());
        sim::spawn(process, "reader", move || {
            if !witness.has_begun() {
                return;
            }
            let Some(store) = open(&path, &stays(&options())) else { return };
            let changers = changers.with(|changers| changers.clone());
            for last in [false, true] {
                if last || draws.one_in(4) {
                    match Reader::new(&store, &mut draws) {
                        Ok(mut reader) => reader.reads(&changers, last, &mut draws),
                        Err(error) => assert!(is_bearable(&error), "subscribing: {error}"),
                    }
                }
            }
        });
    }
}

/// It is the witness's store.
fn stays(options: &StoreOptions) -> StoreOptions {
    StoreOptions { create: Create::Never, ..options.clone() }
}

// ---- who changes ----------------------------------------------------------------------------------------------------

fn size_of(n: u32) -> u64 {
    [4, 60, 300, 5000][n as usize % 4]
}

fn change(store: &Store, draws: &mut Draws, next: &Shared<u32>) -> Result<()> {
    let shared = id(SHARED, draws.below(3) as u32);
    match draws.below(8) {
        0 | 1 => put(store, &shared, draws.one_in(6), None),
        2 => {
            let mode = if draws.one_in(2) { DeleteMode::Now } else { DeleteMode::WhenReleased };
            store.delete(&shared, mode).map(drop)
        }
        3 | 4 => {
            let once = fresh(next);
            put(store, &once, false, Some(draws))?;
            if draws.one_in(2) {
                store.delete(&once, DeleteMode::Now)?;
            }
            Ok(())
        }
        5 => {
            // What lies there goes.
            let start = [SHARED; 4];
            let start: &[u8] = if draws.one_in(2) { &start } else { b"" };
            let declaration = store.reserve(start, &mut |_| Ok((b"here".to_vec(), Vec::new())))?;
            sim::sleep(Duration::from_micros(draws.below(300)));
            drop(declaration);
            Ok(())
        }
        6 => call(store, draws, next),
        _ => {
            let held = store.get(&shared, Timeout::Poll);
            sim::sleep(Duration::from_micros(draws.below(300)));
            drop(held);
            Ok(())
        }
    }
}

fn fresh(next: &Shared<u32>) -> ObjectId {
    id(
        ONCE,
        next.with(|next| {
            *next += 1;
            *next
        }),
    )
}

fn metadata_of(id: &ObjectId) -> [u8; 20] {
    *id.as_bytes()
}

/// Puts an object that stays, or that the one who puts it wants for a while.
fn put(store: &Store, id: &ObjectId, aborts: bool, wants: Option<&mut Draws>) -> Result<()> {
    let n = u32::from_be_bytes(id.as_bytes()[16..].try_into().unwrap());
    let want = wants.is_some();
    let spec = CreateSpec {
        data_size: size_of(n),
        metadata: &metadata_of(id),
        keep: !want,
        want,
        full_timeout: Some(Timeout::Poll),
        ..CreateSpec::default()
    };
    let mut writer = store.create(id, &spec)?;
    fill(writer.data_mut(), n);
    if aborts {
        writer.abort();
        return Ok(());
    }
    let want = writer.seal()?;
    if let Some(draws) = wants {
        sim::sleep(Duration::from_micros(draws.below(200)));
    }
    drop(want);
    Ok(())
}

/// A call of ours to ourselves, whose output is made or fails.
fn call(store: &Store, draws: &mut Draws, next: &Shared<u32>) -> Result<()> {
    let declaration = store.reserve(b"", &mut |_| Ok((b"server".to_vec(), Vec::new())))?;
    let (call, output) = (fresh(next), fresh(next));
    let spec =
        CreateSpec { data_size: 4, metadata: &metadata_of(&call), want: true, ..CreateSpec::default() };
    let writer = store.create(&call, &spec)?;
    let (call, wants) = store.issue(writer, declaration.key(), &[output])?;
    let key = wants[0].key();
    if draws.one_in(2) {
        store.fail(key, &Error::new(Kind::FunctionFailed, "it was to fail"))?;
    } else {
        let spec = CreateSpec { data_size: 60, metadata: &metadata_of(&output), ..CreateSpec::default() };
        store.create_output(key, &output, &spec)?.seal()?;
    }
    if draws.one_in(2) {
        store.set_keep(key, true)?;
    }
    drop((call, wants));
    Ok(())
}

// ---- who reads ------------------------------------------------------------------------------------------------------

/// What a reader knows of an object.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Belief {
    /// Listed or missing when it looked, which an older event may still contradict.
    Listed(bool),
    /// As an event said.
    Sealed,
    Failed,
    Gone,
}

impl Belief {
    fn is_there(self) -> bool {
        matches!(self, Belief::Listed(true) | Belief::Sealed | Belief::Failed)
    }
}

struct Reader {
    subscription: Subscription,
    prefix: Vec<u8>,
    believed: HashMap<ObjectId, Belief>,
    sequence: u64,
    /// Whether the next event must be the next one of the log: nothing is filtered and nothing was missed.
    gapless: bool,
}

impl Reader {
    fn new(store: &Store, draws: &mut Draws) -> Result<Reader> {
        let prefix = draws.pick(&[&b""[..], &[SHARED; 2], &[ONCE; 1]]).to_vec();
        let subscription = store.subscribe(&prefix)?;
        let mut reader =
            Reader { subscription, prefix, believed: HashMap::new(), sequence: 0, gapless: false };
        reader.list();
        Ok(reader)
    }

    fn there(&self) -> Vec<ObjectId> {
        let listed = self.subscription.store().list(&self.prefix).unwrap();
        listed
            .into_iter()
            .filter(|object| matches!(object.state, "sealed" | "failed"))
            .map(|o| o.id)
            .collect()
    }

    /// Begins again with what is there.
    fn list(&mut self) {
        let there = self.there();
        // What had a life before this may have had another one that nobody told of.
        self.believed.retain(|id, belief| {
            *belief = Belief::Listed(false);
            id.as_bytes()[0] != SHARED
        });
        for id in there {
            self.believed.insert(id, Belief::Listed(true));
        }
        self.gapless = false;
    }

    /// Reads until nothing changes any more, or for a while.
    fn reads(&mut self, changers: &[Process], last: bool, draws: &mut Draws) {
        let mut left = if last { u64::MAX } else { draws.below(20) };
        let (mut quiet, mut all) = (false, false);
        while left > 0 {
            left -= 1;
            let running = changers.iter().any(|process| sim::is_running(*process));
            if !running && !quiet {
                // What the killed had begun is ended now.
                self.subscription.store().reap_all();
                quiet = true;
            }
            // One that stands within a rebuild, or reaping, has not told of it.
            let settled = quiet && !sim::does_any_stand();
            match self.subscription.next(Timeout::After(Duration::from_millis(if quiet { 1500 } else { 20 })))
            {
                Ok(event) if event.kind == EventKind::Resync => {
                    sim::note(|| "must list again".to_owned());
                    assert_eq!(event.sequence, 0);
                    self.list();
                }
                Ok(event) => self.hears(&event),
                Err(error) if error.kind() == Kind::Timeout => {
                    // The clock may have jumped over a rebuild, which has told of it when the lock is to be had.
                    let store = self.subscription.store();
                    if settled && !sim::does_any_stand() && store.stat().is_ok() && !self.has_more() {
                        all = true;
                        break;
                    }
                }
                Err(error) => assert!(is_bearable(&error), "reading the log: {error}"),
            }
            if draws.one_in(10) {
                // Slower than the others.
                sim::sleep(Duration::from_micros(draws.below(3000)));
            }
        }
        if all {
            let mut believed: Vec<ObjectId> =
                self.believed.iter().filter(|(_, belief)| belief.is_there()).map(|(id, _)| *id).collect();
            believed.sort_unstable();
            assert_eq!(believed, self.there(), "what is believed, and what is there");
        }
    }

    /// Whether the log has something new, which is taken in.
    fn has_more(&mut self) -> bool {
        match self.subscription.next(Timeout::Poll) {
            Ok(event) if event.kind == EventKind::Resync => self.list(),
            Ok(event) => self.hears(&event),
            Err(_) => return false,
        }
        true
    }

    fn hears(&mut self, event: &Event) {
        let Event { sequence, kind, id, .. } = event;
        sim::note(|| format!("hears {sequence}: {kind:?} {id}"));
        assert!(*sequence > self.sequence, "the event {sequence} comes after {}", self.sequence);
        if self.gapless && self.prefix.is_empty() {
            assert_eq!(*sequence, self.sequence + 1, "an event is missing");
        }
        (self.sequence, self.gapless) = (*sequence, true);
        assert!(id.as_bytes().starts_with(&self.prefix), "an event of {id} for {:?}", self.prefix);
        let ours = matches!(id.as_bytes()[0], SHARED | ONCE) && !id.is_declaration();
        if ours && *kind == EventKind::Sealed {
            assert_eq!(event.metadata, metadata_of(id), "of another object");
        }
        let before = self.believed.get(id).copied();
        let now = match kind {
            EventKind::Sealed | EventKind::NamespaceAppeared | EventKind::CallIssued => Belief::Sealed,
            EventKind::Failed => Belief::Failed,
            EventKind::Deleted | EventKind::NamespaceGone => Belief::Gone,
            EventKind::CallClaimed | EventKind::CallEnded => return,
            EventKind::Resync => unreachable!(),
        };
        let once = id.as_bytes()[0] == ONCE;
        let wrong = match (before, now) {
            (Some(Belief::Sealed | Belief::Failed), Belief::Sealed | Belief::Failed) => true,
            (Some(Belief::Gone), _) => once,
            _ => false,
        };
        assert!(!wrong, "{id} is {now:?} after it was {before:?}");
        self.believed.insert(*id, now);
    }
}
