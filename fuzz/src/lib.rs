//! Fuzzing of the SDP Data Access Library: hostile bytes and hostile programs, and a driver that needs no nightly compiler.
//!
//! A *target* ([`targets`]) is a function of bytes that must neither crash nor hang, whatever the bytes are. The *driver*
//! ([`driver`]) runs it over its committed corpus and over mutated inputs ([`mutate`]), in a child process ([`worker`]), so that
//! a crash or a hang is one failing input and not the end. cargo-fuzz runs the same functions, guided by coverage.
//!
//! ```sh
//! cargo run --release -p sdp-dal-fuzz -- wire --minutes 10
//! cargo +nightly fuzz run wire --features libfuzzer
//! ```

pub mod driver;
pub mod mutate;
pub mod targets;
pub mod worker;
