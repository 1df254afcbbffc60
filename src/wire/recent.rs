//! A cache of what a thread has recently computed: a few values, found by the bytes that they were computed from.
//!
//! What passes through a process are mostly the inputs and outputs of a few functions, of equal form again and again, and
//! encoding or decoding the form of a small tensor costs more than moving it.

/// How many a thread remembers.
const REMEMBERED: usize = 8;

/// The values of late.
pub(crate) struct Recent<K, V> {
    entries: Vec<(K, V)>,
    /// Which one goes next.
    oldest: usize,
}

impl<K, V: Clone> Recent<K, V> {
    pub(crate) const fn new() -> Recent<K, V> {
        Recent { entries: Vec::new(), oldest: 0 }
    }

    pub(crate) fn find(&self, is_it: impl Fn(&K) -> bool) -> Option<V> {
        self.entries.iter().find(|(known, _)| is_it(known)).map(|(_, value)| value.clone())
    }

    pub(crate) fn remember(&mut self, key: K, value: V) {
        if self.entries.len() < REMEMBERED {
            self.entries.push((key, value));
        } else {
            self.entries[self.oldest] = (key, value);
            self.oldest = (self.oldest + 1) % REMEMBERED;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_first() {
        let mut recent = Recent::new();
        for n in 0..REMEMBERED + 2 {
            recent.remember(n, n * 10);
        }
        let found: Vec<_> = (0..REMEMBERED + 2).filter_map(|n| recent.find(|known| *known == n)).collect();
        assert_eq!(found, (2..REMEMBERED + 2).map(|n| n * 10).collect::<Vec<_>>());
    }
}
