//! Clients that put, get, hold and delete a few objects.

use std::path::Path;
use std::time::Duration;

use sdp_dal::error::{Kind, Result};
use sdp_dal::store::{Buffer, CreateSpec, DeleteMode, Store, StoreOptions};
use sdp_dal::sync::sim::{self, Draws, Process};
use sdp_dal::timeout::Timeout;

use super::{fill, id, is_bearable, open, options, value, Scene, Shared, World};
use crate::model::{Act, History};

pub const OBJECTS: World = World {
    name: "objects",
    what: "put, get, hold, delete in both modes; all histories are explained by some order",
    length: 6000,
    people: |scene| people(scene, &options()),
};

pub const FULL: World = World {
    name: "full",
    what: "the same in a store that is full most of the time, with eviction or without, trimmed now and then",
    length: 9000,
    people: |scene| {
        let eviction = scene.draws.one_in(2);
        people(scene, &StoreOptions { size: Some(96 << 10), eviction, ..options() });
    },
};

/// Objects that all fight for.
const IDS: u32 = 3;
/// Operations on each ID of which histories are kept.
const MOST: usize = 40;

#[derive(Default)]
struct Record {
    histories: [History; IDS as usize],
    next_value: u32,
    /// The witness had no memory for the store.
    void: bool,
}

struct Client {
    store: Store,
    number: usize,
    record: Shared<Record>,
    draws: Draws,
    sizes: &'static [u64],
    held: Vec<(Buffer, u32)>,
    evictable: bool,
}

/// An operation that has begun: when it comes back it is written down.
struct Begun {
    n: u32,
    at: usize,
}

/// Begins an operation that would come to `act`.
fn begin(record: &Shared<Record>, client: usize, n: u32, act: Act) -> Begun {
    let step = sim::steps();
    Begun { n, at: record.with(|record| record.histories[n as usize].begin(client, act, step)) }
}

/// It has come to something.
fn end(record: &Shared<Record>, begun: &Begun, act: Option<Act>) {
    if let Some(act) = act {
        sim::note(|| format!("{act:?} of {}", begun.n));
    }
    let step = sim::steps();
    record.with(|record| record.histories[begun.n as usize].end(begun.at, act, step));
}

impl Client {
    /// Does something that would come to `act`, and writes down what it came to.
    fn record<T>(
        &mut self,
        n: u32,
        act: Act,
        work: impl FnOnce(&mut Client) -> Result<(Option<Act>, T)>,
    ) -> Result<T> {
        let (record, number) = (self.record.clone(), self.number);
        let begun = begin(&record, number, n, act);
        let done = work(self);
        end(&record, &begun, done.as_ref().ok().and_then(|done| done.0));
        done.map(|done| done.1)
    }

    fn is_over(&self, n: u32) -> bool {
        self.record.with(|record| record.histories[n as usize].len() >= MOST)
    }

    /// One thing.
    fn act(&mut self) -> Result<()> {
        let n = self.draws.below(IDS.into()) as u32;
        if self.is_over(n) {
            return Ok(());
        }
        match self.draws.below(12) {
            0..=2 => self.put(n),
            3..=5 => self.get(n),
            6 => self.delete(n, DeleteMode::Now),
            7 => self.delete(n, DeleteMode::WhenReleased),
            8 => self.look(n),
            9 | 10 => {
                // What is marked by the one who holds it goes when he lets go.
                self.get(n)?;
                self.delete(n, DeleteMode::WhenReleased)?;
                if self.draws.one_in(2) {
                    sim::sleep(Duration::from_millis(self.draws.below(60)));
                }
                self.verify();
                self.held.clear();
                Ok(())
            }
            _ => self.let_go(),
        }
    }

    fn put(&mut self, n: u32) -> Result<()> {
        let value = self.record.with(|record| {
            record.next_value += 1;
            record.next_value
        });
        let spec = CreateSpec {
            data_size: *self.draws.pick(self.sizes),
            keep: !self.evictable,
            evictable: self.evictable,
            full_timeout: Some(
                *self.draws.pick(&[Timeout::Poll, Timeout::After(Duration::from_millis(300))]),
            ),
            ..CreateSpec::default()
        };
        let writer =
            self.record(n, Act::Create, |client| match client.store.create(&id(0xaa, n), &spec) {
                Ok(writer) => Ok((Some(Act::Create), Some(writer))),
                Err(error) if error.kind() == Kind::AlreadyExists => Ok((Some(Act::Exists), None)),
                Err(error) => Err(error),
            })?;
        let Some(mut writer) = writer else { return Ok(()) };
        fill(writer.data_mut(), value);
        let act = if self.draws.one_in(8) { Act::Abort } else { Act::Seal(value) };
        self.record(n, act, |_| {
            if act == Act::Abort {
                writer.abort();
            } else {
                match writer.seal() {
                    Err(error) if error.kind() == Kind::ObjectDeleted => return Ok((None, ())),
                    sealed => sealed?,
                };
            }
            Ok((Some(act), ()))
        })
    }

    fn get(&mut self, n: u32) -> Result<()> {
        let timeout = *self.draws.pick(&[Timeout::Poll, Timeout::After(Duration::from_millis(120))]);
        self.record(n, Act::Miss, |client| match client.store.get(&id(0xaa, n), timeout) {
            Ok(buffer) => {
                let found = value(buffer.data());
                client.held.push((buffer, found));
                Ok((Some(Act::Get(found)), ()))
            }
            // One that waits may be late to see what came and went.
            Err(error) if matches!(error.kind(), Kind::Timeout | Kind::ObjectDeleted) => Ok((None, ())),
            Err(error) => Err(error),
        })
    }

    fn look(&mut self, n: u32) -> Result<()> {
        self.record(n, Act::Miss, |client| {
            let there = client.store.contains(&id(0xaa, n))?;
            Ok(((!there).then_some(Act::Miss), ()))
        })
    }

    fn delete(&mut self, n: u32, mode: DeleteMode) -> Result<()> {
        let act = if mode == DeleteMode::Now { Act::Delete } else { Act::DeleteLater };
        self.record(n, act, |client| {
            let there = client.store.delete(&id(0xaa, n), mode)?;
            Ok((Some(if there { act } else { Act::NothingToDelete }), ()))
        })
    }

    /// Everything that is held is still what it was.
    fn verify(&self) {
        for (buffer, expected) in &self.held {
            assert_eq!(value(buffer.data()), *expected, "what is held became something else");
        }
    }

    fn let_go(&mut self) -> Result<()> {
        if !self.held.is_empty() {
            let at = self.draws.below(self.held.len() as u64) as usize;
            let (buffer, expected) = self.held.swap_remove(at);
            assert_eq!(value(buffer.data()), expected, "what was held became something else");
            sim::note(|| "lets one go".to_owned());
            drop(buffer);
        }
        if self.draws.one_in(6) {
            self.store.trim()?;
        }
        Ok(())
    }

    fn live(mut self, acts: u64) {
        for _ in 0..acts {
            if let Err(error) = self.act() {
                assert!(is_bearable(&error), "an error that nobody expects: {error}");
                sim::note(|| error.to_string());
            }
            self.verify();
        }
        self.held.clear();
    }
}

fn people(scene: &mut Scene, options: &StoreOptions) {
    let record = Shared::new(Record::default());
    let witness = scene.draws.one_in(2);
    let sizes: &'static [u64] =
        if options.size == Some(1 << 20) { &[4, 100, 5000, 70_000] } else { &[4, 100, 5000, 40_000, 60_000] };
    let clients = 2 + scene.draws.below(3) as usize;
    let mut processes = Vec::new();
    // With a witness it is one store from the beginning to the end.
    let begun = Shared::new(!witness);
    for number in 0..clients {
        let process = sim::process(true);
        processes.push(process);
        let (path, options, record, begun) =
            (scene.path.clone(), options.clone(), record.clone(), begun.clone());
        let mut draws = Draws::new(scene.draws.word());
        sim::spawn(process, "client", move || {
            while !begun.with(|begun| *begun) {
                sim::sleep(Duration::from_millis(1));
            }
            if draws.one_in(3) {
                sim::sleep(Duration::from_micros(draws.below(3000)));
            }
            let Some(store) = open(&path, &options) else { return };
            let acts = 2 + draws.below(8);
            let evictable = options.eviction && draws.one_in(2);
            Client { store, number, record, draws, sizes, held: Vec::new(), evictable }.live(acts);
        });
    }
    if witness {
        let (path, options, everybody) = (scene.path.clone(), options.clone(), processes.clone());
        let record = record.clone();
        sim::spawn(sim::process(false), "witness", move || {
            witnesses(&path, &options, &begun, &everybody, &record);
        });
    }
    // Without a witness the store may go and come again in between, and with eviction objects go by themselves.
    if witness && !options.eviction {
        scene.judges.push(Box::new(move |outcome| {
            record.with(|record| {
                if record.void {
                    return None;
                }
                for (client, process) in processes.iter().enumerate() {
                    if let Some(step) = outcome.deaths[process.index()] {
                        record.histories.iter_mut().for_each(|history| history.died(client, step));
                    }
                }
                record.histories.iter().find_map(History::unexplained)
            })
        }));
    }
}

/// Stays until all others have gone, and then finds everything in order.
fn witnesses(
    path: &Path,
    options: &StoreOptions,
    begun: &Shared<bool>,
    others: &[Process],
    record: &Shared<Record>,
) {
    let store = open(path, options);
    begun.with(|begun| *begun = true);
    let Some(store) = store else {
        record.with(|record| record.void = true);
        return;
    };
    while others.iter().any(|process| sim::is_running(*process)) {
        sim::sleep(Duration::from_millis(50));
    }
    store.reap_all();
    for n in 0..IDS {
        // What was to be deleted once it is released has gone: nobody is left who could hold it.
        let begun = begin(record, usize::MAX, n, Act::Miss);
        let there = store.contains(&id(0xaa, n)).unwrap();
        end(record, &begun, Some(if there { Act::StillThere } else { Act::Miss }));
        store.delete(&id(0xaa, n), DeleteMode::Now).unwrap();
    }
    let stat = store.stat().unwrap();
    let left = (stat.objects, stat.used, stat.used_small, stat.clients);
    assert_eq!(left, (0, 0, 0, 1), "something is left: {stat:?}");
    assert_eq!(store.check().unwrap(), Vec::<String>::new());
}
