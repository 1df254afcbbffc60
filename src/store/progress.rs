//! How far the creation of an object has come: one word of its entry, written and read without a lock.
//!
//! The upper half is the top bit and 31 bits of the entry's generation. A word of another generation is thus not taken
//! for that of this one, and no client can write into another generation. (A declaration has its newest call's number
//! in this word, which never comes near the top bit.) The lower half is 0 until the call that creates the object was
//! taken, then 1 plus the fraction that was set last. The word is set when the entry is created, and has no meaning
//! once the object is sealed. It publishes nothing else, so its order with other words does not matter. A client that
//! crashes leaves the last value.

use super::entries::EntryKey;
use super::index::is_declaration;
use super::Store;
use crate::error::{Error, Result};
use crate::shm::layout::Word;
use crate::shm::segment::low_half;
use crate::sync::atomic::{fence, Ordering};

const BEGUN: u32 = 1;
/// What stands for a fraction of 1, behind [`BEGUN`].
const WHOLE: u32 = u32::MAX - BEGUN;

/// The word of an object that nobody has begun to make.
pub(super) fn unstarted(generation: u64) -> u64 {
    (1 << 63) | u64::from(low_half(generation)) << 32
}

fn encode(generation: u64, fraction: f64) -> u64 {
    let steps = (fraction.clamp(0.0, 1.0) * f64::from(WHOLE)).round();
    #[expect(clippy::cast_possible_truncation, reason = "between 0 and WHOLE")]
    let steps = steps as u32;
    unstarted(generation) | u64::from(BEGUN + steps.min(WHOLE))
}

fn decode(generation: u64, word: u64) -> Option<f64> {
    let ours = word & !u64::from(u32::MAX) == unstarted(generation);
    let steps = low_half(word).checked_sub(BEGUN).filter(|_| ours)?;
    Some(f64::from(steps) / f64::from(WHOLE))
}

impl Store {
    /// Tells how far the making of this life of an object has come, from 0 to 1 (more and less are cut). Nothing happens
    /// when that life is over.
    ///
    /// # Errors
    /// `InvalidArgument` for what is no number; `Forked`.
    pub fn set_progress(&self, key: EntryKey, fraction: f64) -> Result<()> {
        self.attachment.here()?;
        if fraction.is_nan() {
            return Err(Error::invalid("the progress is not a number: pass a fraction from 0 to 1"));
        }
        let entry = self.attachment.segment.entry(key.index)?;
        if is_declaration(entry) {
            // SYNC: a later life's ID was written after its generation, so that this sees that.
            fence(Ordering::Acquire);
            if Word(entry.state.load(Ordering::Acquire)).generation() != key.generation {
                return Ok(());
            }
            return Err(Error::invalid("a namespace has no progress"));
        }
        let new = encode(key.generation, fraction);
        let mut word = entry.newest_call.load(Ordering::Relaxed);
        // SYNC: the generation in the word makes a writer that comes too late find another word than it expects.
        while decode(key.generation, word).is_some() || word == unstarted(key.generation) {
            match entry.newest_call.compare_exchange(word, new, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => break,
                Err(seen) => word = seen,
            }
        }
        Ok(())
    }

    /// What was told last of this life of an object; `None` if nobody has begun to make it, or the life is over.
    ///
    /// # Errors
    /// `Forked`.
    pub fn progress(&self, key: EntryKey) -> Result<Option<f64>> {
        self.attachment.here()?;
        let entry = self.attachment.segment.entry(key.index)?;
        Ok(decode(key.generation, entry.newest_call.load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{fresh, id, put};
    use super::super::{DeleteMode, ObjectId};
    use super::*;
    use crate::error::Kind;

    #[test]
    fn a_fraction_survives_and_another_life_is_seen() {
        for generation in [0, 1, 1 << 31, (1 << 32) + 7, (1 << 44) - 1] {
            assert_eq!(decode(generation, unstarted(generation)), None);
            assert_eq!(decode(generation, 5), None, "the number of a declaration's newest call");
            for fraction in [0.0, 0.25, 0.5, 1.0 / 3.0, 1.0] {
                let read = decode(generation, encode(generation, fraction)).unwrap();
                assert!((read - fraction).abs() < 1e-9, "{fraction} became {read}");
            }
            assert_eq!(decode(generation, encode(generation, 1.0)), Some(1.0));
            assert_eq!(decode(generation, encode(generation, 7.0)), Some(1.0));
            assert_eq!(decode(generation, encode(generation, f64::NEG_INFINITY)), Some(0.0));
            assert_eq!(decode(generation + 1, encode(generation, 0.5)), None);
        }
    }

    #[test]
    fn a_namespace_has_no_progress_nor_has_what_lived_before_it() {
        let store = fresh("no-progress");
        let old = put(&store, &id(1));
        store.delete(&id(1), DeleteMode::Now).unwrap();
        let declaration = put(&store, &ObjectId::declaration([1; 4]));
        assert_eq!(declaration, EntryKey { index: old.index, generation: old.generation + 1 });
        assert_eq!(store.set_progress(declaration, 0.5).unwrap_err().kind(), Kind::InvalidArgument);
        store.set_progress(old, 0.5).unwrap();
        assert_eq!((store.progress(declaration).unwrap(), store.progress(old).unwrap()), (None, None));
    }
}
