//! Marks: what a process has pinned since it looked last.
//!
//! One bit stands for a group of entries. Who pins an entry marks its group after that. Who wants to know what was pinned
//! takes the marks, and then looks through the private pins of each group ([`PinWord::last_life`](super::pins::PinWord)).
//! Either it sees the pin, or the mark is set again. Private to a process.

use super::atomic::{AtomicU64, Ordering};

/// Entries under one mark.
pub const GROUP: u32 = 64;

/// The marks of a process.
#[derive(Default)]
pub struct Marks(Vec<AtomicU64>);

impl Marks {
    /// For so many entries.
    pub fn new(entries: u32) -> Marks {
        let words = entries.div_ceil(GROUP * u64::BITS);
        Marks((0..words).map(|_| AtomicU64::new(0)).collect())
    }

    /// Marks the group of an entry that was pinned.
    #[inline]
    pub fn mark(&self, entry: u32) {
        let group = entry / GROUP;
        let Some(word) = self.0.get((group / u64::BITS) as usize) else { return };
        let bit = 1 << (group % u64::BITS);
        // SYNC: who pinned first was inside the mutex of the private pin before this load, and who takes the mark is inside
        // it after that. If the latter came first, and missed the pin, its taking of the mark comes before this load.
        if word.load(Ordering::Relaxed) & bit == 0 {
            word.fetch_or(bit, Ordering::Relaxed);
        }
    }

    /// Takes all marks, and gives `look` the first entry of each group. After an error the groups that it has not seen are
    /// lost.
    pub fn take<E>(&self, mut look: impl FnMut(u32) -> Result<(), E>) -> Result<(), E> {
        for (at, word) in (0u32..).zip(&self.0) {
            if word.load(Ordering::Relaxed) == 0 {
                continue;
            }
            let mut bits = word.swap(0, Ordering::Relaxed);
            while bits != 0 {
                look((at * u64::BITS + bits.trailing_zeros()) * GROUP)?;
                bits &= bits - 1;
            }
        }
        Ok(())
    }
}
