//! What several tests share: a store of their own that cleans up after itself.

#![allow(dead_code, reason = "each test file uses a part")]

pub mod calls;

use std::ops::Deref;
use std::path::PathBuf;

use sdp_dal::store::{Store, StoreOptions};

/// A store under a name of its own.
pub struct TestStore(Store);

/// A path on tmpfs that no other test uses.
pub fn path(name: &str) -> PathBuf {
    PathBuf::from(format!("/dev/shm/sdp-dal-test-{name}-{}", std::process::id()))
}

impl TestStore {
    /// A fresh store of this size.
    pub fn open(name: &str, size: u64) -> TestStore {
        // SAFETY: every test sets the same value, and the library reads it only when it opens a store.
        unsafe { std::env::set_var("SDP_DAL_PROTECT", "1") };
        let options = StoreOptions { size: Some(size), ..StoreOptions::default() };
        TestStore(Store::open(&path(name), &options).unwrap())
    }

    /// Everything adds up.
    pub fn is_sound(&self) {
        assert_eq!(self.check().unwrap(), Vec::<String>::new());
    }
}

impl Deref for TestStore {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.0
    }
}
