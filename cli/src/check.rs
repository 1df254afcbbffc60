//! `check`: whether the store is consistent.

use std::path::PathBuf;

use clap::Args;
use sdp_dal::error::{Error, Kind, Result};
use sdp_dal::store::Store;
use serde::Serialize;

use crate::contents::{self, Depth, Inside};
use crate::outcome::Outcome;
use crate::table::{count, plain, Output};
use crate::words::{open, path_or_default};

/// Arguments of `check`.
#[derive(Debug, Args)]
pub struct WholeStore {
    /// Path of the store.
    #[arg(value_name = "PATH")]
    path: Option<PathBuf>,
    /// Write JSON.
    #[arg(long)]
    json: bool,
}

/// What was found, in JSON.
#[derive(Debug, Serialize)]
struct Report {
    sound: bool,
    objects: usize,
    wrong: Vec<String>,
}

/// Walks through everything.
pub fn run(which: &WholeStore, accept_owner: Option<u32>, output: &mut Output) -> Result<Outcome> {
    let path = path_or_default(which.path.as_ref())?;
    // A store that is too damaged to be opened is a finding, too.
    let (objects, wrong) = match open(&path, accept_owner).and_then(|store| walk(&store)) {
        Ok(found) => found,
        Err(error) if error.kind() == Kind::Corrupt => (0, vec![error.message().to_owned()]),
        Err(error) => return Err(error),
    };
    let outcome = if wrong.is_empty() { Outcome::Fine } else { Outcome::FoundWrong };
    if which.json {
        output.json(&Report { sound: wrong.is_empty(), objects, wrong })?;
        return Ok(outcome);
    }
    for sentence in &wrong {
        output.line(plain(sentence));
    }
    output.line(match wrong.len() {
        0 => format!("{}: consistent, {}", path.display(), count(objects, "object")),
        1 => format!("{}: 1 inconsistency", path.display()),
        many => format!("{}: {many} inconsistencies", path.display()),
    });
    Ok(outcome)
}

/// How many objects there are, and what is wrong.
fn walk(store: &Store) -> Result<(usize, Vec<String>)> {
    let mut wrong = store.check()?;
    let mut objects = 0;
    for info in store.listing(&[])? {
        let info = info?;
        objects += 1;
        let says = |error: &Error| format!("object {} is damaged: {error}", info.id);
        match contents::look(store, &info) {
            Ok(Inside::Sealed(buffer)) => {
                wrong.extend(contents::read(&buffer, Depth::Line).err().as_ref().map(says))
            }
            Ok(Inside::Failed(_) | Inside::Nothing) => {}
            Err(error) if error.kind() == Kind::Corrupt => wrong.push(says(&error)),
            Err(error) => return Err(error),
        }
    }
    Ok((objects, wrong))
}
