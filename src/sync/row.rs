//! Rows of bits, one a client: who pins an object, wants it, or waits for it.

use super::atomic::{fence_behind, AtomicU64, Ordering};

/// The client's bit in a row of words.
#[derive(Clone, Copy)]
pub struct RowBit<'a> {
    /// The word of the row that holds the bit.
    pub word: &'a AtomicU64,
    /// The bit.
    pub mask: u64,
}

impl RowBit<'_> {
    /// Sets the bit; a fence follows, so that what is read next is newer.
    pub fn set(self) {
        self.word.fetch_or(self.mask, Ordering::SeqCst);
        fence_behind();
    }

    /// Clears the bit; a fence follows.
    pub fn clear(self) {
        self.word.fetch_and(!self.mask, Ordering::SeqCst);
        fence_behind();
    }
}

/// Whether no client has its bit in the row. The caller has put a fence between its own write and this.
pub fn row_is_empty<'a>(row: impl IntoIterator<Item = &'a AtomicU64>) -> bool {
    row.into_iter().all(|word| word.load(Ordering::SeqCst) == 0)
}
