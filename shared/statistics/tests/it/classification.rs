//! Metrics against scikit-learn, against their definitions, and where they are not defined.

use crate::golden::{floats, json, same};
use proptest::prelude::*;
use std::collections::BTreeSet;
use tidemill_statistics::classification::{card_precision_at, evaluate};

#[test]
fn metrics_equal_scikit_learn() {
    for case in json("classification.json")["cases"].as_array().unwrap() {
        let mut rows: Vec<(f64, f64)> = floats(&case["scores"]).into_iter().zip(floats(&case["labels"])).collect();
        let found = evaluate(&mut rows, case["threshold"].as_f64().unwrap(), Some(case["k"].as_u64().unwrap() as usize)).named();
        let golden = case["named"].as_object().unwrap();
        assert_eq!(found.len(), golden.len());
        found.into_iter().for_each(|(name, value)| same(name, value, &golden[name]));
    }
}

#[test]
fn card_precision_equals_the_handbook() {
    let golden = &json("classification.json")["cards"];
    let row = |row: &serde_json::Value| (row[0].as_u64().unwrap(), row[1].as_f64().unwrap(), row[2].as_f64().unwrap());
    let days: Vec<Vec<_>> = golden["days"].as_array().unwrap().iter().map(|d| d.as_array().unwrap().iter().map(row).collect()).collect();
    let found = card_precision_at(golden["k"].as_u64().unwrap() as usize, &days).unwrap();
    assert_eq!(found.by_day, floats(&golden["by_day"]));
    same("mean", found.mean, &golden["mean"]);
}

#[test]
fn an_entity_is_found_once() {
    let day = || vec![("a", 0.9, 0.0), ("a", 0.2, 1.0), ("b", 0.8, 0.0), ("c", 0.7, 1.0), ("d", f64::NAN, 1.0)];
    let found = card_precision_at(2, &[day(), vec![], day(), vec![("a", 1.0, 1.0)]]).unwrap();
    // first a and b; then a is known: b and c; then nobody is left
    assert_eq!((found.by_day, found.mean), (vec![0.5, 0.5, 0.0], 1.0 / 3.0));
    assert_eq!(card_precision_at(0, &[day()]), None);
    assert_eq!(card_precision_at::<&str>(2, &[vec![]]), None);
    // of equal scores the lesser entity is looked into, whatever the order of the rows
    for tied in [vec![("x", 0.5, 1.0), ("y", 0.5, 0.0)], vec![("y", 0.5, 0.0), ("x", 0.5, 1.0)]] {
        assert_eq!(card_precision_at(1, &[tied]).unwrap().mean, 1.0);
    }
}

fn names(mut rows: Vec<(f64, f64)>) -> BTreeSet<&'static str> {
    let named = evaluate(&mut rows, 0.5, Some(3)).named();
    assert!(named.iter().all(|(_, value)| value.is_finite()));
    named.into_iter().map(|(name, _)| name).collect()
}

#[test]
fn what_is_not_defined_is_not_there() {
    let counts = ["true_positives", "false_positives", "true_negatives", "false_negatives", "rows", "positives"];
    let with = |more: &[&'static str]| counts.iter().chain(more).copied().collect::<BTreeSet<_>>();
    assert_eq!(names(vec![]), with(&[]));
    assert_eq!(names(vec![(f64::NAN, 1.0), (0.5, f64::NAN), (f64::INFINITY, 0.0)]), with(&[]));
    let probabilities = ["log_loss", "brier", "calibration_error", "base_rate", "precision_at_k"];
    let negative: Vec<_> = [&probabilities[..], &["false_positive_rate"]].concat();
    assert_eq!(names(vec![(0.1, 0.0), (0.2, 0.0)]), with(&negative));
    let positive = [&probabilities[..], &["average_precision", "precision", "recall", "f1", "false_negative_rate"]].concat();
    assert_eq!(names(vec![(0.9, 1.0)]), with(&positive));
    let scores = [
        "auc",
        "average_precision",
        "precision_at_k",
        "precision",
        "recall",
        "f1",
        "false_positive_rate",
        "false_negative_rate",
        "base_rate",
    ];
    assert_eq!(names(vec![(-2.0, 0.0), (3.0, 1.0)]), with(&scores), "scores that are no probabilities");
}

#[test]
fn ties_at_the_border_count_as_expected() {
    let mut rows = vec![(0.9, 1.0), (0.5, 1.0), (0.5, 0.0), (0.5, 0.0), (0.1, 1.0)];
    let mut at = |k| evaluate(&mut rows, 0.5, Some(k)).precision_at_k;
    assert_eq!([at(0), at(1), at(4), at(5), at(9)], [None, Some(1.0), Some(0.5), Some(0.6), Some(0.6)]);
    assert!((at(2).unwrap() - (1.0 + 1.0 / 3.0) / 2.0).abs() < 1e-15);
}

/// Pairs in the right order over all pairs.
fn naive_auc(rows: &[(f64, f64)]) -> Option<f64> {
    let (mut won, mut pairs) = (0.0, 0.0);
    for (score, _) in rows.iter().filter(|r| r.1 == 1.0) {
        for (other, _) in rows.iter().filter(|r| r.1 == 0.0) {
            pairs += 1.0;
            won += if score > other {
                1.0
            } else if score == other {
                0.5
            } else {
                0.0
            };
        }
    }
    (pairs > 0.0).then(|| won / pairs)
}

fn naive_average_precision(rows: &[(f64, f64)]) -> Option<f64> {
    let positives = rows.iter().filter(|r| r.1 == 1.0).count() as f64;
    // each positive row has the precision of an alarm at its own score
    let precision = |score: f64| {
        let alarms: Vec<_> = rows.iter().filter(|r| r.0 >= score).collect();
        alarms.iter().filter(|r| r.1 == 1.0).count() as f64 / alarms.len() as f64
    };
    (positives > 0.0).then(|| rows.iter().filter(|r| r.1 == 1.0).map(|r| precision(r.0)).sum::<f64>() / positives)
}

proptest! {
    #[test]
    fn rankings_equal_their_definitions(rows in prop::collection::vec((0..12u8, any::<bool>()), 0..60), k in 1..70usize) {
        let rows: Vec<(f64, f64)> = rows.into_iter().map(|(s, l)| (f64::from(s) / 11.0, f64::from(u8::from(l)))).collect();
        let found = evaluate(&mut rows.clone(), 0.5, Some(k));
        let near = |a: Option<f64>, b: Option<f64>| match (a, b) {
            (Some(a), Some(b)) => (a - b).abs() < 1e-12,
            (a, b) => a == b,
        };
        prop_assert!(near(found.auc, naive_auc(&rows)));
        prop_assert!(near(found.average_precision, naive_average_precision(&rows)));
        let k = k.min(rows.len());
        let above = |score: f64| rows.iter().filter(|r| r.0 > score).count();
        let chance = |score: f64| {
            let tied = rows.iter().filter(|r| r.0 == score).count();
            (k.saturating_sub(above(score)) as f64 / tied as f64).min(1.0)
        };
        let expected: f64 = rows.iter().filter(|r| r.1 == 1.0).map(|r| chance(r.0)).sum::<f64>() / k as f64;
        prop_assert!(near(found.precision_at_k, (k > 0).then_some(expected)));
        prop_assert_eq!(found.true_positives + found.false_positives + found.true_negatives + found.false_negatives, rows.len() as u64);
    }

    #[test]
    fn no_order_matters(rows in prop::collection::vec((prop_oneof![0.0..1.0f64, Just(0.5), Just(f64::NAN)], prop_oneof![Just(0.0), Just(1.0)]), 0..60), turn in 0..60usize) {
        let mut turned = rows.clone();
        turned.rotate_left(turn % rows.len().max(1));
        turned.reverse();
        let bits = |mut rows: Vec<(f64, f64)>| evaluate(&mut rows, 0.5, Some(7)).named().into_iter().map(|(n, v)| (n, v.to_bits())).collect::<Vec<_>>();
        prop_assert_eq!(bits(rows), bits(turned));
    }
}
