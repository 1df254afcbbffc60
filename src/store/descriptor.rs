//! A descriptor for event loops: readable when something that this client watches may have changed.
//!
//! The library's only thread, one per attachment, started when the descriptor is first asked for: it sleeps on the
//! client's doorbell and writes an eventfd. It holds the mapping, not the attachment, which ends it when it goes. A
//! change is seen because whoever waits in a loop has set his bits before he looked: a [`Watch`] keeps them set, and
//! signals once when it is made, so that what happened before it is looked at too.
//!
//! A loop that watches many objects asks which of them to look at: those whose buckets rang, by the marks that a
//! [`Lookout`](super::Lookout) goes by, too, and those that a watch has named itself.

use std::collections::VecDeque;
use std::os::fd::RawFd;
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use super::attachment::Attachment;
use super::id::ObjectId;
use super::wait::Interest;
use super::Store;
use crate::error::{Error, Result};
use crate::shm::layout::BUCKETS;
use crate::shm::segment::to_usize;
use crate::sync::atomic::{lock, AtomicU32, Ordering};
use crate::sync::clock;
use crate::sync::doorbell::{self, Sleepers};
use crate::sync::eventfd::{spawn_quiet, EventFd};
use crate::sync::hash::FastMap;

/// How long the thread sleeps without looking after the dead.
const SLICE: Duration = Duration::from_millis(250);

/// The descriptor and its thread.
pub(super) struct Descriptor {
    fd: Arc<EventFd>,
    stop: Arc<AtomicU32>,
    thread: Option<JoinHandle<()>>,
}

/// Keeps this client interested in some objects (a declaration: in its namespace's queue) while it lives.
pub struct Watch {
    store: Store,
    ids: Vec<ObjectId>,
    buckets: Vec<u64>,
}

/// What is watched, and what of it is to be looked at.
#[derive(Default)]
pub(super) struct Watched {
    /// Up to which mark it has been told.
    told: u64,
    /// By bucket.
    ids: FastMap<usize, Vec<ObjectId>>,
    /// To be looked at, whether its bucket rang or not.
    due: VecDeque<ObjectId>,
}

impl Store {
    /// Returns the event descriptor, which exists as long as the attachment. Only [`Store::clear_event_descriptor`] may
    /// read it, and it must not be closed. It becomes readable when a watched object or processor, or a subscription,
    /// may have something new. Sometimes it becomes readable without a reason.
    ///
    /// # Errors
    /// `Io`, `Forked`.
    pub fn event_descriptor(&self) -> Result<RawFd> {
        let attachment = &self.attachment;
        attachment.kept()?;
        let mut descriptor = lock(&attachment.descriptor);
        if let Some(descriptor) = &*descriptor {
            return Ok(descriptor.fd.number());
        }
        let new = Descriptor::start(attachment.attachment())
            .map_err(|error| Error::io("starting the thread of the event descriptor", &error))?;
        let number = new.fd.number();
        // What happened before it was made is to be looked at.
        new.fd.signal();
        *descriptor = Some(new);
        Ok(number)
    }

    /// Clears the descriptor, so that it is not readable. Call this before checking what has changed, so that later
    /// changes make it readable again.
    pub fn clear_event_descriptor(&self) -> Result<()> {
        self.attachment.kept()?;
        self.run_errands();
        // Who does not ask what changed looks at everything.
        lock(&self.attachment.watched).due.clear();
        self.attachment.clear_descriptor();
        Ok(())
    }

    /// Makes the descriptor unreadable as [`Store::clear_event_descriptor`] does, and gives what is watched and may have
    /// changed since the last time: at most `most` of these objects, more keep the descriptor readable.
    pub fn take_changed(&self, most: usize) -> Result<Vec<ObjectId>> {
        let attachment = &self.attachment;
        attachment.kept()?;
        attachment.clear_descriptor();
        self.run_errands();
        let mut watched = lock(&attachment.watched);
        let Watched { told, ids, due } = &mut *watched;
        attachment.rung_since(
            told,
            |place| ids.contains_key(&place),
            |place| {
                due.extend(ids.get(&place).into_iter().flatten());
            },
        );
        let count = due.len().min(most);
        let changed = due.drain(..count).collect();
        let is_all = due.is_empty();
        // A watch that calls has the descriptor's mutex when it takes this one.
        drop(watched);
        if !is_all {
            if let Some(descriptor) = &*lock(&attachment.descriptor) {
                descriptor.fd.signal();
            }
        }
        Ok(changed)
    }

    /// Watches some objects. The descriptor becomes readable, so that they are looked at.
    pub fn watch(&self, ids: &[ObjectId]) -> Result<Watch> {
        let watch = self.watch_from_now(ids)?;
        watch.call();
        Ok(watch)
    }

    /// Watches some objects, at which is to be looked afterwards: what has happened to them before is not told.
    pub fn watch_from_now(&self, ids: &[ObjectId]) -> Result<Watch> {
        let attachment = &self.attachment;
        attachment.here()?;
        let buckets = Interest::in_objects(attachment, ids)?.keep();
        let mut watched = lock(&attachment.watched);
        for id in ids {
            watched.ids.entry(attachment.place(id)).or_default().push(*id);
        }
        Ok(Watch { store: self.clone(), ids: ids.to_vec(), buckets })
    }
}

impl Attachment {
    fn clear_descriptor(&self) {
        if let Some(descriptor) = &*lock(&self.descriptor) {
            descriptor.fd.clear();
        }
    }

    /// The bucket of an object.
    fn place(&self, id: &ObjectId) -> usize {
        to_usize(self.hash(id).bucket() % BUCKETS)
    }
}

impl Watch {
    /// Lets the loop look at what it watches.
    pub fn call(&self) {
        let attachment = &self.store.attachment;
        if attachment.kept().is_err() {
            return;
        }
        // Without a descriptor there is no loop.
        if let Some(descriptor) = &*lock(&attachment.descriptor) {
            lock(&attachment.watched).due.extend(&self.ids);
            descriptor.fd.signal();
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let attachment = &self.store.attachment;
        if attachment.here().is_err() {
            return;
        }
        Interest::end(attachment, &self.buckets);
        let mut watched = lock(&attachment.watched);
        for id in &self.ids {
            let place = attachment.place(id);
            let Some(ids) = watched.ids.get_mut(&place) else { continue };
            if let Some(at) = ids.iter().position(|other| other == id) {
                ids.swap_remove(at);
            }
            if ids.is_empty() {
                watched.ids.remove(&place);
            }
        }
    }
}

impl Descriptor {
    fn start(attachment: &Arc<Attachment>) -> std::io::Result<Descriptor> {
        let fd = Arc::new(EventFd::new()?);
        let stop = Arc::new(AtomicU32::new(0));
        let sleeper = Sleeper {
            segment: Arc::clone(&attachment.segment),
            slot: attachment.slot,
            sleepers: Arc::clone(&attachment.sleepers),
            attachment: Arc::downgrade(attachment),
            fd: Arc::clone(&fd),
            stop: Arc::clone(&stop),
        };
        // The bell is read here: what rings from now on is heard.
        let seen = doorbell::read(&attachment.segment.client(attachment.slot).bell.0);
        let thread = spawn_quiet("sdp-dal-events", move || sleeper.run(seen))?;
        Ok(Descriptor { fd, stop, thread: Some(thread) })
    }

    /// In a forked child there is no such thread: its handle may name another one by now, which must not be let go with it.
    pub(super) fn forget(mut self) {
        std::mem::forget(self.thread.take());
    }

    /// Ends the thread of an attachment that goes. Not `kept`: the descriptor is closed already.
    pub(super) fn end(mut self, attachment: &Attachment, kept: bool) {
        if !kept {
            self.fd.let_go();
        }
        self.stop.store(1, Ordering::SeqCst);
        doorbell::ring(&attachment.segment.client(attachment.slot).bell.0, u32::MAX);
        if let Some(thread) = self.thread.take() {
            // The attachment may go in the thread itself, which had it in its hand for a moment.
            if thread.thread().id() != std::thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

/// What the thread needs.
struct Sleeper {
    segment: Arc<crate::shm::segment::Segment>,
    slot: u32,
    sleepers: Arc<Sleepers>,
    attachment: Weak<Attachment>,
    fd: Arc<EventFd>,
    stop: Arc<AtomicU32>,
}

impl Sleeper {
    fn run(self, mut seen: u32) {
        let bell = &self.segment.client(self.slot).bell.0;
        let mut looked = clock::now();
        while self.stop.load(Ordering::SeqCst) == 0 {
            let _ = doorbell::sleep(bell, &self.sleepers, seen, u32::MAX, SLICE);
            let now = doorbell::read(bell);
            if self.segment.kept().is_err() {
                // Nobody can be told any more: the descriptor has gone too.
                self.fd.let_go();
                return;
            }
            if doorbell::rang(seen, now) {
                seen = now;
                self.fd.signal();
            }
            // By the clock, however often the bell rings: a loop looks after the dead as any other waiter does.
            if clock::since(looked) >= SLICE {
                looked = clock::now();
                if let Some(attachment) = self.attachment.upgrade() {
                    attachment.reap_by_turn();
                    if attachment.has_errands() {
                        // This thread does none: the loop does when it asks what has changed.
                        self.fd.signal();
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
