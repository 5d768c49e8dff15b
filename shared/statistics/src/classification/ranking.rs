//! What depends on the order of the scores only: rows grouped by score, highest first.

/// Rows of one score.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Tie {
    pub(crate) positives: u64,
    pub(crate) negatives: u64,
}

/// Rows by score, the highest first.
pub(crate) struct Ranking {
    ties: Vec<Tie>,
    positives: u64,
    negatives: u64,
}

impl Ranking {
    /// `rows`: (score, label), ordered by score from the highest.
    pub(crate) fn new(rows: &[(f64, f64)]) -> Self {
        let tie = |rows: &[(f64, f64)]| {
            let positives = rows.iter().filter(|(_, label)| *label >= 0.5).count() as u64;
            Tie { positives, negatives: rows.len() as u64 - positives }
        };
        Self::of(rows.chunk_by(|a, b| a.0 == b.0).map(tie).collect())
    }

    /// `ties`: rows of one score each, from the highest score.
    pub(crate) fn of(ties: Vec<Tie>) -> Self {
        let sum = |of: fn(&Tie) -> u64| ties.iter().map(of).sum();
        Self { positives: sum(|t| t.positives), negatives: sum(|t| t.negatives), ties }
    }

    pub(crate) fn rows(&self) -> u64 {
        self.positives + self.negatives
    }

    pub(crate) fn positives(&self) -> u64 {
        self.positives
    }

    /// The share of pairs of a positive and a negative row in which the positive one has the higher score;
    /// an equal score counts one half (Mann-Whitney).
    pub(crate) fn auc(&self) -> Option<f64> {
        let mut below = self.negatives;
        let mut twice = 0u128;
        for tie in &self.ties {
            below -= tie.negatives;
            twice += u128::from(tie.positives) * (2 * u128::from(below) + u128::from(tie.negatives));
        }
        let pairs = u128::from(self.positives) * u128::from(self.negatives);
        (pairs > 0).then(|| twice as f64 / (2 * pairs) as f64)
    }

    /// `Σ (recall_i - recall_(i-1)) precision_i` over the distinct scores from the highest:
    /// `sklearn.metrics.average_precision_score`. `None` without positives.
    pub(crate) fn average_precision(&self) -> Option<f64> {
        let (mut hits, mut alarms, mut sum) = (0, 0, 0.0);
        for tie in &self.ties {
            hits += tie.positives;
            alarms += tie.positives + tie.negatives;
            sum += tie.positives as f64 / self.positives.max(1) as f64 * (hits as f64 / alarms as f64);
        }
        (self.positives > 0).then_some(sum)
    }

    /// Positives among the `k` rows of the highest scores, over `k`; over all rows if there are fewer. Of
    /// rows tied at the border the expected number is taken, as if their order were random. `None` for
    /// k = 0 or without rows.
    pub(crate) fn precision_at(&self, k: usize) -> Option<f64> {
        let k = (k as u64).min(self.rows());
        let (mut left, mut hits) = (k, 0.0);
        for tie in &self.ties {
            let size = tie.positives + tie.negatives;
            let taken = left.min(size);
            hits += if taken == size { tie.positives as f64 } else { tie.positives as f64 * (taken as f64 / size as f64) };
            left -= taken;
        }
        (k > 0).then(|| hits / k as f64)
    }
}
