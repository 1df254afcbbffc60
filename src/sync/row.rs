//! Rows of bits, one per client: which clients pin an object, want it, or wait for it.
//!
//! A row is whatever gives its words in order.

use std::iter::{once, Chain, Once};
use std::slice::Iter;

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
    /// Whether it is set.
    pub fn is_set(self) -> bool {
        self.word.load(Ordering::SeqCst) & self.mask != 0
    }

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

/// A row whose first word lies apart from the others: what most clients use is where their next look goes anyway.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    first: &'a AtomicU64,
    others: &'a [AtomicU64],
}

impl<'a> Row<'a> {
    /// A row of these words.
    #[inline]
    pub fn new(first: &'a AtomicU64, others: &'a [AtomicU64]) -> Row<'a> {
        Row { first, others }
    }
}

impl<'a> IntoIterator for Row<'a> {
    type Item = &'a AtomicU64;
    type IntoIter = Chain<Once<&'a AtomicU64>, Iter<'a, AtomicU64>>;

    #[inline]
    fn into_iter(self) -> Self::IntoIter {
        once(self.first).chain(self.others)
    }
}

/// The bit of a client in a row; `None`: the row has no such slot.
#[inline]
pub fn bit_of<'a>(row: impl IntoIterator<Item = &'a AtomicU64>, slot: u32) -> Option<RowBit<'a>> {
    let word = row.into_iter().nth(slot as usize / 64)?;
    Some(RowBit { word, mask: 1 << (slot % 64) })
}

/// Whether no other client than that of `bit`, which is one of the row, has its bit in the row. As [`row_is_empty`].
pub fn row_is_only<'a>(row: impl IntoIterator<Item = &'a AtomicU64>, bit: RowBit<'_>) -> bool {
    row.into_iter().all(|word| {
        let ours = if std::ptr::eq(word, bit.word) { bit.mask } else { 0 };
        word.load(Ordering::SeqCst) & !ours == 0
    })
}

/// Whether no client has its bit in the row. The caller has put a fence between its own write and this.
pub fn row_is_empty<'a>(row: impl IntoIterator<Item = &'a AtomicU64>) -> bool {
    row.into_iter().all(|word| word.load(Ordering::SeqCst) == 0)
}
