//! The baseline finds what is there to find, the same way every time.

use proptest::prelude::*;
use tidemill_model::logistic::{NotFitted, fit};
use tidemill_model::{Logistic, Reason, sigmoid};

fn names(count: usize) -> Vec<String> {
    (0..count).map(|i| format!("f{i}")).collect()
}

/// Rows whose label is 1 with the probability that log odds `1 + 2 a - b` say, by a fixed sequence.
fn sample(count: usize) -> (Vec<f64>, Vec<bool>) {
    let mut state = 1u64;
    let mut unit = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    let mut rows = Vec::new();
    let mut labels = Vec::new();
    for _ in 0..count {
        let (a, b) = (unit() * 4.0 - 2.0, unit() * 4.0 - 2.0);
        rows.extend([a, b]);
        labels.push(unit() < sigmoid(1.0 + 2.0 * a - b));
    }
    (rows, labels)
}

#[test]
fn it_finds_the_weights_that_made_the_labels() {
    let (rows, labels) = sample(50_000);
    let model = fit(&names(2), &rows, &labels, 1.0).unwrap();
    for row in [[0.0, 0.0], [1.0, -1.0], [-1.5, 0.5]] {
        let truth = 1.0 + 2.0 * row[0] - row[1];
        assert!((model.raw_score(&row) - truth).abs() < 0.1, "{row:?}: {} and {truth}", model.raw_score(&row));
    }
}

#[test]
fn at_the_minimum_the_gradient_is_zero() {
    let (rows, labels) = sample(500);
    let model = fit(&names(2), &rows, &labels, 0.5).unwrap();
    // without a penalty on the intercept, the scores' mean is the labels' mean
    let scores: f64 = rows.chunks(2).map(|row| model.score(row)).sum();
    let positives = labels.iter().filter(|l| **l).count() as f64;
    assert!((scores - positives).abs() < 1e-6, "{scores} {positives}");
}

#[test]
fn the_same_rows_give_the_same_bytes_and_the_bytes_the_same_model() {
    let (rows, labels) = sample(1_000);
    let model = fit(&names(2), &rows, &labels, 1.0).unwrap();
    let bytes = model.to_bytes().unwrap();
    assert_eq!(fit(&names(2), &rows, &labels, 1.0).unwrap().to_bytes().unwrap(), bytes);
    assert_eq!(Logistic::read(&bytes).unwrap(), model);
}

#[test]
fn classes_that_can_be_told_apart_constants_and_holes_have_a_fit() {
    let n = f64::NAN;
    let rows = [1.0, 7.0, n, 2.0, 7.0, n, 3.0, 7.0, n, n, 7.0, n];
    let model = fit(&names(3), &rows, &[false, false, true, true], 1.0).unwrap();
    assert!(model.score(&[3.0, 7.0, n]) > 0.5 && model.score(&[1.0, 7.0, n]) < 0.5);
    assert_eq!(model.contributions(&[n, n, n]), [0.0, 0.0, 0.0]);
    assert_eq!(model.score(&[n, n, n]), sigmoid(model.expected_value()));
    // a value that never varied says nothing, however far it goes
    assert_eq!(model.contributions(&[n, f64::INFINITY, f64::NEG_INFINITY])[1..], [0.0, 0.0]);
}

#[test]
fn what_cannot_be_fitted_is_said() {
    assert!(matches!(fit(&names(2), &[1.0; 5], &[true, false], 1.0), Err(NotFitted::Shape { values: 5, labels: 2, features: 2 })));
    assert!(matches!(fit(&[], &[], &[], 1.0), Err(NotFitted::Shape { .. })));
    let infinite = fit(&names(1), &[1.0, f64::INFINITY], &[true, false], 1.0);
    assert!(matches!(infinite, Err(NotFitted::Value { row: 1, feature: 0, .. })));
    assert!(matches!(fit(&names(1), &[1.0, 2.0], &[true, false], 0.0), Err(NotFitted::Singular(_))));
}

#[test]
fn json_that_is_no_model_is_refused() {
    let good = br#"{"format":"tidemill-logistic-1","intercept":-1.5,"features":[{"name":"a","mean":2.0,"scale":0.5,"weight":3.0}]}"#;
    let good = std::str::from_utf8(good).unwrap();
    assert_eq!(Logistic::read(good.as_bytes()).unwrap().raw_score(&[2.5]), 1.5);
    for (from, to, reason) in [
        ("logistic-1", "logistic-2", Reason::UnknownFormat),
        ("0.5", "0.0", Reason::BadNumber),
        ("0.5", "-1", Reason::BadNumber),
        ("3.0", "1e300", Reason::BadNumber),
        ("3.0", "null", Reason::Malformed),
        ("\"mean\"", "\"meen\"", Reason::Malformed),
        ("}]}", "}],\"more\":1}", Reason::Malformed),
        ("}]}", "}]", Reason::Truncated),
        ("{\"name\":\"a\",\"mean\":2.0,\"scale\":0.5,\"weight\":3.0}", "", Reason::TooLarge),
    ] {
        assert_eq!(Logistic::read(good.replacen(from, to, 1).as_bytes()).unwrap_err().reason, reason, "{from} -> {to}");
    }
}

proptest! {
    #[test]
    fn contributions_add_up_and_scores_are_probabilities(
        weights in prop::collection::vec((-1e3..1e3f64, 1e-6..1e6f64, -50.0..50.0f64), 1..8),
        row in prop::collection::vec(prop_oneof![4 => -1e3..1e3f64, 1 => Just(f64::NAN), 1 => Just(f64::MAX), 1 => Just(f64::NEG_INFINITY)], 8),
    ) {
        let features: Vec<String> = weights.iter().enumerate().map(|(i, (m, s, w))| format!(r#"{{"name":"f{i}","mean":{m},"scale":{s},"weight":{w}}}"#)).collect();
        let json = format!(r#"{{"format":"tidemill-logistic-1","intercept":0.5,"features":[{}]}}"#, features.join(","));
        let model = Logistic::read(json.as_bytes()).unwrap();
        let row = &row[..weights.len()];
        let sum = model.expected_value() + model.contributions(row).iter().sum::<f64>();
        prop_assert!((sum - model.raw_score(row)).abs() <= 1e-9 * (1.0 + sum.abs()));
        prop_assert!((0.0..=1.0).contains(&model.score(row)));
    }
}
