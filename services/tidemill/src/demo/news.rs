//! What the learning loop says, as lines: trained, judged, deployed, drifted.

use tidemill_events::control::{Alert, Candidate, Deployment, Evaluation};
use tidemill_events::time::format_instant;

/// What was said, and how many things still have to follow from it: less than 0 where it is what was waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct News {
    pub(super) line: String,
    pub(super) awaits: i64,
}

fn day(t: i64) -> String {
    format_instant(t).chars().take(10).collect()
}

/// A training has ended.
pub(super) fn trained(candidate: &Candidate) -> News {
    let answers = candidate.causes.iter().filter(|cause| cause.reason == "drift").count() as i64;
    let why = candidate.causes.first().map_or("", |cause| cause.reason.as_str());
    let Some(model) = &candidate.model else {
        let line = format!("training for {why}: {}, {}", candidate.outcome, candidate.detail);
        return News { line, awaits: -answers };
    };
    let (from, to) = (day(candidate.trained.from), day(candidate.trained.to));
    let seconds = (candidate.finished_at - candidate.started_at) as f64 / 1e6;
    let line = format!(
        "trained model {} for {why} on {from} to {to}: {} payments, {} frauds, {seconds:.1} s",
        model.version, candidate.rows, candidate.positives
    );
    News { line, awaits: 1 - answers }
}

/// A challenger was judged.
pub(super) fn judged(evaluation: &Evaluation) -> News {
    let value = |metrics: &std::collections::BTreeMap<String, f64>| {
        metrics.get("average_precision").map_or("undefined".to_owned(), |v| format!("{v:.3}"))
    };
    let held = evaluation.gates.iter().filter(|gate| gate.passed).count();
    let line = format!(
        "judged model {} against {} on {}: average precision {} against {}, {held} of {} gates hold{}",
        evaluation.challenger.version,
        evaluation.champion.version,
        day(evaluation.holdout.from),
        value(&evaluation.challenger_metrics),
        value(&evaluation.champion_metrics),
        evaluation.gates.len(),
        if evaluation.passed { String::new() } else { format!(": refused, {}", evaluation.detail) },
    );
    News { line, awaits: if evaluation.passed { 0 } else { -1 } }
}

/// Another model serves.
pub(super) fn deployed(deployment: &Deployment) -> News {
    let line = format!("deployed model {} in place of {}", deployment.model.version, deployment.replaces.version);
    News { line, awaits: -1 }
}

/// Something drifted.
pub(super) fn alerted(alert: &Alert) -> News {
    let line = format!("{} {}: {}{}", alert.severity, alert.kind, alert.message, if alert.retrain { "; asks for a training" } else { "" });
    News { line, awaits: i64::from(alert.retrain) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidemill_events::control::{Cause, Span};
    use tidemill_events::records::ModelRef;

    #[test]
    fn a_training_without_a_model_says_why() {
        let mut candidate = Candidate {
            pipeline: "p".into(),
            outcome: "not_enough".into(),
            detail: "no frauds".into(),
            causes: vec![Cause { reason: "schedule".into(), detail: String::new(), record: None }],
            pipeline_version: 1,
            model: None,
            trained: Span { from: 0, to: 86_400_000_000 },
            holdout: Span::default(),
            rows: 7,
            positives: 0,
            metrics: Default::default(),
            started_at: 0,
            finished_at: 1_500_000,
        };
        assert_eq!(trained(&candidate), News { line: "training for schedule: not_enough, no frauds".into(), awaits: 0 });
        candidate.model = Some(ModelRef { version: 3, ..ModelRef::default() });
        let line = "trained model 3 for schedule on 1970-01-01 to 1970-01-02: 7 payments, 0 frauds, 1.5 s".into();
        assert_eq!(trained(&candidate), News { line, awaits: 1 }, "to be judged");
        candidate.causes[0].reason = "drift".into();
        assert_eq!(trained(&candidate).awaits, 0, "the alert is answered");
    }
}
