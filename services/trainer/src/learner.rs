//! Learning: [`fit`] trains one model, [`search()`] finds the parameters to train it with.
//!
//! **Deterministic.** One thread, fixed histograms, every seed given: the same rows, parameters and seed give
//! the same bytes. What scores is always read back from those bytes, so that the trainer scores with what the
//! predictor will load.
//!
//! **Libraries.** LightGBM 4.5 by the crate lightgbm3, whose newest version is safe to call and, by the version
//! of lightgbm3-sys that the workspace names, builds the newest LightGBM that Debian's cmake can build. Its
//! binning cannot be set from there: `max_bin` is LightGBM's default of 255, and features that no split with 20
//! rows on each side can use are left out whatever `min_data_in_leaf` says.

mod data;
mod error;
mod gradient_boosting;
mod linear;
mod loss;
mod search;

pub use data::Dataset;
pub use error::NotFitted;
pub use gradient_boosting::DEFAULT_ITERATIONS;
pub use loss::log_loss;
pub use search::{Found, PATIENCE, Progress, Trial, search};

use std::collections::BTreeMap;
use tidemill_model::{Learner, Scorer};

/// Parameters of a learner, by LightGBM's names. The logistic regression knows `lambda_l2` alone.
pub type Parameters = BTreeMap<String, f64>;

/// Fewest rows to train on: LightGBM's smallest split has 20 on each side.
pub const LEAST_ROWS: usize = 40;
/// Fewest rows of each class.
pub const LEAST_OF_A_CLASS: usize = 2;

/// A trained model.
#[derive(Debug, Clone, PartialEq)]
pub struct Fitted {
    /// What trained it.
    pub learner: Learner,
    /// The model as it is stored: LightGBM's text, or the regression's JSON.
    pub bytes: Vec<u8>,
    /// What reads them, scoring.
    pub scorer: Scorer,
    /// What the learner's own library gives for the first rows of the training set: for golden rows.
    pub library_scores: Vec<f64>,
}

/// Trains a model on all of `data`.
///
/// # Errors
/// Too few rows, parameters that cannot be set, or a fault of the library.
pub fn fit(learner: Learner, data: &Dataset, parameters: &Parameters, seed: u32) -> Result<Fitted, NotFitted> {
    data.check_enough()?;
    match learner {
        Learner::Lightgbm => gradient_boosting::fit(data, parameters, seed),
        Learner::Logistic => linear::fit(data, parameters),
    }
}

/// The libraries that `learner` uses, with their versions: for the training manifest.
#[must_use]
pub fn libraries(learner: Learner) -> BTreeMap<String, String> {
    let ours = ("tidemill-model", env!("CARGO_PKG_VERSION"));
    let all: &[(&str, &str)] = match learner {
        Learner::Lightgbm => &[ours, ("lightgbm", "4.5.0"), ("lightgbm3", "1.0.11"), ("lightgbm3-sys", "1.0.3")],
        Learner::Logistic => &[ours],
    };
    all.iter().map(|(name, version)| ((*name).to_owned(), (*version).to_owned())).collect()
}
