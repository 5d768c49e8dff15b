//! The reference of a numeric column.

use super::exact;
use super::measures::{self, JensenShannon, Ks};
use super::values::{Values, share};
use serde::{Deserialize, Serialize};

/// Quantile bins of the population stability index, before equal edges are merged.
pub const PSI_BINS: usize = 10;
/// Most values that a reference keeps.
pub const SAMPLE_LIMIT: usize = 10_000;

/// What a numeric column was like in training.
///
/// **Bins.** The edges are the 9 inner deciles of the values (linear interpolation, as `numpy.quantile`);
/// a bin has its lower edge, the outer bins are open to both sides. A value `v` that two or more of the 11
/// deciles (least and greatest value included) fall on would leave bins without width: it gets a bin of
/// its own instead, from `v` to the next double, beside the values below and those above. So a 0/1 column
/// has a bin for each, even where one of them is rare.
///
/// **Sample.** All values if there are at most [`SAMPLE_LIMIT`], else that many at equal steps of rank, the
/// least and the greatest among them: a distribution function at most 1/10,000 off. KS, Jensen-Shannon and
/// Wasserstein look at the sample, the PSI at all rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Number {
    rows: u64,
    missing: u64,
    #[serde(with = "exact")]
    edges: Vec<f64>,
    counts: Vec<u64>,
    #[serde(with = "exact")]
    sample: Vec<f64>,
}

/// A reference as it was read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    rows: u64,
    missing: u64,
    #[serde(with = "exact")]
    edges: Vec<f64>,
    counts: Vec<u64>,
    #[serde(with = "exact")]
    sample: Vec<f64>,
}

impl TryFrom<Unchecked> for Number {
    type Error = &'static str;

    fn try_from(read: Unchecked) -> Result<Self, Self::Error> {
        let Unchecked { rows, missing, edges, counts, sample } = read;
        if edges.iter().chain(&sample).any(|v| !v.is_finite()) {
            return Err("an edge or a value of the sample is not finite");
        }
        if !edges.is_sorted_by(|a, b| a < b) || !sample.is_sorted() {
            return Err("edges and sample must be ascending");
        }
        let present = counts.iter().try_fold(0, |sum: u64, c| sum.checked_add(*c)).ok_or("the counts are too large")?;
        if counts.len() != edges.len() + 1 || present.checked_add(missing) != Some(rows) {
            return Err("the counts do not fit the edges or the rows");
        }
        if sample.len() as u64 != present.min(SAMPLE_LIMIT as u64) {
            return Err("the sample does not fit the rows");
        }
        Ok(Self { rows, missing, edges, counts, sample })
    }
}

impl From<&Values> for Number {
    fn from(values: &Values) -> Self {
        let edges = edges(values.present());
        let counts = counts(values.present(), &edges);
        Self { rows: values.rows(), missing: values.missing(), edges, counts, sample: sample(values.present()) }
    }
}

impl Number {
    /// The reference of a column's values; NaN and infinities are missing.
    #[must_use]
    pub fn new(values: &[f64]) -> Self {
        Self::from(&Values::new(values))
    }

    /// Rows of the training, missing values included.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Rows without a value.
    #[must_use]
    pub fn missing(&self) -> u64 {
        self.missing
    }

    /// Missing values over rows, 0 to 1; `None` without rows.
    #[must_use]
    pub fn missing_share(&self) -> Option<f64> {
        share(self.missing, self.rows)
    }

    /// Edges between the bins, ascending, one fewer than bins.
    #[must_use]
    pub fn edges(&self) -> &[f64] {
        &self.edges
    }

    /// Rows by bin.
    #[must_use]
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// Values of the training, ascending.
    #[must_use]
    pub fn sample(&self) -> &[f64] {
        &self.sample
    }

    /// Values of `current` by bin of this reference.
    #[must_use]
    pub fn count(&self, current: &Values) -> Vec<u64> {
        counts(current.present(), &self.edges)
    }

    /// Population stability index over the bins (see [`super::psi`]), missing values left out; `None` if
    /// one side has no values.
    #[must_use]
    pub fn psi(&self, current: &Values) -> Option<f64> {
        measures::psi(&self.counts, &self.count(current))
    }

    /// See [`super::ks`].
    #[must_use]
    pub fn ks(&self, current: &Values) -> Option<Ks> {
        measures::ks_of(&self.sample, current.present())
    }

    /// See [`super::jensen_shannon`].
    #[must_use]
    pub fn jensen_shannon(&self, current: &Values) -> Option<JensenShannon> {
        measures::jensen_shannon_of(&self.sample, current.present())
    }

    /// See [`super::wasserstein`].
    #[must_use]
    pub fn wasserstein(&self, current: &Values) -> Option<f64> {
        measures::wasserstein_of(&self.sample, current.present())
    }
}

fn edges(sorted: &[f64]) -> Vec<f64> {
    if sorted.is_empty() {
        return Vec::new();
    }
    let deciles: Vec<f64> = (0..=PSI_BINS).map(|i| decile(sorted, i)).collect();
    let mut edges: Vec<f64> = Vec::with_capacity(PSI_BINS);
    for (i, group) in deciles.chunk_by(|a, b| a == b).enumerate() {
        let outer = i == 0 || group.last() == deciles.last();
        if group.len() > 1 {
            edges.extend([group[0], group[0].next_up()]);
        } else if !outer {
            edges.push(group[0]);
        }
    }
    edges.retain(|e| e.is_finite());
    edges.dedup();
    edges
}

/// The value at `i` tenths of the ranks, by linear interpolation.
fn decile(sorted: &[f64], i: usize) -> f64 {
    // whole numbers: a rank that is one does not become two neighbours by rounding
    let at = (sorted.len() - 1) * i;
    let low = sorted[at / PSI_BINS];
    let high = sorted[(at / PSI_BINS + 1).min(sorted.len() - 1)];
    let part = (at % PSI_BINS) as f64 / PSI_BINS as f64;
    let gap = high - low;
    if !gap.is_finite() {
        low * (1.0 - part) + high * part
    } else if part < 0.5 {
        low + gap * part
    } else {
        high - gap * (1.0 - part)
    }
}

fn counts(sorted: &[f64], edges: &[f64]) -> Vec<u64> {
    let ends = edges.iter().map(|e| sorted.partition_point(|v| v < e)).chain([sorted.len()]);
    let mut before = 0;
    ends.map(|end| (end - std::mem::replace(&mut before, end)) as u64).collect()
}

fn sample(sorted: &[f64]) -> Vec<f64> {
    if sorted.len() <= SAMPLE_LIMIT {
        return sorted.to_vec();
    }
    let rank = |i: usize| (i as u128 * (sorted.len() as u128 - 1) / (SAMPLE_LIMIT as u128 - 1)) as usize;
    (0..SAMPLE_LIMIT).map(|i| sorted[rank(i)]).collect()
}
