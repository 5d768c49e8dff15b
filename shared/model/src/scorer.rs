//! A model of any learner, behind one set of functions.

use crate::{Forest, Logistic, Reason, Refused};
use serde::{Deserialize, Serialize};

/// What trained a model, and so what its bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Learner {
    /// LightGBM: its text format.
    Lightgbm,
    /// Logistic regression: JSON.
    Logistic,
}

/// A model that can score.
#[derive(Debug, Clone, PartialEq)]
pub enum Scorer {
    /// LightGBM's trees.
    Forest(Forest),
    /// The baseline.
    Logistic(Logistic),
}

/// How files begin that are no model here, and what they are.
const STRANGERS: [(&[u8], &str); 7] = [
    (b"\x80\x02", "a pickle"),
    (b"\x80\x03", "a pickle"),
    (b"\x80\x04", "a pickle"),
    (b"\x80\x05", "a pickle"),
    (b"PK\x03\x04", "a zip archive"),
    (b"\x1f\x8b", "a gzip file"),
    (b"\x78\x9c", "a zlib stream, perhaps joblib's"),
];

impl Scorer {
    /// Reads a model of `learner`.
    ///
    /// # Errors
    /// Whatever is not one, with the reason; pickles, archives and the like as an unknown format.
    pub fn read(learner: Learner, bytes: &[u8]) -> Result<Self, Refused> {
        if let Some((_, what)) = STRANGERS.iter().find(|(magic, _)| bytes.starts_with(magic)) {
            return Err(Refused::new(Reason::UnknownFormat, "byte 0", format!("this is {what}, which is never loaded")));
        }
        match learner {
            Learner::Lightgbm => Forest::read(bytes).map(Self::Forest),
            Learner::Logistic => Logistic::read(bytes).map(Self::Logistic),
        }
    }

    /// The features' names, in the order of a row.
    #[must_use]
    pub fn features(&self) -> &[String] {
        match self {
            Self::Forest(model) => model.features(),
            Self::Logistic(model) => model.features(),
        }
    }

    /// The raw score (log odds) that contributions are differences from.
    #[must_use]
    pub fn expected_value(&self) -> f64 {
        match self {
            Self::Forest(model) => model.expected_value(),
            Self::Logistic(model) => model.expected_value(),
        }
    }

    /// The log odds of a row of one value a feature, NaN where it is missing.
    #[must_use]
    pub fn raw_score(&self, row: &[f64]) -> f64 {
        match self {
            Self::Forest(model) => model.raw_score(row),
            Self::Logistic(model) => model.raw_score(row),
        }
    }

    /// The probability that the label is 1.
    #[must_use]
    pub fn score(&self, row: &[f64]) -> f64 {
        match self {
            Self::Forest(model) => model.score(row),
            Self::Logistic(model) => model.score(row),
        }
    }

    /// Appends the score of each row of `rows` (row-major) to `scores`: the same as [`Scorer::score`], faster.
    pub fn scores(&self, rows: &[f64], scores: &mut Vec<f64>) {
        match self {
            Self::Forest(model) => model.scores(rows, scores),
            Self::Logistic(model) => scores.extend(rows.chunks(model.features().len()).map(|row| model.score(row))),
        }
    }

    /// By how much each feature moved the raw score from the expected one; they add up to the difference.
    #[must_use]
    pub fn contributions(&self, row: &[f64]) -> Vec<f64> {
        match self {
            Self::Forest(model) => model.contributions(row),
            Self::Logistic(model) => model.contributions(row),
        }
    }
}
