//! `start-copy`: what `run` starts. It prepares this process, and becomes the program.
//!
//! The kernel kills the program when its parent ends, however that ends. It is asked from inside of the process, which
//! keeps its process ID and this wish when it becomes another program.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

use clap::Args;
use rustix::process::{getppid, set_parent_process_death_signal, Signal};
use sdp_dal::error::{Error, Result};
use sdp_dal::store::SUPERVISED;

use crate::outcome::Outcome;

/// Arguments of `start-copy`.
#[derive(Debug, Args)]
pub struct Start {
    /// The process ID of the parent.
    parent: i32,
    /// By which the store knows the parent; 0: no store is told.
    token: u32,
    /// The program and its arguments.
    #[arg(required = true, trailing_var_arg = true)]
    command: Vec<OsString>,
}

/// Becomes the program; returns only if that fails.
pub fn run(which: &Start) -> Result<Outcome> {
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|code| Error::io("asking for a signal at the parent's end", &code.into()))?;
    // A parent that ended before is not noticed any more.
    if getppid().map(|parent| parent.as_raw_nonzero().get()) != Some(which.parent) {
        return Ok(Outcome::Interrupted);
    }
    let program = &which.command[0];
    let mut command = Command::new(program);
    command.args(&which.command[1..]);
    // Of this process only, and not of those that it will start.
    match which.token {
        0 => command.env_remove(SUPERVISED),
        token => command.env(SUPERVISED, format!("{}:{token}", std::process::id())),
    };
    let error = command.exec();
    eprintln!("sdp-dal: {}: {error}", program.to_string_lossy());
    Ok(Outcome::Status(if error.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 }))
}
