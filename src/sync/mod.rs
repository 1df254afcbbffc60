//! Atomics, the futex, the robust lock, and every protocol by which processes agree without it.
//!
//! Everything here works on words that may lie in shared memory, and knows nothing of where they lie. Built with
//! `--cfg loom` the module is compiled alone, on loom's atomics, and `tests/loom` searches its protocols exhaustively.

#![allow(unsafe_code, reason = "futex and eventfd are system calls")]

pub mod atomic;
#[cfg(not(loom))]
pub mod cancel;
pub mod changes;
#[cfg(not(loom))]
pub mod clock;
pub mod doorbell;
#[cfg(not(loom))]
pub mod eventfd;
pub mod fail;
pub mod futex;
pub mod hash;
pub mod index;
pub mod life;
pub mod lock;
pub mod marks;
#[cfg(not(loom))]
pub mod mutex;
pub mod pins;
pub mod ring;
pub mod row;
#[cfg(all(feature = "simulate", not(loom)))]
pub mod sim;
pub mod slots;
#[cfg(all(test, not(loom)))]
pub(crate) mod testing;
pub mod wants;
#[cfg(all(feature = "simulate", not(loom)))]
mod watched;
