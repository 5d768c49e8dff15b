//! How trainings go, for people who ask: one board per process, a line for each pipeline.

use crate::schedule::{Plan, Schedule};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Unit;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tidemill_events::control::{Candidate, Cause};
use tidemill_events::time::{SECOND, format_instant};
use tidemill_service::Metrics;
use tidemill_service::metrics::Labels;

/// What a training is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Another pipeline's training has the machine, or a part that it needs is away.
    #[default]
    Waiting,
    /// Reads outcomes.
    Outcomes,
    /// Reads the vectors of their events.
    Features,
    /// Writes the training set.
    Files,
    /// Searches for the best parameters.
    Search,
    /// Puts the model into the store.
    Store,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// Where a training is, and how long it has been where it was before.
#[derive(Debug)]
struct At {
    phase: Phase,
    /// What it waits for, if it does.
    waiting_for: String,
    since: Instant,
    took: BTreeMap<Phase, Duration>,
}

impl Default for At {
    fn default() -> Self {
        Self { phase: Phase::default(), waiting_for: String::new(), since: Instant::now(), took: BTreeMap::new() }
    }
}

impl At {
    fn go(&mut self, phase: Phase, waiting_for: &str) {
        self.took = self.took();
        (self.phase, self.since) = (phase, Instant::now());
        waiting_for.clone_into(&mut self.waiting_for);
    }

    /// How long each phase took until now.
    fn took(&self) -> BTreeMap<Phase, Duration> {
        let mut took = self.took.clone();
        *took.entry(self.phase).or_default() += self.since.elapsed();
        took
    }
}

/// A running training, as it tells of itself.
#[derive(Debug, Default)]
pub struct Live {
    at: Mutex<At>,
    /// Rows so far.
    pub rows: AtomicU64,
    /// Points of the search that are done.
    pub done: AtomicU64,
    /// How many there are.
    pub points: AtomicU64,
    /// The least log loss of those that are done, as bits; 0 before the first.
    pub best: AtomicU64,
}

impl Live {
    /// It is at `phase` now.
    pub fn enter(&self, phase: Phase) {
        self.at().go(phase, "");
    }

    /// It waits, and what for.
    pub fn wait(&self, why: &str) {
        self.at().go(Phase::Waiting, why);
    }

    /// How long each phase took so far, for people: `waiting 0.1 s, features 3.2 s`.
    #[must_use]
    pub fn took(&self) -> String {
        told(&self.at().took())
    }

    fn at(&self) -> MutexGuard<'_, At> {
        self.at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn told(took: &BTreeMap<Phase, Duration>) -> String {
    let each = took.iter().map(|(phase, took)| format!("{phase} {:.1} s", took.as_secs_f64()));
    each.collect::<Vec<_>>().join(", ")
}

/// A cause, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Asked {
    reason: String,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<i64>,
}

impl From<&Cause> for Asked {
    fn from(cause: &Cause) -> Self {
        Self { reason: cause.reason.clone(), detail: cause.detail.clone(), offset: cause.record.as_ref().map(|r| r.offset) }
    }
}

/// A training that runs.
#[derive(Debug, Clone, Serialize)]
pub struct Running {
    phase: Phase,
    #[serde(skip_serializing_if = "String::is_empty")]
    waiting_for: String,
    /// Version that its model will have.
    version: i32,
    causes: Vec<Asked>,
    /// Points of the search: done, in all, and the best one's log loss on the validation part.
    done: u64,
    points: u64,
    best: Option<f64>,
    rows: u64,
    elapsed_seconds: f64,
    #[serde(skip)]
    started_at: i64,
    #[serde(skip)]
    live: Option<Arc<Live>>,
}

/// A training that has ended.
#[derive(Debug, Clone, Serialize)]
pub struct Last {
    outcome: String,
    detail: String,
    version: Option<i32>,
    digest: Option<String>,
    causes: Vec<Asked>,
    rows: i64,
    positives: i64,
    metrics: BTreeMap<String, f64>,
    seconds: f64,
    finished_at: String,
}

/// One pipeline's line.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Line {
    /// Whether this process leads the pipeline's trainings and has read all that decides.
    pub leads: bool,
    /// Label time that every partition has reached.
    pub labels_until: Option<String>,
    /// Label time at which the next scheduled training is due.
    pub next_due: Option<String>,
    /// What keeps it from starting, if anything.
    pub trouble: Option<String>,
    /// The training that runs.
    pub running: Option<Running>,
    /// What waits for the next.
    pub waiting: Vec<Asked>,
    /// How the last training ended that this process has done.
    pub last: Option<Last>,
}

/// The lines of all pipelines, and the metrics of their trainings.
#[derive(Debug)]
pub struct Board {
    lines: Mutex<BTreeMap<String, Line>>,
    trainings: Family<Labels, Counter>,
    coalesced: Family<Labels, Counter>,
    rows: Family<Labels, Gauge>,
    seconds: Histogram,
}

impl Board {
    /// An empty board; its metrics are in `metrics`.
    #[must_use]
    pub fn new(metrics: &Metrics) -> Self {
        let seconds = Histogram::new([1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 3_600.0]);
        let board =
            Self { lines: Mutex::default(), trainings: Family::default(), coalesced: Family::default(), rows: Family::default(), seconds };
        metrics.register(|r| {
            r.register("trainings", "Trainings that ended, by outcome", board.trainings.clone());
            r.register("trainings_coalesced", "Causes that shared a training with another one", board.coalesced.clone());
            r.register("training_rows", "Rows of the last training", board.rows.clone());
            r.register_with_unit("training", "Time from a training's start to its end", Unit::Seconds, board.seconds.clone());
        });
        board
    }

    fn lines(&self) -> MutexGuard<'_, BTreeMap<String, Line>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows where `schedule` stands, and the training that runs: its plan, how far it is, when it began.
    pub fn show(&self, schedule: &Schedule, reached: Option<i64>, running: Option<(&Plan, &Arc<Live>, i64)>, leads: bool) {
        let mut lines = self.lines();
        let line = lines.entry(schedule.rules().pipeline.clone()).or_default();
        line.leads = leads;
        line.labels_until = reached.map(format_instant);
        line.next_due = schedule.next_due().map(format_instant);
        line.waiting = schedule.waiting_beside(running.map(|(plan, ..)| plan)).iter().map(Into::into).collect();
        if running.is_some() {
            line.trouble = None;
        }
        line.running = running.map(|(plan, live, started_at)| Running {
            phase: Phase::default(),
            waiting_for: String::new(),
            version: plan.version,
            causes: plan.causes.iter().map(Into::into).collect(),
            done: 0,
            points: 0,
            best: None,
            rows: 0,
            elapsed_seconds: 0.0,
            started_at,
            live: Some(live.clone()),
        });
    }

    /// Says what keeps a pipeline's training from starting.
    pub fn trouble(&self, pipeline: &str, why: &str) {
        let mut lines = self.lines();
        let line = lines.entry(pipeline.to_owned()).or_default();
        if line.trouble.as_deref() != Some(why) {
            tracing::warn!(pipeline, why, "no training can start");
            line.trouble = Some(why.to_owned());
        }
    }

    /// Counts a training that has ended; `skipped` scheduled ones were left out for it.
    pub fn ended(&self, candidate: &Candidate, skipped: u64) {
        let pipeline: Arc<str> = candidate.pipeline.as_str().into();
        let outcome = match candidate.outcome.as_str() {
            crate::schedule::CANDIDATE => "candidate",
            crate::schedule::CANCELLED => "cancelled",
            "not_enough" => "not_enough",
            _ => "failed",
        };
        let labels = |outcome| Labels { pipeline: pipeline.clone(), stage: crate::STAGE, outcome };
        let seconds = (candidate.finished_at - candidate.started_at) as f64 / SECOND as f64;
        self.trainings.get_or_create(&labels(outcome)).inc();
        self.coalesced.get_or_create(&labels("")).inc_by(candidate.causes.len().saturating_sub(1) as u64 + skipped);
        self.rows.get_or_create(&labels("")).set(candidate.rows);
        self.seconds.observe(seconds);
        tracing::info!(pipeline = &*pipeline, outcome, detail = candidate.detail, rows = candidate.rows, seconds, "a training has ended");
        let last = Last {
            outcome: candidate.outcome.clone(),
            detail: candidate.detail.clone(),
            version: candidate.model.as_ref().map(|m| m.version),
            digest: candidate.model.as_ref().map(|m| m.digest.clone()),
            causes: candidate.causes.iter().map(Into::into).collect(),
            rows: candidate.rows,
            positives: candidate.positives,
            metrics: candidate.metrics.clone(),
            seconds,
            finished_at: format_instant(candidate.finished_at),
        };
        self.lines().entry(candidate.pipeline.clone()).or_default().last = Some(last);
    }

    /// The line of `pipeline` at wall clock `now`; none if its trainings are not led here.
    #[must_use]
    pub fn line(&self, pipeline: &str, now: i64) -> Option<Line> {
        let mut line = self.lines().get(pipeline)?.clone();
        if let Some(running) = &mut line.running
            && let Some(live) = &running.live
        {
            let at = live.at();
            (running.phase, running.waiting_for) = (at.phase, at.waiting_for.clone());
            drop(at);
            running.done = live.done.load(Relaxed);
            running.points = live.points.load(Relaxed);
            running.best = Some(f64::from_bits(live.best.load(Relaxed))).filter(|best| *best > 0.0);
            running.rows = live.rows.load(Relaxed);
            running.elapsed_seconds = (now - running.started_at).max(0) as f64 / SECOND as f64;
        }
        Some(line)
    }

    /// This process no longer leads `pipeline`.
    pub fn leave(&self, pipeline: &str) {
        self.lines().remove(pipeline);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_each_phase_took_is_told_in_their_order() {
        let took = [(Phase::Search, 25_460), (Phase::Waiting, 40), (Phase::Features, 8_200)];
        let took = took.into_iter().map(|(phase, millis)| (phase, Duration::from_millis(millis))).collect();
        assert_eq!(told(&took), "waiting 0.0 s, features 8.2 s, search 25.5 s");
    }

    #[test]
    fn a_phase_that_comes_again_is_counted_once() {
        let live = Live::default();
        live.enter(Phase::Outcomes);
        live.wait("Kafka");
        live.enter(Phase::Outcomes);
        let at = live.at();
        assert_eq!(at.took().into_keys().collect::<Vec<_>>(), [Phase::Waiting, Phase::Outcomes]);
        assert!(at.took()[&Phase::Outcomes] > at.took[&Phase::Outcomes], "the one under way is counted, too");
    }
}
