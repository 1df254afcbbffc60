//! The targets.

pub mod abi;
pub mod damage;
pub mod header;
pub mod signature;
pub mod store;
pub mod wire;

use std::sync::Once;

/// A function that must end whatever its input is.
pub struct Target {
    /// Its name.
    pub name: &'static str,
    /// What it does, in one line.
    pub about: &'static str,
    /// Runs an input.
    pub run: fn(&[u8]),
    /// Words that inputs are made of.
    pub words: &'static [&'static [u8]],
    /// Bytes of an input at most.
    pub longest: usize,
    /// First inputs, with names.
    pub seeds: fn() -> Vec<(String, Vec<u8>)>,
}

/// All targets.
pub const TARGETS: [Target; 5] =
    [header::TARGET, store::TARGET, wire::TARGET, signature::TARGET, abi::TARGET];

/// How the names of the stores of a worker begin, with its process ID behind it, in `/dev/shm`.
pub const PREFIX: &str = "sdp-dal-fuzz-";

/// A path for a store, of this process's own.
fn path(name: &str) -> std::path::PathBuf {
    prepare();
    format!("/dev/shm/{PREFIX}{}-{name}", std::process::id()).into()
}

/// The environment that all targets expect.
fn prepare() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // A full store is full at once: waiting is not what is fuzzed. No input must take half of the machine.
        let variables =
            [("SDP_DAL_FULL_TIMEOUT", "0"), ("SDP_DAL_STORE_SIZE", "4194304"), ("SDP_DAL_ARGV", "0")];
        for (name, value) in variables {
            // SAFETY: the only thread of the process that uses the environment by now.
            unsafe { std::env::set_var(name, value) };
        }
        // SAFETY: as above.
        unsafe { std::env::remove_var("SDP_DAL_STORE") };
    });
}
