//! What travels between the stages: an event on its way, an outcome, a feature vector.

use crate::Value;
use crate::records::{ModelRef, Reason};
use compact_str::CompactString;
use serde::Deserialize;
use std::sync::Arc;

/// Coordinates of the raw (or label) record that something derives from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Deserialize)]
pub struct Source {
    /// Topic of the raw record.
    pub topic: CompactString,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
}

/// The task that wrote a record: a stage at one input partition.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Deserialize)]
pub struct Stage {
    /// Stage name, e.g. `validator` or `feature-builder.customer`.
    pub stage: CompactString,
    /// Input partition of the task.
    pub partition: i32,
}

/// An event on `<p>.valid` or `<p>.hop.<entity>`.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The event's id, unique within `source.dedupe`.
    pub event_id: CompactString,
    /// When it happened, microseconds since 1970.
    pub event_time: i64,
    /// The raw record.
    pub source: Source,
    /// Append time of the raw record, microseconds since 1970.
    pub ingested_at: i64,
    /// The task that wrote this record.
    pub from: Stage,
    /// Running maximum of event time in its raw partition; microseconds since 1970.
    pub merge_time: i64,
    /// One key per entity of the pipeline, in hop order; empty where the event has none.
    pub entities: Vec<CompactString>,
    /// The upstream's fields, in the order of the event schema.
    pub fields: Vec<Value>,
    /// Features computed so far, in the order of [`crate::Layout::features`].
    pub features: Vec<Value>,
}

/// A label joined to its prediction, on its way through the hops (order.md; written by the evaluator).
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The event's id.
    pub event_id: CompactString,
    /// The event's time.
    pub event_time: i64,
    /// The label record.
    pub source: Source,
    /// The task that wrote this record.
    pub from: Stage,
    /// The label's time.
    pub merge_time: i64,
    /// One key per entity, in hop order; empty where the event has none.
    pub entities: Vec<CompactString>,
    /// The upstream's fields that label features use; null elsewhere.
    pub fields: Vec<Value>,
    /// The label.
    pub label: f64,
    /// When the label became known, microseconds since 1970.
    pub label_time: i64,
}

/// A record of a hop-input topic.
#[derive(Debug, Clone, PartialEq)]
pub enum HopInput {
    /// An event on its way to a vector.
    Event(Event),
    /// A label on its way into label features.
    Outcome(Outcome),
}

/// A finished feature vector on `<p>.features`.
#[derive(Debug, Clone, PartialEq)]
pub struct Vector {
    /// The event's id.
    pub event_id: CompactString,
    /// When it happened, microseconds since 1970.
    pub event_time: i64,
    /// The raw record.
    pub source: Source,
    /// Append time of the raw record, microseconds since 1970.
    pub ingested_at: i64,
    /// The task that wrote this record.
    pub from: Stage,
    /// Running maximum of event time in its raw partition.
    pub merge_time: i64,
    /// One key per entity, in hop order.
    pub entities: Vec<CompactString>,
    /// All features, in the order of [`crate::Layout::features`].
    pub features: Vec<Value>,
    /// Version of the pipeline file that computed them.
    pub pipeline_version: i32,
}

/// A decision and what came true, on `<p>.outcomes`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PredictionOutcome<'a> {
    /// The event's id.
    pub event_id: &'a str,
    /// When it happened, microseconds since 1970.
    pub event_time: i64,
    /// The label record.
    pub source: &'a Source,
    /// One key per entity, in hop order.
    pub entities: &'a [CompactString],
    /// The label.
    pub label: f64,
    /// When the label became known, microseconds since 1970.
    pub label_time: i64,
    /// The score that was predicted.
    pub score: f64,
    /// The decision that was made.
    pub decision: &'a str,
    /// Its route.
    pub route: &'a str,
    /// The model that made it.
    pub model: &'a ModelRef,
}

/// A decision on `<p>.predictions`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Prediction {
    /// The event's id.
    pub event_id: CompactString,
    /// When it happened, microseconds since 1970.
    pub event_time: i64,
    /// The raw record.
    pub source: Source,
    /// Append time of the raw record, microseconds since 1970.
    pub ingested_at: i64,
    /// One key per entity, in hop order.
    pub entities: Vec<CompactString>,
    /// The decision route.
    pub route: CompactString,
    /// The model that made it.
    pub model: Arc<ModelRef>,
    /// The model's score.
    pub score: f64,
    /// What to do.
    pub decision: CompactString,
    /// Why, where the decision is at or above the threshold; empty for a bootstrap expression.
    pub reasons: Vec<Reason>,
    /// Wall clock of the prediction, microseconds since 1970.
    pub predicted_at: i64,
}
