//! Sets of numbers that are nearly without gaps, as offsets are: their size is that of the gaps.

use std::collections::BTreeMap;

/// A set of numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Ranges {
    /// The last number of each range by its first; no two touch.
    ranges: BTreeMap<i64, i64>,
}

impl Ranges {
    /// Adds `number`, if it is not there yet.
    pub(crate) fn insert(&mut self, number: i64) {
        let first = match self.up_to(number) {
            Some((_, last)) if last >= number => return,
            Some((first, last)) if last + 1 == number => first,
            _ => number,
        };
        let next = number.checked_add(1).and_then(|next| self.ranges.remove(&next));
        self.ranges.insert(first, next.unwrap_or(number));
    }

    /// Whether `number` is there.
    pub(crate) fn contains(&self, number: i64) -> bool {
        self.up_to(number).is_some_and(|(_, last)| last >= number)
    }

    /// The range that begins last of those that begin by `number`.
    fn up_to(&self, number: i64) -> Option<(i64, i64)> {
        self.ranges.range(..=number).next_back().map(|(first, last)| (*first, *last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeSet, HashSet};

    /// How many ranges there must be: one for each number that does not follow another.
    fn runs(numbers: &BTreeSet<i64>) -> usize {
        numbers.iter().filter(|n| n.checked_sub(1).is_none_or(|before| !numbers.contains(&before))).count()
    }

    fn number() -> impl Strategy<Value = i64> {
        prop_oneof![12 => 0..60i64, 1 => i64::MAX - 3..=i64::MAX, 1 => i64::MIN..=i64::MIN + 3]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]
        #[test]
        fn is_a_set_as_small_as_it_can_be(numbers in prop::collection::vec(number(), 0..120), asked in prop::collection::vec(number(), 40)) {
            let (mut ranges, mut known) = (Ranges::default(), HashSet::new());
            for number in numbers {
                ranges.insert(number);
                known.insert(number);
                prop_assert_eq!(ranges.ranges.len(), runs(&known.iter().copied().collect()));
            }
            for number in asked.into_iter().chain(known.iter().copied()) {
                prop_assert_eq!(ranges.contains(number), known.contains(&number), "{}", number);
            }
        }
    }

    #[test]
    fn offsets_without_gaps_are_one_range_whatever_their_order() {
        let mut ranges = Ranges::default();
        let count = 100_003;
        for n in 0..count {
            // a prime step visits each number once
            ranges.insert(n * 7_919 % count);
        }
        assert_eq!(ranges.ranges, BTreeMap::from([(0, count - 1)]));
    }
}
