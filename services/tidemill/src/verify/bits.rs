//! A set of offsets, one bit each.

/// A growing set of small numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Bits {
    words: Vec<u64>,
}

impl Bits {
    /// Adds `index`; `false` when it was there.
    pub(super) fn insert(&mut self, index: usize) -> bool {
        let (word, bit) = (index / 64, 1 << (index % 64));
        if word >= self.words.len() {
            self.words.resize((word + 1).next_power_of_two(), 0);
        }
        let new = self.words[word] & bit == 0;
        self.words[word] |= bit;
        new
    }

    /// Whether `index` is in the set.
    #[must_use]
    pub(super) fn contains(&self, index: usize) -> bool {
        self.words.get(index / 64).is_some_and(|w| w & (1 << (index % 64)) != 0)
    }

    /// How many are in the set.
    #[must_use]
    pub(super) fn len(&self) -> u64 {
        self.words.iter().map(|w| u64::from(w.count_ones())).sum()
    }

    /// What is in the set, in ascending order.
    pub(super) fn iter(&self) -> impl Iterator<Item = usize> {
        self.words.iter().enumerate().flat_map(|(i, word)| (0..64).filter(move |bit| word & (1 << bit) != 0).map(move |bit| i * 64 + bit))
    }
}

#[cfg(test)]
mod tests {
    use super::Bits;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn is_a_set(numbers in proptest::collection::vec(0usize..1_000, 0..300)) {
            let (mut bits, mut set) = (Bits::default(), BTreeSet::new());
            for n in &numbers {
                prop_assert_eq!(bits.insert(*n), set.insert(*n));
            }
            prop_assert_eq!(bits.len(), set.len() as u64);
            prop_assert!(bits.iter().eq(set.iter().copied()));
            prop_assert!((0..1_100).all(|n| bits.contains(n) == set.contains(&n)));
        }
    }
}
