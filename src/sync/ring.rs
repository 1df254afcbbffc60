//! Ringing clients that wait: rows of bits say which clients wait, marks what for, and bells wake them.
//!
//! *To wait*: join (a bit in the row, and a fence), read the bell, check, sleep on the value that was read. *To ring*:
//! change something, then fence, read the row, and for each client in it: mark, then ring the bell. One of the two sees
//! the other. A client that waits for too many things to check them all takes its marks, and checks the marked buckets,
//! also between reading the bell and sleeping.
//!
//! If a ringer crashes before it has rung all clients, these notice the change at the end of a slice of their sleep.
//! Its reaper rings and marks everything for all clients. A waiter that crashes leaves bits, which are rung in vain
//! until its reaper clears them.

use super::atomic::{fence, lock, AtomicU64, Mutex, Ordering};
use super::doorbell::{self, Bell};
use super::row::RowBit;

/// How many waits of this process are behind its bit in a row.
pub struct Waiters(Mutex<u32>);

impl Default for Waiters {
    fn default() -> Waiters {
        Waiters(Mutex::new(0))
    }
}

impl Waiters {
    /// One more waits. What is looked at after this is either seen changed, or rung for when it changes.
    pub fn join(&self, bit: RowBit<'_>) {
        let mut count = lock(&self.0);
        *count += 1;
        if *count == 1 {
            // SYNC: its fence pairs with the one in `ring`. For whoever joins later, too: by the mutex, it came before.
            bit.set();
        }
    }

    /// Whether nobody waits.
    #[cfg(all(test, not(loom)))]
    pub(crate) fn are_none(&self) -> bool {
        *lock(&self.0) == 0
    }

    /// One less waits. Under the mutex: the bit of one who joins at the same time stays.
    pub fn leave(&self, bit: RowBit<'_>) {
        let mut count = lock(&self.0);
        *count -= 1;
        if *count == 0 {
            bit.clear();
        }
    }
}

/// What is rung of one client.
pub struct Client<'a> {
    /// Its bell.
    pub bell: &'a Bell,
    /// The word of its marks that has the row's, if rows of this kind are marked; and the mark.
    pub mark: Option<(&'a AtomicU64, u64)>,
}

/// Rings the clients of a row: those of their threads that sleep with one of these bits. What they wait for has been changed.
#[inline]
pub fn ring<'a>(row: &[AtomicU64], wake_bits: u32, client: impl Fn(u32) -> Client<'a>) {
    // SYNC: pairs with the fence in `join`: we see the bit, or the waiter's look sees the change.
    fence(Ordering::SeqCst);
    ring_behind_fence(row, wake_bits, client);
}

/// The same behind a change that a full fence of this thread follows, as it does each step of [`life`](super::life).
#[inline]
pub fn ring_behind_fence<'a>(row: &[AtomicU64], wake_bits: u32, client: impl Fn(u32) -> Client<'a>) {
    // Mostly nobody waits, and a look is all.
    if row.iter().any(|word| word.load(Ordering::Relaxed) != 0) {
        ring_clients(row, wake_bits, client);
    }
}

#[inline(never)]
fn ring_clients<'a>(row: &[AtomicU64], wake_bits: u32, client: impl Fn(u32) -> Client<'a>) {
    for (at, word) in (0u32..).zip(row) {
        let mut bits = word.load(Ordering::Relaxed);
        while bits != 0 {
            let Client { bell, mark } = client(at * 64 + bits.trailing_zeros());
            if let Some((word, mark)) = mark {
                // SYNC: behind the fence, so who takes the mark, for whatever reason, sees the change. Before the bell: who is woken
                // by that finds the mark. Dead before it, the reaper marks all.
                word.fetch_or(mark, Ordering::Relaxed);
            }
            doorbell::ring(bell, wake_bits);
            bits &= bits - 1;
        }
    }
}

/// Rings a client that may wait for anything, for changes that somebody else has made and can ring for no more. A fence came before
/// the look whether there is such a client.
pub fn ring_for_all(marks: &[AtomicU64], bell: &Bell) {
    // SYNC: as in `ring`. Read-modify-writes: who takes these marks also sees what those stand for that were there before.
    marks.iter().for_each(|word| {
        word.fetch_or(u64::MAX, Ordering::Relaxed);
    });
    doorbell::ring(bell, u32::MAX);
}

/// Takes a client's marks, and gives each to `visit`. What they stand for is to be looked at afterwards.
pub fn take(marks: &[AtomicU64], mut visit: impl FnMut(usize)) {
    for (at, word) in marks.iter().enumerate() {
        if word.load(Ordering::Relaxed) == 0 {
            continue;
        }
        // SYNC: acquire pairs with the fence in `ring`: the changes that they stand for are seen; what changes later marks again.
        let mut bits = word.swap(0, Ordering::Acquire);
        while bits != 0 {
            visit(at * 64 + bits.trailing_zeros() as usize);
            bits &= bits - 1;
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn every_client_of_a_row_is_rung() {
        let row = [1 << 3 | 1 << 63, 0, 1, 1 << 5].map(AtomicU64::new);
        let bell = Bell::default();
        let before = doorbell::read(&bell);
        let clients = RefCell::new(Vec::new());
        ring(&row, u32::MAX, |at| {
            clients.borrow_mut().push(at);
            Client { bell: &bell, mark: None }
        });
        assert_eq!(clients.into_inner(), [3, 63, 128, 197]);
        assert!(doorbell::rang(before, doorbell::read(&bell)));
    }

    #[test]
    fn a_bit_stays_until_the_last_one_leaves() {
        let (waiters, word) = (Waiters::default(), AtomicU64::new(1));
        let bit = RowBit { word: &word, mask: 2 };
        let now = || (word.load(Ordering::SeqCst), waiters.are_none());
        assert_eq!(now(), (1, true));
        waiters.join(bit);
        waiters.join(bit);
        assert_eq!(now(), (3, false));
        waiters.leave(bit);
        assert_eq!(now(), (3, false));
        waiters.leave(bit);
        assert_eq!(now(), (1, true));
    }
}
