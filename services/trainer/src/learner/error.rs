//! Why nothing was learned.

use tidemill_model::Refused;

/// Why no model was trained.
#[derive(Debug, thiserror::Error)]
pub enum NotFitted {
    /// The rows, labels and names do not fit together.
    #[error("{values} values and {labels} labels are no rows of {features} features")]
    Shape {
        /// Values given.
        values: usize,
        /// Labels given.
        labels: usize,
        /// Features named.
        features: usize,
    },
    /// A feature's name cannot be written into a model.
    #[error("feature name `{0}`: each once, and letters, digits and _ . - only")]
    Name(String),
    /// A value that nothing can be learned from.
    #[error("row {row}, feature `{feature}`: {value} is not finite")]
    Value {
        /// The row, from 0.
        row: usize,
        /// The feature.
        feature: String,
        /// What is there.
        value: f64,
    },
    /// Too few rows, or too few of a class: the same may work when there are more.
    #[error("{rows} rows ({positives} with label 1, {negatives} with 0) are not enough")]
    NotEnough {
        /// Rows given.
        rows: usize,
        /// Of them, with label 1.
        positives: usize,
        /// Of them, with label 0.
        negatives: usize,
    },
    /// The parameter is not one that this learner can set.
    #[error("parameter `{name}`: {why}")]
    Parameter {
        /// Its name.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Whoever watches the search stopped it.
    #[error("the search was stopped")]
    Stopped,
    /// The library failed.
    #[error("{library}: {why}")]
    Library {
        /// Which.
        library: &'static str,
        /// What it said.
        why: String,
    },
    /// What the library wrote is not read here.
    #[error("the library's model is not read here")]
    Refused(#[from] Refused),
}
