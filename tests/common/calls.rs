//! What the tests of calls share: a place for a store, and vectors of integers in and out of it.

use std::time::Duration;

use sdp_dal::dal::{Namespace, Ref};
use sdp_dal::store::{Store, StoreOptions};
use sdp_dal::timeout::Timeout;
use sdp_dal::wire::{Elem, Layout, Order, TensorSource};

pub const SIMPLE: &str = "simple_fn(x: int64, ys: int64[i]) -> (zs: int64[i])";
/// Long enough for any machine; a test that waits so long has failed.
pub const LONG: Timeout = Timeout::After(Duration::from_secs(30));

pub struct Place {
    pub path: std::path::PathBuf,
}

impl Place {
    pub fn new(name: &str) -> Place {
        let path = std::env::temp_dir().join(format!("sdp-dal-test-{}-{name}", std::process::id()));
        Place { path }
    }

    pub fn open(&self) -> Store {
        let options = StoreOptions { size: Some(64 << 20), ..StoreOptions::default() };
        Store::open(&self.path, &options).unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

pub fn bytes(values: &[i64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_ne_bytes()).collect()
}

pub fn values(bytes: &[u8]) -> Vec<i64> {
    bytes.chunks_exact(8).map(|chunk| i64::from_ne_bytes(chunk.try_into().unwrap())).collect()
}

pub fn vector(len: usize) -> Layout {
    Layout::contiguous(Elem::Int64, &[i64::try_from(len).unwrap()], Order::C, &[String::new()]).unwrap()
}

pub fn put(namespace: &Namespace, data: &[i64]) -> Ref {
    let (bytes, layout) = (bytes(data), vector(data.len()));
    namespace.put_tensor(&TensorSource { bytes: &bytes, origin: 0, layout: &layout }).unwrap()
}

pub fn got(reference: &Ref) -> Vec<i64> {
    values(reference.get_tensor(LONG).unwrap().bytes())
}
