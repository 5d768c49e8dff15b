//! Contributions are Shapley values, and add up.

use crate::naive;
use proptest::prelude::*;
use tidemill_model::Forest;

const FEATURES: usize = 6;

/// Shapley's formula over all subsets of features.
/// Source: Shapley, "A value for n-person games", 1953.
fn brute_force(trees: &[naive::Tree], row: &[f64], feature: usize) -> f64 {
    let factorial = |n: u32| (1..=n).map(f64::from).product::<f64>();
    let value = |known: u32| trees.iter().map(|t| t.mean(row, known)).sum::<f64>();
    let others = (0..1u32 << FEATURES).filter(|set| set & (1 << feature) == 0);
    let all = FEATURES as u32;
    let weight = |set: u32| factorial(set.count_ones()) * factorial(all - set.count_ones() - 1) / factorial(all);
    others.map(|set| weight(set) * (value(set | 1 << feature) - value(set))).sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn contributions_are_shapley_values(
        trees in prop::collection::vec(naive::tree(FEATURES), 1..4),
        row in prop::collection::vec(naive::row_value(), FEATURES),
    ) {
        let forest = Forest::read(naive::text(FEATURES, &trees).as_bytes()).unwrap();
        let contributions = forest.contributions(&row);
        let scale = 1.0 + contributions.iter().fold(0.0, |most: f64, c| most.max(c.abs()));
        for (feature, found) in contributions.iter().enumerate() {
            let expected = brute_force(&trees, &row, feature);
            prop_assert!((found - expected).abs() <= 1e-9 * scale, "feature {}: {} and {}", feature, found, expected);
        }
        let expected = trees.iter().map(|t| t.mean(&row, 0)).sum::<f64>();
        prop_assert!((forest.expected_value() - expected).abs() <= 1e-12 * scale);
        let sum = forest.expected_value() + contributions.iter().sum::<f64>();
        prop_assert!((sum - forest.raw_score(&row)).abs() <= 1e-9 * scale, "{} {}", sum, forest.raw_score(&row));
    }
}
