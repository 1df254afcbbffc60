//! Who wants an object has it, whoever else lets it go; and what nobody wants goes.

use std::collections::HashMap;
use std::time::Duration;

use sdp_dal::error::{Kind, Result};
use sdp_dal::store::{
    Buffer, CreateSpec, DeleteMode, EntryKey, ObjectId, ObjectState, Store, StoreOptions, Want,
};
use sdp_dal::sync::sim::{self, Draws, Process};
use sdp_dal::timeout::Timeout;

use super::{fill, id, is_bearable, open, options, value, Scene, Shared, Witness, World};

pub const HOLDING: World = World {
    name: "holding",
    what: "wants, pins, keeping and eviction, by several threads of several clients, and forks of these; interrupted waits",
    length: 8000,
    people,
};

const IDS: u32 = 3;

/// What is known of all that is done to an ID.
#[derive(Default)]
struct Ghost {
    /// Deletions that were begun, and that have ended.
    deletes: (u32, u32),
    /// Claims that are held, or are being made or given back, by life.
    claims: HashMap<EntryKey, i32>,
    /// Claims that are being made on whatever life there is.
    claiming: i32,
}

type Ghosts = Shared<Vec<Ghost>>;

fn people(scene: &mut Scene) {
    let eviction = scene.draws.one_in(3);
    let size = *scene.draws.pick(&[1 << 20, 96 << 10]);
    let options = StoreOptions { eviction, size: Some(size), ..options() };
    let witness = Witness::new(
        scene,
        &options,
        |_| Ok(()),
        |store| {
            for object in store.list(b"").unwrap() {
                let stays = object.keep || object.evictable;
                assert!(stays, "{} is there though all have gone: {object:?}", object.id);
                store.delete(&object.id, DeleteMode::Now).unwrap();
            }
        },
    );
    let ghosts: Ghosts = Shared::new((0..IDS).map(|_| Ghost::default()).collect());
    let next = Shared::new(0);
    for _ in 0..1 + scene.draws.below(3) {
        let process = witness.client();
        let tasks = 1 + scene.draws.below(3);
        for _ in 0..tasks {
            let (path, options, witness) = (scene.path.clone(), options.clone(), witness.clone());
            let (ghosts, next) = (ghosts.clone(), next.clone());
            let mut draws = Draws::new(scene.draws.word());
            sim::spawn(process, "holder", move || {
                if !witness.has_begun() {
                    return;
                }
                let Some(store) = open(&path, &options) else { return };
                let acts = 3 + draws.below(12);
                Holder { store, ghosts, next, draws, held: Vec::new(), eviction }.live(acts);
            });
        }
    }
    if scene.draws.one_in(2) {
        wakes(scene, &witness, &options);
    }
    if scene.draws.one_in(3) {
        interrupts(scene, &witness.client(), &witness, &options);
    }
}

/// Who waits is woken by what he waits for: he does not only look again after a while.
fn wakes(scene: &mut Scene, witness: &Witness, options: &StoreOptions) {
    let sealed: Shared<Option<u64>> = Shared::new(None);
    let late = Duration::from_micros(scene.draws.below(3000));
    for makes in [true, false] {
        let (path, options, witness, sealed) =
            (scene.path.clone(), options.clone(), witness.clone(), sealed.clone());
        sim::spawn(witness.client(), if makes { "maker" } else { "sleeper" }, move || {
            if !witness.has_begun() {
                return;
            }
            let Some(store) = open(&path, &options) else { return };
            let object = id(0x41, 1);
            if makes {
                sim::sleep(late);
                let spec = CreateSpec { data_size: 4, keep: true, ..CreateSpec::default() };
                if store.create(&object, &spec).and_then(|writer| writer.seal()).is_ok() {
                    sealed.with(|sealed| *sealed = sim::epoch_nanos());
                }
                return;
            }
            let got = store.get(&object, Timeout::After(Duration::from_secs(5)));
            if let Some(sealed) = sealed.with(|sealed| *sealed).filter(|_| got.is_ok() && sim::is_calm()) {
                let after = sim::epoch_nanos().unwrap_or(0).saturating_sub(sealed);
                assert!(after < 100_000_000, "it was told {after} ns after it was sealed");
            }
        });
    }
}

/// A client one of whose threads ends the waits of the others.
fn interrupts(scene: &mut Scene, process: &Process, witness: &Witness, options: &StoreOptions) {
    let waiting = Shared::new(0);
    let waiters = 1 + scene.draws.below(2);
    for waiter in 0..=waiters {
        let (path, options, witness, waiting) =
            (scene.path.clone(), options.clone(), witness.clone(), waiting.clone());
        let mut draws = Draws::new(scene.draws.word());
        waiting.with(|waiting| *waiting += u64::from(waiter > 0));
        sim::spawn(*process, if waiter == 0 { "interrupter" } else { "waiter" }, move || {
            let begun = witness.has_begun();
            let store = if begun { open(&path, &options) } else { None };
            if waiter > 0 {
                if let Some(store) = &store {
                    // It never comes.
                    let ended = if draws.one_in(2) {
                        store.get(&id(0xff, 1), Timeout::Forever).map(drop)
                    } else {
                        store.get_many(&[id(0xff, 1), id(0xff, 2)], Timeout::Forever).map(drop)
                    };
                    let kind = ended.err().map(|error| error.kind());
                    // A look beside a changing index asks under the lock, which one that is stopped may hold.
                    let busy = kind == Some(Kind::Busy) && !sim::is_calm();
                    assert!(busy || kind == Some(Kind::Interrupted), "a wait was interrupted: {kind:?}");
                }
                waiting.with(|waiting| *waiting -= 1);
                return;
            }
            // Whoever has come to wait by then, or comes later.
            sim::sleep(Duration::from_micros(draws.below(5000)));
            let mut store = store;
            while waiting.with(|waiting| *waiting) > 0 {
                match &store {
                    Some(store) => store.interrupt(true),
                    None if begun => store = open(&path, &options),
                    None => {}
                }
                sim::sleep(Duration::from_millis(5));
            }
            if let Some(store) = &store {
                store.interrupt(false);
                let error = store.get(&id(0xff, 1), Timeout::After(Duration::from_millis(1))).err();
                assert_eq!(error.map(|error| error.kind()), Some(Kind::Timeout));
            }
        });
    }
}

/// A claim on an object, and what was known when it was made.
struct Held {
    n: u32,
    key: EntryKey,
    value: Option<u32>,
    want: Option<Want>,
    buffer: Option<Buffer>,
    /// How many deletions there had been, if none was under way.
    deletes: Option<u32>,
    /// Evictable ones go when nobody holds them.
    keep: bool,
}

struct Holder {
    store: Store,
    ghosts: Ghosts,
    next: Shared<u32>,
    draws: Draws,
    held: Vec<Held>,
    eviction: bool,
}

fn object(n: u32) -> ObjectId {
    id(0x40, n)
}

impl Holder {
    fn ghost<T>(&self, n: u32, work: impl FnOnce(&mut Ghost) -> T) -> T {
        self.ghosts.with(|ghosts| work(&mut ghosts[n as usize]))
    }

    /// The deletions so far, if none is under way.
    fn deletes(&self, n: u32) -> Option<u32> {
        self.ghost(n, |ghost| (ghost.deletes.0 == ghost.deletes.1).then_some(ghost.deletes.0))
    }

    fn live(mut self, acts: u64) {
        for _ in 0..acts {
            if let Err(error) = self.act() {
                let raced = [Kind::AlreadyExists, Kind::ObjectDeleted, Kind::NotFound];
                assert!(is_bearable(&error) || raced.contains(&error.kind()), "holding: {error}");
                sim::note(|| error.to_string());
            }
            self.verify();
        }
        while let Some(held) = self.held.pop() {
            self.let_go(held);
        }
    }

    fn act(&mut self) -> Result<()> {
        let n = self.draws.below(IDS.into()) as u32;
        match self.draws.below(12) {
            0..=2 => self.put(n),
            3 => self.want(n),
            4 => self.want_life(),
            5 | 6 => self.get(n),
            7 => self.keep(),
            8 => {
                self.ghost(n, |ghost| ghost.deletes.0 += 1);
                let mode = if self.draws.one_in(2) { DeleteMode::Now } else { DeleteMode::WhenReleased };
                let deleted = self.store.delete(&object(n), mode);
                // One that waits for the last release has not ended.
                if mode == DeleteMode::Now {
                    self.ghost(n, |ghost| ghost.deletes.1 += 1);
                }
                deleted.map(drop)
            }
            9 => self.forked(),
            10 if self.eviction => self.store.evict(100).map(drop),
            _ => {
                if !self.held.is_empty() {
                    let at = self.draws.below(self.held.len() as u64) as usize;
                    let held = self.held.swap_remove(at);
                    self.let_go(held);
                }
                Ok(())
            }
        }
    }

    fn put(&mut self, n: u32) -> Result<()> {
        let value = self.next.with(|next| {
            *next += 1;
            *next
        });
        let evictable = self.eviction && self.draws.one_in(2);
        let want = !evictable || self.draws.one_in(2);
        let spec = CreateSpec {
            data_size: *self.draws.pick(&[4, 100, 5000, 30_000]),
            want,
            evictable,
            full_timeout: Some(Timeout::Poll),
            ..CreateSpec::default()
        };
        let deletes = self.deletes(n);
        self.ghost(n, |ghost| ghost.claiming += 1);
        let sealed = self.store.create(&object(n), &spec).and_then(|mut writer| {
            fill(writer.data_mut(), value);
            writer.seal()
        });
        self.claimed(n, sealed.map(|want| want.map(|want| (want, Some(value)))), deletes)
    }

    /// A claim was made, or not.
    fn claimed(
        &mut self,
        n: u32,
        made: Result<Option<(Want, Option<u32>)>>,
        deletes: Option<u32>,
    ) -> Result<()> {
        self.ghost(n, |ghost| {
            ghost.claiming -= 1;
            if let Ok(Some((want, _))) = &made {
                *ghost.claims.entry(want.key()).or_default() += 1;
            }
        });
        if let Some((want, value)) = made? {
            sim::note(|| format!("wants {n}, the life {:?}", want.key()));
            let key = want.key();
            self.held.push(Held { n, key, value, want: Some(want), buffer: None, deletes, keep: false });
        }
        Ok(())
    }

    fn want(&mut self, n: u32) -> Result<()> {
        let deletes = self.deletes(n);
        self.ghost(n, |ghost| ghost.claiming += 1);
        let made = self.store.want(&object(n)).map(|want| {
            // One that is being made goes with its maker.
            let found = self.store.get_key(want.key(), &object(n), Timeout::Poll);
            Some((want, found.ok().map(|buffer| value(buffer.data()))))
        });
        self.claimed(n, made, deletes)
    }

    /// One more claim on what is held.
    fn want_life(&mut self) -> Result<()> {
        if self.held.is_empty() {
            return Ok(());
        }
        let at = self.draws.below(self.held.len() as u64) as usize;
        let Held { n, key, value, .. } = self.held[at];
        let deletes = self.deletes(n);
        self.ghost(n, |ghost| ghost.claiming += 1);
        let made = self.store.want_life(key, &object(n)).map(|want| Some((want, value)));
        self.claimed(n, made, deletes)
    }

    fn get(&mut self, n: u32) -> Result<()> {
        let deletes = self.deletes(n);
        let buffer = self.store.get(&object(n), Timeout::Poll)?;
        let found = value(buffer.data());
        let key = buffer.key();
        sim::note(|| format!("holds {n}, the life {key:?}"));
        if let Some(other) = self.held.iter().find(|held| held.key == key && held.n == n) {
            let is_same = other.value.is_none_or(|value| value == found);
            assert!(is_same, "one life with two values: {found} and {:?}", other.value);
        }
        self.held.push(Held {
            n,
            key,
            value: Some(found),
            want: None,
            buffer: Some(buffer),
            deletes,
            keep: false,
        });
        Ok(())
    }

    /// Keeps what is wanted for a while, or no more.
    fn keep(&mut self) -> Result<()> {
        let Some(at) = self.held.iter().position(|held| held.want.is_some()) else { return Ok(()) };
        let keep = !self.held[at].keep;
        self.held[at].keep = keep;
        self.store.set_keep(self.held[at].key, keep)
    }

    /// What a forked child does with its parent's handles changes nothing.
    fn forked(&self) -> Result<()> {
        sim::as_forked_child(|| {
            for held in &self.held {
                if let Some(want) = &held.want {
                    // The child's copy is dropped: it must not give the parent's claim back.
                    std::mem::forget(want.store().clone());
                    // SAFETY: a copy as `fork` makes it; what it counts in this process was counted for it above.
                    drop(unsafe { std::ptr::read(want) });
                }
                let kinds = [
                    self.store.want(&object(held.n)).map(drop),
                    self.store.want_life(held.key, &object(held.n)).map(drop),
                    self.store.set_keep(held.key, true),
                    self.store.get_key(held.key, &object(held.n), Timeout::Poll).map(drop),
                ]
                .map(|done| done.err().map(|error| error.kind()));
                assert_eq!(kinds, [Some(Kind::Forked); 4]);
                if let Some(buffer) = &held.buffer {
                    assert_eq!(Some(value(buffer.data())), held.value, "in a forked child");
                }
            }
        });
        Ok(())
    }

    /// What must be, of all that is held.
    fn verify(&self) {
        for held in &self.held {
            if let (Some(buffer), Some(expected)) = (&held.buffer, held.value) {
                assert_eq!(value(buffer.data()), expected, "what is held became something else");
            }
            let (Some(_), Some(expected)) = (&held.want, held.value) else { continue };
            let there = self.store.is_wanted(held.key);
            // Looked at afterwards: a deletion that began before is known now.
            let untouched = || held.deletes.is_some() && self.deletes(held.n) == held.deletes;
            assert!(
                there || !untouched(),
                "{} is wanted, and is gone: the life {:?}",
                object(held.n),
                held.key
            );
            match self.store.get_key(held.key, &object(held.n), Timeout::Poll) {
                Ok(buffer) => assert_eq!(value(buffer.data()), expected, "another value of one life"),
                Err(error) => assert!(
                    !untouched() || error.kind() == Kind::Busy,
                    "{} is wanted, and cannot be got: {error}",
                    object(held.n)
                ),
            }
        }
    }

    fn let_go(&self, held: Held) {
        let Held { n, key, want, buffer, keep, .. } = held;
        if keep {
            let _ = self.store.set_keep(key, false);
        }
        let pinned = buffer.is_some();
        drop(buffer);
        if want.is_none() {
            return;
        }
        sim::note(|| format!("wants {n} no more, the life {key:?}"));
        drop(want);
        let unwanted = self.ghost(n, |ghost| {
            let claims = ghost.claims.entry(key).or_default();
            *claims -= 1;
            *claims == 0 && ghost.claiming == 0
        });
        // Whoever was the last has seen to it; unless he could not have the lock, or it stays for another reason.
        if unwanted && !pinned && sim::is_calm() && !self.eviction {
            let state = self.store.look_key(key, &object(n)).unwrap();
            let kept = self.store.info(&object(n)).is_ok_and(|info| info.key == key && info.keep);
            let gone = matches!(state, ObjectState::Absent);
            let unwanted = self.ghost(n, |ghost| {
                ghost.claims.get(&key).is_none_or(|claims| *claims == 0) && ghost.claiming == 0
            });
            assert!(gone || kept || !unwanted, "{} is there though nobody wants it: {state:?}", object(n));
        }
    }
}
