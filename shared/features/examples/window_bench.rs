//! What a hop costs per event, in one thread: `cargo run --release -p tidemill-features --example window_bench`.
//!
//! 10,000 keys with about 60 entries each, 5,000 events a transaction.

use std::collections::BTreeSet;
use std::hint::black_box;
use std::sync::Arc;
use tidemill_events::time::{DAY, MINUTE, SECOND};
use tidemill_events::{Event, RecordSchema, Source, Stage, Value};
use tidemill_expr::{Scope, compile};
use tidemill_features::{Aggregate, FeatureSpec, Hop, HopSpec, HopState, KeyState, Of};

const KEYS: u64 = 10_000;
const BATCH: usize = 5_000;
/// Two events a day and key, as in the payments example.
const STEP: i64 = DAY / 2 / KEYS as i64;

const SCHEMA: &str = r#"{"type":"record","name":"Payment","fields":[
    {"name":"amount","type":{"type":"bytes","logicalType":"decimal","precision":18,"scale":2}}]}"#;

fn hop(features: &[(Aggregate, i64)]) -> Result<Arc<Hop>, Box<dyn std::error::Error>> {
    let schema = RecordSchema::parse(SCHEMA)?;
    let amount = compile("amount", &Scope::from(&schema)).map_err(|e| format!("{e:?}"))?;
    let features = features.iter().map(|(aggregate, days)| FeatureSpec {
        name: format!("{aggregate:?}_{days}d").into(),
        aggregate: *aggregate,
        of: if *aggregate == Aggregate::Count { Of::Events } else { Of::Column(0) },
        window: days * DAY,
        delay: 0,
        fill: None,
    });
    let spec =
        HopSpec { entity: "customer".into(), key: vec![0], columns: vec![amount], features: features.collect(), lateness: 10 * MINUTE };
    Ok(Arc::new(Hop::new(spec, 0, &schema)?))
}

/// Keys in a scattered order, times going up by whole seconds.
fn events(from: u64, count: usize) -> Vec<Event> {
    let event = |i: u64| {
        let key = (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20) % KEYS;
        let event_time = i as i64 * STEP / SECOND * SECOND;
        Event {
            event_id: "e".into(),
            event_time,
            source: Source { topic: "payments-fraud.raw".into(), partition: (key % 4) as i32, offset: i as i64 / 4 },
            ingested_at: 0,
            from: Stage::default(),
            merge_time: event_time,
            entities: vec![format!("{key}").into()],
            fields: vec![Value::Decimal(rust_decimal::Decimal::new((i % 20_000) as i64, 2))],
            features: Vec::new(),
        }
    };
    (from..from + count as u64).map(event).collect()
}

/// Nanoseconds this thread was on a processor: a busy machine does not count.
fn on_cpu() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    stat.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0)
}

/// Time spent at one kind of work.
struct Cost {
    what: &'static str,
    nanos: u64,
    count: usize,
}

impl Cost {
    fn of(what: &'static str) -> Self {
        Self { what, nanos: 0, count: 0 }
    }

    fn add<T>(&mut self, count: usize, work: impl FnOnce() -> T) -> T {
        let started = on_cpu();
        let result = work();
        self.nanos += on_cpu() - started;
        self.count += count;
        result
    }
}

impl Drop for Cost {
    fn drop(&mut self) {
        println!("{:<58} {:>8} ns", self.what, self.nanos / self.count.max(1) as u64);
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let all = [Aggregate::Count, Aggregate::Mean, Aggregate::Sum].map(|a| [1, 7, 30].map(|days| (a, days))).concat();
    for features in [&all[..6], &all[..]] {
        println!("{} features", features.len());
        run(&hop(features)?)?;
    }
    Ok(())
}

fn run(hop: &Arc<Hop>) -> Result<(), Box<dyn std::error::Error>> {
    let mut state = HopState::new(hop.clone());
    let mut batches = (0..).map(|i| events(i * BATCH as u64, BATCH));
    let mut cost = Cost::of("restore, per event");
    for batch in batches.by_ref().take(60 * KEYS as usize / BATCH) {
        cost.add(BATCH, || batch.iter().for_each(|e| state.restore(e)));
    }
    drop(cost);

    let mut row = Vec::new();
    let mut process = |state: &mut HopState, batch: &[Event]| {
        for event in batch {
            row.clear();
            black_box(state.process(event, &mut row));
        }
    };
    let (mut done, mut undone) = (Cost::of("process and commit, per event"), Cost::of("process and abort, per event"));
    let (mut copied, mut packed) = (Cost::of("(an overlay would copy each touched key, per event)"), Cost::of("pack, per touched key"));
    let mut unpacked = Cost::of("unpack, per key");
    for batch in batches.take(40) {
        undone.add(BATCH, || {
            process(&mut state, &batch);
            state.abort();
        });
        done.add(BATCH, || {
            process(&mut state, &batch);
            state.commit();
        });
        let keys: BTreeSet<&str> = batch.iter().map(|e| e.entities[0].as_str()).collect();
        copied.add(BATCH, || keys.iter().filter_map(|key| state.get(key)).map(|one| black_box(one.clone()).len()).sum::<usize>());
        let touched = packed.add(keys.len(), || state.pack_touched(usize::MAX)).map_or_else(Vec::new, |(packed, _)| packed);
        unpacked.add(touched.len(), || touched.iter().try_for_each(|(_, bytes)| KeyState::unpack(bytes, hop).map(drop)))?;
    }
    Ok(())
}
