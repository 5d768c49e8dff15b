//! `gates`: what a challenger has to show before it may take the champion's place.

use crate::codes;
use crate::reader::Reader;
use crate::yaml::{Entry, Node};
use std::collections::BTreeMap;
use tidemill_events::Value;
use tidemill_expr::{Program, Scope, Ty, Variable};

/// What is measured of a model on the rows held back, by the names that gates use.
///
/// `precision_at_k` is at the `k` of `performance.precision_at`; `log_loss`, `brier` and `calibration_error` judge the
/// score as a probability; those from `precision` to `false_negatives` judge the decision at the threshold.
pub const METRICS: [&str; 18] = [
    "auc",
    "average_precision",
    "precision_at_k",
    "log_loss",
    "brier",
    "calibration_error",
    "precision",
    "recall",
    "f1",
    "false_positive_rate",
    "false_negative_rate",
    "true_positives",
    "false_positives",
    "true_negatives",
    "false_negatives",
    "base_rate",
    "rows",
    "positives",
];

/// The two models, in the order of the slots.
const MODELS: [&str; 2] = ["challenger", "champion"];
/// Most gates a file may have.
const MAX_GATES: usize = 100;

/// A condition over the metrics of challenger and champion: `challenger.auc >= champion.auc - 0.005`.
#[derive(Debug, Clone, PartialEq)]
pub struct Gate {
    /// The condition as the file has it.
    pub condition: String,
    program: Program,
}

impl Gate {
    /// Whether the gate lets the challenger pass, given what was measured of both models, by the names of [`METRICS`].
    ///
    /// # Errors
    /// Why it cannot be decided, for people; the challenger does not pass then: a metric that the condition names is not
    /// defined on the data (AUC where one class is absent), whatever the rest of the condition says, or the condition
    /// has no value (a division by zero).
    pub fn holds(&self, challenger: &BTreeMap<String, f64>, champion: &BTreeMap<String, f64>) -> Result<bool, String> {
        let mut slots = vec![Value::Null; MODELS.len() * METRICS.len()];
        let mut undefined = Vec::new();
        for (slot, name, value) in self.named(challenger, champion) {
            match value {
                Some(value) => slots[slot] = Value::Double(value),
                None => undefined.push(format!("`{name}`")),
            }
        }
        match undefined.as_slice() {
            [] => {}
            [one] => return Err(format!("{one} is not defined on this data")),
            several => return Err(format!("{} are not defined on this data", several.join(", "))),
        }
        match self.program.eval(&slots) {
            Ok(value) => Ok(value == Value::Bool(true)),
            Err(error) => Err(error.to_string()),
        }
    }

    /// The numbers that the condition names, for people: `challenger.auc 0.871, champion.auc 0.864`.
    #[must_use]
    pub fn numbers(&self, challenger: &BTreeMap<String, f64>, champion: &BTreeMap<String, f64>) -> String {
        let shown = |value: Option<f64>| value.map_or_else(|| "not defined".to_owned(), |v| v.to_string());
        let numbers = self.named(challenger, champion).map(|(_, name, value)| format!("{name} {}", shown(value)));
        numbers.collect::<Vec<_>>().join(", ")
    }

    /// Slot, name and value of each metric that the condition names.
    fn named<'a>(
        &'a self,
        challenger: &'a BTreeMap<String, f64>,
        champion: &'a BTreeMap<String, f64>,
    ) -> impl Iterator<Item = (usize, String, Option<f64>)> + 'a {
        self.program.slots().iter().map(move |&slot| {
            let (model, metric) = (slot / METRICS.len(), METRICS[slot % METRICS.len()]);
            let measured = [challenger, champion][model];
            (slot, format!("{}.{metric}", MODELS[model]), measured.get(metric).copied().filter(|v| v.is_finite()))
        })
    }
}

pub(super) fn read(reader: &mut Reader<'_>, entry: &Entry) -> Option<Vec<Gate>> {
    let items = reader.list(&entry.value, "conditions")?;
    if items.len() > MAX_GATES {
        let message = format!("there are {} gates; {MAX_GATES} are possible", items.len());
        reader.error(codes::TOO_MANY, entry.key_range.clone(), message);
        return None;
    }
    let scope = scope();
    let gates: Vec<Option<Gate>> = items.iter().map(|item| gate(reader, item, &scope)).collect();
    gates.into_iter().collect()
}

fn gate(reader: &mut Reader<'_>, node: &Node, scope: &Scope) -> Option<Gate> {
    let program = reader.expression(node, Some(scope), &[Ty::Bool])?;
    Some(Gate { condition: program.source().to_owned(), program })
}

/// `challenger.<metric>`, then `champion.<metric>`. None is null: [`Gate::holds`] has said so before.
fn scope() -> Scope {
    let metrics = |model: &'static str| METRICS.iter().map(move |metric| format!("{model}.{metric}"));
    let variable = |name: String| Variable { name: name.into(), ty: Ty::Double, nullable: false };
    Scope { variables: MODELS.into_iter().flat_map(metrics).map(variable).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(condition: &str) -> Gate {
        let program = tidemill_expr::compile(condition, &scope()).and_then(|p| p.expect(&[Ty::Bool]).map_err(|e| vec![e]));
        Gate { condition: condition.to_owned(), program: program.unwrap() }
    }

    fn metrics(of: &[(&str, f64)]) -> BTreeMap<String, f64> {
        of.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
    }

    #[test]
    fn each_metric_of_each_model_has_its_own_value() {
        let numbers = |first: f64| METRICS.iter().enumerate().map(|(i, m)| ((*m).to_owned(), first + i as f64)).collect();
        let (challenger, champion): (BTreeMap<_, _>, BTreeMap<_, _>) = (numbers(1.0), numbers(101.0));
        for (model, measured) in [("challenger", &challenger), ("champion", &champion)] {
            for (name, value) in measured {
                assert_eq!(gate(&format!("{model}.{name} == {value:.1}")).holds(&challenger, &champion), Ok(true), "{model}.{name}");
            }
        }
    }

    #[test]
    fn a_gate_compares_and_tells_its_numbers() {
        let gate = gate("challenger.average_precision >= champion.average_precision - 0.005 && challenger.rows >= 200");
        let (better, worse) = (metrics(&[("average_precision", 0.5), ("rows", 200.0)]), metrics(&[("average_precision", 0.4)]));
        assert_eq!(gate.holds(&better, &worse), Ok(true));
        let small = metrics(&[("average_precision", 0.5), ("rows", 199.0)]);
        assert_eq!(gate.holds(&small, &worse), Ok(false));
        let numbers = "challenger.average_precision 0.5, challenger.rows 199, champion.average_precision 0.4";
        assert_eq!(gate.numbers(&small, &worse), numbers);
    }

    #[test]
    fn what_is_not_defined_is_named_and_never_passes() {
        let either = gate("challenger.auc > 0.5 || challenger.recall > champion.auc");
        let (some, none) = (metrics(&[("auc", 0.9), ("recall", f64::NAN)]), metrics(&[]));
        let refused = "`challenger.recall`, `champion.auc` are not defined on this data";
        assert_eq!(either.holds(&some, &none), Err(refused.to_owned()), "whatever the other side says");
        assert_eq!(either.numbers(&some, &none), "challenger.auc 0.9, challenger.recall not defined, champion.auc not defined");
        let one = gate("challenger.log_loss < 0.3").holds(&metrics(&[("log_loss", f64::INFINITY)]), &none);
        assert_eq!(one, Err("`challenger.log_loss` is not defined on this data".to_owned()));
        let no_value = gate("challenger.auc / champion.auc < math.sqrt(0.0 - 1.0)");
        assert_eq!(no_value.holds(&some, &some), Err("NaN is neither smaller nor larger than anything".to_owned()));
    }
}
