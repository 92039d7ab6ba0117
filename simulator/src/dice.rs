//! Chance that repeats: the same seed and stream give the same numbers, on every machine and in any order of asking.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng as _, SeedableRng as _},
};

/// A source of numbers. Only raw 64-bit words of the cipher are used, so no library update changes what is drawn.
pub(crate) struct Dice(ChaCha8Rng);

impl Dice {
    /// Streams of one seed are independent of each other.
    pub(crate) fn new(seed: [u8; 32], stream: u64) -> Self {
        let mut cipher = ChaCha8Rng::from_seed(seed);
        cipher.set_stream(stream);
        Self(cipher)
    }

    /// A number of `0..end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.within(0, end.saturating_sub(1))
    }

    /// A number of `low..=high`.
    pub(crate) fn within(&mut self, low: u64, high: u64) -> u64 {
        let span = u128::from(high - low) + 1;
        // Less than `span`, so the sum is at most `high`.
        let offset = (u128::from(self.0.next_u64()) * span) >> 64;
        low + u64::try_from(offset).unwrap_or_default()
    }

    /// True once in `n` times.
    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// One of several.
    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        let index = self.below(items.len() as u64);
        &items[usize::try_from(index).unwrap_or_default()]
    }

    /// Every order is as likely.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = usize::try_from(self.below(last as u64 + 1)).unwrap_or_default();
            items.swap(last, other);
        }
    }
}
