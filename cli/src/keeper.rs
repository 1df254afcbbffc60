//! What `run` does for the store of its copies: it is a client of it.
//!
//! A thread opens the store once it is there, and again if it is replaced. It reclaims what crashed clients held, so that a
//! copy that is started again finds room. The main thread tells the store how a copy ended. That must not wait for
//! the other thread, which may wait for it.

use std::path::Path;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use sdp_dal::error::Kind;
use sdp_dal::store::{Create, ProcessEnd, Store};

use crate::table::plain;
use crate::words::options;

/// How often to look for a store that is not there yet, and how often for crashed clients.
const LOOK: Duration = Duration::from_millis(20);
const TURN: Duration = Duration::from_millis(250);

/// The store, while it is open.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Option<Store>>>);

impl Shared {
    fn get(&self) -> Option<Store> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, store: Option<Store>) {
        let before = std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), store);
        // Without the mutex: closing may wait for the store's lock.
        drop(before);
    }
}

/// Keeps a store open.
pub struct Keeper {
    store: Shared,
    ended: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Keeps the store at this path open, once it is there.
    pub fn start(path: &Path, accept_owner: Option<u32>) -> Keeper {
        let (store, path) = (Shared::default(), path.to_owned());
        let (ended, ends) = mpsc::channel();
        let shared = store.clone();
        let thread = std::thread::spawn(move || keep(&shared, &path, accept_owner, &ends));
        Keeper { store, ended: Some(ended), thread: Some(thread) }
    }

    /// Tells how a copy ended, and has reclaimed what it held. How many clients of the store it was.
    pub fn tell(&self, pid: u32, token: u32, end: ProcessEnd) -> u32 {
        let told = self.store.get().map_or(0, |store| store.tell_end(pid, token, end));
        if let Some(ended) = &self.ended {
            let _ = ended.send(());
        }
        told
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.ended = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Until the other side is dropped.
fn keep(shared: &Shared, path: &Path, accept_owner: Option<u32>, ends: &Receiver<()>) {
    let mut warned = false;
    let mut all = false;
    loop {
        match shared.get().filter(|store| !store.is_gone()) {
            Some(store) if all => drop(store.reap_all()),
            Some(store) => drop(store.reap_by_turn()),
            None => {
                shared.set(None);
                match Store::open(path, &options(Create::Never, accept_owner)) {
                    Ok(store) => shared.set(Some(store)),
                    Err(error) if warned || error.kind() == Kind::NotFound => {}
                    Err(error) => {
                        warned = true;
                        eprintln!("sdp-dal run: the store is not kept open: {}", plain(error.message()));
                    }
                }
            }
        }
        let wait = if shared.get().is_some() { TURN } else { LOOK };
        match ends.recv_timeout(wait) {
            Ok(()) => all = true,
            Err(RecvTimeoutError::Timeout) => all = false,
            Err(RecvTimeoutError::Disconnected) => return shared.set(None),
        }
    }
}
