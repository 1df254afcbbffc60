//! What a seed determines.

/// A generator of numbers (xorshift64*, Vigna 2016) that a seed determines.
#[derive(Clone, Debug)]
pub struct Draws(u64);

impl Draws {
    /// From a seed; neighbouring seeds give sequences that have nothing in common.
    pub fn new(seed: u64) -> Draws {
        // The finaliser of splitmix64 (Steele, Lea, Flood 2014).
        let mut mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        Draws((mixed ^ mixed >> 31) | 1)
    }

    /// Any number.
    pub fn word(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `end` (0 if that is 0).
    pub fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.word()) * u128::from(end)) >> 64) as u64
    }

    /// True once in `times`.
    pub fn one_in(&mut self, times: u64) -> bool {
        times > 0 && self.below(times) == 0
    }

    /// One of them.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len() as u64) as usize]
    }

    /// A number of steps of which `mean` is about the mean.
    pub(super) fn steps(&mut self, mean: u64) -> u64 {
        let part = (self.word() >> 11) as f64 / (1u64 << 53) as f64;
        1 + (-(1.0 - part).ln() * mean as f64) as u64
    }
}
