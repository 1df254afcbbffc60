//! A store whose header is damaged before it is opened.

use std::cell::OnceCell;

use arbitrary::Unstructured;
use sdp_dal::store::{Create, Store, StoreOptions};

use super::damage::{id, options, random_seeds, Image, Scribble};
use super::Target;

/// The target.
pub const TARGET: Target = Target {
    name: "header",
    about: "opens a store whose header is damaged, and looks into it",
    run,
    words: &[&[0xff; 8], &[0xff; 4], &[0, 0, 0, 0x40]],
    longest: 512,
    seeds: || random_seeds(8, 64),
};

/// Most words that are damaged.
const MOST: usize = 16;

thread_local! {
    static IMAGE: OnceCell<Image> = const { OnceCell::new() };
}

/// Runs an input: how to open, then words.
pub fn run(input: &[u8]) {
    IMAGE.with(|image| damaged(image.get_or_init(Image::new), &mut Unstructured::new(input)));
}

fn damaged(image: &Image, input: &mut Unstructured<'_>) {
    let copy = image.copy("header");
    let how: u8 = input.arbitrary().unwrap_or(0);
    if how & 1 == 0 {
        image.live(&copy);
    }
    for _ in 0..MOST {
        let Some(scribble) = Scribble::of(input).filter(|_| !input.is_empty()) else { break };
        scribble.header(&copy);
    }
    let create = if how & 2 == 0 { Create::Never } else { Create::IfMissing };
    let Ok(store) = Store::open(&copy.path, &StoreOptions { create, ..options() }) else { return };
    let _ = store.stat();
    let _ = store.list(b"");
    let _ = store.check();
    let _ = store.clients();
    let _ = store.namespaces();
    let _ = store.contains(&id(3));
    let _ = store.reap_all();
}
