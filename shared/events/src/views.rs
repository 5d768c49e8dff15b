//! Lean views of records, borrowed from their bytes, for readers that need a few of the fields of very many records.
//!
//! Decode them with the writer's schema: [`crate::codec::AvroSchema::decode`] leaves out what they do not name.

use crate::records::ModelRef;
use serde::Deserialize;

/// The model of a prediction or an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct ModelView<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its version; 0 is the bootstrap expression.
    pub version: i32,
    /// Its digest, `sha256:…`.
    pub digest: &'a str,
    /// `bootstrap`, `canary`, `champion` or `shadow`.
    pub stage: &'a str,
}

impl ModelView<'_> {
    /// A copy that stands on its own.
    #[must_use]
    pub fn to_owned(&self) -> ModelRef {
        ModelRef { name: self.name.into(), version: self.version, digest: self.digest.to_owned(), stage: self.stage.into() }
    }
}

/// What of a record of `<p>.outcomes` judges and trains.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub struct OutcomeView<'a> {
    /// The event's id.
    pub event_id: &'a str,
    /// When it happened, microseconds since 1970.
    pub event_time: i64,
    /// The label.
    pub label: f64,
    /// When it became known, microseconds since 1970.
    pub label_time: i64,
    /// The score that was predicted.
    pub score: f64,
    /// The decision that was made.
    pub decision: &'a str,
    /// The model that made it.
    #[serde(borrow)]
    pub model: ModelView<'a>,
}

/// What of a record of `<p>.predictions` is watched.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub struct PredictionView<'a> {
    /// The event's id.
    pub event_id: &'a str,
    /// When it happened, microseconds since 1970.
    pub event_time: i64,
    /// The model's score.
    pub score: f64,
    /// The model that made it.
    #[serde(borrow)]
    pub model: ModelView<'a>,
}
