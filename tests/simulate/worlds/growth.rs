//! A store that grows while it is read: its table, its index, and its heap, which is trimmed in between.

use std::time::Duration;

use sdp_dal::error::{Kind, Result};
use sdp_dal::store::{CreateSpec, DeleteMode, ObjectId, Store, StoreOptions};
use sdp_dal::sync::sim::{self, Draws};
use sdp_dal::timeout::Timeout;

use super::{fill, id, is_bearable, open, options, value, Scene, Shared, Witness, World};

pub const GROWTH: World = World {
    name: "growth",
    what: "table, index and heap grow beside readers of what is always there, and are trimmed",
    length: 25_000,
    people,
};

/// Objects that are there from the beginning to the end, in a namespace that is declared.
const STEADY: u8 = 0x57;
const STEADY_COUNT: u32 = 6;
/// Objects that come and go; some do in the namespace of those that stay.
const OTHERS: u8 = 0x0e;

fn people(scene: &mut Scene) {
    // Mostly small ones, of which there are more than the first table holds; or large ones, for which the heap grows.
    let small = scene.draws.one_in(2) || scene.draws.one_in(2);
    let options = StoreOptions { size: Some(12 << 20), max_objects: Some(4096), ..options() };
    let witness = Witness::new(scene, &options, begins, ends);
    for number in 0..1 + scene.draws.below(3) as u32 {
        let (path, witness, options) = (scene.path.clone(), witness.clone(), options.clone());
        let mut draws = Draws::new(scene.draws.word());
        sim::spawn(witness.client(), "creator", move || {
            if !witness.has_begun() {
                return;
            }
            let Some(store) = open(&path, &options) else { return };
            if let Err(error) = creates(&store, &mut draws, number, small) {
                assert!(is_bearable(&error), "creating: {error}");
            }
        });
    }
    for _ in 0..1 + scene.draws.below(2) {
        let process = witness.client();
        let turns = Shared::new(30 + scene.draws.below(60));
        for _ in 0..1 + scene.draws.below(2) {
            let (path, witness, options) = (scene.path.clone(), witness.clone(), options.clone());
            let (turns, mut draws) = (turns.clone(), Draws::new(scene.draws.word()));
            sim::spawn(process, "reader", move || {
                if !witness.has_begun() {
                    return;
                }
                let Some(store) = open(&path, &options) else { return };
                while turns.with(|turns| {
                    *turns = turns.saturating_sub(1);
                    *turns > 0
                }) {
                    if let Err(error) = reads(&store, &mut draws) {
                        // What is there is got without waiting: only where the lock is needed may it be held too long.
                        assert!(error.kind() == Kind::Busy, "reading: {error}");
                    }
                }
            });
        }
    }
    if scene.draws.one_in(2) {
        let (path, witness) = (scene.path.clone(), witness.clone());
        let mut draws = Draws::new(scene.draws.word());
        sim::spawn(witness.client(), "trimmer", move || {
            if !witness.has_begun() {
                return;
            }
            let Some(store) = open(&path, &options) else { return };
            for _ in 0..1 + draws.below(6) {
                match store.trim() {
                    Ok(bytes) => sim::note(|| format!("trims {bytes} bytes")),
                    Err(error) => assert!(is_bearable(&error), "trimming: {error}"),
                }
                sim::sleep(Duration::from_micros(draws.below(500)));
            }
        });
    }
}

fn begins(store: &Store) -> Result<()> {
    let declaration = ObjectId::declaration([STEADY; 4]);
    for object in (0..STEADY_COUNT).map(|n| id(STEADY, n)).chain([declaration]) {
        if store.contains(&object)? {
            continue;
        }
        let spec = CreateSpec { data_size: 100, keep: true, ..CreateSpec::default() };
        let mut writer = store.create(&object, &spec)?;
        fill(writer.data_mut(), number_of(&object));
        writer.seal()?;
    }
    Ok(())
}

fn ends(store: &Store) {
    for object in store.list(b"").unwrap() {
        if object.state == "sealed" {
            let held = store.get(&object.id, Timeout::Poll).unwrap();
            assert_eq!(number_of(&object.id), value(held.data()), "of {}", object.id);
        }
        store.delete(&object.id, DeleteMode::Now).unwrap();
    }
}

fn number_of(id: &ObjectId) -> u32 {
    u32::from_be_bytes(id.as_bytes()[16..].try_into().unwrap())
}

fn creates(store: &Store, draws: &mut Draws, number: u32, small: bool) -> Result<()> {
    let count = if small { 20 + draws.below(120) } else { 3 + draws.below(12) };
    let sizes: &[u64] = if small { &[4, 64, 200] } else { &[300_000, 1_200_000, 3_000_000] };
    let mut mine = Vec::new();
    let mut held = Vec::new();
    for n in 0..count as u32 {
        let prefix = if draws.one_in(3) { STEADY } else { OTHERS };
        let object = id(prefix, (number + 1) * 10_000 + n);
        let full_timeout = Some(Timeout::Poll);
        let spec =
            CreateSpec { data_size: *draws.pick(sizes), keep: true, full_timeout, ..CreateSpec::default() };
        let mut writer = match store.create(&object, &spec) {
            Ok(writer) => writer,
            Err(error) if error.kind() == Kind::OutOfMemory => {
                if let Some(object) = mine.pop() {
                    store.delete(&object, DeleteMode::Now)?;
                }
                continue;
            }
            Err(error) => return Err(error),
        };
        fill(writer.data_mut(), (number + 1) * 10_000 + n);
        writer.seal()?;
        assert!(store.contains(&object)?, "what was put is not there: {object}");
        mine.push(object);
        if draws.one_in(4) {
            let at = draws.below(mine.len() as u64) as usize;
            let object = mine.swap_remove(at);
            let buffer = store.get(&object, Timeout::Poll)?;
            if draws.one_in(2) {
                assert!(store.delete(&object, DeleteMode::Now)?, "what was there is not there to be deleted");
                assert!(!store.contains(&object)?, "what was deleted is there: {object}");
                let listed = store.list(&object.prefix())?;
                let held = listed.iter().any(|info| info.id == object && info.state == "doomed");
                assert!(held, "a list lacks what is deleted and held: {object}");
            } else {
                mine.push(object);
            }
            held.push((object, buffer));
        }
        if draws.one_in(8) {
            held.clear();
        }
        for (object, buffer) in held.iter().rev().take(1) {
            assert_eq!(value(buffer.data()), number_of(object), "what is held became something else");
        }
    }
    for (object, buffer) in &held {
        assert_eq!(value(buffer.data()), number_of(object), "what is held became something else");
    }
    Ok(())
}

/// What is always there is found, whatever happens to table and index.
fn reads(store: &Store, draws: &mut Draws) -> Result<()> {
    let n = draws.below(STEADY_COUNT.into()) as u32;
    let steady = id(STEADY, n);
    match draws.below(5) {
        0 | 1 => assert!(store.contains(&steady)?, "what is always there was not found"),
        2 => {
            let buffer = store.get(&steady, Timeout::Poll)?;
            assert_eq!(value(buffer.data()), n);
        }
        3 => {
            let prefix: &[u8] = if draws.one_in(3) { &[STEADY] } else { &[STEADY; 4] };
            let listed = store.list(prefix)?;
            let steady = listed.iter().filter(|object| number_of(&object.id) < STEADY_COUNT);
            // With the declaration, which has the number 0 too.
            assert_eq!(
                steady.count(),
                STEADY_COUNT as usize + 1,
                "a list lacks what is always there, or has it twice"
            );
        }
        _ => assert!(!store.contains(&id(STEADY, 77))?, "what was never there was found"),
    }
    Ok(())
}
