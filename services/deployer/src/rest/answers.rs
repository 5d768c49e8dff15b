//! What the endpoints answer.

use crate::desk::{View, place};
use crate::registry::{Line, Model, Serving, State, Written};
use serde::Serialize;
use std::collections::BTreeMap;
use tidemill_events::control::{Candidate, Deployment, Evaluation, GateResult, RegistryEvent, Span};
use tidemill_events::records::{ModelRef, SourceRecord};
use tidemill_events::time::format_instant;

/// `GET …/models`
#[derive(Default, Serialize)]
pub(super) struct Models {
    models: Vec<Summary>,
    /// What each pipeline's newest deployment put in place; a pipeline without one is not here: its bootstrap serves.
    serving: Vec<InPlace>,
}

#[derive(Serialize)]
struct InPlace {
    pipeline: String,
    /// 0 is the bootstrap.
    version: i32,
    #[serde(flatten)]
    served: Served,
}

#[derive(Serialize)]
struct Summary {
    pipeline: String,
    version: i32,
    digest: String,
    state: State,
    /// Wall clock of the registration and of the newest event.
    registered_at: Option<String>,
    changed_at: Option<String>,
    /// Who made the newest event, and why.
    actor: Option<String>,
    detail: Option<String>,
    trained: Option<Times>,
    rows: Option<i64>,
}

/// A span of event time.
#[derive(Serialize)]
struct Times {
    from: String,
    to: String,
}

impl From<Span> for Times {
    fn from(span: Span) -> Self {
        Self { from: format_instant(span.from), to: format_instant(span.to) }
    }
}

/// `GET …/models/{version}`: its lineage.
#[derive(Serialize)]
pub(super) struct One {
    pipeline: String,
    version: i32,
    /// Of the manifest, under which the object store has it.
    digest: String,
    state: State,
    serving: Option<Served>,
    training: Option<Training>,
    evaluation: Option<Judged>,
    events: Vec<Event>,
}

#[derive(Serialize)]
struct Served {
    route: &'static str,
    deployment: i64,
    since: String,
}

#[derive(Serialize)]
struct Training {
    record: SourceRecord,
    causes: Vec<String>,
    pipeline_version: i32,
    trained: Times,
    rows: i64,
    positives: i64,
    /// What was measured on the validation part.
    metrics: BTreeMap<String, f64>,
    started_at: String,
    finished_at: String,
}

#[derive(Serialize)]
struct Judged {
    /// Against whom.
    champion: ModelRef,
    holdout: Times,
    rows: i64,
    positives: i64,
    challenger_metrics: BTreeMap<String, f64>,
    champion_metrics: BTreeMap<String, f64>,
    gates: Vec<GateResult>,
    passed: bool,
    detail: String,
    evaluated_at: String,
}

#[derive(Serialize)]
struct Event {
    seq: i64,
    kind: String,
    version: i32,
    actor: String,
    detail: String,
    cause: Option<SourceRecord>,
    at: String,
}

/// The answer to a write.
#[derive(Serialize)]
pub(super) struct Done {
    events: Vec<Event>,
    deployment: Option<Deployed>,
}

#[derive(Serialize)]
struct Deployed {
    number: i64,
    route: String,
    model: ModelRef,
    replaces: ModelRef,
    registry_seq: i64,
    deployed_at: String,
}

impl From<&RegistryEvent> for Event {
    fn from(event: &RegistryEvent) -> Self {
        Self {
            seq: event.seq,
            kind: event.kind.clone(),
            version: event.model.version,
            actor: event.actor.clone(),
            detail: event.detail.clone(),
            cause: event.cause.clone(),
            at: format_instant(event.at),
        }
    }
}

impl Models {
    /// The models of `lines`.
    pub(super) fn of<'a>(lines: impl Iterator<Item = (&'a str, &'a Line)>, view: &View) -> Self {
        let mut all = Self::default();
        for (pipeline, line) in lines {
            all.models.extend(summaries(pipeline, line, view));
            let in_place = |s: &Serving| InPlace { pipeline: pipeline.to_owned(), version: s.model.version, served: served(s) };
            all.serving.extend(line.serving.as_ref().map(in_place));
        }
        all
    }
}

/// The models of a pipeline, the newest first.
fn summaries(pipeline: &str, line: &Line, view: &View) -> Vec<Summary> {
    let summary = |(version, model): (&i32, &Model)| {
        let last = line.events_of(*version).last();
        let candidate = candidate(model, view).map(|(_, candidate)| candidate);
        Summary {
            pipeline: pipeline.to_owned(),
            version: *version,
            digest: model.model.digest.clone(),
            state: model.state,
            registered_at: line.events_of(*version).next().map(|e| format_instant(e.at)),
            changed_at: last.map(|e| format_instant(e.at)),
            actor: last.map(|e| e.actor.clone()),
            detail: last.map(|e| e.detail.clone()),
            trained: candidate.map(|c| c.trained.into()),
            rows: candidate.map(|c| c.rows),
        }
    };
    line.models.iter().rev().map(summary).collect()
}

/// A model and its lineage. Version 0, the bootstrap, is known once it was deployed again.
pub(super) fn one(pipeline: &str, version: i32, line: &Line, view: &View) -> Option<One> {
    let model = line.models.get(&version);
    let serving = line.serving.as_ref().filter(|s| s.model.version == version);
    let (digest, state) = match (model, serving) {
        (Some(model), _) => (model.model.digest.clone(), model.state),
        (None, Some(bootstrap)) => (bootstrap.model.digest.clone(), State::Champion),
        (None, None) => (line.events_of(version).last()?.model.digest.clone(), State::Replaced),
    };
    let papers = model.and_then(|m| candidate(m, view));
    let evaluation = papers.and_then(|(record, _)| view.papers.evaluations.get(&place(record)));
    Some(One {
        pipeline: pipeline.to_owned(),
        version,
        digest,
        state,
        serving: serving.map(served),
        training: papers.map(|(record, candidate)| training(record, candidate)),
        evaluation: evaluation.map(|e| judged(e)),
        events: line.events_of(version).map(Event::from).collect(),
    })
}

fn candidate<'a>(model: &'a Model, view: &'a View) -> Option<(&'a SourceRecord, &'a Candidate)> {
    let record = model.candidate.as_ref()?;
    Some((record, view.papers.candidates.get(&place(record))?))
}

fn served(serving: &Serving) -> Served {
    Served { route: crate::registry::ROUTE, deployment: serving.number, since: format_instant(serving.since) }
}

fn training(record: &SourceRecord, candidate: &Candidate) -> Training {
    let cause =
        |c: &tidemill_events::control::Cause| if c.detail.is_empty() { c.reason.clone() } else { format!("{}: {}", c.reason, c.detail) };
    Training {
        record: record.clone(),
        causes: candidate.causes.iter().map(cause).collect(),
        pipeline_version: candidate.pipeline_version,
        trained: candidate.trained.into(),
        rows: candidate.rows,
        positives: candidate.positives,
        metrics: candidate.metrics.clone(),
        started_at: format_instant(candidate.started_at),
        finished_at: format_instant(candidate.finished_at),
    }
}

fn judged(evaluation: &Evaluation) -> Judged {
    Judged {
        champion: evaluation.champion.clone(),
        holdout: evaluation.holdout.into(),
        rows: evaluation.rows,
        positives: evaluation.positives,
        challenger_metrics: evaluation.challenger_metrics.clone(),
        champion_metrics: evaluation.champion_metrics.clone(),
        gates: evaluation.gates.clone(),
        passed: evaluation.passed,
        detail: evaluation.detail.clone(),
        evaluated_at: format_instant(evaluation.evaluated_at),
    }
}

/// What an order came to.
pub(super) fn done(written: &Written) -> Done {
    let deployed = |d: &Deployment| Deployed {
        number: d.number,
        route: d.route.clone(),
        model: d.model.clone(),
        replaces: d.replaces.clone(),
        registry_seq: d.registry_seq,
        deployed_at: format_instant(d.deployed_at),
    };
    Done { events: written.events.iter().map(Event::from).collect(), deployment: written.deployment.as_ref().map(deployed) }
}
