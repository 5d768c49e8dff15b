//! All metrics of one set of rows.

use super::ranking::Ranking;

/// In the log loss a score is at least this and at most 1 less this, as in scikit-learn.
pub const LOG_LOSS_FLOOR: f64 = f64::EPSILON;
/// Bins of equal width of the calibration error.
pub const CALIBRATION_BINS: usize = 10;

/// Metrics of a classifier; what is not defined for its rows is `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Metrics {
    /// Rows with a score and a label.
    pub rows: u64,
    /// Rows with a positive label.
    pub positives: u64,
    /// Area under the ROC curve, ties counted one half; needs rows of both classes.
    pub auc: Option<f64>,
    /// scikit-learn's average precision; needs a positive row.
    pub average_precision: Option<f64>,
    /// Share of positives among the k rows of the highest scores (all rows, if there are fewer); the
    /// expected share where the border falls into a tie. Needs a row and a k above 0.
    pub precision_at_k: Option<f64>,
    /// Mean of `-ln` of the probability given to what was the case, scores cut at [`LOG_LOSS_FLOOR`].
    /// Needs rows, with all scores from 0 to 1.
    pub log_loss: Option<f64>,
    /// Mean squared distance of score and label. Needs rows, with all scores from 0 to 1.
    pub brier: Option<f64>,
    /// Expected calibration error: the distance between mean score and share of positives by bin, weighted
    /// by rows. A bin has its upper edge, the first also 0, as in `sklearn.calibration.calibration_curve`.
    /// Needs rows, with all scores from 0 to 1.
    pub calibration_error: Option<f64>,
    /// True positives over all scores at or above the threshold.
    pub precision: Option<f64>,
    /// True positives over positives.
    pub recall: Option<f64>,
    /// Harmonic mean of precision and recall, `2 tp / (2 tp + fp + fn)`.
    pub f1: Option<f64>,
    /// False positives over negatives.
    pub false_positive_rate: Option<f64>,
    /// False negatives over positives.
    pub false_negative_rate: Option<f64>,
    /// Positive rows at or above the threshold.
    pub true_positives: u64,
    /// Negative rows at or above the threshold.
    pub false_positives: u64,
    /// Negative rows below the threshold.
    pub true_negatives: u64,
    /// Positive rows below the threshold.
    pub false_negatives: u64,
    /// Positives over rows.
    pub base_rate: Option<f64>,
}

impl Metrics {
    /// What is defined, by name.
    #[must_use]
    pub fn named(&self) -> Vec<(&'static str, f64)> {
        let count = |n: u64| Some(n as f64);
        let all = [
            ("auc", self.auc),
            ("average_precision", self.average_precision),
            ("precision_at_k", self.precision_at_k),
            ("log_loss", self.log_loss),
            ("brier", self.brier),
            ("calibration_error", self.calibration_error),
            ("precision", self.precision),
            ("recall", self.recall),
            ("f1", self.f1),
            ("false_positive_rate", self.false_positive_rate),
            ("false_negative_rate", self.false_negative_rate),
            ("true_positives", count(self.true_positives)),
            ("false_positives", count(self.false_positives)),
            ("true_negatives", count(self.true_negatives)),
            ("false_negatives", count(self.false_negatives)),
            ("base_rate", self.base_rate),
            ("rows", count(self.rows)),
            ("positives", count(self.positives)),
        ];
        all.into_iter().filter_map(|(name, value)| value.map(|v| (name, v))).collect()
    }

    /// The same with what follows from the counts at the threshold.
    pub(super) fn with_confusion(self, rows: u64, positives: u64, true_positives: u64, false_positives: u64) -> Self {
        let false_negatives = positives - true_positives;
        let negatives = rows - positives;
        let ratio = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
        Self {
            rows,
            positives,
            precision: ratio(true_positives, true_positives + false_positives),
            recall: ratio(true_positives, positives),
            f1: ratio(2 * true_positives, 2 * true_positives + false_positives + false_negatives),
            false_positive_rate: ratio(false_positives, negatives),
            false_negative_rate: ratio(false_negatives, positives),
            true_positives,
            false_positives,
            true_negatives: negatives - false_positives,
            false_negatives,
            base_rate: ratio(positives, rows),
            ..self
        }
    }
}

/// Metrics of `rows` of (score, label), which are put in order on the way. A score at or above `threshold`
/// is an alarm; `precision_at` is the k of precision at k.
#[must_use]
pub fn evaluate(rows: &mut [(f64, f64)], threshold: f64, precision_at: Option<usize>) -> Metrics {
    let taking_part = |row: &(f64, f64)| row.0.is_finite() && row.1.is_finite();
    // highest score first; the label makes the order, and so every sum, one and the same
    rows.sort_unstable_by(|a, b| {
        let order = b.0.total_cmp(&a.0).then(b.1.total_cmp(&a.1));
        taking_part(b).cmp(&taking_part(a)).then(order)
    });
    let rows = &rows[..rows.partition_point(taking_part)];

    let n = rows.len() as f64;
    let positive = |row: &&(f64, f64)| row.1 >= 0.5;
    let positives = rows.iter().filter(positive).count() as u64;
    let alarms = &rows[..rows.partition_point(|row| row.0 >= threshold)];
    let true_positives = alarms.iter().filter(positive).count() as u64;
    let probabilities = !rows.is_empty() && rows.iter().all(|row| (0.0..=1.0).contains(&row.0));
    let ranking = Ranking::new(rows);

    let ranked = Metrics {
        auc: ranking.auc(),
        average_precision: ranking.average_precision(),
        precision_at_k: precision_at.and_then(|k| ranking.precision_at(k)),
        log_loss: probabilities.then(|| rows.iter().map(log_loss).sum::<f64>() / n),
        brier: probabilities.then(|| rows.iter().map(|row| (row.0 - target(row)).powi(2)).sum::<f64>() / n),
        calibration_error: probabilities.then(|| calibration_error(rows)),
        ..Metrics::default()
    };
    ranked.with_confusion(rows.len() as u64, positives, true_positives, alarms.len() as u64 - true_positives)
}

pub(super) fn target(row: &(f64, f64)) -> f64 {
    f64::from(u8::from(row.1 >= 0.5))
}

pub(super) fn log_loss(row: &(f64, f64)) -> f64 {
    let score = row.0.clamp(LOG_LOSS_FLOOR, 1.0 - LOG_LOSS_FLOOR);
    if row.1 >= 0.5 { -score.ln() } else { -(-score).ln_1p() }
}

/// The bin of a score from 0 to 1.
pub(super) fn bin(score: f64) -> usize {
    (1..CALIBRATION_BINS).take_while(|i| score > *i as f64 * 0.1).count()
}

fn calibration_error(rows: &[(f64, f64)]) -> f64 {
    let mut gaps = [0.0; CALIBRATION_BINS];
    for row in rows {
        gaps[bin(row.0)] += row.0 - target(row);
    }
    // |mean score - share of positives| times rows is the distance of the sums
    gaps.iter().map(|gap: &f64| gap.abs()).sum::<f64>() / rows.len() as f64
}
