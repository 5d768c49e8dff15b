//! Golden rows: what the learner's own library scored, so that a reader of the model can prove that it agrees.

use crate::{Reason, Refused, Scorer, shown};
use serde::{Deserialize, Serialize};

/// How far a score may be from the library's.
pub const TOLERANCE: f64 = 1e-9;

/// Rows and their scores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Golden {
    /// Features in the model's order; null is missing.
    pub rows: Vec<Vec<Option<f64>>>,
    /// The score of each row.
    pub scores: Vec<f64>,
}

impl Golden {
    /// The golden rows as they are stored.
    ///
    /// # Errors
    /// Numbers that JSON cannot say.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Refused> {
        let all = self.rows.iter().flatten().flatten().chain(&self.scores);
        if let Some(number) = all.into_iter().find(|n| !n.is_finite()) {
            return Err(Refused::new(Reason::BadNumber, "golden rows", number.to_string()));
        }
        serde_json::to_vec(self).map_err(|e| Refused::new(Reason::Malformed, "golden rows", e.to_string()))
    }

    /// Reads what [`Golden::to_bytes`] writes.
    ///
    /// # Errors
    /// Other JSON.
    pub fn read(bytes: &[u8]) -> Result<Self, Refused> {
        serde_json::from_slice(bytes).map_err(|e| {
            let reason = if e.is_eof() { Reason::Truncated } else { Reason::Malformed };
            Refused::new(reason, format!("golden rows, line {} column {}", e.line(), e.column()), shown(&e.to_string()))
        })
    }

    /// Scores every row and compares, one by one and as a batch.
    ///
    /// # Errors
    /// No rows, rows of another width, or a score that is not within [`TOLERANCE`] (NaN never is).
    pub fn check(&self, scorer: &Scorer) -> Result<(), Refused> {
        if self.rows.is_empty() || self.rows.len() != self.scores.len() {
            let what = format!("{} rows and {} scores; at least one of each is needed", self.rows.len(), self.scores.len());
            return Err(Refused::new(Reason::WrongCount, "golden rows", what));
        }
        let width = scorer.features().len();
        if let Some((index, row)) = self.rows.iter().enumerate().find(|(_, row)| row.len() != width) {
            let what = format!("{} values, the model has {width} features", row.len());
            return Err(Refused::new(Reason::WrongCount, format!("golden row {index}"), what));
        }
        let rows: Vec<f64> = self.rows.iter().flatten().map(|value| value.unwrap_or(f64::NAN)).collect();
        let mut batch = Vec::new();
        scorer.scores(&rows, &mut batch);
        for (index, (row, expected)) in rows.chunks(width).zip(&self.scores).enumerate() {
            for score in [scorer.score(row), batch[index]] {
                let near = (score - expected).abs() <= TOLERANCE;
                if !near {
                    let what = format!("the score is {score}, the learner's library gave {expected}");
                    return Err(Refused::new(Reason::GoldenMismatch, format!("golden row {index}"), what));
                }
            }
        }
        Ok(())
    }
}
