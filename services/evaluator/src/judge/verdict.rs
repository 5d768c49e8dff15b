//! Whether a challenger may take the champion's place, from the scores of both on the same rows.

use std::collections::BTreeMap;
use tidemill_events::control::GateResult;
use tidemill_pipeline::Pipeline;
use tidemill_statistics::classification::evaluate;

/// Fewest rows to judge by.
const MIN_ROWS: usize = 200;
/// Fewest rows of each class.
const MIN_OF_CLASS: usize = 20;
/// The gate of a file without gates.
const DEFAULT_GATE: &str = "challenger.average_precision >= champion.average_precision";

/// What was measured, and what follows from it.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Verdict {
    pub(super) challenger: BTreeMap<String, f64>,
    pub(super) champion: BTreeMap<String, f64>,
    pub(super) gates: Vec<GateResult>,
    pub(super) passed: bool,
    /// Why not.
    pub(super) detail: String,
}

/// Compares the scores of two models with the labels of the same rows. The challenger passes if the sample is large
/// enough and every gate holds. A file without gates has one: the average precision is not below the champion's.
pub(super) fn verdict(pipeline: &Pipeline, labels: &[f64], challenger: &[f64], champion: &[f64]) -> Verdict {
    let measure = |scores: &[f64]| -> BTreeMap<String, f64> {
        let mut rows: Vec<(f64, f64)> = scores.iter().copied().zip(labels.iter().copied()).collect();
        let k = pipeline.learning.performance.as_ref().and_then(|p| usize::try_from(p.precision_at?).ok());
        let metrics = evaluate(&mut rows, pipeline.decision.threshold, k);
        metrics.named().into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    };
    let (challenger, champion) = (measure(challenger), measure(champion));
    let gates = gates(pipeline, &challenger, &champion);
    let mut faults: Vec<String> = too_small(labels).into_iter().collect();
    faults.extend(gates.iter().filter(|gate| !gate.passed).map(|gate| format!("`{}` does not hold: {}", gate.condition, gate.detail)));
    Verdict { passed: faults.is_empty(), detail: faults.join("; "), challenger, champion, gates }
}

fn too_small(labels: &[f64]) -> Option<String> {
    let positives = labels.iter().filter(|label| **label >= 0.5).count();
    let negatives = labels.len() - positives;
    let enough = labels.len() >= MIN_ROWS && positives >= MIN_OF_CLASS && negatives >= MIN_OF_CLASS;
    (!enough).then(|| {
        format!(
            "too few rows to judge by: {} ({positives} positive, {negatives} negative), and {MIN_ROWS} with {MIN_OF_CLASS} of each class are needed",
            labels.len()
        )
    })
}

fn gates(pipeline: &Pipeline, challenger: &BTreeMap<String, f64>, champion: &BTreeMap<String, f64>) -> Vec<GateResult> {
    let gates = &pipeline.learning.gates;
    if gates.is_empty() {
        let (new, old) = (challenger.get("average_precision"), champion.get("average_precision"));
        let shown = |value: Option<&f64>| value.map_or_else(|| "not defined".to_owned(), f64::to_string);
        let detail = format!("challenger.average_precision {}, champion.average_precision {}", shown(new), shown(old));
        return vec![GateResult { condition: DEFAULT_GATE.into(), passed: new.zip(old).is_some_and(|(new, old)| new >= old), detail }];
    }
    let judge = gates.iter().map(|gate| {
        let (passed, detail) = match gate.holds(challenger, champion) {
            Ok(holds) => (holds, gate.numbers(challenger, champion)),
            Err(why) => (false, why),
        };
        GateResult { condition: gate.condition.clone(), passed, detail }
    });
    judge.collect()
}
