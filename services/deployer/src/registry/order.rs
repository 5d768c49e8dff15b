//! What people order: approve, reject, roll back.

use super::decide::SERVICE;
use super::{Draft, GATES, Line, Model, Registry, State, Written, staged};
use crate::policy::Policy;
use tidemill_events::records::ModelRef;

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Let this version serve.
    Approve(i32),
    /// Do not let this version serve.
    Reject(i32),
    /// Let a former champion serve again: this version (0 is the bootstrap), or the one before the champion.
    RollBack(Option<i32>),
}

/// An order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The pipeline.
    pub pipeline: String,
    /// What to do.
    pub action: Action,
    /// Who orders it.
    pub actor: String,
    /// Why, for people.
    pub detail: String,
    /// The champion's version as far as the actor knows; refused when it is another by now.
    pub expected_champion: Option<i32>,
}

/// Why an order is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such model.
    #[error("pipeline {pipeline} has no model version {version}")]
    UnknownModel {
        /// The pipeline.
        pipeline: String,
        /// The version.
        version: i32,
    },
    /// The pipeline is not applied, or no more.
    #[error("pipeline {0} is not applied: nothing of it is deployed")]
    NotApplied(String),
    /// Another champion than the one expected.
    #[error("the champion is version {champion}, not {expected}: look again, then decide")]
    ChampionChanged {
        /// What was expected.
        expected: i32,
        /// What is.
        champion: i32,
    },
    /// It serves already.
    #[error("version {0} is the champion already")]
    AlreadyChampion(i32),
    /// Nobody is asked to approve it.
    #[error("version {version} does not wait for approval: it is {}", state.name())]
    NotWaiting {
        /// The version.
        version: i32,
        /// What it is.
        state: State,
    },
    /// The gates refused it.
    #[error("the gates refused version {version}: {why}")]
    RefusedByGates {
        /// The version.
        version: i32,
        /// Why.
        why: String,
    },
    /// A newer one serves.
    #[error("version {version} is older than the champion, version {champion}: it was judged against an earlier one")]
    Obsolete {
        /// The version.
        version: i32,
        /// The champion.
        champion: i32,
    },
    /// The bootstrap serves, and nothing was before it.
    #[error("nothing but the bootstrap serves: there is nothing to roll back to")]
    NothingToRollBackTo,
    /// A roll-back goes to what served before.
    #[error("version {0} has never served: it cannot be rolled back to")]
    NeverServed(i32),
}

impl Refusal {
    /// The code for programs; it does not change with the wording.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::UnknownModel { .. } => "unknown_model",
            Refusal::NotApplied(_) => "not_applied",
            Refusal::ChampionChanged { .. } => "champion_changed",
            Refusal::AlreadyChampion(_) => "already_champion",
            Refusal::NotWaiting { .. } => "not_waiting",
            Refusal::RefusedByGates { .. } => "refused_by_gates",
            Refusal::Obsolete { .. } => "obsolete",
            Refusal::NothingToRollBackTo => "nothing_to_roll_back_to",
            Refusal::NeverServed(_) => "never_served",
        }
    }
}

impl Registry {
    /// Does what `order` says. `policy` is that of the pipeline; `None` where it is not applied.
    ///
    /// # Errors
    /// [`Refusal`], and nothing is added.
    pub fn order(&mut self, order: &Order, policy: Option<&Policy>, at: i64) -> Result<Written, Refusal> {
        let champion = self.line(&order.pipeline).map_or(0, Line::champion);
        if let Action::Approve(version) | Action::Reject(version) = order.action {
            self.known(&order.pipeline, version)?;
        }
        if let Some(expected) = order.expected_champion.filter(|e| *e != champion) {
            return Err(Refusal::ChampionChanged { expected, champion });
        }
        match (order.action, policy) {
            (Action::Reject(version), _) => self.reject(order, version, at),
            (_, None) => Err(Refusal::NotApplied(order.pipeline.clone())),
            (Action::Approve(version), Some(policy)) => self.approve(order, version, policy, at),
            (Action::RollBack(to), Some(policy)) => self.roll_back(order, to, policy, at),
        }
    }

    fn approve(&mut self, order: &Order, version: i32, policy: &Policy, at: i64) -> Result<Written, Refusal> {
        let model = self.waiting(order, version)?.model.clone();
        let champion = self.line(&order.pipeline).map_or(0, Line::champion);
        if champion > version {
            return Err(Refusal::Obsolete { version, champion });
        }
        let mut written = Written::default();
        let detail = format!("approved by {}", order.actor);
        let deployed = Draft { kind: "deployed", model: staged(&model, "champion"), actor: SERVICE, detail, cause: None };
        let approved = Draft { kind: "approved", model, actor: &order.actor, detail: order.detail.clone(), cause: None };
        self.add(&mut written, &order.pipeline, approved, at);
        self.deploy(&mut written, &order.pipeline, deployed, &policy.bootstrap, at);
        Ok(written)
    }

    fn reject(&mut self, order: &Order, version: i32, at: i64) -> Result<Written, Refusal> {
        let model = self.waiting(order, version)?.model.clone();
        let mut written = Written::default();
        let rejected = Draft { kind: "rejected", model, actor: &order.actor, detail: order.detail.clone(), cause: None };
        self.add(&mut written, &order.pipeline, rejected, at);
        Ok(written)
    }

    fn roll_back(&mut self, order: &Order, to: Option<i32>, policy: &Policy, at: i64) -> Result<Written, Refusal> {
        let line = self.line(&order.pipeline).ok_or(Refusal::NothingToRollBackTo)?;
        let serving = line.serving.clone().ok_or(Refusal::NothingToRollBackTo)?;
        let to = match to {
            Some(to) => to,
            None => line.predecessor().ok_or(Refusal::NothingToRollBackTo)?,
        };
        if to == serving.model.version {
            return Err(Refusal::AlreadyChampion(to));
        }
        let target = self.former(order, to, policy)?;
        let why = if order.detail.is_empty() { String::new() } else { format!(": {}", order.detail) };
        let detail = format!("rolled back from version {} by {}{why}", serving.model.version, order.actor);
        let back = Draft { kind: "rolled_back", model: serving.model, actor: &order.actor, detail: order.detail.clone(), cause: None };
        let deployed = Draft { kind: "deployed", model: target, actor: SERVICE, detail, cause: None };
        let mut written = Written::default();
        self.add(&mut written, &order.pipeline, back, at);
        self.deploy(&mut written, &order.pipeline, deployed, &policy.bootstrap, at);
        Ok(written)
    }

    /// A version that served before, at its stage.
    fn former(&self, order: &Order, version: i32, policy: &Policy) -> Result<ModelRef, Refusal> {
        if version == 0 {
            return Ok(policy.bootstrap.clone());
        }
        let model = self.known(&order.pipeline, version)?;
        match model.state {
            State::Replaced | State::RolledBack => Ok(staged(&model.model, "champion")),
            _ => Err(Refusal::NeverServed(version)),
        }
    }

    fn known(&self, pipeline: &str, version: i32) -> Result<&Model, Refusal> {
        self.model(pipeline, version).ok_or_else(|| Refusal::UnknownModel { pipeline: pipeline.to_owned(), version })
    }

    /// A model that waits for a person.
    fn waiting(&self, order: &Order, version: i32) -> Result<&Model, Refusal> {
        let model = self.known(&order.pipeline, version)?;
        match (model.state, &model.rejected) {
            (State::ApprovalRequested, _) => Ok(model),
            (State::Champion, _) => Err(Refusal::AlreadyChampion(version)),
            (State::Rejected, Some((actor, why))) if actor == GATES => Err(Refusal::RefusedByGates { version, why: why.clone() }),
            (state, _) => Err(Refusal::NotWaiting { version, state }),
        }
    }
}
