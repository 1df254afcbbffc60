//! The command line: what can be said. What a command takes stands with the command.

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::call::Call;
use crate::check::WholeStore;
use crate::events::Events;
use crate::holders::Holders;
use crate::list::Listing;
use crate::namespaces::Namespaces;
use crate::remove::{Destruction, Removal};
use crate::run::Run;
use crate::serve::ServeOptions;
use crate::show::OneObject;
use crate::start::Start;
use crate::stat::Statistics;
use crate::stores::{Stores, Trim};
use crate::stub::Stub;
use crate::top::Top;
use crate::trace::Trace;
use crate::wait::Wait;

const AFTER_HELP: &str = "\
PATH may be left out if the environment variable SDP_DAL_STORE names a store. An ID may be shortened to its first
hexadecimal digits, as long as no other ID starts with them. A first argument of only hexadecimal digits is an ID: write
./cafe for a store with such a name. These commands attach to the store, but do not list themselves as clients.

Exit status: 0 success; 1 the store is inconsistent (check), the call failed (call), or the timeout has passed (wait);
2 wrong usage, or an error; 130 ended by Ctrl-C before the result (call, wait). `run` ends with the status of its program.";

/// Serve, inspect, check and clear stores of the SDP Data Access Library.
#[derive(Debug, Parser)]
#[command(name = "sdp-dal", version, about, after_help = AFTER_HELP, arg_required_else_help = true)]
pub struct Arguments {
    /// Accept a store that belongs to this user (a number).
    #[arg(long, global = true, value_name = "UID")]
    pub accept_owner: Option<u32>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Create a store, or adopt an existing one, and keep it until a signal ends this command.
    ///
    /// An existing store must have the requested size and eviction, because a store cannot change them. While this command
    /// runs, it reclaims what crashed clients held, 4 times per second. After SIGINT, SIGTERM or SIGHUP the store is removed
    /// when its last client closes, or at once if it has no clients.
    Store(ServeOptions),
    /// List the objects, by ID.
    Ls(Listing),
    /// Show everything that is known about one object.
    Show(OneObject),
    /// Show statistics of a store.
    Stat(Statistics),
    /// List the stores of this machine.
    ///
    /// The command does not attach to a store, and removes stores only with --remove-left-over. A store that is left over uses
    /// memory until its path is opened again.
    Stores(Stores),
    /// Return unused memory to the system.
    ///
    /// Writing is slower after this, until the store has grown again.
    Trim(Trim),
    /// List the clients that hold or own objects.
    Holders(Holders),
    /// Print events of objects, namespaces and calls as they occur.
    Events(Events),
    /// Show memory, namespaces with their rates, and clients, and update them until q or Ctrl-C.
    Top(Top),
    /// List the declared namespaces with their owners, functions and objects.
    Namespaces(Namespaces),
    /// Wait until processors are running, or an object exists: a readiness probe.
    Wait(Wait),
    /// Call a function of a processor, and show its outputs or write them to .npy files.
    Call(Call),
    /// Run copies of a processor's program, and restart those that end.
    ///
    /// It is for processors whose libraries call exit() or abort() on bad input. A copy that ends is started again after
    /// 0.1 seconds, and each time after twice as long, up to 10 seconds. The delay is reset when a copy has run for 10
    /// seconds. SIGTERM, SIGINT or SIGHUP ends all copies. If this command is killed, the copies are killed too. With a
    /// store, the callers of a copy learn how it ended, and what it held is reclaimed at once. Each copy is a process group
    /// of its own, reads nothing, and finds its number, from 0, in SDP_DAL_COPY.
    Run(Run),
    /// Become a copy of a program: what `run` starts.
    #[command(hide = true, name = "start-copy")]
    Start(Start),
    /// Write a typed caller of a function, in C++, Python or Fortran.
    ///
    /// The function is one that a processor offers, or that of a signature. A function with several forms gets an overload for
    /// each. The text depends on nothing but the signatures.
    Stub(Stub),
    /// Record the calls as a trace for Perfetto, or as a graph for Graphviz.
    Trace(Trace),
    /// Check the whole store and list all inconsistencies.
    ///
    /// It locks the store for a moment, and reads the header of every object.
    Check(WholeStore),
    /// Print a script that completes command lines of this program, for bash `source <(sdp-dal completions bash)`.
    Completions(Completions),
    /// Delete objects.
    Rm(Removal),
    /// Delete a store with all its objects, even while it is in use.
    ///
    /// Clients keep the bytes that they hold. The memory is freed when the last of them has closed the store.
    Destroy(Destruction),
}

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell for which the script is.
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }
}
