//! Records of the control plane, and of what is told once per window: what asked for a training, what came of it,
//! how it was judged, what serves, how it does, how far the data moved.
//!
//! Spans of event time are half-open, `[from, to)`, in microseconds since 1970.

use crate::records::{ModelRef, SourceRecord};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A span of event time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Span {
    /// First microsecond that is part of it.
    pub from: i64,
    /// First one that is not.
    pub to: i64,
}

/// `tidemill.triggers`: somebody asks for a training.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trigger {
    /// The pipeline.
    pub pipeline: String,
    /// `train` or `cancel`.
    pub action: String,
    /// Why, for people.
    pub detail: String,
    /// Who asks.
    pub requested_by: String,
    /// Wall clock of the request.
    pub requested_at: i64,
}

/// What made a training start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// `schedule`, `drift`, `command` or `spec_change`.
    pub reason: String,
    /// For people: the alert's message, who asked, …
    pub detail: String,
    /// The record that asked, on `tidemill.triggers` or `tidemill.alerts`; none for the schedule.
    pub record: Option<SourceRecord>,
}

/// `tidemill.candidates`: how a training ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// The pipeline.
    pub pipeline: String,
    /// `candidate`: there is a model, and `model` names it. Else there is none: `not_enough` data, `failed`, `cancelled`.
    pub outcome: String,
    /// What was missing or went wrong; empty for a candidate.
    pub detail: String,
    /// What it was trained for: the newest cause first, then those that were waiting with it.
    pub causes: Vec<Cause>,
    /// Version of the pipeline file.
    pub pipeline_version: i32,
    /// The model, with stage `candidate`.
    pub model: Option<ModelRef>,
    /// Event time of what it was trained and validated on.
    pub trained: Span,
    /// Event time of what was held back to judge it by; a part of no training.
    pub holdout: Span,
    /// Rows it was trained and validated on.
    pub rows: i64,
    /// Rows among them whose label is 1.
    pub positives: i64,
    /// What was measured on the validation part, by name.
    pub metrics: BTreeMap<String, f64>,
    /// Wall clock of start and end.
    pub started_at: i64,
    /// Wall clock of the end.
    pub finished_at: i64,
}

/// A gate, and whether it let the challenger pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateResult {
    /// The condition as the file has it.
    pub condition: String,
    /// Whether it held.
    pub passed: bool,
    /// The numbers in it, or why it could not be decided.
    pub detail: String,
}

/// `tidemill.evaluations`: a challenger against the champion, on the same rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The pipeline.
    pub pipeline: String,
    /// The candidate's record.
    pub candidate: SourceRecord,
    /// The challenger.
    pub challenger: ModelRef,
    /// The champion when it was judged.
    pub champion: ModelRef,
    /// Event time of the rows.
    pub holdout: Span,
    /// How many.
    pub rows: i64,
    /// How many of them have label 1.
    pub positives: i64,
    /// What was measured of the challenger, by name.
    pub challenger_metrics: BTreeMap<String, f64>,
    /// The same of the champion.
    pub champion_metrics: BTreeMap<String, f64>,
    /// Every gate of the file.
    pub gates: Vec<GateResult>,
    /// Whether the challenger may take the champion's place.
    pub passed: bool,
    /// Why not; empty if it may.
    pub detail: String,
    /// Wall clock.
    pub evaluated_at: i64,
}

/// `tidemill.registry`: something happened to a model. In order, for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistryEvent {
    /// 1 for the first event, one more for each; over all pipelines.
    pub seq: i64,
    /// The pipeline.
    pub pipeline: String,
    /// `registered`, `evaluated`, `approval_requested`, `approved`, `rejected`, `deployed` or `rolled_back`.
    pub kind: String,
    /// The model.
    pub model: ModelRef,
    /// Who did it: a person's name, or the service.
    pub actor: String,
    /// For people.
    pub detail: String,
    /// The record it follows from, if any.
    pub cause: Option<SourceRecord>,
    /// Wall clock.
    pub at: i64,
}

/// `tidemill.deployments`: what a pipeline's predictors shall serve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// The pipeline.
    pub pipeline: String,
    /// 1 for the pipeline's first deployment, one more for each. A roll-back is a new one.
    pub number: i64,
    /// The route.
    pub route: String,
    /// The model, with its stage there.
    pub model: ModelRef,
    /// The model it replaces.
    pub replaces: ModelRef,
    /// Why, for people.
    pub detail: String,
    /// `seq` of the registry's event.
    pub registry_seq: i64,
    /// Wall clock.
    pub deployed_at: i64,
}

/// `tidemill.alerts`: something moved that should not have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// The pipeline.
    pub pipeline: String,
    /// `data_drift`, `score_drift` or `concept_drift`.
    pub kind: String,
    /// `warning` or `critical`.
    pub severity: String,
    /// The model that was serving.
    pub model: ModelRef,
    /// Event time of the window it was seen in.
    pub window: Span,
    /// The columns that moved, the farthest first; `score` or `error` where it is not a feature.
    pub subjects: Vec<String>,
    /// For people: what moved, how far, since when.
    pub message: String,
    /// The numbers, by `<subject>.<measure>`.
    pub evidence: BTreeMap<String, f64>,
    /// Whether the pipeline's policy wants a training of it: not within the cool-down of the one before.
    pub retrain: bool,
    /// Wall clock.
    pub raised_at: i64,
}

/// `<p>.performance`: how good the decisions of one window of event time were, once its labels are in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Performance {
    /// The window.
    pub window: Span,
    /// The model that made most of its predictions.
    pub model: ModelRef,
    /// Outcomes in it.
    pub rows: i64,
    /// Those with label 1.
    pub positives: i64,
    /// Outcomes by the version of the model that decided, as text.
    pub versions: BTreeMap<String, i64>,
    /// What was measured, by name; what is not defined (AUC of one class) is absent.
    pub metrics: BTreeMap<String, f64>,
}

/// How far a column has moved from its reference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnDrift {
    /// The feature, or `score`.
    pub column: String,
    /// `psi`, `ks`, `js` (divergence) and `missing` (share), as far as they are defined; and `excess` where the file has a
    /// threshold: how many thresholds the farthest of them is beyond what is usual from window to window of the training.
    pub measures: BTreeMap<String, f64>,
    /// Whether `excess` is above 1, and not by chance.
    pub exceeded: bool,
}

/// `<p>.drift`: one window against the reference of the model that served it. There are up to two of a window: `data` once its
/// events are in, `concept` a horizon later, once its labels are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Drift {
    /// `data` or `concept`.
    pub kind: String,
    /// The window.
    pub window: Span,
    /// The model that made most of its predictions: its reference it is.
    pub model: ModelRef,
    /// Vectors in the window.
    pub rows: i64,
    /// Vectors that were measured: all, or a sample of a bounded size.
    pub sampled: i64,
    /// `data`: every feature that the model has a reference of, in the order of the vector, then `score`; the bootstrap expression
    /// has none. `concept`: `error`, with the `share` of wrong decisions and that of the windows `before`.
    pub columns: Vec<ColumnDrift>,
    /// Wrong decisions among `outcomes`.
    pub errors: i64,
    /// The window's outcomes that the concept detector took up: those that the model decided.
    pub outcomes: i64,
    /// Whether the detector found that errors have become more frequent.
    pub concept_alarm: bool,
}
