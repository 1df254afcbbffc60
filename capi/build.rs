//! What rustc does not set for a C library: its SONAME, and that it stays loaded.

use std::env;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let part = |name: &str| env::var(name).unwrap_or_default();
    if part("CARGO_CFG_TARGET_OS") != "linux" {
        return;
    }
    let (major, minor) = (part("CARGO_PKG_VERSION_MAJOR"), part("CARGO_PKG_VERSION_MINOR"));
    // Before 1.0 every minor version may change the ABI.
    let abi = if major == "0" { format!("{major}.{minor}") } else { major };
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libsdp_dal.so.{abi}");
    // Threads of the host may run through our thread-local destructors after a dlclose().
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
}
