//! Invariant 3: counts, sums and means of exact numbers, computed again in the plainest way.
//!
//! No code is shared with the feature engine: each window is added up from its single values.

use compact_str::CompactString;
use rust_decimal::Decimal;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use tidemill_events::{Event, Outcome, Value};
use tidemill_expr::Ty;
use tidemill_features::{Aggregate, FeatureSpec, Hop, Of};

/// Windows with more entries than this are added up only now and then, so that hot keys do not make the
/// work quadratic.
const ALWAYS: usize = 1_000;
/// Labels that are whole numbers up to this add up without rounding, in any order.
const WHOLE: f64 = 1e6;

/// The events and outcomes of one hop-input partition by key, as far as a window may see them.
pub(super) struct Recount {
    hop: Arc<Hop>,
    /// Which columns of the hop hold integers or decimals; doubles are not for this check.
    is_exact: Vec<bool>,
    keys: HashMap<CompactString, Key>,
}

#[derive(Default)]
struct Key {
    /// In order of event time.
    entries: VecDeque<Entry>,
    /// Event times and labels, in order of event time.
    labels: VecDeque<(i64, Decimal)>,
    /// A label was no whole number: what is made of labels is a sum of doubles, and not for this check.
    has_inexact_labels: bool,
    merge_time: Option<i64>,
    events: usize,
}

struct Entry {
    time: i64,
    /// Per column of the hop; `None` where the event has no usable value.
    values: Vec<Option<Decimal>>,
}

/// A feature whose value is not the one that was added up.
#[derive(Debug, PartialEq)]
pub(super) struct Wrong {
    /// Its index among the hop's features.
    pub(super) feature: usize,
    /// The value added up here.
    pub(super) expected: Option<f64>,
}

impl Recount {
    /// Of a hop.
    #[must_use]
    pub(super) fn new(hop: Arc<Hop>) -> Self {
        let is_exact = hop.spec().columns.iter().map(|column| column.ty() != Ty::Double).collect();
        Self { hop, is_exact, keys: HashMap::new() }
    }

    /// Takes up `outcome`.
    pub(super) fn outcome(&mut self, outcome: &Outcome) {
        let text = self.hop.outcome_key(outcome);
        if !text.is_empty() {
            self.keys.entry(text.into()).or_default().label(outcome, &self.hop);
        }
    }

    /// Takes up `event` and compares `features`, the hop's, with those added up here. Returns how many
    /// were compared, and those that differ.
    pub(super) fn check(&mut self, event: &Event, features: &[Value]) -> (u64, Vec<Wrong>) {
        let text = self.hop.key(event);
        if text.is_empty() {
            return (0, Vec::new());
        }
        let values = self.hop.spec().columns.iter().map(|c| c.eval(&event.fields).ok().as_ref().and_then(exact)).collect();
        if !self.keys.contains_key(text) {
            self.keys.insert(text.into(), Key::default());
        }
        let Some(key) = self.keys.get_mut(text) else { return (0, Vec::new()) };
        key.take(event, values, &self.hop);
        if key.events % (1 + key.entries.len().max(key.labels.len()) / ALWAYS) != 0 {
            return (0, Vec::new());
        }
        let mut checked = 0;
        let mut wrong = Vec::new();
        for (index, (feature, found)) in self.hop.spec().features.iter().zip(features).enumerate() {
            if matches!(feature.of, Of::Column(column) if !self.is_exact[column]) {
                continue;
            }
            if let Some(expected) = key.feature(feature, event.event_time) {
                checked += 1;
                let found = if let Value::Double(v) = found { Some(*v) } else { None };
                if expected.map(f64::to_bits) != found.map(f64::to_bits) {
                    wrong.push(Wrong { feature: index, expected });
                }
            }
        }
        (checked, wrong)
    }
}

impl Key {
    fn take(&mut self, event: &Event, values: Vec<Option<Decimal>>, hop: &Hop) {
        self.events += 1;
        let merge_time = self.advance(event.merge_time, hop);
        if event.event_time > merge_time.saturating_sub(hop.horizon()) {
            let at = self.entries.partition_point(|e| e.time <= event.event_time);
            self.entries.insert(at, Entry { time: event.event_time, values });
        }
    }

    fn label(&mut self, outcome: &Outcome, hop: &Hop) {
        let merge_time = self.advance(outcome.merge_time, hop);
        if outcome.event_time <= merge_time.saturating_sub(hop.label_horizon()) || !outcome.label.is_finite() {
            return;
        }
        if outcome.label.fract() != 0.0 || outcome.label.abs() > WHOLE {
            self.has_inexact_labels = true;
            return;
        }
        let at = self.labels.partition_point(|(time, _)| *time <= outcome.event_time);
        self.labels.insert(at, (outcome.event_time, Decimal::from(outcome.label as i64)));
    }

    /// What is too old for every window is forgotten, also where an event of the past would still see it.
    fn advance(&mut self, merge_time: i64, hop: &Hop) -> i64 {
        let merge_time = self.merge_time.map_or(merge_time, |m| m.max(merge_time));
        self.merge_time = Some(merge_time);
        while self.entries.front().is_some_and(|e| e.time <= merge_time.saturating_sub(hop.horizon())) {
            self.entries.pop_front();
        }
        while self.labels.front().is_some_and(|(time, _)| *time <= merge_time.saturating_sub(hop.label_horizon())) {
            self.labels.pop_front();
        }
        merge_time
    }

    /// The feature at time `t`; `None` where this is not for us to say.
    fn feature(&self, feature: &FeatureSpec, t: i64) -> Option<Option<f64>> {
        let end = t.saturating_sub(feature.delay);
        let start = end.saturating_sub(feature.window);
        let first = self.entries.partition_point(|e| e.time <= start);
        let last = self.entries.partition_point(|e| e.time <= end).max(first);
        let window = self.entries.range(first..last);
        let (sum, count) = match (feature.aggregate, feature.of) {
            (Aggregate::Count, _) if window.len() == 0 => return Some(Some(feature.fill.unwrap_or(0.0))),
            (Aggregate::Count, _) => return Some(Some(window.len() as f64)),
            (Aggregate::Sum | Aggregate::Mean, Of::Column(column)) => add_up(window.filter_map(|e| e.values[column]))?,
            (Aggregate::Sum | Aggregate::Mean, Of::Label) if !self.has_inexact_labels => {
                let window = self.labels.iter().filter(|(time, _)| start < *time && *time <= end);
                add_up(window.map(|(_, label)| *label))?
            }
            _ => return None,
        };
        Some(match count {
            0 => feature.fill,
            _ if feature.aggregate == Aggregate::Sum => Some(sum),
            _ => Some(sum / count as f64),
        })
    }
}

/// An integer or decimal.
fn exact(value: &Value) -> Option<Decimal> {
    match value {
        Value::Decimal(v) => Some(*v),
        Value::Long(v) => Some(Decimal::from(*v)),
        Value::Bool(v) => Some(Decimal::from(u8::from(*v))),
        Value::Null | Value::Double(_) | Value::String(_) | Value::Timestamp(_) => None,
    }
}

/// The double nearest to the sum of `values`, and how many there are; `None` when the sum has no exact form here.
fn add_up(values: impl Iterator<Item = Decimal>) -> Option<(f64, u64)> {
    let (mut units, mut scale, mut count) = (0i128, 0u32, 0u64);
    for value in values {
        let mut mantissa = value.mantissa();
        if value.scale() > scale {
            units = units.checked_mul(10i128.checked_pow(value.scale() - scale)?)?;
            scale = value.scale();
        } else if value.scale() < scale {
            mantissa = mantissa.checked_mul(10i128.checked_pow(scale - value.scale())?)?;
        }
        units = units.checked_add(mantissa)?;
        count += 1;
    }
    // reading a decimal text gives the nearest double
    format!("{units}e-{scale}").parse().ok().map(|sum| (sum, count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_exact_across_scales() {
        let d = |m, s| Decimal::new(m, s);
        assert_eq!(add_up([d(1, 1), d(2, 1)].into_iter()), Some((0.3, 2)));
        assert_eq!(add_up([d(1, 2), d(1, 0), d(-101, 2)].into_iter()), Some((0.0, 3)));
        assert_eq!(add_up([].into_iter()), Some((0.0, 0)));
    }
}
