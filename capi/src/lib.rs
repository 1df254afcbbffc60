//! The shared and the static library, with what `include/sdp_dal.h` declares.
//!
//! The functions are those of `src/capi` in the library's crate: rustc exports them from whatever they are linked into.
//! They have a crate of their own so that Rust programs that depend on `sdp-dal` build no library for C.

extern crate library as _;
