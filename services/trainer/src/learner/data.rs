//! Rows with labels.

use super::{LEAST_OF_A_CLASS, LEAST_ROWS, NotFitted};

/// A table to learn from.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    features: Vec<String>,
    rows: Vec<f64>,
    labels: Vec<bool>,
}

impl Dataset {
    /// A table of `rows` (row-major, NaN is missing) with the names of their features, and whether each row's
    /// label is 1. Rows are in the order of their events' times.
    ///
    /// # Errors
    /// Lengths that do not fit, names that cannot be written into a model, infinite values.
    pub fn new(features: Vec<String>, rows: Vec<f64>, labels: Vec<bool>) -> Result<Self, NotFitted> {
        if features.is_empty() || features.len().checked_mul(labels.len()) != Some(rows.len()) {
            return Err(NotFitted::Shape { values: rows.len(), labels: labels.len(), features: features.len() });
        }
        let plain = |name: &String| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
        let mut sorted: Vec<&String> = features.iter().collect();
        sorted.sort_unstable();
        let twice = sorted.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0]);
        if let Some(name) = features.iter().find(|name| !plain(name)).or(twice) {
            return Err(NotFitted::Name(name.escape_debug().to_string()));
        }
        if let Some(at) = rows.iter().position(|v| v.is_infinite()) {
            let (row, feature) = (at / features.len(), features[at % features.len()].clone());
            return Err(NotFitted::Value { row, feature, value: rows[at] });
        }
        Ok(Self { features, rows, labels })
    }

    /// The features' names, in the order of a row.
    #[must_use]
    pub fn features(&self) -> &[String] {
        &self.features
    }

    /// All values, row by row; NaN is missing.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.rows
    }

    /// The rows.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f64]> {
        self.rows.chunks(self.features.len())
    }

    /// Whether each row's label is 1.
    #[must_use]
    pub fn labels(&self) -> &[bool] {
        &self.labels
    }

    /// How many rows have label 1.
    #[must_use]
    pub fn positives(&self) -> usize {
        self.labels.iter().filter(|label| **label).count()
    }

    /// This table with the rows of `later` after its own.
    ///
    /// # Errors
    /// Other features.
    pub fn followed_by(&self, later: &Self) -> Result<Self, NotFitted> {
        if self.features != later.features {
            let (values, labels) = (later.rows.len(), later.labels.len());
            return Err(NotFitted::Shape { values, labels, features: self.features.len() });
        }
        let (rows, labels) = ([&self.rows[..], &later.rows].concat(), [&self.labels[..], &later.labels].concat());
        Ok(Self { features: self.features.clone(), rows, labels })
    }

    /// Refuses a table that nothing can be learned from.
    pub(super) fn check_enough(&self) -> Result<(), NotFitted> {
        let (rows, positives) = (self.labels.len(), self.positives());
        let negatives = rows - positives;
        if rows < LEAST_ROWS || positives.min(negatives) < LEAST_OF_A_CLASS {
            return Err(NotFitted::NotEnough { rows, positives, negatives });
        }
        Ok(())
    }
}
