//! Atomics, the futex, the robust lock, the doorbell and the pin protocol.
//!
//! Everything here works on words that may lie in shared memory, and knows nothing of where they lie. Built with
//! `--cfg loom` the room stands alone, on loom's atomics, and `tests/loom` searches its protocols exhaustively.

#![allow(unsafe_code, reason = "futex and eventfd are system calls")]

pub mod atomic;
#[cfg(not(loom))]
pub mod cancel;
pub mod changes;
pub mod doorbell;
#[cfg(not(loom))]
pub mod eventfd;
pub mod fail;
pub mod futex;
pub mod lock;
#[cfg(not(loom))]
pub mod mutex;
pub mod pins;
#[cfg(all(test, not(loom)))]
pub(crate) mod testing;
