//! What policy makes of candidates and evaluations.

use super::{Draft, Registry, State, Written, staged};
use crate::policy::Policy;
use tidemill_events::control::{Candidate, Evaluation};
use tidemill_events::records::SourceRecord;
use tidemill_pipeline::learning::Approval;

/// The actor of what the service does itself.
pub const SERVICE: &str = "tidemill-deployer";
/// The actor of a rejection by the gates.
pub const GATES: &str = "policy gates";
/// The actor of a rejection because a newer model serves.
pub const OBSOLETE: &str = "policy obsolete";
/// The actor of an approval that nobody has to give.
const AUTOMATIC: &str = "policy automatic";

impl Registry {
    /// Registers the model of a candidate whose record is `record`. Nothing for a candidate without one, and for a
    /// version that is there.
    pub fn register(&mut self, candidate: &Candidate, record: &SourceRecord, at: i64) -> Written {
        let mut written = Written::default();
        let Some(model) = candidate.model.as_ref().filter(|m| m.version > 0) else { return written };
        if self.model(&candidate.pipeline, model.version).is_some() {
            return written;
        }
        let why =
            candidate.causes.first().map(|c| if c.detail.is_empty() { c.reason.clone() } else { format!("{}: {}", c.reason, c.detail) });
        let detail = why.unwrap_or_default();
        let event = Draft { kind: "registered", model: staged(model, "candidate"), actor: SERVICE, detail, cause: Some(record) };
        self.add(&mut written, &candidate.pipeline, event, at);
        written
    }

    /// Notes that a registered model was judged, as `record` says. Nothing where it was noted before.
    pub fn evaluate(&mut self, evaluation: &Evaluation, record: &SourceRecord, at: i64) -> Written {
        let mut written = Written::default();
        let Some(model) = self.judged(evaluation, State::Registered) else { return written };
        let held = evaluation.gates.iter().filter(|g| g.passed).count();
        let detail = match (evaluation.passed, evaluation.detail.as_str()) {
            (true, _) => format!("passed: {held} of {} gates hold", evaluation.gates.len()),
            (false, why) => format!("refused: {why}"),
        };
        let event = Draft { kind: "evaluated", model, actor: SERVICE, detail, cause: Some(record) };
        self.add(&mut written, &evaluation.pipeline, event, at);
        written
    }

    /// What `policy` says of a model that was judged and is not decided yet. Nothing for any other.
    ///
    /// A model that the gates refuse is rejected, and so is one that is older than the champion: it was judged against
    /// one before. A newer one than the champion goes on, even if another was champion when it was judged.
    pub fn decide(&mut self, evaluation: &Evaluation, record: &SourceRecord, policy: &Policy, at: i64) -> Written {
        let mut written = Written::default();
        let pipeline = evaluation.pipeline.as_str();
        let Some(model) = self.judged(evaluation, State::Evaluated) else { return written };
        let draft = |kind, actor, detail: String| Draft { kind, model: model.clone(), actor, detail, cause: Some(record) };
        let champion = self.line(pipeline).map_or(0, super::Line::champion);
        if !evaluation.passed {
            self.add(&mut written, pipeline, draft("rejected", GATES, evaluation.detail.clone()), at);
        } else if champion > model.version {
            let detail = format!("version {champion} serves, which is newer");
            self.add(&mut written, pipeline, draft("rejected", OBSOLETE, detail), at);
        } else if policy.approval == Approval::Automatic {
            self.add(&mut written, pipeline, draft("approved", AUTOMATIC, "the gates let it pass".to_owned()), at);
            let detail = format!("approved by {AUTOMATIC}");
            let deployed = Draft { model: staged(&model, "champion"), ..draft("deployed", SERVICE, detail) };
            self.deploy(&mut written, pipeline, deployed, &policy.bootstrap, at);
        } else {
            let detail = "one person has to approve it".to_owned();
            self.add(&mut written, pipeline, draft("approval_requested", SERVICE, detail), at);
        }
        written
    }

    /// The challenger, if the registry has it in `state`.
    fn judged(&self, evaluation: &Evaluation, state: State) -> Option<tidemill_events::records::ModelRef> {
        let known = self.model(&evaluation.pipeline, evaluation.challenger.version)?;
        let is_it = known.model.digest == evaluation.challenger.digest && known.candidate.as_ref() == Some(&evaluation.candidate);
        (is_it && known.state == state).then(|| known.model.clone())
    }
}
