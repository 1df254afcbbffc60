//! The segment: one file that several processes map, and what lies where in it.
//!
//! `layout` names every word; `segment` makes, opens, checks and maps the file; `place` turns the path of a store into the
//! file; `memory` reserves pages before anybody touches them; `heap` deals out extents; `liveness` knows who is dead;
//! `span` is the way in which bytes leave this room: read-only for what `get` hands out, writable for a creator; `arrays`
//! makes Arrow's buffers and arrays of them; `cgroup` knows how much memory we may use, `mounts` what is mounted where.
//!
//! Words in the segment are atomics at checked places. Nothing here ever forms a `&mut` to shared memory, except a
//! creator's to the bytes that only it can see.

#![allow(unsafe_code, reason = "mapped memory and system calls")]

pub mod arrays;
pub mod cgroup;
pub mod heap;
pub mod layout;
pub mod liveness;
pub mod memory;
pub mod mounts;
pub mod place;
pub mod segment;
pub mod span;
