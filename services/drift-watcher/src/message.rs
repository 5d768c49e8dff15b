//! Alerts as people read them: what moved, how far, since when.

use std::collections::BTreeMap;
use tidemill_events::control::{Alert, ColumnDrift, Drift};
use tidemill_events::time::format_instant;

/// Kinds of alerts.
pub(crate) const DATA: &str = "data_drift";
pub(crate) const SCORES: &str = "score_drift";
pub(crate) const CONCEPT: &str = "concept_drift";
/// The measure that says how many thresholds a column is beyond what is usual.
pub(crate) const EXCESS: &str = "excess";
/// Columns that a message names; the others are among the subjects.
const NAMED: usize = 3;
/// From this many times the share of errors before on it is critical.
const CRITICAL_RISE: f64 = 3.0;

/// What is told about columns.
pub(crate) struct Told<'a> {
    pub(crate) kind: &'a str,
    pub(crate) severity: &'a str,
    /// Start of the first window, microseconds since 1970.
    pub(crate) since: i64,
    /// It was told before, without asking for a training.
    pub(crate) still: bool,
    pub(crate) retrain: bool,
}

/// The alert about `columns` of `drift`, the farthest first.
pub(crate) fn columns(pipeline: &str, told: &Told<'_>, columns: &[&ColumnDrift], drift: &Drift) -> Alert {
    let named: Vec<String> = columns.iter().take(NAMED).map(|column| one(column)).collect();
    let more = columns.len().saturating_sub(NAMED);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    let verb = if told.still { "still moved" } else { "moved" };
    let message = format!(
        "{}{rest} {verb} away from what model version {} was trained on, since {}",
        named.join(", "),
        drift.model.version,
        format_instant(told.since)
    );
    let mut evidence = BTreeMap::from([("rows".to_owned(), drift.sampled as f64)]);
    for column in columns {
        let prefix = &column.column;
        evidence.extend(column.measures.iter().map(|(measure, value)| (format!("{prefix}.{measure}"), *value)));
    }
    Alert {
        pipeline: pipeline.to_owned(),
        kind: told.kind.to_owned(),
        severity: told.severity.to_owned(),
        model: drift.model.clone(),
        window: drift.window,
        subjects: columns.iter().map(|c| c.column.clone()).collect(),
        message,
        evidence,
        retrain: told.retrain,
        raised_at: 0,
    }
}

/// [`EXCESS`] of a column.
pub(crate) fn excess(column: &ColumnDrift) -> f64 {
    column.measures.get(EXCESS).copied().unwrap_or(0.0)
}

/// A column and how far it is: `amount (psi 0.43, 1.9 thresholds)`.
fn one(column: &ColumnDrift) -> String {
    let measures = column.measures.iter().filter(|(name, _)| *name != EXCESS);
    let measures: Vec<String> = measures.map(|(name, value)| format!("{name} {value:.3}")).collect();
    format!("{} ({}; {:.1} times the threshold)", column.column, measures.join(", "), excess(column))
}

/// The alert about the errors of `drift`.
pub(crate) fn errors(pipeline: &str, drift: &Drift, retrain: bool) -> Alert {
    let share = drift.errors as f64 / drift.outcomes.max(1) as f64;
    let message = format!(
        "decisions of model version {} go wrong more often: {} of {} outcomes from {} to {} ({:.2} %)",
        drift.model.version,
        drift.errors,
        drift.outcomes,
        format_instant(drift.window.from),
        format_instant(drift.window.to),
        100.0 * share
    );
    let before = drift.columns.iter().find(|c| c.column == "error").and_then(|c| c.measures.get("before")).copied();
    let critical = before.is_some_and(|before| share >= CRITICAL_RISE * before);
    let mut evidence = BTreeMap::from([("error.share".to_owned(), share), ("error.outcomes".to_owned(), drift.outcomes as f64)]);
    evidence.extend(before.map(|before| ("error.before".to_owned(), before)));
    Alert {
        pipeline: pipeline.to_owned(),
        kind: CONCEPT.to_owned(),
        severity: if critical { "critical" } else { "warning" }.to_owned(),
        model: drift.model.clone(),
        window: drift.window,
        subjects: vec!["error".to_owned()],
        message,
        evidence,
        retrain,
        raised_at: 0,
    }
}
