//! What becomes an alert: effect, persistence, episodes, and when to train again. A quiet week raises nothing.
//!
//! - *Effect*: a column counts when it is farther from its reference than the file's threshold beyond what is usual, and not
//!   by chance (`measure`).
//! - *Sample*: a window with fewer rows than [`MIN_ROWS`] says nothing, neither that something moved nor that it did not.
//! - *Persistence*: an alert needs [`PERSISTENCE`] such windows in a row.
//! - *Episode*: a column is told once; its episode ends after [`QUIET`] windows in which it does not count. Columns that come
//!   to it in the same window share an alert.
//! - *Reference*: a new model has other references, so its episodes start anew.
//! - *Training*: asked for at most once in a cool-down of event time. Where one was not asked for because of it, and the
//!   column still counts when it is over, one more alert asks.
//!
//! A pure function of the drift records in their order: after a restart it is told those that are on the topic.

use crate::message::{self, excess};
use std::collections::BTreeMap;
use tidemill_events::control::{Alert, ColumnDrift, Drift};

/// Rows that a window needs to say anything.
pub(crate) const MIN_ROWS: i64 = 1_000;
/// Windows in a row above the threshold before an alert.
const PERSISTENCE: u32 = 2;
/// Windows in a row below it that end an episode.
const QUIET: u32 = 2;
/// From this many thresholds on it is critical.
pub(crate) const CRITICAL: f64 = 2.0;
/// The name of the score among the columns.
pub(crate) const SCORE: &str = "score";
/// Cool-down of trainings, in windows; the label horizon if that is longer.
const COOL_DOWN: i64 = 7;

/// What of the pipeline's file the policy needs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Settings {
    /// The pipeline.
    pub(crate) pipeline: String,
    /// Whether drift is a reason to train.
    pub(crate) retrain: bool,
    /// Length of a window, microseconds.
    pub(crate) window: i64,
    /// How long labels take, microseconds.
    pub(crate) horizon: i64,
}

/// How one column, or the errors, have been doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Episode {
    /// Windows in a row that counted, and the first of them.
    above: u32,
    since: i64,
    quiet: u32,
    told: bool,
}

impl Episode {
    /// Takes up a window; true if it is to be told now.
    fn take(&mut self, counts: bool, from: i64, persistence: u32) -> bool {
        if !counts {
            self.above = 0;
            self.quiet += 1;
            self.told &= self.quiet < QUIET;
            return false;
        }
        if self.above == 0 && !self.told {
            self.since = from;
        }
        self.quiet = 0;
        self.above += 1;
        let tell = self.above >= persistence && !self.told;
        self.told |= tell;
        tell
    }
}

/// The policy of a pipeline.
#[derive(Debug)]
pub(crate) struct Policy {
    settings: Settings,
    /// Version and digest of the model whose references the columns' episodes are about.
    model: Option<(i32, String)>,
    columns: BTreeMap<String, Episode>,
    /// The same of the model whose errors are watched.
    decider: Option<(i32, String)>,
    errors: Episode,
    /// Event time by which a training was last asked for.
    asked_at: Option<i64>,
    /// A training was not asked for because of the cool-down.
    owed: bool,
}

impl Policy {
    pub(crate) fn new(settings: Settings) -> Self {
        let (columns, errors) = (BTreeMap::new(), Episode::default());
        Self { settings, model: None, columns, decider: None, errors, asked_at: None, owed: false }
    }

    /// An alert that is on the topic.
    pub(crate) fn written(&mut self, alert: &Alert) {
        if alert.retrain {
            let at = self.known_at(alert.kind == message::CONCEPT, alert.window.to);
            self.asked_at = self.asked_at.max(Some(at));
        }
    }

    /// Takes up a drift record and gives the alerts that follow from it, raised at wall clock `now`.
    pub(crate) fn take(&mut self, drift: &Drift, now: i64) -> Vec<Alert> {
        let alerts = if drift.kind == "concept" { self.errors(drift).into_iter().collect() } else { self.columns(drift) };
        alerts.into_iter().map(|alert| Alert { raised_at: now, ..alert }).collect()
    }

    fn errors(&mut self, drift: &Drift) -> Option<Alert> {
        if replace(&mut self.decider, drift) {
            self.errors = Episode::default();
        }
        // the detector asks for persistence itself
        if !self.errors.take(drift.concept_alarm, drift.window.from, 1) {
            return None;
        }
        let retrain = self.ask(self.known_at(true, drift.window.to));
        Some(message::errors(&self.settings.pipeline, drift, retrain))
    }

    fn columns(&mut self, drift: &Drift) -> Vec<Alert> {
        if replace(&mut self.model, drift) {
            self.columns.clear();
        }
        if drift.sampled < MIN_ROWS {
            return Vec::new();
        }
        let mut tell = Vec::new();
        for column in &drift.columns {
            let episode = self.columns.entry(column.column.clone()).or_default();
            if episode.take(column.exceeded, drift.window.from, PERSISTENCE) {
                tell.push(column);
            }
        }
        let (score, features): (Vec<&ColumnDrift>, Vec<&ColumnDrift>) = tell.into_iter().partition(|c| c.column == SCORE);
        let mut alerts = Vec::new();
        for (kind, columns) in [(message::DATA, features), (message::SCORES, score)] {
            if !columns.is_empty() {
                alerts.push(self.alert(kind, columns, drift, false));
            }
        }
        if alerts.is_empty() && self.owed {
            alerts.extend(self.still(drift));
        }
        alerts
    }

    /// The alert that asks for the training that was not asked for, once it may be.
    fn still(&mut self, drift: &Drift) -> Option<Alert> {
        let told = |c: &&ColumnDrift| self.columns.get(&c.column).is_some_and(|e| e.told && e.above > 0);
        let columns: Vec<&ColumnDrift> = drift.columns.iter().filter(told).collect();
        if columns.is_empty() {
            self.owed = self.columns.values().any(|e| e.told);
            return None;
        }
        if !self.may_ask(drift.window.to) {
            return None;
        }
        let kind = if columns.iter().all(|c| c.column == SCORE) { message::SCORES } else { message::DATA };
        Some(self.alert(kind, columns, drift, true))
    }

    fn alert(&mut self, kind: &str, mut columns: Vec<&ColumnDrift>, drift: &Drift, still: bool) -> Alert {
        columns.sort_by(|a, b| excess(b).total_cmp(&excess(a)));
        let severity = if columns.iter().any(|c| excess(c) >= CRITICAL) { "critical" } else { "warning" };
        let since = columns.iter().filter_map(|c| self.columns.get(&c.column)).map(|e| e.since).min();
        let retrain = self.ask(drift.window.to);
        let told = message::Told { kind, severity, since: since.unwrap_or(drift.window.from), still, retrain };
        message::columns(&self.settings.pipeline, &told, &columns, drift)
    }

    /// Whether to ask for a training at event time `at`; if so it is noted, else that it is owed.
    fn ask(&mut self, at: i64) -> bool {
        if !self.settings.retrain {
            return false;
        }
        let may = self.may_ask(at);
        // what another alert of the same time asked for is not owed
        self.owed = !may && self.asked_at != Some(at);
        if may {
            self.asked_at = Some(at);
        }
        may
    }

    fn may_ask(&self, at: i64) -> bool {
        let cool_down = self.settings.window.saturating_mul(COOL_DOWN).max(self.settings.horizon);
        self.asked_at.is_none_or(|asked| at.saturating_sub(asked) >= cool_down)
    }

    /// Event time by which a window that ends at `to` is known: its labels come a horizon later.
    fn known_at(&self, concept: bool, to: i64) -> i64 {
        if concept { to.saturating_add(self.settings.horizon) } else { to }
    }
}

/// Notes the model of `drift`; true if it is another than before.
fn replace(known: &mut Option<(i32, String)>, drift: &Drift) -> bool {
    let model = (drift.model.version, drift.model.digest.clone());
    if known.as_ref() == Some(&model) {
        return false;
    }
    *known = Some(model);
    true
}

#[cfg(test)]
mod tests;
