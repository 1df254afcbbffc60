//! The segment: one file that several processes map, and what lies where in it.
//!
//! `layout` names every word; `segment` makes, opens, checks and maps the file; `place` turns the path of a store into the
//! file; `memory` has the system calls for pages, which are reserved before anybody touches them, and `growing` knows
//! when huge ones pay; `heap` deals out extents; `liveness` knows who is dead, `fork` what a forked child must not keep,
//! `own_file` whether a descriptor still means our file; `span` is the way in which bytes leave this room: read-only for what
//! `get` hands out, writable for a creator; `arrays` makes Arrow's buffers and arrays of them; `cgroup` knows how much memory
//! we may use, `mounts` what is mounted where.
//!
//! Words in the segment are atomics at checked places. Nothing here ever forms a `&mut` to shared memory, except a
//! creator's to the bytes that only it can see.

#![allow(unsafe_code, reason = "mapped memory and system calls")]

pub mod arrays;
pub mod cgroup;
pub mod fork;
pub mod growing;
pub mod heap;
pub mod layout;
pub mod liveness;
pub mod memory;
pub mod mounts;
pub mod own_file;
pub mod place;
pub mod segment;
pub mod span;
#[cfg(test)]
pub mod testing;
