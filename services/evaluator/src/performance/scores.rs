//! The scores and labels of a window: every row up to a bound, beyond it a histogram of fixed size.

use tidemill_statistics::classification::{Histogram, Metrics, evaluate};

/// Rows of (score, label). Which form they have depends on how many there are, never on their order.
#[derive(Debug)]
pub(super) enum Scores {
    Exact { rows: Vec<(f64, f64)>, limit: usize, threshold: f64 },
    Buckets(Box<Histogram>),
}

impl Scores {
    /// None yet; `limit` of them are kept as they are. Scores from `threshold` on are alarms.
    pub(super) fn new(limit: usize, threshold: f64) -> Self {
        Self::Exact { rows: Vec::new(), limit, threshold }
    }

    pub(super) fn add(&mut self, score: f64, label: f64) {
        match self {
            Self::Exact { rows, limit, .. } if rows.len() < *limit => rows.push((score, label)),
            Self::Exact { rows, threshold, .. } => {
                let mut histogram = Box::new(Histogram::new(*threshold));
                for (score, label) in rows.drain(..).chain([(score, label)]) {
                    histogram.add(score, label);
                }
                *self = Self::Buckets(histogram);
            }
            Self::Buckets(histogram) => histogram.add(score, label),
        }
    }

    pub(super) fn metrics(self, precision_at: Option<usize>) -> Metrics {
        match self {
            Self::Exact { mut rows, threshold, .. } => evaluate(&mut rows, threshold, precision_at),
            Self::Buckets(histogram) => histogram.metrics(precision_at),
        }
    }
}
