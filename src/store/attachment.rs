//! This process's use of a store: one per process and store, shared and counted by its handles.
//!
//! Attaching draws a number, locks its byte, and takes a free slot under the lock; from then on the number stands for us in
//! states, rows and the lock. Dying at any step before the slot is written leaves nothing but a number that is drawn and
//! dead; after it, a slot that the next one who looks reaps. Detaching clears the slot under the lock; whoever finds that it was
//! the last one marks the store closed and takes its names away. Dead between those two: the next opener sees CLOSED, or
//! finds no living client, and starts over.
//!
//! A store has its name before its creator attaches. A client that comes and goes in between does not close it: the creator
//! keeps a mark on the file until it has a slot. If it crashes first, the store stays, and the next client to leave closes it.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use once_cell::sync::OnceCell;

use super::addresses::Addresses;
use super::descriptor::{Descriptor, Watched};
use super::ended::supervisor;
use super::entries::EntryKey;
use super::errands::Errands;
use super::evict::Victims;
use super::lists::REMEMBERED;
use super::locked::{Locked, Others};
use super::lookout::Rung;
use super::options::{protects, Create, StoreOptions};
use super::tie::Tie;
use super::Store;
use crate::error::{Error, Kind, Result};
use crate::log::{self, Level};
use crate::shm::fork::{forks, PerProcess};
use crate::shm::layout::{store_text, BUCKETS};
use crate::shm::liveness;
use crate::shm::place::{self, Found, Place};
use crate::shm::segment::Segment;
use crate::sync::atomic::{lock, AtomicU32, AtomicU64, Mutex, Ordering};
use crate::sync::clock;
use crate::sync::clock::epoch_nanos;
use crate::sync::doorbell::Sleepers;
use crate::sync::fail;
use crate::sync::lock::NUMBER_MASK;
use crate::sync::pins::PinWord;
use crate::sync::ring::Waiters;
use crate::sync::wants::Wants;

/// Lines of private pins that are made together.
const PIN_CHUNK: usize = 512;
/// Entries whose private pins are in one line.
const IN_LINE: usize = 7;
/// How long functions without a timeout of their own wait for the lock.
pub(super) const LOCK_PATIENCE: Duration = Duration::from_secs(10);
/// How long releasing, freeing and closing wait for it.
pub(super) const LEAVE_PATIENCE: Duration = Duration::from_millis(100);

/// One process's attachment. All handles and buffers hold it; the last one detaches.
pub(super) struct Attachment {
    pub(super) segment: Arc<Segment>,
    pub(super) place: Place,
    pub(super) number: u32,
    pub(super) slot: u32,
    pub(super) identity: u64,
    forks: u32,
    /// This process's pins, made in chunks as entries are touched.
    pins: Vec<OnceCell<Box<[PinLine]>>>,
    /// Entries whose counts have been made.
    pins_ready: AtomicU32,
    /// Which objects the addresses of this process belong to.
    pub(super) addresses: Addresses,
    /// This process's wants.
    pub(super) wants: Wants,
    /// How many threads of this process wait at each bucket.
    pub(super) waiting: Vec<Waiters>,
    /// What rang, for the lookouts of this process.
    pub(super) rung: Mutex<Rung>,
    pub(super) sleepers: Arc<Sleepers>,
    pub(super) descriptor: Mutex<Option<Descriptor>>,
    /// What the loops of this process watch.
    pub(super) watched: Mutex<Watched>,
    pub(super) interrupted: AtomicU32,
    /// How long spinning has paid off lately, and what waking up costs, in nanoseconds; see `wait`.
    pub(super) spin: AtomicU32,
    pub(super) wake_cost: AtomicU32,
    /// When a producer was last asked for by a poll.
    pub(super) asked: AtomicU64,
    /// When a thread that is always busy last asked for the dead; as `asked` in milliseconds since we attached.
    pub(super) turned: AtomicU64,
    pub(super) reaping: Mutex<()>,
    /// Entries in which declarations were found last, by their prefixes; under the store's lock.
    pub(super) declarations: [AtomicU32; REMEMBERED],
    /// What is evicted next.
    pub(super) victims: Mutex<Victims>,
    /// Objects that are still to be failed: see [`Store::fail_surely`](super::Store::fail_surely).
    pub(super) owed: Mutex<Vec<Owed>>,
    /// What threads that come past have to do.
    pub(super) errands: Errands,
    /// Subscriptions of this process.
    pub(super) readers: Mutex<u32>,
    pub(super) started: Instant,
}

/// A cache line of private pins, with their mutex: threads that use other objects do not write to it, and a pin needs no second one.
#[derive(Default)]
#[repr(align(64))]
struct PinLine {
    mutex: Mutex<()>,
    words: [PinWord; IN_LINE],
}

/// Attachments of this process, by device and inode of the store.
type Registry = HashMap<(u64, u64), Weak<Attachment>>;

/// A child has its own: another thread of the parent may have been opening a store when it forked.
static REGISTRY: PerProcess<Mutex<Registry>> = PerProcess::empty();

impl Store {
    /// Opens the store at `path`, and creates it if there is none (unless the options forbid it). A process has one
    /// attachment per store: opening it again returns the same one. May wait for the lock of the store.
    ///
    /// # Errors
    /// `NotFound`, `PermissionDenied`, `Corrupt`, `Unsupported`, `OutOfMemory`, `LimitReached` (no client slot is
    /// free), `AlreadyExists` (it is not as the options require).
    pub fn open(path: &Path, options: &StoreOptions) -> Result<Store> {
        let store = Store::open_as_it_is(path, options)?;
        options.agree_with(&store)?;
        Ok(store)
    }

    fn open_as_it_is(path: &Path, options: &StoreOptions) -> Result<Store> {
        let _held = log::hold();
        let mut registry = lock(REGISTRY.get());
        registry.retain(|_, held| held.strong_count() > 0);
        let until = clock::now() + LOCK_PATIENCE;
        // Marks a store that we created until we are attached.
        let mut _mark = None;
        for _ in (0u32..).take_while(|attempt| tries_again(*attempt, until)) {
            let place = match place::find(path, options.accept_owner)? {
                Found::There(place) => place,
                Found::Nothing(place) if options.create == Create::Never => {
                    return Err(Error::new(
                        Kind::NotFound,
                        format!(
                            "there is no store at {0}: start a processor or `sdp-dal store {0}`",
                            place.path.display()
                        ),
                    ));
                }
                Found::Dangling(link) if options.create == Create::Never => return Err(link.error()),
                Found::Dangling(link) => {
                    link.replace()?;
                    continue;
                }
                Found::Nothing(place) => {
                    let plan = options.plan(&place.file)?;
                    let made = Segment::make(&place, &plan)?;
                    if made.is_some() {
                        log::write(Level::Debug, || {
                            let (path, file) = (place.path.display(), place.file.display());
                            format!("{path}: created a store of {} bytes in {file}", plan.size)
                        });
                    }
                    _mark = made;
                    continue;
                }
            };
            if let Some(store) = held(&registry, &place) {
                return Ok(store);
            }
            let segment = match Segment::open(&place, options.accept_owner, protects()) {
                Ok(segment) => segment,
                // It went between two looks.
                Err(error) if error.kind() == Kind::NotFound => continue,
                Err(error) => return Err(error),
            };
            if let Some(attachment) = Attachment::attach(segment, place, options)? {
                let meta = attachment.segment.file().metadata();
                let meta = meta.map_err(|e| Error::io("looking at the store", &e))?;
                let attachment = Arc::new(attachment);
                registry.insert((meta.dev(), meta.ino()), Arc::downgrade(&attachment));
                drop(registry);
                let store = Store { attachment: Tie::new(attachment) };
                log::write(Level::Debug, || {
                    format!("{}: opened the store as client {}", store.path().display(), store.number())
                });
                if let Some(warning) = store.memory_warning() {
                    log::write(Level::Warning, || format!("{}: {warning}", store.path().display()));
                }
                store.reap_all();
                return Ok(store);
            }
        }
        Err(Error::new(
            Kind::Busy,
            format!("the store {} is removed and created again all the time: try again", path.display()),
        ))
    }
}

/// Whether a store that goes and comes is tried once more: at once a few times, whatever the time, then with pauses.
fn tries_again(attempt: u32, until: Instant) -> bool {
    if attempt > 2 {
        if clock::now() > until {
            return false;
        }
        clock::sleep(Duration::from_millis(1));
    }
    true
}

/// Removes the stores that no other client uses. It is for a process that exits without freeing everything, as in
/// garbage-collected languages, because such stores would be left over. What this process holds stays usable. Stores
/// with other clients notice the end of this process. Waits at most 100 ms for the lock of each store.
pub fn leave_all() {
    let held: Vec<Arc<Attachment>> = {
        let _held = log::hold();
        lock(REGISTRY.get()).values().filter_map(Weak::upgrade).collect()
    };
    for attachment in held.iter().filter(|attachment| attachment.kept().is_ok()) {
        // If the lock cannot be had the store is left over, and the next who opens its path replaces it.
        let _ = attachment.leave(false);
    }
}

fn held(registry: &Registry, place: &Place) -> Option<Store> {
    let meta = std::fs::symlink_metadata(&place.file).ok()?;
    let attachment = registry.get(&(meta.dev(), meta.ino()))?.upgrade()?;
    // One whose descriptors were closed stays what it is; the store is opened again beside it.
    attachment.kept().is_ok().then(|| Store { attachment: Tie::new(attachment) })
}

/// An output that could not be ended before.
pub(super) struct Owed {
    pub(super) key: EntryKey,
    pub(super) error: Error,
    /// Its processor closes: it may be lost instead of failed.
    pub(super) lost: bool,
}

impl Attachment {
    /// Attaches; `None`: the store is going or has gone, start over.
    fn attach(segment: Segment, place: Place, options: &StoreOptions) -> Result<Option<Attachment>> {
        let segment = Arc::new(segment);
        let header = segment.header();
        let next = |last: u32| last.checked_add(1).filter(|number| *number < NUMBER_MASK);
        let drawn = header.numbers.fetch_update(Ordering::SeqCst, Ordering::SeqCst, next);
        let number = 1 + drawn.map_err(|_| {
            Error::new(Kind::LimitReached, "the store has no client numbers left: create a new store")
        })?;
        fail::point("attach.number_drawn");
        segment.liveness.be(number, segment.file())?;
        let chunks = (segment.geometry().max_objects as usize).div_ceil(PIN_CHUNK * IN_LINE);
        let mut attachment = Attachment {
            place,
            number,
            slot: u32::MAX,
            identity: header.identity.load(Ordering::Relaxed),
            forks: forks(),
            pins: (0..chunks).map(|_| OnceCell::new()).collect(),
            pins_ready: AtomicU32::new(0),
            addresses: Addresses::new(segment.geometry().max_objects),
            wants: Wants::default(),
            waiting: (0..BUCKETS).map(|_| Waiters::default()).collect(),
            rung: Mutex::default(),
            sleepers: Arc::default(),
            descriptor: Mutex::default(),
            watched: Mutex::default(),
            interrupted: AtomicU32::new(0),
            spin: AtomicU32::new(2000),
            wake_cost: AtomicU32::new(0),
            asked: AtomicU64::new(0),
            turned: AtomicU64::new(0),
            reaping: Mutex::new(()),
            declarations: Default::default(),
            victims: Mutex::default(),
            owed: Mutex::default(),
            errands: Errands::default(),
            readers: Mutex::new(0),
            started: clock::now(),
            segment: Arc::clone(&segment),
        };
        let name = options.name.clone().unwrap_or_else(program_name);
        let host = host_name();
        for last_try in [false, true] {
            match attachment.locked(|locked| Ok(locked.admit(&name, &host)))? {
                Admission::At(slot) => {
                    attachment.slot = slot;
                    let named = attachment.place.leads_to(segment.file());
                    return Ok(named.then_some(attachment));
                }
                Admission::Closed => {
                    // Whoever closed it may have died before he took the names away.
                    attachment.place.remove(segment.file());
                    return Ok(None);
                }
                Admission::Full if !attachment.place.leads_to(segment.file()) => return Ok(None),
                Admission::Full if last_try => break,
                Admission::Full => {
                    attachment.reap_dead();
                }
            }
        }
        Err(Error::new(
            Kind::LimitReached,
            format!("all {} client slots of the store are taken", segment.geometry().max_clients),
        ))
    }

    /// Fails with `Forked` in a child that inherited this, with `Io` if the others take us for dead, as our descriptors were
    /// closed behind our back: in both cases what the segment has of us is not ours to change, and may be another's by now.
    /// Costs a few loads.
    #[inline(always)]
    pub(super) fn here(&self) -> Result<()> {
        if self.forks != forks() {
            return Err(liveness::forked());
        }
        let taken = || self.slot != u32::MAX && !self.is_in(self.slot, self.number);
        if self.segment.liveness.is_lost() || taken() {
            return Err(liveness::closed());
        }
        Ok(())
    }

    /// The same, and asks the kernel whether our descriptors are still open.
    pub(super) fn kept(&self) -> Result<()> {
        self.here()?;
        self.segment.kept()
    }

    /// The private count of pins of an entry, and the private mutex for them.
    pub(super) fn pin_word(&self, index: u32) -> Result<(&PinWord, &Mutex<()>)> {
        let (line, place) = (index as usize / IN_LINE, index as usize % IN_LINE);
        let chunk =
            self.pins.get(line / PIN_CHUNK).ok_or_else(|| Error::internal("an entry out of range"))?;
        let line = &chunk.get_or_init(pin_chunk)[line % PIN_CHUNK];
        Ok((&line.words[place], &line.mutex))
    }

    /// Makes the private counts of all entries that have memory, so that creating one allocates nothing under the lock.
    pub(super) fn ready_pins(&self) {
        let objects = self.segment.objects_reserved();
        if self.pins_ready.load(Ordering::Relaxed) < objects {
            for chunk in &self.pins[..(objects as usize).div_ceil(PIN_CHUNK * IN_LINE)] {
                chunk.get_or_init(pin_chunk);
            }
            self.pins_ready.store(objects, Ordering::Relaxed);
        }
    }

    /// Milliseconds since we attached.
    pub(super) fn millis(&self) -> u64 {
        self.millis_at(clock::now())
    }

    /// The same where the clock was just read.
    pub(super) fn millis_at(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.started).as_millis()).unwrap_or(u64::MAX)
    }

    fn detach(&self) -> Result<()> {
        let last = self.leave(true)?;
        log::write(Level::Debug, || {
            let path = self.place.path.display();
            format!(
                "{path}: closed the store{}",
                if last { ", and removed it: this was its last client" } else { "" }
            )
        });
        Ok(())
    }

    /// Marks the store closed and takes its names away if no other client lives (then this is true). Gives our slot back,
    /// unless we go on using what we have: nobody can attach to a store without names.
    fn leave(&self, for_good: bool) -> Result<bool> {
        fail::point("detach.begun");
        let last = self.locked_within(LEAVE_PATIENCE, |locked| {
            if for_good {
                locked.set_reader(false)?;
            }
            let last = locked.others() != Others::Living && !liveness::being_born(self.segment.file());
            if last {
                // First: a store without clients that is not closed would pass for a new one.
                self.segment.header().closed.store(1, Ordering::SeqCst);
                fail::point("detach.closed_set");
            }
            if for_good {
                locked.give_spares_back(self.slot)?;
                self.segment.client(self.slot).number.store(0, Ordering::Release);
                fail::point("detach.slot_cleared");
            }
            Ok(last)
        })?;
        if last {
            self.place.remove(self.segment.file());
        }
        Ok(last)
    }
}

#[cold]
fn pin_chunk() -> Box<[PinLine]> {
    (0..PIN_CHUNK).map(|_| PinLine::default()).collect()
}

/// Whether a client may come in.
enum Admission {
    /// It is in this slot.
    At(u32),
    /// The store is closed: its last client has left it, or all that it had were dead.
    Closed,
    /// There is no free slot.
    Full,
}

impl Locked<'_> {
    /// Takes a slot for this client. If there were others and all of them are dead, nothing here is wanted by the living:
    /// then the store is closed, in the same turn of the lock, and a new one is to be made.
    fn admit(&self, name: &str, host: &str) -> Admission {
        let closed = &self.segment().header().closed;
        if closed.load(Ordering::Relaxed) == 0 && self.others() == Others::Dead {
            // Before the names go, so that nobody attaches to a nameless store.
            closed.store(1, Ordering::SeqCst);
            fail::point("attach.closed_set");
        }
        if closed.load(Ordering::Relaxed) != 0 {
            return Admission::Closed;
        }
        self.take_slot(name, host).map_or(Admission::Full, Admission::At)
    }

    /// Writes ourselves into a free slot. The number is the commit.
    fn take_slot(&self, name: &str, host: &str) -> Option<u32> {
        let segment = self.segment();
        let slots = 0..segment.geometry().max_clients;
        let slot =
            slots.into_iter().find(|slot| segment.client(*slot).number.load(Ordering::Relaxed) == 0)?;
        let client = segment.client(slot);
        client.pid.store(std::process::id(), Ordering::Relaxed);
        client.since.store(epoch_nanos(), Ordering::Relaxed);
        store_text(&client.name, name);
        store_text(&client.host, host);
        client.dying.store(0, Ordering::Relaxed);
        client.supervisor.store(supervisor(), Ordering::Relaxed);
        client.busy.store(0, Ordering::Relaxed);
        client.cpus.store(0, Ordering::Relaxed);
        client.bell.0.reset();
        fail::point("attach.slot_written");
        // SYNC: pairs with the acquire load in `is_in`.
        client.number.store(self.attachment.number, Ordering::Release);
        fail::point("attach.number_written");
        Some(slot)
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        let descriptor = self.descriptor.get_mut().take();
        if self.forks != forks() {
            if let Some(descriptor) = descriptor {
                descriptor.forget();
            }
            return;
        }
        let kept = self.kept().is_ok();
        if let Some(descriptor) = descriptor {
            descriptor.end(self, kept);
        }
        if kept && self.slot != u32::MAX {
            // If the lock cannot be had, our slot stays; we are dead in a moment, and it is reaped.
            let _ = self.detach();
        }
    }
}

fn program_name() -> String {
    let program = std::env::args_os().next().unwrap_or_default();
    Path::new(&program).file_name().map_or_else(|| "?".to_owned(), |name| name.to_string_lossy().into_owned())
}

fn host_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map_or_else(|_| "?".to_owned(), |t| t.trim().to_owned())
}

#[cfg(test)]
mod tests;
