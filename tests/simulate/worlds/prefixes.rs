//! Clients that want the same prefix, one after the other.

use std::time::Duration;

use sdp_dal::error::{Kind, Result};
use sdp_dal::store::{CreateSpec, Store, Want};
use sdp_dal::sync::sim::{self, Draws};
use sdp_dal::timeout::Timeout;

use super::{fill, id, is_bearable, open, options, value, Scene, Shared, World};

pub const PREFIXES: World = World {
    name: "prefixes",
    what: "a prefix that all want: one has it at a time, and what he puts under it stays his",
    length: 5000,
    people,
};

const PREFIX: u8 = 5;

fn people(scene: &mut Scene) {
    // Who has it: process.
    let owner: Shared<Option<usize>> = Shared::new(None);
    for _ in 0..2 + scene.draws.below(3) {
        let process = sim::process(true);
        let (path, owner) = (scene.path.clone(), owner.clone());
        let mut draws = Draws::new(scene.draws.word());
        sim::spawn(process, "client", move || {
            if draws.one_in(3) {
                sim::sleep(Duration::from_micros(draws.below(3000)));
            }
            let Some(store) = open(&path, &options()) else { return };
            for turn in 0..1 + draws.below(4) {
                match store.reserve(&[PREFIX; 4], &mut |_| Ok((b"mine".to_vec(), Vec::new()))) {
                    Ok(declaration) => {
                        let me = process.index();
                        owner.with(|owner| {
                            let other = owner.filter(|other| *other != me && sim::lives_at(*other));
                            assert!(other.is_none(), "two have the prefix: {other:?} and {me}");
                            *owner = Some(me);
                        });
                        sim::note(|| "has the prefix".to_owned());
                        let n = me as u32 * 100 + turn as u32;
                        if let Err(error) = own(&store, &mut draws, n, &declaration) {
                            assert!(is_bearable(&error), "{error}");
                        }
                        owner.with(|owner| *owner = None);
                        drop(declaration);
                    }
                    Err(error) if error.kind() == Kind::NamespaceInUse || is_bearable(&error) => {
                        sim::sleep(Duration::from_millis(draws.below(20)));
                    }
                    Err(error) => panic!("reserving: {error}"),
                }
            }
        });
    }
}

/// What the owner puts is there as long as it wants, whoever else thinks of it as left over.
fn own(store: &Store, draws: &mut Draws, n: u32, declaration: &Want) -> Result<()> {
    let object = id(PREFIX, n);
    let spec = CreateSpec { data_size: 200, want: true, ..CreateSpec::default() };
    let mut writer = store.create(&object, &spec)?;
    fill(writer.data_mut(), n);
    let want = writer.seal()?;
    for _ in 0..draws.below(3) {
        sim::sleep(Duration::from_micros(draws.below(2000)));
        let found = store.get(&object, Timeout::Poll)?;
        assert_eq!(value(found.data()), n);
        assert!(store.is_wanted(declaration.key()), "the declaration went under its owner");
    }
    drop(want);
    Ok(())
}
