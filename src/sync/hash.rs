//! Maps of this process whose keys are a few words: entries, orders, IDs.
//!
//! The standard library's hash costs a hundred instructions for a word, and a call looks into such maps a dozen times. This
//! one multiplies by what each map has drawn by chance, so that a client which chooses IDs does not choose where they fall.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

/// A map with such keys.
pub type FastMap<K, V> = std::collections::HashMap<K, V, Seed>;

/// What a map has drawn.
#[derive(Clone, Copy, Debug)]
pub struct Seed(u64, u64);

impl Default for Seed {
    fn default() -> Seed {
        let chance = RandomState::new();
        // Odd, so that no word is multiplied by zero.
        Seed(chance.hash_one(0u8), chance.hash_one(1u8) | 1)
    }
}

impl BuildHasher for Seed {
    type Hasher = Mixer;

    #[inline]
    fn build_hasher(&self) -> Mixer {
        Mixer { hash: self.0, by: self.1 }
    }
}

/// The hash of one key, as its words come.
#[derive(Clone, Copy, Debug)]
pub struct Mixer {
    hash: u64,
    by: u64,
}

impl Mixer {
    #[inline]
    fn mix(&mut self, word: u64) {
        self.hash = folded(self.hash ^ word, self.by);
    }
}

/// Folds the product of 128 bits: its upper half depends on all bits, and so do both halves together.
#[inline]
fn folded(word: u64, by: u64) -> u64 {
    let product = u128::from(word) * u128::from(by);
    #[expect(clippy::cast_possible_truncation, reason = "the halves are what is wanted")]
    let halves = (product as u64, (product >> 64) as u64);
    halves.0 ^ halves.1
}

impl Hasher for Mixer {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.mix(u64::from_le_bytes(word));
        }
    }

    #[inline]
    fn write_u8(&mut self, word: u8) {
        self.mix(word.into());
    }

    #[inline]
    fn write_u32(&mut self, word: u32) {
        self.mix(word.into());
    }

    #[inline]
    fn write_u64(&mut self, word: u64) {
        self.mix(word);
    }

    #[inline]
    fn write_usize(&mut self, word: usize) {
        self.mix(word as u64);
    }

    #[inline]
    fn finish(&self) -> u64 {
        // One multiplication leaves the keys of a sequence in steps, which a third of all draws makes visible: 2^64 divided by
        // the golden ratio breaks them up.
        folded(self.hash, 0x9e37_79b9_7f4a_7c15)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// Upper and lower bits, both of which a map uses.
    #[test]
    fn neighbours_fall_apart_and_each_map_has_its_own_order() {
        for _ in 0..100 {
            let seed = Seed::default();
            let places = |shift: u32| {
                (0..4096u32).map(|key| seed.hash_one(key) >> shift & 4095).collect::<HashSet<_>>()
            };
            // By chance some 2600 of 4096 places are taken.
            for shift in [0, 26, 52] {
                assert!(
                    places(shift).len() > 2400,
                    "{} places at bit {shift} of {seed:?}",
                    places(shift).len()
                );
            }
        }
        let seed = Seed::default();
        assert_ne!(seed.hash_one(7u64), Seed::default().hash_one(7u64));
        let id = |last: u8| [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last];
        assert_eq!((0..=255).map(|last| seed.hash_one(id(last))).collect::<HashSet<_>>().len(), 256);
        // Words of every width count.
        let of_widths =
            |n: u8| [seed.hash_one(n), seed.hash_one(u64::from(n)), seed.hash_one(usize::from(n))];
        for width in 0..3 {
            assert_eq!((0..=255).map(|n| of_widths(n)[width]).collect::<HashSet<_>>().len(), 256);
        }
    }
}
