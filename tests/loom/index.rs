//! The index: what is there is found, a miss that is believed is true, and a hit is of that ID and that life.

use std::sync::Arc;

use loom::thread;

use sdp_dal::sync::atomic::{lock, AtomicU32, AtomicU64, Mutex, Ordering};
use sdp_dal::sync::changes::Changes;
use sdp_dal::sync::index::Index;
use sdp_dal::sync::life::{State, StateWord, Word};

use crate::object::{self, Process, LIFE};
use crate::search;

/// An ID, and the tag of its hash.
type Name = (u32, u32);

/// All at home in the first slot: the later one lies behind the earlier one.
const FIRST: Name = (11, 1);
const STEADY: Name = (12, 2);
const OTHER: Name = (13, 3);
/// At home in the second slot.
const NEIGHBOUR: Name = (15, 1 << 30);
/// Another ID of the same tag as the first.
const TWIN: Name = (14, 1);

/// The lowest level of a model: four slots.
const LEVEL: u32 = 2;

struct Entry {
    state: StateWord,
    id: [AtomicU32; 1],
}

/// The index, the entries that it names, and the lock.
struct Store {
    level: AtomicU32,
    changes: Changes,
    tables: [Vec<AtomicU64>; 2],
    entries: [Entry; 3],
    lock: Mutex<()>,
}

impl Store {
    fn new() -> Arc<Store> {
        let table = |level: u32| (0..1 << level).map(|_| AtomicU64::new(0)).collect();
        let free =
            || Entry { state: StateWord::new(Word::new(State::Free, 0, LIFE)), id: [AtomicU32::new(0)] };
        Arc::new(Store {
            level: AtomicU32::new(LEVEL),
            changes: Changes::default(),
            tables: [table(LEVEL), table(LEVEL + 1)],
            entries: [free(), free(), free()],
            lock: Mutex::new(()),
        })
    }

    /// The first and the steady object, in entries of that order.
    fn of_two() -> Arc<Store> {
        let store = Store::new();
        store.bear(0, FIRST);
        store.bear(1, STEADY);
        store
    }

    fn index<'a>(&'a self) -> Index<'a, impl Fn(u32) -> &'a [AtomicU64]> {
        let table = |level: u32| self.tables[(level - LEVEL) as usize].as_slice();
        Index { level: &self.level, changes: &self.changes, table }
    }

    fn named(&self, (id, _): Name) -> impl Fn(u32) -> Option<Word> + '_ {
        move |entry| {
            let entry = &self.entries[entry as usize];
            entry.state.named(&entry.id, &[id])
        }
    }

    /// As `Attachment::find`: the entry and the life.
    fn find(&self, name: Name) -> Option<(u32, u64)> {
        let found = self.index().find(name.1, self.named(name)).unwrap_or_else(|_| {
            let _lock = lock(&self.lock);
            self.index().probe(name.1, self.named(name))
        });
        found.map(|(entry, word)| (entry, word.generation()))
    }

    /// Under the lock, as `Locked::bear`.
    fn bear(&self, entry: u32, name: Name) {
        let Entry { state, id } = &self.entries[entry as usize];
        let life = Word(state.load(Ordering::Relaxed)).generation();
        state.begin();
        id[0].store(name.0, Ordering::Relaxed);
        state.commit(Word::new(State::Sealed, 0, life));
        self.index().insert(name.1, entry);
    }

    /// Under the lock, as `Locked::doom` of what nobody pins.
    fn delete(&self, entry: u32, name: Name) {
        let state = &self.entries[entry as usize].state;
        let life = Word(state.load(Ordering::Relaxed)).generation();
        assert!(state.doom(life).is_some());
        self.index().remove(name.1, entry);
        assert!(state.free_if_unpinned(&[]));
    }

    /// Under the lock, as `Locked::rebuild`.
    fn fill(&self, there: &[(u32, Name)]) {
        there.iter().for_each(|(entry, name)| self.index().insert(name.1, *entry));
        self.index().whole();
    }
}

/// A reader of the steady object, beside somebody who holds the lock.
fn steady(preemptions: usize, looks: u32, change: impl Fn(&Store) + Send + Sync + 'static) {
    search(preemptions, move || {
        let store = Store::of_two();
        let reader = {
            let store = store.clone();
            thread::spawn(move || {
                for _ in 0..looks {
                    assert_eq!(store.find(STEADY), Some((1, LIFE)), "what is there is not found");
                }
            })
        };
        {
            let _lock = lock(&store.lock);
            change(&store);
        }
        reader.join().unwrap();
        assert_eq!(store.find(STEADY), Some((1, LIFE)));
    });
}

#[test]
fn an_insert_hides_nothing() {
    steady(3, 2, |store| {
        store.bear(2, OTHER);
        assert_eq!(store.find(OTHER), Some((2, LIFE)));
    });
}

#[test]
fn a_removal_before_it_hides_nothing() {
    steady(3, 1, |store| {
        store.delete(0, FIRST);
        assert_eq!(store.find(FIRST), None);
    });
}

#[test]
fn a_removal_and_an_insert_where_it_was_hide_nothing() {
    steady(2, 1, |store| {
        store.delete(0, FIRST);
        store.bear(0, OTHER);
        assert_eq!((store.find(FIRST), store.find(OTHER)), (None, Some((0, LIFE + 1))));
    });
}

/// What is at home stays where it is.
#[test]
fn a_removal_moves_nothing_before_its_home() {
    search(2, || {
        let store = Store::new();
        store.bear(0, FIRST);
        store.bear(1, NEIGHBOUR);
        let reader = {
            let store = store.clone();
            thread::spawn(move || assert_eq!(store.find(NEIGHBOUR), Some((1, LIFE))))
        };
        {
            let _lock = lock(&store.lock);
            store.delete(0, FIRST);
        }
        reader.join().unwrap();
        assert_eq!(store.find(NEIGHBOUR), Some((1, LIFE)));
    });
}

#[test]
fn growing_hides_nothing() {
    steady(3, 1, |store| {
        store.index().grow(LEVEL + 1);
        assert_eq!(store.find(FIRST), Some((0, LIFE)));
    });
}

#[test]
fn a_rebuild_hides_nothing() {
    steady(3, 1, |store| {
        store.index().reset(LEVEL);
        store.fill(&[(0, FIRST), (1, STEADY)]);
    });
}

/// The first who rebuilds dies in between.
#[test]
fn two_rebuilds_hide_nothing() {
    steady(2, 1, |store| {
        store.index().reset(LEVEL);
        store.index().reset(LEVEL);
        store.fill(&[(1, STEADY), (0, FIRST)]);
    });
}

/// Who grew it died before that counted: the index is rebuilt as it was, and then grows again, into a table that a reader may
/// have been looking at.
#[test]
fn growing_again_hides_nothing() {
    steady(2, 1, |store| {
        store.index().grow(LEVEL + 1);
        store.index().reset(LEVEL);
        store.fill(&[(0, FIRST), (1, STEADY)]);
        store.index().grow(LEVEL + 1);
    });
}

/// What was inserted before is found, by whoever knows of it, while others go.
#[test]
fn what_somebody_knows_of_is_found() {
    search(2, || {
        let store = Store::of_two();
        let told = Arc::new(AtomicU32::new(0));
        let reader = {
            let (store, told) = (store.clone(), told.clone());
            thread::spawn(move || {
                if told.load(Ordering::Acquire) == 1 {
                    assert_eq!(store.find(OTHER), Some((2, LIFE)), "what is there is not found");
                }
            })
        };
        let _lock = lock(&store.lock);
        store.bear(2, OTHER);
        told.store(1, Ordering::Release);
        store.delete(0, FIRST);
        drop(_lock);
        reader.join().unwrap();
    });
}

/// An entry gets a new life under another ID of the same hash: who looks for one of them never gets the other's life.
#[test]
fn a_hit_is_of_the_id_and_the_life_that_were_looked_for() {
    for (wanted, life) in [(FIRST, LIFE), (TWIN, LIFE + 1)] {
        search(3, move || {
            let store = Store::new();
            store.bear(0, FIRST);
            let reader = {
                let store = store.clone();
                thread::spawn(move || store.find(wanted))
            };
            {
                let _lock = lock(&store.lock);
                store.delete(0, FIRST);
                store.bear(0, TWIN);
            }
            if let Some(found) = reader.join().unwrap() {
                assert_eq!(found, (0, life), "another's life was found");
            }
            assert_eq!((store.find(FIRST), store.find(TWIN)), (None, Some((0, LIFE + 1))));
        });
    }
}

/// One object, whose entry can be pinned, and the index that names it.
struct Pinnable {
    level: AtomicU32,
    changes: Changes,
    slots: [AtomicU64; 4],
    entry: Arc<object::Entry>,
}

impl Pinnable {
    fn index<'a>(&'a self) -> Index<'a, impl Fn(u32) -> &'a [AtomicU64]> {
        Index { level: &self.level, changes: &self.changes, table: |_| self.slots.as_slice() }
    }

    /// The life that is found.
    fn find(&self) -> Option<u64> {
        let named = |_| Some(self.entry.word()).filter(|word| word.is_visible());
        self.index().find(FIRST.1, named).ok().flatten().map(|(_, word)| word.generation())
    }
}

/// An object is deleted and made again, under the same ID and in the same entry: who looked up the old one and pins it holds the old
/// one or nothing.
#[test]
fn a_key_of_the_old_life_gets_nothing_of_the_new_one() {
    search(2, || {
        let slots = [0; 4].map(AtomicU64::new);
        let (level, changes) = (AtomicU32::new(LEVEL), Changes::default());
        let object = Arc::new(Pinnable { level, changes, slots, entry: object::Entry::sealed() });
        object.index().insert(FIRST.1, 0);
        let reader = Process::new(&object.entry, 0);
        let reading = {
            let object = object.clone();
            thread::spawn(move || {
                if let Some(life) = object.find() {
                    reader.use_it(life);
                }
            })
        };
        let creator = Process::new(&object.entry, 1);
        object.entry.doom(LIFE);
        object.index().remove(FIRST.1, 0);
        if creator.create(LIFE + 1) {
            object.index().insert(FIRST.1, 0);
            creator.assert_held(LIFE + 1);
            creator.unpin(LIFE + 1);
            object.entry.doom(LIFE + 1);
        }
        reading.join().unwrap();
        assert_eq!(object.entry.pins[0].load(Ordering::SeqCst), 0);
        assert!(!object.entry.word().is_visible());
    });
}
