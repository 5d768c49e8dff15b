//! A small pipeline's records, right and tampered with: every kind of violation must be seen.

use super::fold::{Fold, Found};
use super::ledger::{Derived, Ledger};
use super::once::Once;
use super::recount::Recount;
use super::report::{Invariant, Section};
use super::vectors::Vectors;
use compact_str::CompactString;
use rust_decimal::Decimal;
use std::sync::Arc;
use tidemill_events::partition::partition_of;
use tidemill_events::time::{HOUR, MINUTE};
use tidemill_events::{Event, Source, Stage, Value};
use tidemill_features::{Hop, HopState, feature};
use tidemill_kafka::admin::Ends;
use tidemill_pipeline::{Pipeline, compile};

const FILE: &str = "
pipeline: p
source: { schema: e.avsc, id: id, time: at, lateness: 10m, dedupe: 1h, partitions: 2 }
entities:
  customer:
    key: customer
    features:
      n: { aggregate: count, windows: [1h] }
      sum: { aggregate: sum, of: amount, windows: [1h] }
  terminal:
    key: terminal
    features:
      mean: { aggregate: mean, of: amount, windows: [1h] }
row: { amount: amount }
decision: { threshold: 0.5, above: review, below: accept }
bootstrap: 'amount > 5.0 ? 1.0 : 0.0'
";
const SCHEMA: &str = r#"{"type":"record","name":"E","fields":[
    {"name":"id","type":"string"},
    {"name":"at","type":{"type":"long","logicalType":"timestamp-micros"}},
    {"name":"customer","type":"string"},
    {"name":"terminal","type":"string"},
    {"name":"amount","type":{"type":"bytes","logicalType":"decimal","precision":18,"scale":2}}]}"#;
const RAW: &str = "p.raw";
const EVENTS: usize = 40;
/// Raw records that are rejected, and why.
const REJECTED: [(usize, &str); 2] = [(7, "undecodable"), (9, "duplicate")];
/// The one that record 9 repeats.
const ORIGINAL: usize = 8;

/// A record of a topic after raw.
#[derive(Clone)]
struct Record {
    partition: i32,
    key: CompactString,
    source: Source,
    event: Event,
}

/// A record of `<p>.rejected`.
#[derive(Clone)]
struct Reject {
    source: Source,
    key: CompactString,
    reason: &'static str,
}

/// All topics of the pipeline, each in the order in which its records were written.
struct World {
    pipeline: Pipeline,
    raw: Vec<(Source, CompactString, Option<CompactString>)>,
    rejected: Vec<Reject>,
    valid: Vec<Record>,
    hop: Vec<Record>,
    vectors: Vec<Record>,
    predictions: Vec<Record>,
}

impl World {
    fn new() -> Self {
        let (pipeline, _) = compile("p.yaml", FILE, |_| Ok(SCHEMA.to_owned())).unwrap();
        let (mut raw, mut rejected, mut valid) = (Vec::new(), Vec::new(), Vec::new());
        let mut next = [0, 0];
        for i in 0..EVENTS {
            let event = event(i);
            let partition = partition_of(event.entities[0].as_bytes(), 2);
            // a transaction marker now and then takes an offset too
            let offset = &mut next[partition as usize];
            *offset += 1 + i64::from(i % 5 == 0);
            let source = Source { topic: RAW.into(), partition, offset: *offset };
            let key = event.entities[0].clone();
            let reason = REJECTED.iter().find(|r| r.0 == i).map(|r| r.1);
            raw.push((source.clone(), key.clone(), (reason != Some("undecodable")).then(|| event.event_id.clone())));
            match reason {
                Some(reason) => rejected.push(Reject { source, key, reason }),
                None => valid.push(Record { partition, key, source: source.clone(), event: Event { source, ..event } }),
            }
        }
        let hop: Vec<Record> = fold(&pipeline, 0, &valid, |event| event.entities[1].clone());
        let mut vectors: Vec<Record> = fold(&pipeline, 1, &hop, |event| event.event_id.clone());
        for vector in &mut vectors {
            let row = pipeline.row.iter().map(|f| feature(f.program.eval(&vector.event.fields), &mut 0));
            vector.event.features.extend(row);
        }
        Self { predictions: vectors.clone(), pipeline, raw, rejected, valid, hop, vectors }
    }

    /// What the checkers say, in the order in which `verify` runs them.
    fn verify(&self) -> Vec<Section> {
        let ends = [Ends { start: 1, stable: 99, high: 99 }; 2];
        let mut ledger = Ledger::new(RAW, &ends, self.pipeline.source.dedupe);
        for (source, key, id) in &self.raw {
            ledger.raw(source.partition, source.offset, Some(key.as_bytes()), id.as_deref());
        }
        for (offset, reject) in (0..).zip(&self.rejected) {
            let source = &reject.source;
            let record = Derived { topic: "p.rejected", partition: source.partition, offset, key: Some(reject.key.as_bytes()), source };
            ledger.rejected(&record, reject.reason);
        }
        let layout = &self.pipeline.layout;
        let groups = layout.hop_features.iter().cloned().chain([layout.row_features()]).collect();
        let mut vectors = Vectors::new(groups, &ends);
        let mut once: Vec<Once> = ["p.features", "p.predictions", "p.hop.terminal"].map(|t| Once::new(t, "record", RAW, 2)).into();
        for (offset, r) in (0..).zip(&self.vectors) {
            if once[0].record(&ledger, &r.derived("p.features", offset), &r.event.event_id, &r.event.event_id) {
                vectors.put(&r.source, offset, &r.event.features, true);
            }
        }
        for (offset, r) in (0..).zip(&self.predictions) {
            once[1].record(&ledger, &r.derived("p.predictions", offset), &r.event.event_id, &r.event.event_id);
        }
        let mut sections = Vec::new();
        for (hop, records, topic) in [(0, &self.valid, "p.valid"), (1, &self.hop, "p.hop.terminal")] {
            let row = if hop == 1 { self.pipeline.row.iter().map(|f| f.program.clone()).collect() } else { Vec::new() };
            for partition in 0..2 {
                let mut fold = Fold::new(layout, &vectors, hop, engine(&self.pipeline, hop), &row);
                for (offset, r) in (0..).zip(records).filter(|(_, r)| r.partition == partition) {
                    let record = r.derived(topic, offset);
                    if hop == 0 {
                        ledger.valid(&record, &r.event.event_id, &r.event.entities[0], r.event.merge_time);
                    } else {
                        once[2].record(&ledger, &record, &r.event.event_id, &r.event.entities[1]);
                    }
                    fold.event(&record, &r.event);
                }
                let (found, _) = fold.finish();
                sections.extend(self.explained(found));
            }
        }
        sections.push(ledger.finish());
        sections.extend(once.into_iter().map(|once| once.finish(&ledger)));
        sections
    }

    fn explained(&self, found: Found) -> [Section; 2] {
        let mut vectors = found.vectors;
        for mismatch in &found.mismatches {
            let vector = &self.vectors[mismatch.vector as usize];
            vectors.first.push(mismatch.violation(&self.pipeline.layout, &vector.event.features));
        }
        [vectors, found.values]
    }

    /// All violations, as `invariant: expected / found`.
    fn violations(&self) -> Vec<String> {
        let sections = self.verify();
        assert!(sections.iter().all(|s| s.violations == s.first.len() as u64), "each violation is shown");
        let lines = sections.iter().flat_map(|s| s.first.iter().map(|v| format!("{}: {} / {}", s.invariant.title(), v.expected, v.found)));
        lines.collect()
    }
}

impl Record {
    fn derived<'a>(&'a self, topic: &'a str, offset: i64) -> Derived<'a> {
        Derived { topic, partition: self.partition, offset, key: Some(self.key.as_bytes()), source: &self.source }
    }
}

fn event(i: usize) -> Event {
    let id = if i == 9 { ORIGINAL } else { i };
    let time = 1_000 * HOUR + i as i64 * 7 * MINUTE - if i % 6 == 5 { 9 * MINUTE } else { 0 };
    let [customer, terminal]: [CompactString; 2] = [format!("c{}", id % 3).into(), format!("t{}", i % 4).into()];
    let amount = Decimal::new(101 * i as i64, 2);
    Event {
        event_id: format!("e{id}").into(),
        event_time: time,
        source: Source::default(),
        ingested_at: 0,
        from: Stage::default(),
        merge_time: 1_000 * HOUR + i as i64 * 7 * MINUTE,
        entities: vec![customer.clone(), terminal.clone()],
        fields: vec![
            Value::String(format!("e{id}").into()),
            Value::Timestamp(time),
            Value::String(customer),
            Value::String(terminal),
            Value::Decimal(amount),
        ],
        features: Vec::new(),
    }
}

fn engine(pipeline: &Pipeline, hop: usize) -> Arc<Hop> {
    Arc::new(Hop::new(pipeline.hops[hop].clone(), hop, &pipeline.layout.event).unwrap())
}

/// What hop `hop` makes of `input`, keyed for the next topic by `key`.
fn fold(pipeline: &Pipeline, hop: usize, input: &[Record], key: impl Fn(&Event) -> CompactString) -> Vec<Record> {
    let mut states = [0, 1].map(|_| HopState::new(engine(pipeline, hop)));
    let records = input.iter().map(|record| {
        let mut event = record.event.clone();
        let mut features = std::mem::take(&mut event.features);
        states[record.partition as usize].process(&event, &mut features);
        event.features = features;
        let key = key(&event);
        Record { partition: partition_of(key.as_bytes(), 2), key, source: record.source.clone(), event }
    });
    records.collect()
}

/// The violations of a world that `tamper` has changed.
fn tampered(tamper: impl FnOnce(&mut World)) -> Vec<String> {
    let mut world = World::new();
    tamper(&mut world);
    world.violations()
}

/// Whether exactly these violations are found, each given by a part of its text.
#[track_caller]
fn assert_found(found: &[String], parts: &[&str]) {
    let missing: Vec<&&str> = parts.iter().filter(|part| !found.iter().any(|line| line.contains(**part))).collect();
    let more: Vec<&String> = found.iter().filter(|line| !parts.iter().any(|part| line.contains(part))).collect();
    assert!(missing.is_empty() && more.is_empty(), "missing {missing:?}\nmore than expected {more:#?}");
}

mod labels;

#[test]
fn a_world_that_is_right_holds() {
    let world = World::new();
    assert_eq!(world.violations(), Vec::<String>::new());
    let checked = |invariant| -> u64 { world.verify().iter().filter(|s| s.invariant == invariant).map(|s| s.checked).sum() };
    for invariant in [Invariant::Ledger, Invariant::Predictions, Invariant::Values, Invariant::Vectors] {
        assert!(checked(invariant) >= EVENTS as u64 - 2, "{invariant:?}");
    }
}

#[test]
fn a_raw_record_without_a_verdict_is_seen() {
    let found = tampered(|w| drop(w.rejected.remove(0)));
    assert_found(&found, &["1 ledger: valid or rejected / neither"]);
}

#[test]
fn a_raw_record_with_two_verdicts_is_seen() {
    let found = tampered(|w| {
        let Record { source, key, .. } = w.valid[3].clone();
        w.rejected.push(Reject { source, key, reason: "late" });
    });
    assert_found(&found, &["1 ledger: valid or rejected / both"]);
    let found = tampered(|w| w.rejected.push(w.rejected[0].clone()));
    assert_found(&found, &["once / once more"]);
}

#[test]
fn a_valid_event_written_twice_is_seen() {
    let found = tampered(|w| w.valid.push(w.valid[35].clone()));
    // folded twice, it also moves what came of the state after it
    assert!(found.iter().any(|line| line.contains("1 ledger: raw") && line.ends_with("once / once more")), "{found:#?}");
    assert!(found.iter().any(|line| line.starts_with("5 vectors: ")), "{found:#?}");
}

#[test]
fn a_source_that_is_not_in_raw_is_seen() {
    let found = tampered(|w| w.valid[3].source.offset = 90);
    assert!(found.iter().any(|l| l.contains("a source in raw / p.raw/")), "{found:#?}");
    let found = tampered(|w| w.predictions[3].source.topic = "q.raw".into());
    assert!(found.iter().any(|l| l.contains("2 exactly once: a source in raw / q.raw/")), "{found:#?}");
}

#[test]
fn a_wrong_key_or_partition_is_seen() {
    let found = tampered(|w| w.valid[3].key = "c9".into());
    assert_found(&found, &["1 ledger: key"]);
    let found = tampered(|w| w.rejected[0].key = "c9".into());
    assert_found(&found, &["1 ledger: the key of its raw record / c9"]);
    let found = tampered(|w| w.predictions[3].partition ^= 1);
    assert_found(&found, &["2 exactly once: key"]);
    let found = tampered(|w| w.vectors[3].key = "e9".into());
    assert_found(&found, &["2 exactly once: key"]);
}

#[test]
fn an_event_under_another_id_is_seen() {
    let found = tampered(|w| w.raw[3].2 = Some("other".into()));
    let parts = ["1 ledger: the event id of its raw record / another", "2 exactly once: the event id of its source / another"];
    assert_found(&found, &parts);
}

#[test]
fn an_id_that_is_valid_twice_within_dedupe_is_seen() {
    let found = tampered(|w| {
        let Reject { source, key, .. } = w.rejected.remove(1);
        w.valid.push(Record { partition: source.partition, key, source: source.clone(), event: Event { source, ..event(9) } });
    });
    assert!(found.iter().any(|l| l.contains("1 ledger: an id valid once within 1h / again 7m of merge time later")), "{found:#?}");
}

#[test]
fn a_duplicate_of_nothing_is_a_lost_event() {
    let found = tampered(|w| w.rejected[0].reason = "duplicate");
    assert_found(&found, &["the event is lost"]);
}

#[test]
fn a_missing_or_second_or_unfounded_record_is_seen() {
    for topic in ["p.hop.terminal", "p.features", "p.predictions"] {
        let of = |w: &mut World| match topic {
            "p.hop.terminal" => std::mem::take(&mut w.hop),
            "p.features" => std::mem::take(&mut w.vectors),
            _ => std::mem::take(&mut w.predictions),
        };
        let put = |w: &mut World, records| match topic {
            "p.hop.terminal" => w.hop = records,
            "p.features" => w.vectors = records,
            _ => w.predictions = records,
        };
        let with = |change: &dyn Fn(&mut Vec<Record>)| {
            let found = tampered(|w| {
                let mut records = of(w);
                change(&mut records);
                put(w, records);
            });
            // what else a change of the hop's input does to the fold is not the matter here
            found.into_iter().filter(|line| line.starts_with("2 ")).collect::<Vec<_>>()
        };
        let missing = with(&|records| drop(records.pop()));
        assert_found(&missing, &[&format!("one record on {topic}, as it is valid / no record on {topic}")]);
        let second = with(&|records| records.push(records[30].clone()));
        assert_found(&second, &["one record for raw"]);
        let unfounded = with(&|records| {
            let mut extra = records[7].clone();
            extra.source = World::new().rejected[0].source.clone();
            records.push(extra);
        });
        assert!(unfounded.iter().any(|l| l.contains("as it is rejected / one record on")), "{unfounded:#?}");
    }
}

#[test]
fn a_feature_that_is_not_that_of_the_fold_is_seen() {
    for (column, name) in [(0, "customer_n_1h"), (1, "customer_sum_1h"), (2, "terminal_mean_1h"), (3, "amount")] {
        let found = tampered(|w| w.vectors[20].event.features[column] = Value::Double(-1.0));
        let ours: Vec<&String> = found.iter().filter(|l| l.starts_with("5 vectors: ") && l.contains(&format!("{name} = -1, on"))).collect();
        // the first hop's columns came with the second hop's input too
        assert_eq!(ours.len(), if column < 2 { 2 } else { 1 }, "{found:#?}");
        assert_eq!(found.len(), ours.len(), "{found:#?}");
    }
}

#[test]
fn features_that_changed_between_the_hops_are_seen() {
    let found = tampered(|w| w.hop[20].event.features[0] = Value::Null);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].starts_with("5 vectors: customer_n_1h = null / customer_n_1h = "), "{found:#?}");
}

#[test]
fn counts_and_sums_that_do_not_add_up_are_seen() {
    let world = World::new();
    let mut recount = Recount::new(engine(&world.pipeline, 0));
    let first = &world.hop[0].event;
    assert_eq!(recount.check(first, &first.features), (2, Vec::new()));
    let second = world.hop.iter().map(|r| &r.event).find(|e| e.entities[0] == first.entities[0] && e.event_id != first.event_id).unwrap();
    let (checked, wrong) = recount.check(second, &[Value::Double(1.0), Value::Null]);
    assert_eq!((checked, wrong.len()), (2, 2));
    assert_eq!(wrong[0].expected, Some(2.0));
    assert_eq!(wrong[1].feature, 1);
}
