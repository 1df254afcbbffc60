//! Changes to inputs: bits, bytes, integers, words of a dictionary, pieces of other inputs.
//!
//! Blind, as no coverage is measured here; what leads somewhere new is found by cargo-fuzz and committed as corpus.

/// A small generator of numbers (xorshift64*): the same sequence for the same seed.
pub struct Random(u64);

impl Random {
    /// A generator.
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number below `limit`, which is not 0.
    pub fn below(&mut self, limit: usize) -> usize {
        usize::try_from((self.number() >> 16) % limit as u64).unwrap_or(0)
    }

    fn byte(&mut self) -> u8 {
        self.number().to_be_bytes()[0]
    }
}

/// Integers at which sizes, counts and offsets change their meaning.
const INTERESTING: [u64; 20] = [
    0,
    1,
    2,
    7,
    8,
    63,
    64,
    0x7f,
    0xff,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    1 << 40,
    i64::MAX as u64,
    1 << 63,
    u64::MAX - 1,
    u64::MAX - 63,
    u64::MAX,
];

/// A place to insert something, and one to begin or end a piece at.
fn place(random: &mut Random, input: &[u8]) -> usize {
    random.below(input.len() + 1)
}

/// A piece of the input, mostly short.
fn piece(random: &mut Random, input: &[u8]) -> std::ops::Range<usize> {
    let start = place(random, input);
    let most = input.len() - start;
    let short = if random.below(4) == 0 { most } else { most.min(16) };
    start..start + random.below(short + 1)
}

/// Writes `bytes` over the input, or between its bytes.
fn put(random: &mut Random, input: &mut Vec<u8>, bytes: &[u8]) {
    let at = place(random, input);
    let replaced = if random.below(3) == 0 { 0 } else { bytes.len().min(input.len() - at) };
    input.splice(at..at + replaced, bytes.iter().copied());
}

fn change(random: &mut Random, input: &mut Vec<u8>, corpus: &[Vec<u8>], words: &[&[u8]]) {
    match random.below(10) {
        0 | 1 if !input.is_empty() => {
            let at = random.below(input.len());
            input[at] ^= 1 << random.below(8);
        }
        2 if !input.is_empty() => {
            let at = random.below(input.len());
            input[at] = random.byte();
        }
        3 | 4 => {
            let number = INTERESTING[random.below(INTERESTING.len())].wrapping_add(random.number() & 1);
            let width = 1 << random.below(4);
            put(random, input, &number.to_le_bytes()[..width]);
        }
        5 if input.len() >= 8 => {
            // A little more or less than was there.
            let at = random.below(input.len() - 7);
            let mut word = [0; 8];
            word.copy_from_slice(&input[at..at + 8]);
            let moved = (random.below(33) as u64).wrapping_sub(16);
            let width = 1 << random.below(4);
            input[at..at + width]
                .copy_from_slice(&u64::from_le_bytes(word).wrapping_add(moved).to_le_bytes()[..width]);
        }
        6 if !words.is_empty() => {
            let word = words[random.below(words.len())];
            put(random, input, word);
        }
        7 => drop(input.drain(piece(random, input))),
        8 => {
            let copied = input[piece(random, input)].to_vec();
            put(random, input, &copied);
        }
        9 if !corpus.is_empty() => {
            let other = &corpus[random.below(corpus.len())];
            let copied = other[piece(random, other)].to_vec();
            put(random, input, &copied);
        }
        _ => input.truncate(place(random, input)),
    }
}

/// An input made of one of the corpus (or of nothing) by some changes: at most `longest` bytes.
pub fn mutated(random: &mut Random, corpus: &[Vec<u8>], words: &[&[u8]], longest: usize) -> Vec<u8> {
    let mut input = if corpus.is_empty() { Vec::new() } else { corpus[random.below(corpus.len())].clone() };
    for _ in 0..1 << random.below(5) {
        change(random, &mut input, corpus, words);
    }
    input.truncate(longest);
    input
}
