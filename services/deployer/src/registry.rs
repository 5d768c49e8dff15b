//! The registry of models: what happened to each, in order, and what follows from it. Pure.
//!
//! The events are all there is: [`Registry::replay`] over them gives the same registry again. Decisions, of policy
//! ([`Registry::register`], [`Registry::evaluate`], [`Registry::decide`]) and of people ([`Registry::order`]), add
//! events; what is there already is not added again.

mod decide;
mod order;

pub use decide::{GATES, OBSOLETE, SERVICE};
pub use order::{Action, Order, Refusal};

use serde::Serialize;
use std::collections::BTreeMap;
use tidemill_events::control::{Deployment, RegistryEvent};
use tidemill_events::records::{ModelRef, SourceRecord};

/// The route that every pipeline has.
pub const ROUTE: &str = "default";

/// How far a model has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It exists.
    Registered,
    /// It was judged; what follows is not decided yet.
    Evaluated,
    /// It waits for a person.
    ApprovalRequested,
    /// It may serve.
    Approved,
    /// It may not.
    Rejected,
    /// It serves.
    Champion,
    /// Another took its place.
    Replaced,
    /// It served, and was taken back.
    RolledBack,
}

impl State {
    /// Every state.
    pub const ALL: [State; 8] = [
        State::Registered,
        State::Evaluated,
        State::ApprovalRequested,
        State::Approved,
        State::Rejected,
        State::Champion,
        State::Replaced,
        State::RolledBack,
    ];

    /// Its name in answers and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            State::Registered => "registered",
            State::Evaluated => "evaluated",
            State::ApprovalRequested => "approval_requested",
            State::Approved => "approved",
            State::Rejected => "rejected",
            State::Champion => "champion",
            State::Replaced => "replaced",
            State::RolledBack => "rolled_back",
        }
    }
}

/// A model of the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// The model, with stage `candidate`.
    pub model: ModelRef,
    /// How far it has come.
    pub state: State,
    /// The candidate's record.
    pub candidate: Option<SourceRecord>,
    /// Who rejected it, and why.
    pub rejected: Option<(String, String)>,
}

/// What serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serving {
    /// The model, with its stage.
    pub model: ModelRef,
    /// The deployment's number.
    pub number: i64,
    /// `seq` of the event that deployed it.
    pub seq: i64,
    /// Wall clock of that.
    pub since: i64,
}

/// The models of one pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Line {
    /// By version.
    pub models: BTreeMap<i32, Model>,
    /// What the newest deployment put in place; `None` before the first: the bootstrap serves.
    pub serving: Option<Serving>,
    /// Versions that became champion and were not taken back since, each over the one it replaced.
    succession: Vec<i32>,
    /// Everything that happened.
    pub events: Vec<RegistryEvent>,
}

impl Line {
    /// The champion's version; 0 is the bootstrap.
    #[must_use]
    pub fn champion(&self) -> i32 {
        self.serving.as_ref().map_or(0, |s| s.model.version)
    }

    /// How often something was deployed.
    #[must_use]
    pub fn deployments(&self) -> i64 {
        self.serving.as_ref().map_or(0, |s| s.number)
    }

    /// The events of one version, in order; version 0 has those that deployed the bootstrap again.
    pub fn events_of(&self, version: i32) -> impl Iterator<Item = &RegistryEvent> {
        self.events.iter().filter(move |e| e.model.version == version)
    }
}

/// All pipelines' models.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Registry {
    seq: i64,
    lines: BTreeMap<String, Line>,
}

/// What a decision adds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Written {
    /// Events, in order.
    pub events: Vec<RegistryEvent>,
    /// What they deploy.
    pub deployment: Option<Deployment>,
}

/// An event that does not follow from those before it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event {seq} of the registry does not follow from those before it: {why}")]
pub struct Broken {
    /// Its `seq`.
    pub seq: i64,
    /// What is wrong.
    pub why: String,
}

impl Registry {
    /// `seq` of the last event; 0 before the first.
    #[must_use]
    pub fn seq(&self) -> i64 {
        self.seq
    }

    /// The pipelines that have models, by name.
    pub fn lines(&self) -> impl Iterator<Item = (&str, &Line)> {
        self.lines.iter().map(|(name, line)| (name.as_str(), line))
    }

    /// The models of a pipeline.
    #[must_use]
    pub fn line(&self, pipeline: &str) -> Option<&Line> {
        self.lines.get(pipeline)
    }

    /// A model.
    #[must_use]
    pub fn model(&self, pipeline: &str, version: i32) -> Option<&Model> {
        self.line(pipeline)?.models.get(&version)
    }

    /// Takes up an event that was written before.
    ///
    /// # Errors
    /// [`Broken`], and nothing is taken up.
    pub fn replay(&mut self, event: &RegistryEvent) -> Result<(), Broken> {
        self.check(event).map_err(|why| Broken { seq: event.seq, why })?;
        self.fold(event);
        Ok(())
    }

    fn check(&self, event: &RegistryEvent) -> Result<(), String> {
        if event.seq != self.seq + 1 {
            return Err(format!("event {} comes after {}", event.seq, self.seq));
        }
        let version = event.model.version;
        let model = self.model(&event.pipeline, version);
        if model.is_some_and(|m| m.model.digest != event.model.digest) {
            return Err(format!("version {version} has another digest"));
        }
        let champion = self.line(&event.pipeline).map_or(0, Line::champion);
        use State::{ApprovalRequested, Approved, Champion, Evaluated, Registered, Replaced, RolledBack};
        let fits = match (event.kind.as_str(), model.map(|m| m.state)) {
            ("registered", None) => version > 0,
            ("evaluated", Some(Registered)) | ("approval_requested", Some(Evaluated)) => true,
            ("approved" | "rejected", Some(Evaluated | ApprovalRequested)) => true,
            ("deployed", Some(Approved | Replaced | RolledBack)) => true,
            ("rolled_back", Some(Champion)) => true,
            // the bootstrap is in no list of models: it can only come back, and be left again
            ("deployed", None) => version == 0 && champion != 0,
            ("rolled_back", None) => version == 0 && champion == 0 && self.line(&event.pipeline).is_some_and(|l| l.serving.is_some()),
            _ => false,
        };
        let state = model.map_or("not there", |m| m.state.name());
        if fits { Ok(()) } else { Err(format!("`{}` of version {version}, which is {state}", event.kind)) }
    }

    /// Takes up an event that was checked, or follows by its making.
    fn fold(&mut self, event: &RegistryEvent) {
        self.seq = event.seq;
        let line = self.lines.entry(event.pipeline.clone()).or_default();
        let version = event.model.version;
        let state = match event.kind.as_str() {
            "registered" => {
                let model = Model { model: event.model.clone(), state: State::Registered, candidate: event.cause.clone(), rejected: None };
                line.models.insert(version, model);
                State::Registered
            }
            "evaluated" => State::Evaluated,
            "approval_requested" => State::ApprovalRequested,
            "approved" => State::Approved,
            "rejected" => State::Rejected,
            "rolled_back" => State::RolledBack,
            _ => {
                line.deploy(event);
                State::Champion
            }
        };
        if let Some(model) = line.models.get_mut(&version) {
            model.state = state;
            if state == State::Rejected {
                model.rejected = Some((event.actor.clone(), event.detail.clone()));
            }
        }
        line.events.push(event.clone());
    }

    /// Adds an event.
    fn add(&mut self, written: &mut Written, pipeline: &str, event: Draft<'_>, at: i64) {
        let Draft { kind, model, actor, detail, cause } = event;
        let event = RegistryEvent {
            seq: self.seq + 1,
            pipeline: pipeline.to_owned(),
            kind: kind.to_owned(),
            model,
            actor: actor.to_owned(),
            detail,
            cause: cause.cloned(),
            at,
        };
        self.fold(&event);
        written.events.push(event);
    }

    /// Adds the event that deploys `model`, and the deployment. `bootstrap` is what serves if nothing was deployed yet.
    fn deploy(&mut self, written: &mut Written, pipeline: &str, deploy: Draft<'_>, bootstrap: &ModelRef, at: i64) {
        let (model, detail) = (deploy.model.clone(), deploy.detail.clone());
        let serving = self.line(pipeline).and_then(|l| l.serving.as_ref());
        let replaces = serving.map_or_else(|| bootstrap.clone(), |s| s.model.clone());
        let number = serving.map_or(0, |s| s.number) + 1;
        self.add(written, pipeline, deploy, at);
        written.deployment = Some(Deployment {
            pipeline: pipeline.to_owned(),
            number,
            route: ROUTE.to_owned(),
            model,
            replaces,
            detail,
            registry_seq: self.seq,
            deployed_at: at,
        });
    }
}

/// An event to add.
struct Draft<'a> {
    kind: &'static str,
    model: ModelRef,
    actor: &'a str,
    detail: String,
    cause: Option<&'a SourceRecord>,
}

impl Line {
    fn deploy(&mut self, event: &RegistryEvent) {
        let version = event.model.version;
        if let Some(before) = self.models.get_mut(&self.champion())
            && before.state == State::Champion
        {
            before.state = State::Replaced;
        }
        match self.succession.iter().position(|v| *v == version) {
            Some(at) => self.succession.truncate(at + 1),
            None if version == 0 => self.succession.clear(),
            None => self.succession.push(version),
        }
        self.serving = Some(Serving { model: event.model.clone(), number: self.deployments() + 1, seq: event.seq, since: event.at });
    }

    /// The version that served before the champion, among those not taken back; 0 is the bootstrap. `None` when nothing
    /// but the bootstrap serves.
    fn predecessor(&self) -> Option<i32> {
        match self.succession.as_slice() {
            [] => None,
            [_] => Some(0),
            [.., before, _] => Some(*before),
        }
    }
}

/// `model` at another stage.
fn staged(model: &ModelRef, stage: &str) -> ModelRef {
    ModelRef { stage: stage.into(), ..model.clone() }
}

#[cfg(test)]
pub(crate) mod tests;
