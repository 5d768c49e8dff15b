//! Random draws that give the same numbers on every machine.
//!
//! Only ChaCha words, IEEE arithmetic and the pure-Rust libm are used: the platform's `exp` and `ln`
//! differ between machines in the last bit, which would sooner or later move an amount by a cent.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What a sequence of draws is for: each purpose has its own numbers, so that one more customer changes
/// nobody else's payments.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    /// Profile and payments of one customer.
    Customer = 1,
    /// Place of one terminal.
    Terminal = 2,
    /// Terminals compromised on one day.
    CompromisedTerminals = 3,
    /// Customers compromised on one day.
    CompromisedCustomers = 4,
}

/// A sequence of draws.
pub(super) struct Draws(ChaCha8Rng);

impl Draws {
    /// The sequence of `seed` for the `index`-th of `purpose`.
    pub(super) fn new(seed: u64, purpose: Purpose, index: u32) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        let mut rng = ChaCha8Rng::from_seed(key);
        rng.set_stream((purpose as u64) << 32 | u64::from(index));
        Self(rng)
    }

    /// Uniform in `[low, high)`.
    pub(super) fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + self.unit() * (high - low)
    }

    /// Uniform among `0..n`; `n` must not be 0.
    pub(super) fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.0.next_u64()) * n as u128) >> 64) as usize
    }

    /// Normal, by Marsaglia's polar method.
    pub(super) fn normal(&mut self, mean: f64, deviation: f64) -> f64 {
        loop {
            let (x, y) = (self.uniform(-1.0, 1.0), self.uniform(-1.0, 1.0));
            let square = x * x + y * y;
            if square > 0.0 && square < 1.0 {
                return mean + deviation * x * (-2.0 * libm::log(square) / square).sqrt();
            }
        }
    }

    /// Poisson, by Knuth's product of uniforms: fit for the small means that payments have.
    pub(super) fn poisson(&mut self, mean: f64) -> u32 {
        let limit = libm::exp(-mean);
        let mut product = self.unit();
        let mut count = 0;
        while product > limit {
            product *= self.unit();
            count += 1;
        }
        count
    }

    /// Moves `k` of `items`, drawn without replacement, to the front and returns them.
    pub(super) fn sample<'a, T>(&mut self, items: &'a mut [T], k: usize) -> &'a mut [T] {
        let k = k.min(items.len());
        for i in 0..k {
            let j = i + self.below(items.len() - i);
            items.swap(i, j);
        }
        &mut items[..k]
    }

    fn unit(&mut self) -> f64 {
        const STEP: f64 = 1.0 / (1u64 << 53) as f64;
        (self.0.next_u64() >> 11) as f64 * STEP
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_the_distributions() {
        let mut draws = Draws::new(7, Purpose::Customer, 0);
        let n = 200_000;
        let moments = |values: Vec<f64>| {
            let mean = values.iter().sum::<f64>() / n as f64;
            (mean, values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n as f64)
        };
        let (mean, variance) = moments((0..n).map(|_| draws.normal(10.0, 3.0)).collect());
        assert!((mean - 10.0).abs() < 0.03 && (variance - 9.0).abs() < 0.1, "normal {mean} {variance}");
        let (mean, variance) = moments((0..n).map(|_| f64::from(draws.poisson(2.5))).collect());
        assert!((mean - 2.5).abs() < 0.02 && (variance - 2.5).abs() < 0.05, "poisson {mean} {variance}");
        let (mean, variance) = moments((0..n).map(|_| draws.below(10) as f64).collect());
        assert!((mean - 4.5).abs() < 0.03 && (variance - 8.25).abs() < 0.05, "below {mean} {variance}");
    }

    #[test]
    fn a_sample_has_no_repeats_and_every_item_has_its_chance() {
        let mut draws = Draws::new(1, Purpose::Customer, 0);
        let mut seen = [0; 5];
        for _ in 0..5_000 {
            let mut items = [0, 1, 2, 3, 4];
            let drawn = draws.sample(&mut items, 2);
            assert_ne!(drawn[0], drawn[1]);
            drawn.iter().for_each(|i: &usize| seen[*i] += 1);
        }
        assert!(seen.iter().all(|n| (1_850..2_150).contains(n)), "{seen:?}");
        assert_eq!(draws.sample(&mut [1, 2], 5).len(), 2);
    }

    #[test]
    fn sequences_differ_by_seed_purpose_and_index() {
        let first = |seed, purpose, index| Draws::new(seed, purpose, index).below(usize::MAX);
        let base = first(0, Purpose::Customer, 0);
        assert_eq!(base, first(0, Purpose::Customer, 0));
        assert_ne!(base, first(1, Purpose::Customer, 0));
        assert_ne!(base, first(0, Purpose::Terminal, 0));
        assert_ne!(base, first(0, Purpose::Customer, 1));
    }
}
