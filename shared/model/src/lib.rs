//! Models as data: reading them, scoring, reasons for a score, and the content of an artefact.
//!
//! Pure: no I/O, no clock, no randomness. Nothing that is read here is trusted: a model comes from an
//! object store, and its text may have been written by anybody. Whatever is wrong with it is [`Refused`]
//! with a named reason and a place; memory is bounded by the input's size.
//!
//! **Scores.** [`Scorer`] is a [`Forest`] (LightGBM's text) or a [`Logistic`] (JSON). A row is one `f64` a
//! feature, in the model's order; NaN is a missing value. A score is the probability that the label is 1.
//!
//! **Reasons.** `contributions` says by how much each feature moved the raw score (log odds) from the
//! expected one: `expected_value + sum(contributions) = raw_score`.

pub mod artefact;
pub mod forest;
pub mod logistic;
mod refused;
mod scorer;

pub use forest::Forest;
pub use logistic::Logistic;
use refused::shown;
pub use refused::{Reason, Refused};
pub use scorer::{Learner, Scorer};

/// The logistic function: a raw score (log odds) as a probability.
///
/// By the libm of this workspace, so that a score is the same on every machine.
#[must_use]
pub fn sigmoid(raw: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-raw))
}
