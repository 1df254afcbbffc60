//! Searches the protocols of `sync` for an interleaving that breaks them.
//!
//! Built only with `--cfg loom` (`scripts/test.sh loom`): the library's room `sync` then stands on loom's atomics, whose loads
//! may give any old value that the memory model allows, and a sleeper that is never woken is a deadlock. What lies around the
//! room (the entry's state, the store's lock, the buckets) is modelled here in the few lines that matter, with the same
//! orderings as in `store`. The search is bounded by the number of preemptions; `LOOM_MAX_PREEMPTIONS` changes it.

#![cfg(loom)]

use std::sync::atomic::{AtomicU64 as Ghost, Ordering as Order};
use std::sync::Arc;
use std::time::Duration;

use loom::cell::UnsafeCell;
use loom::thread;

use sdp_dal::sync::atomic::{fence, lock, AtomicU32, AtomicU64, Mutex, Ordering};
use sdp_dal::sync::changes::Changes;
use sdp_dal::sync::doorbell::{self, Bell, Sleepers};
use sdp_dal::sync::futex::{FutexWord, EVERY_BIT};
use sdp_dal::sync::lock::{acquire, holder, release, release_dirty, Got, Surroundings};
use sdp_dal::sync::pins::{row_is_empty, Outcome, PinWord, RowBit};

/// Searches all interleavings with at most so many preemptions.
fn search(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(preemptions);
    builder.max_branches = 10_000;
    builder.check(model);
}

/// Memory whose readers and writers loom watches: an access that is not ordered after a writer's fails the search.
struct Watched(UnsafeCell<()>);

// SAFETY: the cell holds nothing and its pointer is never followed; loom checks who comes when.
unsafe impl Sync for Watched {}
// SAFETY: as above.
unsafe impl Send for Watched {}

impl Watched {
    fn new() -> Watched {
        Watched(UnsafeCell::new(()))
    }

    fn read(&self) {
        self.0.with(|_| ());
    }

    fn write(&self) {
        self.0.with_mut(|_| ());
    }
}

// ---- pins -----------------------------------------------------------------------------------------------------------

const FREE: u64 = 0;
const SEALED: u64 = 1;
const DOOMED: u64 = 2;
/// Deletes when the last pin goes; until then the entry stays sealed.
const WHEN_RELEASED: u64 = 4;
const BITS: u32 = 3;
/// The first life in every model.
const LIFE: u64 = 5;

/// One entry of the store, with the lock of the store.
struct Entry {
    state: AtomicU64,
    row: AtomicU64,
    bytes: Watched,
    store: Mutex<()>,
    /// Not part of the protocol, so no loom atomic: always the newest value.
    frees: Ghost,
    freed_life: Ghost,
}

/// One process's view of it.
struct Process {
    entry: Arc<Entry>,
    mask: u64,
    word: PinWord,
    shard: Mutex<()>,
}

impl Entry {
    fn sealed() -> Arc<Entry> {
        Arc::new(Entry {
            state: AtomicU64::new(LIFE << BITS | SEALED),
            row: AtomicU64::new(0),
            bytes: Watched::new(),
            store: Mutex::new(()),
            frees: Ghost::new(0),
            freed_life: Ghost::new(0),
        })
    }

    /// Deletes this life now. As `store::entries::doom`.
    fn doom(&self, life: u64) {
        let _store = lock(&self.store);
        self.doom_locked(life);
    }

    fn doom_locked(&self, life: u64) {
        let mut now = self.state.load(Ordering::Acquire);
        loop {
            if now >> BITS != life || matches!(now & !WHEN_RELEASED & 7, FREE | DOOMED) {
                return;
            }
            let doomed = life << BITS | DOOMED;
            match self.state.compare_exchange(now, doomed, Ordering::SeqCst, Ordering::Acquire) {
                Ok(_) => break,
                Err(seen) => now = seen,
            }
        }
        fence(Ordering::SeqCst);
        self.free_if_unpinned(life);
    }

    /// Deletes it once nobody pins it. As `store::delete`.
    fn delete_when_released(&self, life: u64) {
        let _store = lock(&self.store);
        self.state.fetch_or(WHEN_RELEASED, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        if row_is_empty([&self.row]) {
            self.doom_locked(life);
        }
    }

    /// Under the store's lock. As `store::entries::free_if_unpinned`.
    fn free_if_unpinned(&self, life: u64) -> bool {
        let now = self.state.load(Ordering::Acquire);
        if now >> BITS != life || now & 7 != DOOMED || !row_is_empty([&self.row]) {
            return false;
        }
        self.bytes.write();
        self.frees.fetch_add(1, Order::SeqCst);
        self.freed_life.store(life, Order::SeqCst);
        self.state.store((life + 1) << BITS | FREE, Ordering::SeqCst);
        true
    }

    fn assert_freed_once(&self) {
        assert_eq!(self.frees.load(Order::SeqCst), 1, "the bytes are freed exactly once");
        assert_eq!(self.state.load(Ordering::SeqCst), (LIFE + 1) << BITS | FREE);
        assert_eq!(self.row.load(Ordering::SeqCst), 0);
    }
}

impl Process {
    fn new(entry: &Arc<Entry>, nth: u32) -> Arc<Process> {
        Arc::new(Process {
            entry: entry.clone(),
            mask: 1 << nth,
            word: PinWord::default(),
            shard: Mutex::new(()),
        })
    }

    fn bit(&self) -> RowBit<'_> {
        RowBit { word: &self.entry.row, mask: self.mask }
    }

    /// As `store::buffer`'s `pin`.
    fn pin(&self, life: u64) -> bool {
        let outcome = self.word.pin(&self.shard, self.bit(), life, || {
            let now = self.entry.state.load(Ordering::SeqCst);
            now >> BITS == life && now & !WHEN_RELEASED & 7 == SEALED
        });
        if outcome == Outcome::Gone {
            self.after_release();
        }
        outcome == Outcome::Done
    }

    /// The creator's own pin, before anybody can find the entry.
    fn pin_creation(&self, life: u64) {
        assert_eq!(self.word.pin(&self.shard, self.bit(), life, || true), Outcome::Done);
    }

    fn unpin(&self, life: u64) {
        if self.word.unpin(&self.shard, self.bit(), life) == Outcome::Left {
            self.after_release();
        }
    }

    fn after_release(&self) {
        let now = self.entry.state.load(Ordering::SeqCst);
        let waits = now & 7 == DOOMED || now & WHEN_RELEASED != 0;
        if !waits || !row_is_empty([&self.entry.row]) {
            return;
        }
        let _store = lock(&self.entry.store);
        let life = now >> BITS;
        if self.entry.free_if_unpinned(life) {
            return;
        }
        let now = self.entry.state.load(Ordering::Acquire);
        if now >> BITS == life && now & WHEN_RELEASED != 0 && row_is_empty([&self.entry.row]) {
            self.entry.doom_locked(life);
        }
    }

    /// Gets the object and lets it go. What must hold while it is pinned.
    fn use_it(&self, life: u64) {
        if self.pin(life) {
            // No yield in between: loom then withholds the old values that a load may still give.
            self.assert_held(life);
            self.assert_held(life);
            self.unpin(life);
        }
    }

    fn assert_held(&self, life: u64) {
        assert!(self.entry.freed_life.load(Order::SeqCst) < life, "life {life} is pinned, but it is over");
        self.entry.bytes.read();
    }
}

/// Readers (the number of the process of each) against one deleter, who is the main thread.
fn readers_and_deleter(readers: &[usize], delete: impl Fn(&Entry)) {
    let entry = Entry::sealed();
    let processes: Vec<_> = (0..2).map(|nth| Process::new(&entry, nth)).collect();
    let running: Vec<_> = readers
        .iter()
        .map(|nth| {
            let process = processes[*nth].clone();
            thread::spawn(move || process.use_it(LIFE))
        })
        .collect();
    delete(&entry);
    running.into_iter().for_each(|reader| reader.join().unwrap());
    entry.assert_freed_once();
    assert!(!processes[0].pin(LIFE), "a life that is over was pinned");
    entry.assert_freed_once();
}

#[test]
fn two_threads_of_a_process_pin_what_is_deleted() {
    search(3, || readers_and_deleter(&[0, 0], |entry| entry.doom(LIFE)));
}

#[test]
fn two_processes_pin_what_is_deleted() {
    search(3, || readers_and_deleter(&[0, 1], |entry| entry.doom(LIFE)));
}

#[test]
fn two_threads_of_a_process_pin_what_goes_with_its_last_pin() {
    search(3, || readers_and_deleter(&[0, 0], |entry| entry.delete_when_released(LIFE)));
}

#[test]
fn two_processes_pin_what_goes_with_its_last_pin() {
    search(3, || readers_and_deleter(&[0, 1], |entry| entry.delete_when_released(LIFE)));
}

/// A thread that looked up the old life pins it while another thread of its process ends that life and pins the next.
#[test]
fn a_pin_of_the_old_life_never_holds_the_new_one() {
    search(3, || {
        let entry = Entry::sealed();
        let process = Process::new(&entry, 0);
        let late = process.clone();
        let late = thread::spawn(move || late.use_it(LIFE));
        entry.doom(LIFE);
        {
            let _store = lock(&entry.store);
            let now = entry.state.load(Ordering::Acquire);
            if now == (LIFE + 1) << BITS | FREE {
                // As `create`: the pin is there before anybody can find the new life.
                process.pin_creation(LIFE + 1);
                entry.bytes.write();
                entry.state.store((LIFE + 1) << BITS | SEALED, Ordering::Release);
            }
        }
        late.join().unwrap();
        assert_eq!(entry.freed_life.load(Order::SeqCst), LIFE);
        if entry.state.load(Ordering::Acquire) == (LIFE + 1) << BITS | SEALED {
            process.assert_held(LIFE + 1);
            entry.doom(LIFE + 1);
            process.assert_held(LIFE + 1);
            process.unpin(LIFE + 1);
            assert_eq!(entry.freed_life.load(Order::SeqCst), LIFE + 1, "the next life was never freed");
        }
        assert_eq!(entry.row.load(Ordering::SeqCst), 0);
    });
}

/// Pinning again and again: the count goes from one to zero to one while another thread adds to it.
#[test]
fn the_last_release_of_one_thread_meets_the_pin_of_another() {
    search(3, || {
        let entry = Entry::sealed();
        let process = Process::new(&entry, 0);
        assert!(process.pin(LIFE));
        let other = process.clone();
        let other = thread::spawn(move || {
            other.use_it(LIFE);
            other.use_it(LIFE);
        });
        let deleter = entry.clone();
        let deleter = thread::spawn(move || deleter.doom(LIFE));
        process.assert_held(LIFE);
        process.unpin(LIFE);
        other.join().unwrap();
        deleter.join().unwrap();
        entry.assert_freed_once();
    });
}

// ---- the lock -------------------------------------------------------------------------------------------------------

const DEAD: u32 = 7;
const LIVING: u32 = 3;

struct World;

impl Surroundings for World {
    fn is_dead(&self, number: u32) -> bool {
        number == DEAD
    }

    fn slice(&self) -> Option<Duration> {
        // loom's sleep has no end: who needs it to end has lost a wake-up.
        Some(Duration::from_secs(1))
    }
}

struct Guarded {
    word: FutexWord,
    inside: Watched,
    /// How each who came got the lock, in order; written inside.
    log: std::sync::Mutex<Vec<Got>>,
}

impl Guarded {
    fn new() -> Arc<Guarded> {
        Arc::new(Guarded { word: FutexWord::new(0), inside: Watched::new(), log: Default::default() })
    }

    fn take(&self, me: u32) -> Got {
        let Ok(got) = acquire(&self.word, me, &World) else { panic!("{me} gave up") };
        assert_eq!(holder(&self.word), me);
        self.inside.write();
        self.log.lock().unwrap().push(got);
        self.inside.write();
        got
    }

    /// Starts threads that take the lock once each and give it back in order.
    fn waiters(self: &Arc<Guarded>, numbers: &[u32]) -> Vec<thread::JoinHandle<()>> {
        let start = |me: &u32| {
            let (guarded, me) = (self.clone(), *me);
            thread::spawn(move || {
                guarded.take(me);
                release(&guarded.word);
            })
        };
        numbers.iter().map(start).collect()
    }

    fn end(&self, waiters: Vec<thread::JoinHandle<()>>, expected: &[Got]) {
        waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
        assert_eq!(*self.log.lock().unwrap(), expected);
        assert_eq!(holder(&self.word), 0);
    }
}

#[test]
fn a_dead_holder_is_followed_once_and_dirty() {
    search(3, || {
        let guarded = Guarded::new();
        assert_eq!(acquire(&guarded.word, DEAD, &World), Ok(Got::Clean));
        let waiters = guarded.waiters(&[1, 2]);
        guarded.end(waiters, &[Got::Dirty, Got::Clean]);
    });
}

#[test]
fn a_living_holder_is_waited_for_by_two() {
    search(3, || {
        let guarded = Guarded::new();
        guarded.take(LIVING);
        let waiters = guarded.waiters(&[1, 2]);
        release(&guarded.word);
        guarded.end(waiters, &[Got::Clean, Got::Clean, Got::Clean]);
    });
}

#[test]
fn a_dirty_release_is_told_to_one() {
    search(3, || {
        let guarded = Guarded::new();
        guarded.take(LIVING);
        let waiters = guarded.waiters(&[1, 2]);
        release_dirty(&guarded.word);
        guarded.end(waiters, &[Got::Clean, Got::Dirty, Got::Clean]);
    });
}

#[test]
fn a_holder_that_died_before_two_waited_wakes_both() {
    search(2, || {
        // The holder died with the waiters' bit set: whoever waited for it may be gone, too.
        let guarded = Guarded::new();
        assert_eq!(acquire(&guarded.word, DEAD, &World), Ok(Got::Clean));
        guarded.word.word().fetch_or(1 << 31, Ordering::Relaxed);
        let waiters = guarded.waiters(&[1, 2]);
        guarded.end(waiters, &[Got::Dirty, Got::Clean]);
    });
}

// ---- the doorbell ---------------------------------------------------------------------------------------------------

/// A client's bell, the bucket that says whether it listens, and what it waits for.
struct Listener {
    bucket: AtomicU64,
    bell: Bell,
    sleepers: Sleepers,
    waiting: Mutex<u32>,
    there: [AtomicU32; 2],
}

impl Listener {
    fn new() -> Arc<Listener> {
        Arc::new(Listener {
            bucket: AtomicU64::new(0),
            bell: Bell::default(),
            sleepers: Sleepers::default(),
            waiting: Mutex::new(0),
            there: [AtomicU32::new(0), AtomicU32::new(0)],
        })
    }

    /// As `store::wait`'s `Interest` and `wait_until`.
    fn wait_for(&self, nth: usize) {
        let bit = RowBit { word: &self.bucket, mask: 1 };
        {
            let mut waiting = lock(&self.waiting);
            *waiting += 1;
            if *waiting == 1 {
                bit.set();
            }
        }
        fence(Ordering::SeqCst);
        loop {
            let seen = doorbell::read(&self.bell);
            if self.there[nth].load(Ordering::Acquire) != 0 {
                break;
            }
            let _ = doorbell::sleep(&self.bell, &self.sleepers, seen, EVERY_BIT, Duration::from_secs(1));
        }
        let mut waiting = lock(&self.waiting);
        *waiting -= 1;
        if *waiting == 0 {
            bit.clear();
        }
    }

    /// As `store::create`'s `seal` and `store::wait`'s `ring`.
    fn bring(&self, nth: usize) {
        self.there[nth].store(1, Ordering::Release);
        fence(Ordering::SeqCst);
        if self.bucket.load(Ordering::SeqCst) != 0 {
            doorbell::ring(&self.bell, EVERY_BIT);
        }
    }
}

#[test]
fn a_ring_is_never_lost() {
    search(4, || {
        let listener = Listener::new();
        let waiter = listener.clone();
        let waiter = thread::spawn(move || waiter.wait_for(0));
        listener.bring(0);
        waiter.join().unwrap();
    });
}

#[test]
fn two_sleepers_of_a_process_are_woken_by_a_ring_each() {
    search(3, || {
        let listener = Listener::new();
        let waiters = [0, 1].map(|nth| {
            let listener = listener.clone();
            thread::spawn(move || listener.wait_for(nth))
        });
        listener.bring(0);
        listener.bring(1);
        for waiter in waiters {
            waiter.join().unwrap();
        }
        assert_eq!(doorbell::read(&listener.bell) & 1, 0, "nobody sleeps, but the bell says so");
        assert_eq!(listener.bucket.load(Ordering::SeqCst), 0);
    });
}

#[test]
fn two_ringers_wake_two_sleepers() {
    search(2, || {
        let listener = Listener::new();
        let waiters = [0, 1].map(|nth| {
            let listener = listener.clone();
            thread::spawn(move || listener.wait_for(nth))
        });
        let other = listener.clone();
        let other = thread::spawn(move || other.bring(1));
        listener.bring(0);
        other.join().unwrap();
        for waiter in waiters {
            waiter.join().unwrap();
        }
    });
}

// ---- wants ----------------------------------------------------------------------------------------------------------

/// An object, and this process's claims on it: a bit in the row, a count under a mutex.
struct Claimed {
    store: Mutex<()>,
    row: AtomicU64,
    count: Mutex<u32>,
    doomed: AtomicU32,
}

impl Claimed {
    fn bit(&self) -> RowBit<'_> {
        RowBit { word: &self.row, mask: 1 }
    }

    /// As `store::want`'s `want` and `claim`. False if it is gone.
    fn claim(&self) -> bool {
        let _store = lock(&self.store);
        if self.doomed.load(Ordering::Acquire) != 0 {
            return false;
        }
        let mut count = lock(&self.count);
        *count += 1;
        self.bit().set();
        true
    }

    /// As dropping a `Want`.
    fn let_go(&self) {
        let mut count = lock(&self.count);
        *count -= 1;
        if *count > 0 {
            return;
        }
        self.bit().clear();
        drop(count);
        fence(Ordering::SeqCst);
        if row_is_empty([&self.row]) {
            let _store = lock(&self.store);
            if row_is_empty([&self.row]) {
                self.doomed.store(1, Ordering::SeqCst);
            }
        }
    }
}

#[test]
fn a_claim_that_was_given_holds_though_another_thread_lets_the_last_one_go() {
    search(3, || {
        let claimed = Arc::new(Claimed {
            store: Mutex::new(()),
            row: AtomicU64::new(1),
            count: Mutex::new(1),
            doomed: AtomicU32::new(0),
        });
        let other = claimed.clone();
        let other = thread::spawn(move || other.let_go());
        let held = claimed.claim();
        other.join().unwrap();
        let doomed = claimed.doomed.load(Ordering::SeqCst) != 0;
        assert_eq!(held, !doomed, "claimed, and gone all the same; or neither");
        if held {
            claimed.let_go();
            assert_eq!(claimed.doomed.load(Ordering::SeqCst), 1, "nobody wants it, and it stays");
        }
    });
}

// ---- the event log --------------------------------------------------------------------------------------------------

/// A slot of the log: its sequence, two words of the event, its sequence.
struct Slot {
    before: AtomicU64,
    words: [AtomicU64; 2],
    after: AtomicU64,
}

/// The log, and the count of those who read it.
struct Log {
    store: Mutex<()>,
    slots: Vec<Slot>,
    sequence: AtomicU64,
    epoch: AtomicU64,
    readers: AtomicU32,
    /// How often something was changed without the lock.
    changed: AtomicU64,
}

/// What a look at the log gave.
#[derive(Debug, PartialEq)]
enum Told {
    Nothing,
    Event(u64),
    Resync,
}

/// One who reads it.
struct Reader {
    next: u64,
    epoch: u64,
}

impl Log {
    fn new(slots: usize, readers: u32) -> Arc<Log> {
        let word = || AtomicU64::new(0);
        let slot = || Slot { before: word(), words: [word(), word()], after: word() };
        Arc::new(Log {
            store: Mutex::new(()),
            slots: (0..slots).map(|_| slot()).collect(),
            sequence: word(),
            epoch: word(),
            readers: AtomicU32::new(readers),
            changed: word(),
        })
    }

    /// As `store::events`' `tell` under the lock. The event of sequence n says n, twice.
    fn append(&self) {
        let sequence = self.sequence.load(Ordering::Relaxed) + 1;
        let slot = &self.slots[sequence as usize % self.slots.len()];
        slot.before.store(sequence, Ordering::Relaxed);
        fence(Ordering::Release);
        slot.words.iter().for_each(|word| word.store(sequence, Ordering::Relaxed));
        slot.after.store(sequence, Ordering::Release);
        self.sequence.store(sequence, Ordering::Release);
    }

    fn read(&self, sequence: u64) -> Option<u64> {
        let slot = &self.slots[sequence as usize % self.slots.len()];
        if slot.after.load(Ordering::Acquire) != sequence {
            return None;
        }
        let words = [0, 1].map(|nth| slot.words[nth].load(Ordering::Relaxed));
        fence(Ordering::Acquire);
        if slot.before.load(Ordering::Relaxed) != sequence {
            return None;
        }
        assert_eq!(words, [sequence; 2], "parts of two events");
        Some(sequence)
    }

    fn start(&self) -> Reader {
        let epoch = self.epoch.load(Ordering::Acquire);
        Reader { epoch, next: self.sequence.load(Ordering::Acquire) + 1 }
    }

    /// As `Subscription::look`.
    fn look(&self, reader: &mut Reader) -> Told {
        if self.epoch.load(Ordering::Acquire) == reader.epoch {
            let newest = self.sequence.load(Ordering::Acquire);
            if reader.next > newest {
                return Told::Nothing;
            }
            let there = newest - reader.next < self.slots.len() as u64;
            if let Some(event) = there.then(|| self.read(reader.next)).flatten() {
                reader.next += 1;
                return Told::Event(event);
            }
        }
        *reader = self.start();
        Told::Resync
    }

    /// Sealing: the change, the fence, the look for readers, and telling them. As `seal` and `Attachment::tell`.
    fn seal(&self, lock_is_to_be_had: bool) {
        self.changed.fetch_add(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        if self.readers.load(Ordering::Relaxed) == 0 {
            return;
        }
        if lock_is_to_be_had {
            let _store = lock(&self.store);
            self.append();
        } else {
            self.epoch.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn subscribe(&self) -> Reader {
        {
            let _store = lock(&self.store);
            self.readers.store(1, Ordering::SeqCst);
        }
        fence(Ordering::SeqCst);
        self.start()
    }
}

/// Reads while others write: events are whole, and none is left out without a resync.
fn follow(log: &Log, looks: u32) {
    let mut reader = Reader { next: 1, epoch: 0 };
    for _ in 0..looks {
        let expected = reader.next;
        match log.look(&mut reader) {
            Told::Event(event) => assert_eq!(event, expected, "an event was left out"),
            Told::Nothing => assert_eq!(reader.next, expected),
            Told::Resync => assert!(reader.next > expected, "sent back"),
        }
    }
}

/// Readers beside one who appends, in a ring so small that each event is written over the one before.
fn readers_and_writer(readers: u32, looks: u32, events: u32) {
    let log = Log::new(1, 1);
    let start = |_| {
        let log = log.clone();
        thread::spawn(move || follow(&log, looks))
    };
    let readers: Vec<_> = (0..readers).map(start).collect();
    for _ in 0..events {
        let _store = lock(&log.store);
        log.append();
    }
    readers.into_iter().for_each(|reader| reader.join().unwrap());
    let mut late = Reader { next: 1, epoch: 0 };
    assert_eq!(log.look(&mut late), Told::Resync);
    assert_eq!(log.look(&mut late), Told::Nothing);
}

#[test]
fn two_readers_of_a_ring_see_whole_events_or_list_again() {
    search(2, || readers_and_writer(2, 1, 2));
}

#[test]
fn a_reader_of_a_ring_that_is_overwritten_again_and_again_loses_nothing_unseen() {
    search(2, || readers_and_writer(1, 2, 3));
}

/// Two who seal without the lock, one of whom cannot have it afterwards, and one who subscribes and then lists.
#[test]
fn whoever_subscribes_and_then_lists_misses_nothing() {
    for lock_is_to_be_had in [true, false] {
        search(3, move || {
            let log = Log::new(2, 0);
            let sealers = [true, lock_is_to_be_had].map(|had| {
                let log = log.clone();
                thread::spawn(move || log.seal(had))
            });
            let mut reader = log.subscribe();
            let listed = log.changed.load(Ordering::SeqCst);
            for sealer in sealers {
                sealer.join().unwrap();
            }
            let (mut told, mut again) = (0, false);
            loop {
                match log.look(&mut reader) {
                    Told::Nothing => break,
                    Told::Event(_) => told += 1,
                    Told::Resync => again = true,
                }
            }
            // Told of twice is as good: by the list and by the log.
            assert!(again || listed + told >= 2, "{listed} listed, {told} told of");
        });
    }
}

// ---- the index: what is there is found, or the miss is not believed -------------------------------------------------

#[test]
fn a_rebuild_makes_nothing_truly_absent() {
    search(3, || {
        let index = Arc::new((Changes::default(), AtomicU64::new(5)));
        let reader = {
            let index = index.clone();
            thread::spawn(move || {
                let (changes, slot) = &*index;
                let before = changes.now();
                let found = slot.load(Ordering::Acquire);
                assert!(found == 5 || !changes.none_since(before), "what is there is said to be absent");
            })
        };
        let (changes, slot) = &*index;
        changes.begin();
        slot.store(0, Ordering::Relaxed);
        slot.store(5, Ordering::Release);
        changes.end();
        reader.join().unwrap();
    });
}
