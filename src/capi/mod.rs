//! The C ABI: `extern "C"` only, one file per handle; nothing but translation.
//!
//! An exported function clears its out-parameters, checks and converts its arguments, and makes one call into
//! `dal` or `store`, inside [`guard`](guard::guard), which keeps the message of an error for
//! `sdp_dal_last_error()` and turns a panic into `SDP_DAL_INTERNAL`.
//!
//! The doc comments of exported items are the text of `include/sdp_dal.h`: C, not Rust. `tests/header.rs` has the
//! order in which the header shows these files.
//!
//! What makes the `unsafe` here sound is the same everywhere, and is what the header asks of its callers:
//! pointers are NULL or point to what their type says, handles live until their `_free()` or `_close()`, a
//! `const` handle is used by many threads, any other by one thread at a time. The SAFETY comments say
//! "the header's rules for pointers" for that. What can be checked is: NULL, alignment, kind, UTF-8, sizes.

#![allow(unsafe_code, reason = "this module turns C pointers into Rust values")]
#![allow(non_camel_case_types, reason = "exported types bear the names of the header")]

mod arrow_structs;
mod dlpack_abi;
mod failures;
mod guard;
mod handle;
mod strings;
mod structs;
mod texts;

mod args;
mod arrow;
mod buffer;
mod call;
mod call_inputs;
mod call_outputs;
mod call_run;
mod caller;
mod client;
mod dlpack;
mod expected;
mod ids;
mod interrupt;
mod last_error;
mod list;
mod log;
mod namespaces;
mod object;
mod part;
mod passing;
mod processor;
mod ref_info;
mod reference;
mod replies;
mod results;
mod schema;
mod schema_build;
mod status;
mod store;
mod stores;
mod subscription;
mod table;
mod tensor;
mod tensor_put;
mod types;
mod value;
mod version;
mod view;
mod writer;
