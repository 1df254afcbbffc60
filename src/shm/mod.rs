//! The segment: one file that several processes map, and its layout.
//!
//! - `layout` names every word. `segment` creates, opens, checks and maps the file. `place` finds the file of a store
//!   from its path.
//! - `memory` has the system calls for pages, which are reserved before they are touched, and `growing` decides when
//!   huge pages pay. `heap` allocates extents.
//! - `liveness` tells which clients have crashed, `fork` what a forked child must not keep, and `own_file` whether a
//!   descriptor still refers to the store's file.
//! - `span` is the way in which bytes leave this module: read-only for what `get` returns, writable for a creator.
//!   `arrays` turns them into Arrow's buffers and arrays.
//! - `cgroup` finds the limits of memory and of CPUs, and `mounts` the mounted file systems. `cpus` tells which CPUs this
//!   process may use, and `pools` has the thread pools of libraries that would use them.
//!
//! Words in the segment are atomics at checked places. Nothing here ever forms a `&mut` to shared memory, except a
//! creator's to the bytes that only it can see.

#![allow(unsafe_code, reason = "mapped memory and system calls")]

pub mod arrays;
pub mod cgroup;
pub mod cpus;
pub mod fork;
pub mod growing;
pub mod heap;
pub mod layout;
pub mod liveness;
pub mod memory;
pub mod mounts;
pub mod own_file;
pub mod place;
pub mod pools;
pub mod segment;
pub mod span;
#[cfg(test)]
pub mod testing;
