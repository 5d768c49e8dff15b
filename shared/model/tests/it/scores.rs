//! A forest scores as LightGBM does, one row or many.

use crate::naive::{self, Tree};
use proptest::prelude::*;
use tidemill_model::{Forest, sigmoid};

const FEATURES: usize = 5;

proptest! {
    #[test]
    fn rows_score_bit_for_bit_as_in_the_plain_forest(
        trees in prop::collection::vec(naive::tree(FEATURES), 1..20),
        rows in prop::collection::vec(prop::collection::vec(naive::row_value(), FEATURES), 1..80),
    ) {
        let forest = Forest::read(naive::text(FEATURES, &trees).as_bytes()).unwrap();
        let mut batch = Vec::new();
        forest.scores(&rows.concat(), &mut batch);
        prop_assert_eq!(batch.len(), rows.len());
        for (row, batched) in rows.iter().zip(batch) {
            let expected = naive::raw_score(&trees, row);
            prop_assert_eq!(forest.raw_score(row).to_bits(), expected.to_bits(), "{:?}", row);
            prop_assert_eq!(forest.score(row).to_bits(), sigmoid(expected).to_bits());
            prop_assert_eq!(batched.to_bits(), sigmoid(expected).to_bits());
            let stages = forest.staged_raw_scores(row);
            prop_assert_eq!(stages.len(), trees.len());
            prop_assert!(stages.iter().enumerate().all(|(i, s)| *s == naive::raw_score(&trees[..=i], row)));
        }
    }
}

#[test]
fn a_tree_may_be_a_lone_leaf() {
    let trees = [Tree::Leaf { value: -1.5, count: 7 }, Tree::Leaf { value: 0.25, count: 7 }];
    let forest = Forest::read(naive::text(1, &trees).as_bytes()).unwrap();
    assert_eq!((forest.raw_score(&[3.0]), forest.expected_value(), forest.trees(), forest.leaves()), (-1.25, -1.25, 2, 2));
    assert_eq!(forest.contributions(&[3.0]), [0.0]);
}

#[test]
fn a_short_row_is_missing_at_its_end() {
    let left = Tree::Leaf { value: 1.0, count: 3 };
    let right = Tree::Leaf { value: 2.0, count: 3 };
    let split = Tree::Split { feature: 1, threshold: 5.0, missing: 2, default_left: false, children: Box::new([left, right]) };
    let forest = Forest::read(naive::text(2, &[split]).as_bytes()).unwrap();
    assert_eq!((forest.raw_score(&[0.0, 4.0]), forest.raw_score(&[0.0]), forest.raw_score(&[])), (1.0, 2.0, 2.0));
}

#[test]
fn the_objectives_steepness_is_used() {
    let text = naive::text(1, &[Tree::Leaf { value: 0.5, count: 1 }]).replace("sigmoid:1\n", "sigmoid:2.5\n");
    let forest = Forest::read(text.as_bytes()).unwrap();
    assert_eq!(forest.score(&[0.0]), sigmoid(1.25));
}
