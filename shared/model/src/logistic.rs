//! Logistic regression: the baseline every other model has to beat.
//!
//! Inputs are standardised (`(x - mean) / scale`), a missing one counts as the mean. The form on disk is JSON:
//! `{"format": "tidemill-logistic-1", "intercept": …, "features": [{"name", "mean", "scale", "weight"}]}`.

mod fit;
mod linear;

pub use fit::{NotFitted, fit};

use crate::{Reason, Refused, forest, shown, sigmoid};
use serde::{Deserialize, Serialize};

/// The only format there is.
const FORMAT: &str = "tidemill-logistic-1";
/// Values farther than this from the mean, in units of scale, count as this far: sums cannot overflow.
const FARTHEST: f64 = 1e6;
/// Largest weight and intercept that are read.
const LARGEST: f64 = 1e100;

/// A fitted regression.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Logistic {
    format: String,
    /// Log odds where all features are at their means.
    intercept: f64,
    features: Vec<Term>,
    #[serde(skip)]
    names: Vec<String>,
}

/// One feature's part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Term {
    name: String,
    mean: f64,
    /// Standard deviation, or 1 for a feature that does not vary.
    scale: f64,
    weight: f64,
}

impl Term {
    /// What this feature adds to the log odds.
    fn of(&self, value: f64) -> f64 {
        if value.is_nan() {
            return 0.0;
        }
        self.weight * self.standard(value)
    }

    fn standard(&self, value: f64) -> f64 {
        ((value - self.mean) / self.scale).clamp(-FARTHEST, FARTHEST)
    }
}

impl Logistic {
    /// Reads the JSON form.
    ///
    /// # Errors
    /// Whatever is not one: other JSON, numbers that are not finite, a scale that is not above 0.
    pub fn read(bytes: &[u8]) -> Result<Self, Refused> {
        let malformed = |e: serde_json::Error| {
            let reason = if e.is_eof() { Reason::Truncated } else { Reason::Malformed };
            Refused::new(reason, format!("line {} column {}", e.line(), e.column()), shown(&e.to_string()))
        };
        let mut model: Self = serde_json::from_slice(bytes).map_err(malformed)?;
        if model.format != FORMAT {
            let what = format!("format `{}`, only {FORMAT} is read here", shown(&model.format));
            return Err(Refused::new(Reason::UnknownFormat, "format", what));
        }
        let bounded = |number: f64| number.abs() <= LARGEST;
        if !bounded(model.intercept) {
            return Err(Refused::new(Reason::BadNumber, "intercept", model.intercept.to_string()));
        }
        if model.features.is_empty() || model.features.len() > forest::MAX_FEATURES {
            let what = format!("{} features; 1 to {} are possible", model.features.len(), forest::MAX_FEATURES);
            return Err(Refused::new(Reason::TooLarge, "features", what));
        }
        for term in &model.features {
            if !(bounded(term.mean) && bounded(term.weight) && bounded(term.scale) && term.scale > 0.0) {
                let what = format!("mean {}, scale {}, weight {}", term.mean, term.scale, term.weight);
                return Err(Refused::new(Reason::BadNumber, format!("feature `{}`", shown(&term.name)), what));
            }
        }
        forest::check_names(&model.features.iter().map(|t| t.name.as_str()).collect::<Vec<_>>(), "features")?;
        model.names = model.features.iter().map(|t| t.name.clone()).collect();
        Ok(model)
    }

    /// The JSON form: the same model gives the same bytes.
    ///
    /// # Errors
    /// A model whose numbers are no JSON numbers; one that was read or fitted is not.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Refused> {
        serde_json::to_vec_pretty(self).map_err(|e| Refused::new(Reason::Malformed, "the model", e.to_string()))
    }

    /// The features' names, in the order of a row.
    #[must_use]
    pub fn features(&self) -> &[String] {
        &self.names
    }

    /// The log odds where every feature is at its mean: what contributions are differences from.
    #[must_use]
    pub fn expected_value(&self) -> f64 {
        self.intercept
    }

    /// The log odds of a row of one value a feature, NaN where it is missing. A row that is too short counts as
    /// missing at its end.
    #[must_use]
    pub fn raw_score(&self, row: &[f64]) -> f64 {
        self.features.iter().zip(row).map(|(term, value)| term.of(*value)).fold(self.intercept, |sum, part| sum + part)
    }

    /// The probability that the label is 1. See [`Logistic::raw_score`].
    #[must_use]
    pub fn score(&self, row: &[f64]) -> f64 {
        sigmoid(self.raw_score(row))
    }

    /// By how much each feature moves the log odds from [`Logistic::expected_value`]: the Shapley values of a
    /// linear model over independent features.
    #[must_use]
    pub fn contributions(&self, row: &[f64]) -> Vec<f64> {
        let values = row.iter().copied().chain(std::iter::repeat(f64::NAN));
        self.features.iter().zip(values).map(|(term, value)| term.of(value)).collect()
    }
}
