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
use crate::serve::ServeOptions;
use crate::show::OneObject;
use crate::stat::Statistics;
use crate::stores::{Stores, Trim};
use crate::top::Top;
use crate::trace::Trace;
use crate::wait::Wait;

const AFTER_HELP: &str = "\
PATH may be left out if the environment names a store in SDP_DAL_STORE. An ID is any beginning of it, in hexadecimal
digits, that is the beginning of no other. A first argument of hexadecimal digits only is an ID; write ./cafe for a
store of such a name. These commands attach to the store, but do not count themselves among its clients.

Exit status: 0 fine; 1 something in the store is wrong (check), the call failed (call), or it was not there in time (wait);
2 wrong usage, or it could not be done; 130 ended by Ctrl-C before it was done (call, wait).";

/// Serve, look into, check and clear stores of the SDP Data Access Library.
#[derive(Debug, Parser)]
#[command(name = "sdp-dal", version, about, after_help = AFTER_HELP, arg_required_else_help = true)]
pub struct Arguments {
    /// Use the store though it belongs to this user (a number).
    #[arg(long, global = true, value_name = "UID")]
    pub accept_owner: Option<u32>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a store, or adopt one that is there, and keep it until a signal ends this command.
    ///
    /// A store that is there must have the size and the eviction that are asked for: a store keeps what it was made with.
    /// While it runs, what dead clients held is given back 4 times a second. After SIGINT, SIGTERM or SIGHUP the store
    /// goes with its last client: at once if there is none.
    Store(ServeOptions),
    /// List the objects, by ID.
    Ls(Listing),
    /// Everything that is known of one object.
    Show(OneObject),
    /// Figures of the store.
    Stat(Statistics),
    /// List the stores of this machine.
    ///
    /// The command attaches to no store, and removes none without --remove-left-over. A store that is left over takes memory
    /// until its path is opened again.
    Stores(Stores),
    /// Give memory that no object uses back to the system.
    ///
    /// Writing gets slower after it, until the store has grown again.
    Trim(Trim),
    /// Who holds objects' bytes and who owns objects.
    Holders(Holders),
    /// Write what happens, as it happens: objects, namespaces and calls.
    Events(Events),
    /// Show a store at work: memory, namespaces with their rates, clients. q or Ctrl-C ends it.
    Top(Top),
    /// List the declared namespaces: who owns them, what they offer, what is there.
    Namespaces(Namespaces),
    /// Wait until processors live, or an object exists: a readiness probe.
    Wait(Wait),
    /// Call a function of a processor, show what it makes or write it to .npy files.
    Call(Call),
    /// Record the calls for Perfetto, or their graph for Graphviz.
    Trace(Trace),
    /// Walk through everything and list what does not add up.
    ///
    /// The store is locked for a moment, and the head of every object is read.
    Check(WholeStore),
    /// Write a script that completes this program's command lines: for bash `source <(sdp-dal completions bash)`.
    Completions(Completions),
    /// Delete objects.
    Rm(Removal),
    /// Delete a store with all that is in it, also while clients use it.
    ///
    /// Clients keep what they hold; the memory is given back when the last of them has left.
    Destroy(Destruction),
}

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub struct Completions {
    /// Whose script it is to be.
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
