//! The target `abi` for cargo-fuzz.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sdp_dal_fuzz::targets::abi::run(data));
