//! `labels`, `model`, `performance`, `gates`, `rollout` and `drift`: how a pipeline learns.
//!
//! Read and checked as a whole; what acts on them is the learning loop.

mod gates;
mod model;

pub use gates::{Gate, METRICS};
pub use model::{Learner, Model, Objective, Search, Train, Trigger, Values};

use super::LONGEST;
use crate::codes;
use crate::diagnostic::Severity;
use crate::reader::{Fields, Reader};
use crate::yaml::Entry;
use std::ops::RangeInclusive;
use tidemill_events::time::SECOND;

/// The sections of the learning loop, each `None` (or empty) where the file leaves it out.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Learning {
    /// `labels`
    pub labels: Option<Labels>,
    /// `model`
    pub model: Option<Model>,
    /// `performance`
    pub performance: Option<Performance>,
    /// `gates`: conditions over `challenger` and `champion`, in file order.
    pub gates: Vec<Gate>,
    /// `rollout`
    pub rollout: Option<Rollout>,
    /// `drift`
    pub drift: Option<Drift>,
}

/// `labels`: when they come.
#[derive(Debug, Clone, PartialEq)]
pub struct Labels {
    /// How long after its event a label counts, microseconds.
    pub horizon: i64,
    /// The label of an event that has none past the horizon; left out if `None`.
    pub default: Option<f64>,
}

/// `performance`: how live quality is measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Performance {
    /// Length of a window of event time, microseconds.
    pub window: i64,
    /// `k` of precision at k.
    pub precision_at: Option<i64>,
}

/// Who has to agree before a model is rolled out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Approval {
    /// Nobody: the gates decide.
    Automatic,
    /// One person other than the author.
    OnePerson,
    /// Two.
    TwoPeople,
}

/// `rollout`: from approval to champion.
#[derive(Debug, Clone, PartialEq)]
pub struct Rollout {
    /// Who agrees.
    pub approval: Approval,
    /// How long it runs beside the champion unseen, microseconds.
    pub shadow: Option<i64>,
    /// Shares of the traffic it gets in turn, percent, growing.
    pub canary: Vec<i64>,
    /// The condition that takes it back, as written.
    pub rollback_on: Option<String>,
}

/// A detector of concept drift.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detector {
    /// Adaptive windowing.
    Adwin,
    /// Page-Hinkley; errors only.
    PageHinkley,
}

/// A measure of how far a distribution moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Population stability index.
    Psi,
    /// Kolmogorov-Smirnov.
    Ks,
    /// Jensen-Shannon.
    Js,
    /// Share of missing values.
    Missing,
}

/// `drift`: what raises an alert.
#[derive(Debug, Clone, PartialEq)]
pub struct Drift {
    /// Length of a window of event time, microseconds.
    pub window: i64,
    /// Thresholds for every feature.
    pub features: Vec<(Measure, f64)>,
    /// Thresholds for the score.
    pub score: Vec<(Measure, f64)>,
    /// The detector on errors.
    pub concept: Option<Detector>,
}

/// A span that is not nothing.
const SPAN: RangeInclusive<i64> = SECOND..=LONGEST;
/// Longest condition, in bytes.
const MAX_CONDITION: usize = 4 * 1024;

/// Reads all of them out of the file's fields.
pub(crate) fn read(reader: &mut Reader<'_>, file: &mut Fields<'_>) -> Learning {
    let labels = file.optional("labels").and_then(|e| labels(reader, e));
    Learning {
        labels,
        model: file.optional("model").and_then(|e| model::read(reader, e)),
        performance: file.optional("performance").and_then(|e| performance(reader, e)),
        gates: file.optional("gates").and_then(|e| gates::read(reader, e)).unwrap_or_default(),
        rollout: file.optional("rollout").and_then(|e| rollout(reader, e)),
        drift: file.optional("drift").and_then(|e| drift(reader, e)),
    }
}

fn labels(reader: &mut Reader<'_>, entry: &Entry) -> Option<Labels> {
    let mut fields = reader.fields(&entry.value, &entry.key, entry.key_range.clone())?;
    let horizon = fields.required(reader, "horizon").and_then(|e| reader.duration(&e.value, SPAN));
    let default = fields.optional("default").map(|e| reader.number(&e.value, 0.0..=1.0));
    fields.finish(reader);
    Some(Labels { horizon: horizon?, default: optional(default)? })
}

fn performance(reader: &mut Reader<'_>, entry: &Entry) -> Option<Performance> {
    let mut fields = reader.fields(&entry.value, &entry.key, entry.key_range.clone())?;
    let window = fields.required(reader, "window").and_then(|e| reader.duration(&e.value, SPAN));
    let precision_at = fields.optional("precision_at").map(|e| reader.integer(&e.value, 1..=1_000_000));
    fields.finish(reader);
    Some(Performance { window: window?, precision_at: optional(precision_at)? })
}

fn condition(reader: &mut Reader<'_>, node: &crate::yaml::Node) -> Option<String> {
    let text = reader.text(node)?;
    if text.trim().is_empty() || text.len() > MAX_CONDITION {
        let message = format!("a condition has 1 to {MAX_CONDITION} bytes");
        reader.error(codes::OUT_OF_RANGE, node.range.clone(), message);
        return None;
    }
    Some(text.to_owned())
}

fn rollout(reader: &mut Reader<'_>, entry: &Entry) -> Option<Rollout> {
    let approvals = [("automatic", Approval::Automatic), ("one_person", Approval::OnePerson), ("two_people", Approval::TwoPeople)];
    let mut fields = reader.fields(&entry.value, &entry.key, entry.key_range.clone())?;
    let approval = fields.required(reader, "approval").and_then(|e| {
        let approval = reader.choice(&e.value, &approvals)?;
        if approval == Approval::TwoPeople {
            let message = "the approval of two people is not available yet";
            reader.error(codes::NOT_YET, e.value.range.clone(), message).help("automatic and one_person are");
        }
        Some(approval)
    });
    for key in ["shadow", "canary", "rollback_on"] {
        if let Some(at) = fields.optional(key).map(|e| e.key_range.clone()) {
            reader
                .report(codes::NO_EFFECT_YET, Severity::Note, at, format!("`{key}` has no effect yet"))
                .help("it is checked now; an approved model is champion at once");
        }
    }
    let shadow = fields.optional("shadow").map(|e| reader.duration(&e.value, 0..=LONGEST));
    let canary = fields.optional("canary").map_or(Some(Vec::new()), |e| canary(reader, e));
    let rollback_on = fields.optional("rollback_on").map(|e| condition(reader, &e.value));
    fields.finish(reader);
    Some(Rollout { approval: approval?, shadow: optional(shadow)?, canary: canary?, rollback_on: optional(rollback_on)? })
}

fn canary(reader: &mut Reader<'_>, entry: &Entry) -> Option<Vec<i64>> {
    let items = reader.list(&entry.value, "percentages such as [5, 25]")?;
    let shares: Vec<Option<i64>> = items.iter().map(|item| reader.integer(item, 1..=99)).collect();
    let shares: Vec<i64> = shares.into_iter().collect::<Option<_>>()?;
    if !shares.is_sorted_by(|a, b| a < b) {
        reader.error(codes::OUT_OF_RANGE, entry.value.range.clone(), "the shares of a canary grow from step to step");
        return None;
    }
    Some(shares)
}

fn drift(reader: &mut Reader<'_>, entry: &Entry) -> Option<Drift> {
    let detectors = [("adwin", Detector::Adwin), ("page_hinkley", Detector::PageHinkley)];
    let mut fields = reader.fields(&entry.value, &entry.key, entry.key_range.clone())?;
    let window = fields.required(reader, "window").and_then(|e| reader.duration(&e.value, SPAN));
    let features = fields.optional("features").map_or(Some(Vec::new()), |e| measures(reader, e));
    let score = fields.optional("score").map_or(Some(Vec::new()), |e| measures(reader, e));
    let concept = fields.optional("concept").map(|e| reader.choice(&e.value, &detectors));
    fields.finish(reader);
    Some(Drift { window: window?, features: features?, score: score?, concept: optional(concept)? })
}

fn measures(reader: &mut Reader<'_>, entry: &Entry) -> Option<Vec<(Measure, f64)>> {
    let known = [("psi", Measure::Psi), ("ks", Measure::Ks), ("js", Measure::Js), ("missing", Measure::Missing)];
    let mut fields = reader.fields(&entry.value, &entry.key, entry.key_range.clone())?;
    let mut measures = Vec::new();
    let mut ok = true;
    for (key, measure) in known {
        let Some(threshold) = fields.optional(key) else { continue };
        match reader.number(&threshold.value, 0.0..=1_000.0) {
            Some(threshold) => measures.push((measure, threshold)),
            None => ok = false,
        }
    }
    fields.finish(reader);
    ok.then_some(measures)
}

/// A key that was left out is fine; one that is at fault is not.
fn optional<T>(read: Option<Option<T>>) -> Option<Option<T>> {
    match read {
        None => Some(None),
        Some(None) => None,
        Some(Some(value)) => Some(Some(value)),
    }
}
