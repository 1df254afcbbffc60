//! What this process does beside its waits: no thread of the library does it, but each thread that waits, polls or calls.
//!
//! A caller has calls to issue again whose processors were lost. It may be waiting for something else by then, such as the end of
//! a graph of which an early call was lost. So every wait looks after all errands of the attachment, at its start and then as
//! often as it looks for crashed clients. One thread at a time does so.

use std::sync::{Arc, Weak};

use super::attachment::Attachment;
use super::Store;
use crate::log;
use crate::sync::atomic::{lock, AtomicU32, AtomicU64, Mutex, Ordering};
use crate::timeout::Timeout;

/// How often errands are looked after, in milliseconds.
const TURN_MILLIS: u64 = 100;

/// Something that is done when a thread of this process comes past.
pub trait Errand: Send + Sync {
    /// Looks whether something is to be done, and does it. Never waits. Whether something is left that cannot be done yet.
    fn look(&self) -> bool;
}

/// The errands of an attachment.
#[derive(Default)]
pub(super) struct Errands {
    list: Mutex<Vec<Weak<dyn Errand>>>,
    /// How many there are: mostly none.
    count: AtomicU32,
    /// When they were looked after last, in milliseconds since we attached.
    looked: AtomicU64,
    /// A thread looks after them.
    busy: AtomicU32,
    /// Something is left to be done.
    left: AtomicU32,
}

impl Errands {
    /// Whether a thread is to come past soon.
    pub(super) fn wait(&self) -> bool {
        self.left.load(Ordering::Relaxed) != 0
    }
}

impl Store {
    /// Adds an errand, which goes when it is dropped.
    pub fn add_errand(&self, errand: Weak<dyn Errand>) {
        let errands = &self.attachment.errands;
        let mut list = lock(&errands.list);
        list.retain(|other| other.strong_count() > 0);
        list.push(errand);
        errands.count.store(u32::try_from(list.len()).unwrap_or(u32::MAX), Ordering::Relaxed);
    }

    /// Looks after the errands of this process, if it is time for that. Costs one load if there are none.
    #[inline]
    pub fn run_errands(&self) {
        if self.attachment.errands.count.load(Ordering::Relaxed) != 0 {
            self.run_errands_now();
        }
    }

    #[cold]
    fn run_errands_now(&self) {
        let attachment = &*self.attachment;
        let errands = &attachment.errands;
        let now = attachment.millis();
        if now < errands.looked.load(Ordering::Relaxed) + TURN_MILLIS || attachment.here().is_err() {
            // A loop that was woken for this comes again.
            errands.left.store(1, Ordering::Relaxed);
            return;
        }
        // Also while an errand itself comes past here.
        let Some(_turn) = Turn::take(errands) else { return };
        errands.looked.store(now, Ordering::Relaxed);
        let all: Vec<Arc<dyn Errand>> = {
            let mut list = lock(&errands.list);
            list.retain(|errand| errand.strong_count() > 0);
            errands.count.store(u32::try_from(list.len()).unwrap_or(u32::MAX), Ordering::Relaxed);
            list.iter().filter_map(Weak::upgrade).collect()
        };
        let _held = log::hold();
        // A poll must not wait for the lock as long as a call would.
        let _patience = self.patience(Timeout::Poll);
        let mut left = false;
        for errand in all {
            left |= errand.look();
        }
        errands.left.store(u32::from(left), Ordering::Relaxed);
    }
}

impl Attachment {
    /// Whether an event loop is to be woken so that it comes past.
    pub(super) fn has_errands(&self) -> bool {
        self.errands.wait()
    }
}

/// The right to look after the errands.
struct Turn<'a>(&'a Errands);

impl Turn<'_> {
    fn take(errands: &Errands) -> Option<Turn<'_>> {
        let free = errands.busy.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed);
        free.is_ok().then_some(Turn(errands))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.busy.store(0, Ordering::Release);
    }
}
