//! The histogram's metrics against the exact ones.

use proptest::prelude::*;
use tidemill_statistics::classification::{BUCKETS, Histogram, Metrics, evaluate};

fn histogram(rows: &[(f64, f64)]) -> Metrics {
    let mut histogram = Histogram::new(0.3);
    for (score, label) in rows {
        histogram.add(*score, *label);
    }
    histogram.metrics(Some(5))
}

/// Rows whose scores are the middles of few of the buckets: their ties are those of the buckets.
fn middles() -> impl Strategy<Value = Vec<(f64, f64)>> {
    let score = prop_oneof![
        8 => prop::sample::select(vec![0, 1, 7_000, 19_660, 19_661, 50_000, BUCKETS - 2, BUCKETS - 1]).prop_map(|b| b as f64 / (BUCKETS - 1) as f64),
        1 => Just(f64::NAN)
    ];
    prop::collection::vec((score, prop::sample::select(vec![0.0, 0.2, 0.5, 1.0, f64::NAN])), 0..60)
}

fn near(a: Option<f64>, b: Option<f64>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() <= 2f64.powi(-40),
        (a, b) => a.is_none() && b.is_none(),
    }
}

proptest! {
    #[test]
    fn equals_the_exact_metrics_where_buckets_are_scores(mut rows in middles()) {
        let found = histogram(&rows);
        let exact = evaluate(&mut rows, 0.3, Some(5));
        for (a, b) in [(found.log_loss, exact.log_loss), (found.brier, exact.brier), (found.calibration_error, exact.calibration_error)] {
            prop_assert!(near(a, b), "{a:?} {b:?}");
        }
        let same = Metrics { log_loss: exact.log_loss, brier: exact.brier, calibration_error: exact.calibration_error, ..found };
        prop_assert_eq!(same, exact);
    }

    #[test]
    fn knows_no_order(rows in prop::collection::vec((-0.1..1.1f64, 0.0..1.0f64), 0..60), shuffled in any::<prop::sample::Index>()) {
        let mut other = rows.clone();
        other.reverse();
        let at = if other.is_empty() { 0 } else { shuffled.index(other.len()) };
        other.rotate_left(at);
        prop_assert_eq!(histogram(&rows), histogram(&other));
    }

    #[test]
    fn is_off_by_no_more_than_it_says(mut rows in prop::collection::vec((0.0..1.0f64, prop::sample::select(vec![0.0, 1.0])), 2..400)) {
        let found = histogram(&rows);
        let mut pairs = 0.0;
        let bucket = |score: f64| (score * (BUCKETS - 1) as f64).round() as usize;
        for (a, _) in rows.iter().filter(|row| row.1 == 1.0) {
            pairs += rows.iter().filter(|row| row.1 == 0.0 && bucket(row.0) == bucket(*a)).count() as f64;
        }
        let exact = evaluate(&mut rows, 0.3, Some(5));
        let counts = |m: &Metrics| (m.rows, m.positives, m.true_positives, m.false_positives, m.true_negatives, m.false_negatives);
        prop_assert_eq!(counts(&found), counts(&exact));
        if let (Some(a), Some(b)) = (found.auc, exact.auc) {
            let bound = pairs / 2.0 / (exact.positives * (exact.rows - exact.positives)) as f64;
            prop_assert!((a - b).abs() <= bound + 1e-12, "{a} {b} {bound}");
        } else {
            prop_assert_eq!(found.auc, exact.auc);
        }
    }
}

#[test]
fn scores_that_are_no_probabilities_are_ranked_at_the_ends() {
    let found = histogram(&[(-3.0, 0.0), (250.0, 1.0), (0.5, 0.0)]);
    assert_eq!((found.auc, found.log_loss, found.brier, found.calibration_error), (Some(1.0), None, None, None));
    assert_eq!((found.true_positives, found.false_positives, found.true_negatives), (1, 1, 1));
}
