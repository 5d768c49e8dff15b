//! What the learning loop says, as lines: trained, judged, deployed, drifted.

use super::learned::Shown;
use tidemill_events::control::{Alert, Candidate, Deployment, Evaluation};
use tidemill_events::time::format_date;

/// Columns of an alert that are named.
const NAMED: usize = 2;

/// What was said, and how many things still have to follow from it: less than 0 where it is what was waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct News {
    pub(super) line: String,
    pub(super) awaits: i64,
    pub(super) shows: Shown,
}

impl News {
    fn new(line: String, awaits: i64) -> Self {
        Self { line, awaits, shows: Shown::Nothing }
    }
}

/// A training has ended.
pub(super) fn trained(candidate: &Candidate) -> News {
    let answers = candidate.causes.iter().filter(|cause| cause.reason == "drift").count() as i64;
    let why = candidate.causes.first().map_or("", |cause| cause.reason.as_str());
    let Some(model) = &candidate.model else {
        let line = format!("training for {why}: {}, {}", candidate.outcome, candidate.detail);
        return News::new(line, -answers);
    };
    let (from, to) = (format_date(candidate.trained.from), format_date(candidate.trained.to));
    let seconds = (candidate.finished_at - candidate.started_at) as f64 / 1e6;
    let line = format!(
        "trained model {} for {why} on {from} to {to}: {} payments, {} frauds, {seconds:.1} s",
        model.version, candidate.rows, candidate.positives
    );
    News::new(line, 1 - answers)
}

/// A challenger was judged.
pub(super) fn judged(evaluation: &Evaluation) -> News {
    let value = |metrics: &std::collections::BTreeMap<String, f64>| {
        metrics.get("average_precision").map_or("undefined".to_owned(), |v| format!("{v:.3}"))
    };
    let failed: Vec<&str> = evaluation.gates.iter().filter(|gate| !gate.passed).map(|gate| gate.condition.as_str()).collect();
    let verdict = match failed.as_slice() {
        _ if evaluation.passed => format!("{0} of {0} gates hold", evaluation.gates.len()),
        [] => format!("refused: {}", evaluation.detail),
        [gate] => format!("refused by `{gate}`"),
        [gate, more @ ..] => format!("refused by `{gate}` and {} more", more.len()),
    };
    let line = format!(
        "judged model {} against {} on {}: average precision {} against {}, {verdict}",
        evaluation.challenger.version,
        evaluation.champion.version,
        format_date(evaluation.holdout.from),
        value(&evaluation.challenger_metrics),
        value(&evaluation.champion_metrics)
    );
    News::new(line, if evaluation.passed { 0 } else { -1 })
}

/// Another model serves.
pub(super) fn deployed(deployment: &Deployment) -> News {
    let line = format!("deployed model {} in place of {}", deployment.model.version, deployment.replaces.version);
    News { line, awaits: -1, shows: if deployment.model.version > 0 { Shown::Model } else { Shown::Nothing } }
}

/// Something drifted.
pub(super) fn alerted(alert: &Alert) -> News {
    let Alert { severity, kind, message, .. } = alert;
    let what =
        columns(alert).map_or_else(|| format!(": {message}"), |columns| format!(" on {}: {columns}", format_date(alert.window.from)));
    let line = format!("{severity} {kind}{what}{}", if alert.retrain { "; asks for a training" } else { "" });
    News { line, awaits: i64::from(alert.retrain), shows: Shown::Drift { until: alert.window.to } }
}

/// The farthest columns of an alert with how far they are; none where that is not in its evidence. Its own message has every
/// measure, which is too long for a line.
fn columns(alert: &Alert) -> Option<String> {
    let far = |column: &String| alert.evidence.get(&format!("{column}.excess")).map(|far| format!("{column} ({far:.1} × threshold)"));
    let named = alert.subjects.iter().take(NAMED).map(far).collect::<Option<Vec<_>>>().filter(|named| !named.is_empty())?;
    let more = alert.subjects.len() - named.len();
    Some(named.join(", ") + &if more > 0 { format!(" and {more} more") } else { String::new() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidemill_events::control::{Cause, GateResult, Span};
    use tidemill_events::records::{ModelRef, SourceRecord};

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
        assert_eq!(trained(&candidate), News::new("training for schedule: not_enough, no frauds".into(), 0));
        candidate.model = Some(ModelRef { version: 3, ..ModelRef::default() });
        let line = "trained model 3 for schedule on 1970-01-01 to 1970-01-02: 7 payments, 0 frauds, 1.5 s".into();
        assert_eq!(trained(&candidate), News::new(line, 1), "to be judged");
        candidate.causes[0].reason = "drift".into();
        assert_eq!(trained(&candidate).awaits, 0, "the alert is answered");
    }

    #[test]
    fn an_alert_names_the_two_farthest_columns() {
        let subjects = ["customer_amount_mean_30d", "customer_amount_mean_7d", "amount", "score"];
        let mut alert = Alert {
            pipeline: "p".into(),
            kind: "data_drift".into(),
            severity: "critical".into(),
            model: ModelRef::default(),
            window: Span { from: 0, to: 86_400_000_000 },
            subjects: subjects.map(str::to_owned).to_vec(),
            message: "every measure of three columns".into(),
            evidence: subjects.iter().map(|column| (format!("{column}.excess"), 2.55)).collect(),
            retrain: true,
            raised_at: 0,
        };
        let line = "critical data_drift on 1970-01-01: customer_amount_mean_30d (2.5 × threshold), \
                    customer_amount_mean_7d (2.5 × threshold) and 2 more; asks for a training";
        let shows = Shown::Drift { until: 86_400_000_000 };
        assert_eq!(alerted(&alert), News { line: line.into(), awaits: 1, shows });
        assert!(line.chars().count() <= 160);
        (alert.subjects, alert.retrain) = (vec!["error".into()], false);
        let line = "critical data_drift: every measure of three columns".into();
        assert_eq!(alerted(&alert), News { line, awaits: 0, shows }, "errors have no threshold");
    }

    #[test]
    fn a_refusal_names_the_gate() {
        let gate = |condition: &str, passed| GateResult { condition: condition.into(), passed, detail: "numbers to the last digit".into() };
        let mut evaluation = Evaluation {
            pipeline: "p".into(),
            candidate: SourceRecord { topic: "t".into(), partition: 0, offset: 0 },
            challenger: ModelRef { version: 5, ..ModelRef::default() },
            champion: ModelRef { version: 4, ..ModelRef::default() },
            holdout: Span::default(),
            rows: 9_000,
            positives: 50,
            challenger_metrics: [("average_precision".to_owned(), 0.643_478)].into(),
            champion_metrics: Default::default(),
            gates: vec![gate("a", true), gate("b", false)],
            passed: false,
            detail: "`b` does not hold: numbers to the last digit".into(),
            evaluated_at: 0,
        };
        let head = "judged model 5 against 4 on 1970-01-01: average precision 0.643 against undefined, ";
        assert_eq!(judged(&evaluation), News::new(format!("{head}refused by `b`"), -1));
        evaluation.gates.push(gate("c", false));
        assert_eq!(judged(&evaluation).line, format!("{head}refused by `b` and 1 more"));
        (evaluation.gates, evaluation.detail) = (Vec::new(), "too few rows".into());
        assert_eq!(judged(&evaluation).line, format!("{head}refused: too few rows"));
        (evaluation.gates, evaluation.passed) = (vec![gate("a", true)], true);
        assert_eq!(judged(&evaluation), News::new(format!("{head}1 of 1 gates hold"), 0));
    }
}
