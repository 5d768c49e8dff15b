//! The naive model: a list of all events, filtered by window, added up exactly; and how events are made up.

use proptest::prelude::*;
use rust_decimal::Decimal;
use std::sync::Arc;
use tidemill_events::time::HOUR;
use tidemill_events::{Event, Outcome, RecordSchema, Source, Stage, Value};
use tidemill_expr::{Scope, compile};
use tidemill_features::{Aggregate, FeatureSpec, Hop, HopSpec, Of};

pub(crate) const LATENESS: i64 = 2 * HOUR;

pub(crate) const SCHEMA: &str = r#"{"type":"record","name":"Payment","fields":[
    {"name":"amount","type":["null",{"type":"bytes","logicalType":"decimal","precision":18,"scale":2}]},
    {"name":"distance","type":["null","double"]},
    {"name":"items","type":"long"}]}"#;

/// A hop with every aggregate over each kind of column, several windows, delays and fills.
pub(crate) fn hop() -> Arc<Hop> {
    hop_with(&["amount", "distance", "items"], &[(0, 6 * HOUR), (0, 24 * HOUR), (5 * HOUR, 12 * HOUR)])
}

pub(crate) fn hop_with(columns: &[&str], windows: &[(i64, i64)]) -> Arc<Hop> {
    hop_with_labels(columns, windows, &[])
}

/// As [`hop_with`], and with features on labels over `label_windows`.
pub(crate) fn hop_with_labels(columns: &[&str], windows: &[(i64, i64)], label_windows: &[(i64, i64)]) -> Arc<Hop> {
    let schema = RecordSchema::parse(SCHEMA).unwrap();
    let scope = Scope::from(&schema);
    let mut features = Vec::new();
    let mut add = |aggregate, of, (delay, window): &(i64, i64), fill| {
        let name = format!("f{}", features.len()).into();
        features.push(FeatureSpec { name, aggregate, of, window: *window, delay: *delay, fill });
    };
    let all = [Aggregate::Sum, Aggregate::Mean, Aggregate::Min, Aggregate::Max];
    for (i, window) in windows.iter().enumerate() {
        let fill = (i == 1).then_some(-1.0);
        add(Aggregate::Count, Of::Events, window, fill);
        let columns = (0..columns.len()).flat_map(|column| all.map(|aggregate| (aggregate, Of::Column(column))));
        columns.for_each(|(aggregate, of)| add(aggregate, of, window, fill));
    }
    for (i, window) in label_windows.iter().enumerate() {
        all.iter().for_each(|aggregate| add(*aggregate, Of::Label, window, (i == 1).then_some(0.0)));
    }
    let columns = columns.iter().map(|source| compile(source, &scope).unwrap()).collect();
    let spec = HopSpec { entity: "customer".into(), key: vec![0], columns, features, lateness: LATENESS };
    Arc::new(Hop::new(spec, 0, &schema).unwrap())
}

/// An event with distinct coordinates.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    pub(crate) key: u8,
    pub(crate) event_time: i64,
    pub(crate) behind: i64,
    pub(crate) partition: i32,
    pub(crate) amount: Option<i64>,
    pub(crate) distance: Option<f64>,
    pub(crate) items: i64,
}

impl Made {
    pub(crate) fn event(&self, offset: usize) -> Event {
        let key = if self.key == 0 { String::new() } else { format!("customer-{}", self.key) };
        Event {
            event_id: format!("e{offset}").into(),
            event_time: self.event_time,
            source: Source { topic: "p.raw".into(), partition: self.partition, offset: offset as i64 },
            ingested_at: 0,
            from: Stage::default(),
            merge_time: self.event_time + self.behind,
            entities: vec![key.into()],
            fields: vec![
                self.amount.map_or(Value::Null, |cents| Value::Decimal(Decimal::new(cents, 2))),
                self.distance.map_or(Value::Null, Value::Double),
                Value::Long(self.items),
            ],
            features: Vec::new(),
        }
    }
}

/// Events of `keys` keys (0 stands for no key) on few distinct times, up to the lateness behind.
pub(crate) fn made(keys: u8) -> impl Strategy<Value = Made> {
    let time = prop_oneof![(0..120i64).prop_map(|h| h * HOUR / 2), -HOUR..60 * HOUR];
    let amount = prop::option::weighted(0.8, prop_oneof![-500..100_000i64, any::<i64>()]);
    let distance = prop::option::weighted(0.8, prop_oneof![Just(0.0), Just(-0.0), -1e3..1e3f64, any::<f64>()]);
    (0..keys, time, prop_oneof![Just(0), 0..=LATENESS], 0..3i32, amount, distance, any::<i64>()).prop_map(
        |(key, event_time, behind, partition, amount, distance, items)| Made {
            key,
            event_time,
            behind,
            partition,
            amount,
            distance,
            items,
        },
    )
}

/// A label of some event, which the hop may or may not have seen.
#[derive(Debug, Clone)]
pub(crate) struct Labelled {
    pub(crate) key: u8,
    pub(crate) event_time: i64,
    /// How long after its event the label came.
    pub(crate) after: i64,
    pub(crate) partition: i32,
    pub(crate) label: f64,
}

impl Labelled {
    pub(crate) fn outcome(&self, offset: usize) -> Outcome {
        let key = if self.key == 0 { String::new() } else { format!("customer-{}", self.key) };
        Outcome {
            event_id: format!("e{offset}").into(),
            event_time: self.event_time,
            source: Source { topic: "p.labels".into(), partition: self.partition, offset: offset as i64 },
            from: Stage::default(),
            merge_time: self.event_time + self.after,
            entities: vec![key.into()],
            fields: vec![Value::Null; 3],
            label: self.label,
            label_time: self.event_time + self.after,
        }
    }
}

/// Labels of events of `keys` keys, on the same few times as [`made`].
pub(crate) fn labelled(keys: u8) -> impl Strategy<Value = Labelled> {
    let time = prop_oneof![(0..120i64).prop_map(|h| h * HOUR / 2), -HOUR..60 * HOUR];
    let label = prop_oneof![4 => Just(0.0), 4 => Just(1.0), 1 => Just(-0.0), 2 => -1e3..1e3f64, 1 => any::<f64>()];
    (0..keys, time, prop_oneof![Just(0), 0..20 * HOUR], 0..3i32, label).prop_map(|(key, event_time, after, partition, label)| Labelled {
        key,
        event_time,
        after,
        partition,
        label,
    })
}

/// The features of `hop` at `t` over exactly `events`, which are of one key.
pub(crate) fn naive(hop: &Hop, events: &[Event], t: i64) -> Vec<Value> {
    naive_with(hop, events, &[], t)
}

/// The features of `hop` at `t` over exactly `events` and `outcomes`, which are of one key.
pub(crate) fn naive_with(hop: &Hop, events: &[Event], outcomes: &[Outcome], t: i64) -> Vec<Value> {
    let mut sorted: Vec<&Event> = events.iter().collect();
    sorted.sort_by_key(|e| (e.event_time, e.source.partition, e.source.offset));
    let mut labels: Vec<&Outcome> = outcomes.iter().collect();
    labels.sort_by_key(|o| (o.event_time, o.source.partition, o.source.offset));
    let features = hop.spec().features.iter();
    features
        .map(|f| {
            let seen = |time: i64| t - f.delay - f.window < time && time <= t - f.delay;
            let window = sorted.iter().filter(|e| seen(e.event_time));
            let values: Vec<Value> = match f.of {
                Of::Events => {
                    let count = window.count();
                    return Value::Double(if count == 0 { f.fill.unwrap_or(0.0) } else { count as f64 });
                }
                Of::Column(column) => window.map(|e| e.fields[column].clone()).filter(usable).collect(),
                Of::Label => labels.iter().filter(|o| seen(o.event_time)).map(|o| Value::Double(o.label)).filter(usable).collect(),
            };
            let result = if values.is_empty() { f.fill } else { Some(aggregate(f.aggregate, &values)) };
            result.filter(|v| v.is_finite()).map_or(Value::Null, Value::Double)
        })
        .collect()
}

fn usable(value: &Value) -> bool {
    !value.is_null() && value.as_f64().is_none_or(f64::is_finite)
}

fn aggregate(how: Aggregate, values: &[Value]) -> f64 {
    if let Value::Double(_) = values[0] {
        let doubles: Vec<f64> = values.iter().map(|v| v.as_f64().unwrap() + 0.0).collect();
        let sum = doubles[1..].iter().fold(doubles[0], |a, b| a + b);
        return match how {
            Aggregate::Sum => sum,
            Aggregate::Mean => sum / doubles.len() as f64,
            Aggregate::Min => doubles.iter().copied().fold(f64::INFINITY, f64::min),
            Aggregate::Max => doubles.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            Aggregate::Count => unreachable!(),
        };
    }
    let exact: Vec<Decimal> = values
        .iter()
        .map(|v| match v {
            Value::Decimal(d) => *d,
            Value::Long(n) => Decimal::from(*n),
            other => panic!("{other:?}"),
        })
        .collect();
    // reading decimal text is correctly rounded
    let double = |d: Decimal| d.to_string().parse::<f64>().unwrap();
    let sum = double(exact.iter().copied().sum());
    match how {
        Aggregate::Sum => sum,
        Aggregate::Mean => sum / exact.len() as f64,
        Aggregate::Min => double(exact.iter().copied().min().unwrap()),
        Aggregate::Max => double(exact.iter().copied().max().unwrap()),
        Aggregate::Count => unreachable!(),
    }
}

/// Bit-equality of rows, with the place of the first difference.
pub(crate) fn assert_same(hop: &Hop, got: &[Value], want: &[Value], what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        assert!(g.bit_eq(w), "{what}: {:?}: got {g:?}, want {w:?}", hop.spec().features[i]);
    }
}
