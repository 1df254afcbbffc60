//! `sdp-dal`: serves a store, looks into it, checks it, deletes from it.
//!
//! One file a command, or a pair of them: `serve` (store), `list` (ls), `show`, `stat`, `holders`, `namespaces`, `events`,
//! `top`, `trace`, `wait`, `call`, `stub`, `run`, `check`, `remove` (rm and destroy), `stores` (and trim). Every command but `store`
//! only opens a store that is there.
//!
//! `arguments` puts them together to a command line. What they share: `words` says what a path and an ID are, `contents` what
//! is inside an object, `people` who is who, `declared` what namespaces offer, `table` how it all looks, `outcome` how a command
//! can end. `feed` is what `events`, `trace` and `top` read; of a trace, `recorder` makes sense of events with what `history`
//! remembers, `chrome` and `graph` write. Of `run`, `copies` are the processes, each of which begins in `start`, and `keeper` is with their store. `give` reads the arguments of a call, `elements` numbers, `npy` files. `interrupt`
//! hears Ctrl-C, `screen` has the terminal.

#![forbid(unsafe_code)]

mod arguments;
mod call;
mod check;
mod chrome;
mod contents;
mod copies;
mod declared;
mod elements;
mod events;
mod feed;
mod give;
mod graph;
mod history;
mod holders;
mod interrupt;
mod keeper;
mod list;
mod namespaces;
mod npy;
mod outcome;
mod people;
mod recorder;
mod remove;
mod run;
mod screen;
mod serve;
mod show;
mod start;
mod stat;
mod stores;
mod stub;
mod table;
mod top;
mod trace;
mod wait;
mod words;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use sdp_dal::error::{Kind, Result};

use arguments::{Arguments, Command, Completions};
use outcome::Outcome;
use table::Output;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut output = Output::new();
    let outcome = run(&arguments, &mut output).and_then(|outcome| output.flush().map(|()| outcome));
    match outcome {
        Ok(Outcome::Fine) => ExitCode::SUCCESS,
        Ok(Outcome::FoundWrong) => ExitCode::from(1),
        Ok(Outcome::Interrupted) => ExitCode::from(130),
        Ok(Outcome::Status(status)) => ExitCode::from(status),
        Err(error) => {
            // What was done before the error is worth knowing; a second error adds nothing.
            let _ = output.flush();
            eprintln!("sdp-dal: {}", table::plain(error.message()));
            if error.kind() == Kind::PermissionDenied && arguments.accept_owner.is_none() {
                eprintln!("sdp-dal: to use the store of another user, give --accept-owner UID");
            }
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments, output: &mut Output) -> Result<Outcome> {
    let accept = arguments.accept_owner;
    match &arguments.command {
        Command::Store(options) => serve::run(options, accept, output),
        Command::Ls(which) => list::run(which, accept, output),
        Command::Show(which) => show::run(which, accept, output),
        Command::Stat(which) => stat::run(which, accept, output),
        Command::Holders(which) => holders::run(which, accept, output),
        Command::Events(which) => events::run(which, accept, output),
        Command::Trace(which) => trace::run(which, accept, output),
        Command::Top(which) => top::run(which, accept, output),
        Command::Namespaces(which) => namespaces::run(which, accept, output),
        Command::Wait(which) => wait::run(which, accept, output),
        Command::Call(which) => call::run(which, accept, output),
        Command::Run(which) => run::run(which, accept),
        Command::Start(which) => start::run(which),
        Command::Stub(which) => stub::run(which, accept, output),
        Command::Stores(which) => stores::run(which, accept, output),
        Command::Trim(which) => stores::trim(which, accept, output),
        Command::Completions(which) => Ok(complete(which, output)),
        Command::Check(which) => check::run(which, accept, output),
        Command::Rm(which) => remove::rm(which, accept, output),
        Command::Destroy(which) => remove::destroy(which, accept, output),
    }
}

fn complete(which: &Completions, output: &mut Output) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(which.shell, &mut Arguments::command(), "sdp-dal", &mut script);
    output.line(String::from_utf8_lossy(&script).trim_end());
    Outcome::Fine
}
