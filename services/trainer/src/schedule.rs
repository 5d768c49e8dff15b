//! When a training is due, and for which causes. Pure: folded from topics, the same whatever their order among themselves.
//!
//! Event time rules. With T the label time that every partition of `<p>.outcomes` has reached, labels are in for
//! events before T - horizon, and a training ends at E: that, rounded down to a window. It is due
//! - for the schedule: the first when a whole history of labels is in, the next `train.every` after the last one's E;
//!   one that had not enough data, or failed, is tried again a window later;
//! - at once for a command (`tidemill.triggers`), for an alert that wants one (`tidemill.alerts`), and for a pipeline
//!   file whose features are not those of the last model.
//!
//! What comes while a training runs waits for the next, all together. Every cause ends in exactly one candidate: those
//! of a candidate's record are covered, whatever became of it.

mod watermark;

pub use watermark::Watermark;

use std::collections::{BTreeMap, BTreeSet};
use tidemill_events::control::{Alert, Candidate, Cause, Span, Trigger};
use tidemill_events::records::SourceRecord;

/// What the pipeline file says of when to train. Spans in microseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// The pipeline's name.
    pub pipeline: String,
    /// Version of its file.
    pub version: i32,
    /// How long after its event a label counts.
    pub horizon: i64,
    /// A performance window.
    pub window: i64,
    /// How much history is trained on.
    pub history: i64,
    /// Event time between two trainings.
    pub every: Option<i64>,
    /// Whether alerts may start one.
    pub on_drift: bool,
    /// Whether other features may.
    pub on_spec_change: bool,
}

/// A training to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What for, the newest first.
    pub causes: Vec<Cause>,
    /// Where its data ends, event time; none while there is no label.
    pub end: Option<i64>,
    /// Version of the model that it makes.
    pub version: i32,
    /// Scheduled trainings that this one is instead of, besides the one that is due.
    pub skipped: u64,
}

impl Plan {
    /// Whether the schedule is among its causes.
    #[must_use]
    pub fn is_scheduled(&self) -> bool {
        self.causes.iter().any(|cause| cause.reason == SCHEDULE)
    }
}

/// What somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Ask {
    cause: Cause,
    /// Wall clock of the question.
    at: i64,
    is_cancel: bool,
}

/// Topic, partition and offset of a record.
type Place = (String, i32, i64);

/// All that decides.
#[derive(Debug, Clone)]
pub struct Schedule {
    rules: Rules,
    /// Event time of the first outcome.
    first: Option<i64>,
    /// Causes that have their candidate.
    covered: BTreeSet<Place>,
    waiting: BTreeMap<Place, Ask>,
    /// E of the last training that made a model, or that somebody cancelled.
    settled: Option<i64>,
    /// E of the last one that came to nothing.
    fruitless: Option<i64>,
    /// The last model: version of the pipeline's file, and digest.
    model: Option<(i32, String)>,
    /// The last version of a model.
    version: i32,
    /// Whether a training for this version of the file is done.
    spec_covered: bool,
}

impl Schedule {
    /// Nothing was read yet.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        let (covered, waiting) = (BTreeSet::new(), BTreeMap::new());
        Self { rules, first: None, covered, waiting, settled: None, fruitless: None, model: None, version: 0, spec_covered: false }
    }

    /// There is an outcome of an event at `event_time`.
    pub fn outcome(&mut self, event_time: i64) {
        self.first = Some(self.first.map_or(event_time, |first| first.min(event_time)));
    }

    /// A training has ended. Records of one topic come in their order; other pipelines' are left out.
    pub fn candidate(&mut self, candidate: &Candidate) {
        if candidate.pipeline != self.rules.pipeline {
            return;
        }
        for cause in &candidate.causes {
            if let Some(record) = &cause.record {
                self.waiting.remove(&place(record));
                self.covered.insert(place(record));
            }
            self.spec_covered |= cause.reason == SPEC_CHANGE && candidate.pipeline_version == self.rules.version;
        }
        // without an end it was about nothing but its causes
        let end = Some(candidate.holdout.to).filter(|_| candidate.holdout != Span::default());
        match candidate.outcome.as_str() {
            CANDIDATE | CANCELLED => self.settled = end.or(self.settled),
            _ => self.fruitless = end.or(self.fruitless),
        }
        if let Some(model) = &candidate.model {
            self.version = self.version.max(model.version);
            self.model = Some((candidate.pipeline_version, model.digest.clone()));
        }
    }

    /// Somebody asks for a training, or wants one to end.
    pub fn trigger(&mut self, trigger: &Trigger, record: SourceRecord) {
        if trigger.pipeline != self.rules.pipeline {
            return;
        }
        let is_cancel = trigger.action == "cancel";
        let what = if is_cancel { "cancel: " } else { "" };
        let detail = format!("{what}{} ({})", trigger.detail, trigger.requested_by);
        self.ask(
            Ask { cause: Cause { reason: COMMAND.into(), detail, record: Some(record.clone()) }, at: trigger.requested_at, is_cancel },
            &record,
        );
    }

    /// An alert; it starts a training if it wants one and the file lets it.
    pub fn alert(&mut self, alert: &Alert, record: SourceRecord) {
        if alert.pipeline != self.rules.pipeline || !alert.retrain || !self.rules.on_drift {
            return;
        }
        let cause = Cause { reason: DRIFT.into(), detail: alert.message.clone(), record: Some(record.clone()) };
        self.ask(Ask { cause, at: alert.raised_at, is_cancel: false }, &record);
    }

    fn ask(&mut self, ask: Ask, record: &SourceRecord) {
        let place = place(record);
        if !self.covered.contains(&place) {
            self.waiting.insert(place, ask);
        }
    }

    /// The model whose features decide whether the file has changed: its digest, if the file is another than it was.
    #[must_use]
    pub fn compare_with(&self) -> Option<&str> {
        let (version, digest) = self.model.as_ref()?;
        (self.rules.on_spec_change && !self.spec_covered && *version != self.rules.version).then_some(digest)
    }

    /// What is to be done with labels in until `reached`. `features_differ`: from those of the model to compare with.
    #[must_use]
    pub fn due(&self, reached: Option<i64>, features_differ: bool) -> Option<Plan> {
        let end = reached.map(|t| self.end(t));
        let asks = self.waiting.values().filter(|ask| !ask.is_cancel);
        self.plan(asks.collect(), end, features_differ)
    }

    /// What ends with the cancellations that wait: themselves, and what would be due but for them. A command that came
    /// after the last of them stays.
    #[must_use]
    pub fn cancelled(&self, reached: Option<i64>, features_differ: bool) -> Option<Plan> {
        let (last, _) = self.waiting.iter().rfind(|(_, ask)| ask.is_cancel)?;
        let before = self.waiting.iter().filter(|(place, _)| place.0 != last.0 || *place <= last);
        self.plan(before.map(|(_, ask)| ask).collect(), reached.map(|t| self.end(t)), features_differ)
    }

    fn plan(&self, mut asks: Vec<&Ask>, end: Option<i64>, features_differ: bool) -> Option<Plan> {
        asks.sort_by_key(|ask| (std::cmp::Reverse(ask.at), ask.cause.record.as_ref().map(place)));
        let mut causes: Vec<Cause> = asks.into_iter().map(|ask| ask.cause.clone()).collect();
        if features_differ && self.compare_with().is_some() {
            let detail = format!("version {} of the pipeline file has other features than the last model", self.rules.version);
            causes.push(Cause { reason: SPEC_CHANGE.into(), detail, record: None });
        }
        let mut skipped = 0;
        if let Some((due, end)) = self.next_end().zip(end).filter(|(due, end)| due <= end) {
            let detail = if self.settled.is_none() { "the first" } else { "train.every" };
            causes.push(Cause { reason: SCHEDULE.into(), detail: detail.into(), record: None });
            skipped = self.rules.every.map_or(0, |every| u64::try_from((end - due) / every).unwrap_or(0));
        }
        (!causes.is_empty()).then(|| Plan { causes, end, version: self.version + 1, skipped })
    }

    /// Event time at which the data of the next scheduled training ends, at the earliest; none if nothing is scheduled.
    #[must_use]
    pub fn next_end(&self) -> Option<i64> {
        let Rules { window, history, every, .. } = self.rules;
        let due = match self.settled {
            Some(end) => end.checked_add(every?)?,
            None => round_up(self.first?.checked_add(history)?, window),
        };
        Some(self.fruitless.map_or(due, |end| due.max(end.saturating_add(window))))
    }

    /// Label time at which the next scheduled training is due.
    #[must_use]
    pub fn next_due(&self) -> Option<i64> {
        self.next_end()?.checked_add(self.rules.horizon)
    }

    /// Where a training's data ends when labels are in until `reached`.
    fn end(&self, reached: i64) -> i64 {
        reached.saturating_sub(self.rules.horizon).div_euclid(self.rules.window) * self.rules.window
    }

    /// Whether somebody wants the training to end.
    #[must_use]
    pub fn cancels(&self) -> bool {
        self.waiting.values().any(|ask| ask.is_cancel)
    }

    /// Causes that wait, besides those of `running`.
    #[must_use]
    pub fn waiting_beside(&self, running: Option<&Plan>) -> Vec<Cause> {
        let taken = |cause: &Cause| running.is_some_and(|plan| plan.causes.contains(cause));
        self.waiting.values().map(|ask| ask.cause.clone()).filter(|cause| !taken(cause)).collect()
    }

    /// What it goes by.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.rules
    }
}

/// [`Cause::reason`]s.
const SCHEDULE: &str = "schedule";
const DRIFT: &str = "drift";
const COMMAND: &str = "command";
const SPEC_CHANGE: &str = "spec_change";
/// [`Candidate::outcome`] with a model.
pub const CANDIDATE: &str = "candidate";
/// [`Candidate::outcome`] of what was called off.
pub const CANCELLED: &str = "cancelled";

fn round_up(time: i64, window: i64) -> i64 {
    time.div_euclid(window).saturating_add(i64::from(time.rem_euclid(window) != 0)).saturating_mul(window)
}

fn place(record: &SourceRecord) -> Place {
    (record.topic.to_string(), record.partition, record.offset)
}

#[cfg(test)]
mod tests;
