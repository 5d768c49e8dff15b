//! What the learning loop says, as lines: trained, judged, deployed, drifted.

use tidemill_events::control::{Alert, Candidate, Deployment, Evaluation};
use tidemill_events::time::format_instant;

fn day(t: i64) -> String {
    format_instant(t).chars().take(10).collect()
}

/// A training has ended.
pub(super) fn trained(candidate: &Candidate) -> String {
    let why = candidate.causes.first().map_or("", |cause| cause.reason.as_str());
    let Some(model) = &candidate.model else {
        return format!("training for {why}: {}, {}", candidate.outcome, candidate.detail);
    };
    let (from, to) = (day(candidate.trained.from), day(candidate.trained.to));
    let seconds = (candidate.finished_at - candidate.started_at) as f64 / 1e6;
    format!(
        "trained model {} for {why} on {from} to {to}: {} payments, {} frauds, {seconds:.1} s",
        model.version, candidate.rows, candidate.positives
    )
}

/// A challenger was judged.
pub(super) fn judged(evaluation: &Evaluation) -> String {
    let value = |metrics: &std::collections::BTreeMap<String, f64>| {
        metrics.get("average_precision").map_or("undefined".to_owned(), |v| format!("{v:.3}"))
    };
    let held = evaluation.gates.iter().filter(|gate| gate.passed).count();
    format!(
        "judged model {} against {} on {}: average precision {} against {}, {held} of {} gates hold{}",
        evaluation.challenger.version,
        evaluation.champion.version,
        day(evaluation.holdout.from),
        value(&evaluation.challenger_metrics),
        value(&evaluation.champion_metrics),
        evaluation.gates.len(),
        if evaluation.passed { "".to_owned() } else { format!(": refused, {}", evaluation.detail) },
    )
}

/// Another model serves.
pub(super) fn deployed(deployment: &Deployment) -> String {
    format!("deployed model {} in place of {}", deployment.model.version, deployment.replaces.version)
}

/// Something drifted.
pub(super) fn alerted(alert: &Alert) -> String {
    format!("{} {}: {}{}", alert.severity, alert.kind, alert.message, if alert.retrain { "; asks for a training" } else { "" })
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
        assert_eq!(trained(&candidate), "training for schedule: not_enough, no frauds");
        candidate.model = Some(ModelRef { version: 3, ..ModelRef::default() });
        assert_eq!(trained(&candidate), "trained model 3 for schedule on 1970-01-01 to 1970-01-02: 7 payments, 0 frauds, 1.5 s");
    }
}
