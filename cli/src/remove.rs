//! `rm` and `destroy`: deleting objects, and whole stores.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use sdp_dal::error::{Error, Result};
use sdp_dal::store::{DeleteMode, Store};

use crate::outcome::Outcome;
use crate::table::{count, Output};
use crate::words::{find, open, path_and_ids, path_or_default};

/// Arguments of `rm`.
#[derive(Debug, Args)]
pub struct Removal {
    /// Path of the store, and the objects' IDs.
    #[arg(value_names = ["PATH", "ID"], num_args = 1.., required = true)]
    words: Vec<OsString>,
    /// Keep the objects visible until no client holds them.
    #[arg(long)]
    when_released: bool,
}

/// Arguments of `destroy`.
#[derive(Debug, Args)]
pub struct Destruction {
    /// Path of the store.
    #[arg(value_name = "PATH")]
    path: Option<PathBuf>,
}

/// Deletes objects: all of those that are named, or none if one of them is not there.
pub fn rm(which: &Removal, accept_owner: Option<u32>, output: &mut Output) -> Result<Outcome> {
    let (path, ids) = path_and_ids(&which.words)?;
    if ids.is_empty() {
        return Err(Error::invalid("no object is given: give the IDs of the objects to delete"));
    }
    let store = open(&path, accept_owner)?;
    let infos = ids.iter().map(|id| find(&store, id)).collect::<Result<Vec<_>>>()?;
    let mode = if which.when_released { DeleteMode::WhenReleased } else { DeleteMode::Now };
    for info in infos {
        let there = store.delete(&info.id, mode)?;
        let others = info.pinned_by.iter().filter(|number| **number != store.number()).count();
        output.line(match (there, others) {
            (false, _) => format!("{} was already deleted", info.id),
            (true, 0) => format!("deleted {}", info.id),
            (true, _) if which.when_released => {
                format!("{} will be deleted when it is released by {}", info.id, count(others, "holder"))
            }
            (true, _) => {
                format!("deleted {}; its bytes are still held by {}", info.id, count(others, "holder"))
            }
        });
    }
    Ok(Outcome::Fine)
}

/// Deletes a store.
pub fn destroy(which: &Destruction, accept_owner: Option<u32>, output: &mut Output) -> Result<Outcome> {
    let path = path_or_default(which.path.as_ref())?;
    Store::destroy(&path, accept_owner)?;
    output.line(format!("destroyed {}", path.display()));
    Ok(Outcome::Fine)
}
