//! What came of the command.

use super::client::Accepted;
use crate::output::{Report, count};
use serde::Serialize;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::time::Duration;
use tidemill_events::control::Candidate;

#[derive(Debug, Serialize)]
pub(super) struct Result {
    pipeline: String,
    action: &'static str,
    /// Where the command is.
    command: Accepted,
    /// How the training ended; nothing unless it was waited for.
    training: Option<Training>,
    seconds: f64,
}

#[derive(Debug, Serialize)]
struct Training {
    outcome: String,
    detail: String,
    version: Option<i32>,
    digest: Option<String>,
    rows: i64,
    positives: i64,
    metrics: BTreeMap<String, f64>,
    causes: Vec<String>,
}

impl Result {
    pub(super) fn new(pipeline: &str, cancel: bool, command: Accepted, candidate: Option<&Candidate>, took: Duration) -> Self {
        let training = candidate.map(|c| Training {
            outcome: c.outcome.clone(),
            detail: c.detail.clone(),
            version: c.model.as_ref().map(|m| m.version),
            digest: c.model.as_ref().map(|m| m.digest.clone()),
            rows: c.rows,
            positives: c.positives,
            metrics: c.metrics.clone(),
            causes: c.causes.iter().map(|cause| format!("{}: {}", cause.reason, cause.detail)).collect(),
        });
        let action = if cancel { "cancel" } else { "train" };
        Self { pipeline: pipeline.to_owned(), action, command, training, seconds: took.as_secs_f64() }
    }

    /// Whether what was waited for is what was asked for.
    pub(super) fn is_as_asked(&self) -> bool {
        let wanted = if self.action == "cancel" { "cancelled" } else { "candidate" };
        self.training.as_ref().is_none_or(|training| training.outcome == wanted)
    }
}

impl Report for Result {
    fn rows(&self) -> Vec<Json> {
        vec![json!(self)]
    }

    fn table(&self) -> String {
        let Accepted { topic, partition, offset } = &self.command;
        let mut out = format!("{}: {} is on {topic} partition {partition} offset {offset}\n", self.pipeline, self.action);
        let Some(training) = &self.training else { return out };
        out += &match (training.version, &training.digest) {
            (Some(version), Some(digest)) => format!("model version {version} · {digest}\n"),
            _ => format!("no model: {} · {}\n", training.outcome, training.detail),
        };
        let metrics: String = training.metrics.iter().map(|(name, value)| format!(" · {name} {value:.5}")).collect();
        let number = |n: i64| count(n.unsigned_abs());
        out += &format!("{} rows, {} with label 1{metrics} · {:.1} s\n", number(training.rows), number(training.positives), self.seconds);
        out += &format!("asked for by {}\n", training.causes.join("; "));
        out
    }
}
