//! SDP Data Access Library.
#[cfg(not(loom))]
pub mod error;
#[cfg(not(loom))]
pub mod shm;
#[cfg(not(loom))]
pub mod store;
pub mod sync;
#[cfg(not(loom))]
pub mod timeout;
