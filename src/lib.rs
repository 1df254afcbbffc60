//! Tensors, tables and calls between the processes of a radio-astronomy pipeline, in shared memory, without copies and
//! without a server.
//!
//! [`store`] opens a [`Store`](store::Store): a file in shared memory with objects. [`dal`] has what a program does with it: a
//! [`Processor`](dal::Processor) offers functions, a [`Caller`](dal::Caller) calls them, a [`Ref`](dal::Ref) is a tensor or a
//! table that exists or will exist. [`wire`] describes them: signatures, element types, layouts.
//!
//! Tensors are slices ([`Tensor::as_slice`](dal::Tensor::as_slice)) or, with the feature `ndarray`, arrays and views
//! (`Tensor::view`). This program is `examples/simple.rs`:
//!
#![doc = concat!("```no_run\n", include_str!("../examples/simple.rs"), "```")]
//!
//! It prints `[11, 12, 13]`. Programs in C, C++, Python and other languages can be at either end; the crate `sdp-dal-capi` in
//! the repository makes `libsdp_dal.so` for them.
//!
//! # For those who change it
//!
//! ```text
//! capi     the C ABI: translation, one file a handle            include/sdp_dal.h, sdp_dal.hpp
//! dal      namespaces, references, caller, processor: decides
//! wire     Arrow bytes of tensors, calls, declarations
//! store    objects: create, seal, get, wait, delete, recovery: keeps
//! shm      the segment, its heap, which processes run: holds
//! sync     atomics, futex, the robust lock, pins: orders
//! ```
//! A module imports only modules below it. Start reading at [`dal`] for what users do, at [`store`] for what a crash cannot
//! break. Everything `unsafe` is in `sync`, `shm` and `capi`.

#![deny(unsafe_code, unsafe_op_in_unsafe_fn)]
#![warn(missing_docs)]

#[cfg(target_endian = "big")]
compile_error!(
    "sdp-dal is for little-endian machines: a store and the Arrow buffers in it are little-endian"
);
#[cfg(not(target_pointer_width = "64"))]
compile_error!("sdp-dal is for 64-bit machines: a store is mapped as a whole, and may be larger than 32 bits can address");
#[cfg(not(target_os = "linux"))]
compile_error!("sdp-dal is for Linux: it uses futexes, tmpfs, fallocate and open file description locks");

#[cfg(not(loom))]
pub mod arrow;
#[cfg(not(loom))]
mod capi;
#[cfg(not(loom))]
pub mod dal;
#[cfg(not(loom))]
pub mod error;
#[cfg(not(loom))]
mod hook;
#[cfg(not(loom))]
pub mod interrupt;
#[cfg(not(loom))]
pub mod log;
#[cfg(not(loom))]
#[doc(hidden)]
pub mod shm;
#[cfg(not(loom))]
pub mod store;
#[doc(hidden)]
pub mod sync;
#[cfg(not(loom))]
pub mod timeout;
#[cfg(not(loom))]
pub mod wire;
