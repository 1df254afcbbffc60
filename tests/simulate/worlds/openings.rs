//! Clients that open the store and close it again, some of them killed.

use std::time::Duration;

use sdp_dal::store::{CreateSpec, DeleteMode, Store};
use sdp_dal::sync::sim::{self, Draws};
use sdp_dal::timeout::Timeout;

use super::{fill, id, open, options, value, Scene, Shared, World};

pub const OPENINGS: World = World {
    name: "openings",
    what: "open, put, close, be killed, again and again: all who have the store open have the same one",
    length: 4000,
    people,
};

/// Who has which store open: process, and identity of the store.
type Inside = Shared<Vec<(usize, u64)>>;

fn people(scene: &mut Scene) {
    let inside = Inside::new(Vec::new());
    let left_over = scene.draws.one_in(2).then(|| {
        let (process, path) = (sim::process(true), scene.path.clone());
        sim::spawn(process, "predecessor", move || {
            let _store = open(&path, &options());
            sim::kill_this();
        });
        process
    });
    for _ in 0..2 + scene.draws.below(3) {
        let process = sim::process(true);
        let (path, inside) = (scene.path.clone(), inside.clone());
        let mut draws = Draws::new(scene.draws.word());
        sim::spawn(process, "client", move || {
            while left_over.is_some_and(sim::is_running) {
                sim::sleep(Duration::from_millis(1));
            }
            for turn in 0..1 + draws.below(4) {
                if draws.one_in(3) {
                    sim::sleep(Duration::from_micros(draws.below(2000)));
                }
                let Some(store) = open(&path, &options()) else { continue };
                let me = process.index();
                inside.with(|inside| {
                    // The killed have it open no more.
                    inside.retain(|(who, _)| sim::lives_at(*who));
                    let other = inside.iter().find(|(_, identity)| *identity != store.identity());
                    assert!(other.is_none(), "two stores at one path: {inside:?} and {}", store.identity());
                    inside.push((me, store.identity()));
                });
                visit(&store, &mut draws, me as u32 * 10 + turn as u32);
                inside.with(|inside| inside.retain(|(who, _)| *who != me));
                forked(&store, &mut draws);
                drop(store);
            }
        });
    }
}

fn visit(store: &Store, draws: &mut Draws, n: u32) {
    match draws.below(4) {
        0 => {
            let spec = CreateSpec { data_size: 100, keep: true, ..CreateSpec::default() };
            if let Ok(mut writer) = store.create(&id(0xbb, n), &spec) {
                fill(writer.data_mut(), n);
                writer.seal().unwrap();
                let held = store.get(&id(0xbb, n), Timeout::Poll).unwrap();
                let _ = store.delete(&id(0xbb, n), DeleteMode::Now);
                assert_eq!(value(held.data()), n);
            }
        }
        1 => drop(sim::sleep(Duration::from_micros(draws.below(3000)))),
        2 => {
            // Who has just let go of it is about to free it.
            let going = |wrong: &String| {
                wrong.ends_with("is doomed and not pinned by any client, but it is not freed")
            };
            let wrong = store.check().unwrap_or_default();
            assert!(wrong.iter().all(going), "{wrong:?}");
        }
        _ => {}
    }
}

/// What a forked child does with what it has inherited: nothing of it changes anything.
fn forked(store: &Store, draws: &mut Draws) {
    if draws.one_in(3) {
        sim::as_forked_child(|| {
            use sdp_dal::error::Kind;
            let spec = CreateSpec { data_size: 100, ..CreateSpec::default() };
            let kinds = [
                store.create(&id(0xbb, 99), &spec).map(drop),
                store.get(&id(0xbb, 99), Timeout::Poll).map(drop),
                store.delete(&id(0xbb, 99), DeleteMode::Now).map(drop),
                store.subscribe(b"").map(drop),
                store.reserve(b"", &mut |_| Ok(Default::default())).map(drop),
            ]
            .map(|done| done.err().map(|error| error.kind()));
            assert_eq!(kinds, [Some(Kind::Forked); 5]);
        });
    }
}
