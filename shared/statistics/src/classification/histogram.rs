//! The metrics of any number of rows in a fixed amount of memory.

use super::metrics::{CALIBRATION_BINS, Metrics, bin, log_loss, target};
use super::ranking::{Ranking, Tie};

/// Buckets of a [`Histogram`]: their middles are 0, 1/65,535, 2/65,535, … 1.
pub const BUCKETS: usize = 65_536;
/// Sums are whole multiples of 1/2^40: adding them knows no order.
const UNIT: f64 = (1u64 << 40) as f64;

/// Scores from 0 to 1 by bucket and class: 1 MiB, whatever the number of rows.
///
/// [`Histogram::metrics`] are those of [`super::evaluate`], in whatever order the rows came, with these differences.
/// - What depends on the order of scores takes rows of one bucket for ties: the AUC is off by at most half the share
///   of pairs of a positive and a negative row that lie in one bucket, precision at k by at most the share of the k
///   rows that lie in the bucket at its border, the average precision by what ties of the same size would change.
///   Scores below 0 and above 1 lie in the first and the last bucket.
/// - Log loss, Brier score and calibration error are off by at most 2^-41, the rounding of a row's part.
/// - Counts and what follows from them at the threshold are exact.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    threshold: f64,
    buckets: Vec<Tie>,
    true_positives: u64,
    false_positives: u64,
    /// Rows whose score is no probability.
    outside: u64,
    log_loss: i128,
    brier: i128,
    gaps: [i128; CALIBRATION_BINS],
}

impl Histogram {
    /// Of no rows. A score at or above `threshold` is an alarm.
    #[must_use]
    pub fn new(threshold: f64) -> Self {
        Self {
            threshold,
            buckets: vec![Tie::default(); BUCKETS],
            true_positives: 0,
            false_positives: 0,
            outside: 0,
            log_loss: 0,
            brier: 0,
            gaps: [0; CALIBRATION_BINS],
        }
    }

    /// Adds a row. One whose score or label is not finite takes no part.
    pub fn add(&mut self, score: f64, label: f64) {
        if !(score.is_finite() && label.is_finite()) {
            return;
        }
        let positive = label >= 0.5;
        let tie = &mut self.buckets[bucket(score)];
        *(if positive { &mut tie.positives } else { &mut tie.negatives }) += 1;
        if score >= self.threshold {
            *(if positive { &mut self.true_positives } else { &mut self.false_positives }) += 1;
        }
        if !(0.0..=1.0).contains(&score) {
            self.outside += 1;
            return;
        }
        let row = (score, label);
        self.log_loss += units(log_loss(&row));
        self.brier += units((score - target(&row)).powi(2));
        self.gaps[bin(score)] += units(score - target(&row));
    }

    /// The metrics of what was added; `precision_at` is the k of precision at k.
    #[must_use]
    pub fn metrics(&self, precision_at: Option<usize>) -> Metrics {
        let ranking = Ranking::of(self.buckets.iter().rev().filter(|t| t.positives + t.negatives > 0).copied().collect());
        let rows = ranking.rows();
        let mean = |sum: i128| (rows > 0 && self.outside == 0).then(|| sum as f64 / UNIT / rows as f64);
        let ranked = Metrics {
            auc: ranking.auc(),
            average_precision: ranking.average_precision(),
            precision_at_k: precision_at.and_then(|k| ranking.precision_at(k)),
            log_loss: mean(self.log_loss),
            brier: mean(self.brier),
            calibration_error: mean(self.gaps.iter().map(|gap| gap.abs()).sum()),
            ..Metrics::default()
        };
        ranked.with_confusion(rows, ranking.positives(), self.true_positives, self.false_positives)
    }
}

fn bucket(score: f64) -> usize {
    // from 0 to 65,535, and a whole number
    (score.clamp(0.0, 1.0) * (BUCKETS - 1) as f64).round() as usize
}

fn units(part: f64) -> i128 {
    (part * UNIT).round() as i128
}
