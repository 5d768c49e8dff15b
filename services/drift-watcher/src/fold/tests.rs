//! The fold over encoded records: the same windows whatever the interleaving, nothing twice, nothing without its references.

use super::*;
use crate::concept;
use crate::measure::{Known, Thresholds};
use crate::meters::Board;
use crate::policy;
use crate::sim::{self, Draws, QUIET, World};
use proptest::prelude::*;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use tidemill_events::codec::{OutcomeCodec, PredictionCodec, VectorCodec};
use tidemill_events::layout::{FeatureColumn, FeatureType, control_avro};
use tidemill_events::time::{DAY, MINUTE};
use tidemill_events::topics::{Control, PerPipeline};
use tidemill_events::{Layout, Prediction, PredictionOutcome, RecordSchema, Source, Stage, Value, Vector};
use tidemill_pipeline::learning::Detector;

/// The third input.
const OUTCOMES: usize = 2;

fn layout() -> Layout {
    let number = |name: &str| FeatureColumn { name: name.into(), ty: FeatureType::Double };
    let mut features: Vec<FeatureColumn> = sim::NAMES.into_iter().map(number).collect();
    features.insert(3, FeatureColumn { name: "kind".into(), ty: FeatureType::String });
    let event = RecordSchema::parse(r#"{"type":"record","name":"E","fields":[{"name":"id","type":"string"}]}"#).unwrap();
    Layout { pipeline: "payments-fraud".into(), event, entities: vec!["c".into()], features, hop_features: std::iter::once(0..3).collect() }
}

struct Codecs {
    vectors: VectorCodec,
    predictions: PredictionCodec,
    outcomes: OutcomeCodec,
    drift: AvroSchema,
    alerts: AvroSchema,
}

impl Codecs {
    fn new() -> Self {
        let layout = layout();
        Self {
            vectors: VectorCodec::new(&layout, 1).unwrap(),
            predictions: PredictionCodec::new(&layout, 2).unwrap(),
            outcomes: OutcomeCodec::new(&layout, 3).unwrap(),
            drift: AvroSchema::parse(&layout.avro(PerPipeline::Drift)).unwrap(),
            alerts: AvroSchema::parse(control_avro(Control::Alerts)).unwrap(),
        }
    }
}

/// One record of an input.
#[derive(Clone)]
struct Raw {
    topic: usize,
    partition: i32,
    bytes: Vec<u8>,
}

/// What is in each partition, by topic and partition.
type Streams = BTreeMap<(usize, i32), Vec<Raw>>;

/// `days` days of `rows` events each; model version 1 from day `model_from` on. Raw and hop partitions, of which there are two each,
/// are hours apart.
fn streams(seed: u64, days: usize, rows: usize, model_from: usize, world: impl Fn(usize) -> World) -> Streams {
    let (codecs, mut draws) = (Codecs::new(), Draws::new(seed));
    let mut streams = BTreeMap::<(usize, i32), Vec<(i64, Raw)>>::new();
    let behind: Vec<i64> = (0..4).map(|_| (draws.unit() * 20.0) as i64 * DAY / 24).collect();
    for number in 0..days {
        for (i, row) in sim::day(&mut draws, number, rows, world(number)).iter().enumerate() {
            let event_time = number as i64 * DAY + i as i64 * (DAY / rows as i64);
            let (hop, raw, partition) = ((draws.unit() * 2.0) as i32, (draws.unit() * 2.0) as i32, (draws.unit() * 2.0) as i32);
            let event_id = format!("{number}-{i}");
            let mut features: Vec<Value> = row.iter().map(|v| if v.is_nan() { Value::Null } else { Value::Double(*v) }).collect();
            features.insert(3, Value::String("web".into()));
            let vector = Vector {
                event_id: event_id.as_str().into(),
                event_time,
                source: Source { topic: "payments-fraud.raw".into(), partition: raw, offset: 0 },
                ingested_at: 0,
                from: Stage { stage: "feature-builder.c".into(), partition: hop },
                merge_time: event_time,
                entities: vec!["x".into()],
                features,
                pipeline_version: 1,
            };
            let mut add = |topic, after, write: &dyn Fn(&mut Vec<u8>)| {
                let mut bytes = Vec::new();
                write(&mut bytes);
                streams.entry((topic, partition)).or_default().push((event_time + after, Raw { topic, partition, bytes }));
            };
            let late = behind[(2 * hop + raw) as usize];
            add(FEATURES, late, &|out| codecs.vectors.encode(&vector, out).unwrap());
            let version = i32::from(number >= model_from);
            let model = ModelRef { name: "p".into(), version, digest: format!("sha256:{version}"), stage: "champion".into() };
            let prediction = Prediction {
                event_id: event_id.as_str().into(),
                event_time,
                entities: vec!["x".into()],
                model: model.clone().into(),
                score: sim::score(row),
                ..Prediction::default()
            };
            add(PREDICTIONS, late, &|out| codecs.predictions.encode(&prediction, out).unwrap());
            let outcome = PredictionOutcome {
                event_id: &event_id,
                event_time,
                source: &vector.source,
                entities: &vector.entities,
                label: f64::from(u8::from(sim::score(row) > 0.5)),
                label_time: event_time + DAY,
                score: sim::score(row),
                decision: "review",
                route: "default",
                model: &model,
            };
            add(OUTCOMES, 0, &|out| codecs.outcomes.encode(&outcome, out).unwrap());
        }
    }
    let in_order = |mut records: Vec<(i64, Raw)>| {
        records.sort_by_key(|(at, _)| *at);
        records.into_iter().map(|(_, raw)| raw).collect()
    };
    streams.into_iter().map(|(key, records)| (key, in_order(records))).collect()
}

fn known(seed: u64) -> Arc<Known> {
    let mut draws = Draws::new(seed);
    let training: Vec<_> = (0..14).map(|day| sim::day(&mut draws, day, 1_000, QUIET)).collect();
    Arc::new(Known::new(sim::references(&training), &sim::NAMES.map(Into::into)))
}

/// A library whose store can be away.
#[derive(Clone)]
struct Shelf {
    known: Arc<Known>,
    away: Arc<AtomicBool>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Shelf {
    fn new() -> Self {
        Self { known: known(9), away: Arc::default(), asked: Arc::default() }
    }
}

impl Library for Shelf {
    fn get(&mut self, digest: &str) -> Answer {
        self.asked.lock().unwrap().push(digest.to_owned());
        if self.away.load(SeqCst) { Answer::Wait } else { Answer::Known(self.known.clone()) }
    }
}

fn spec() -> Spec {
    let horizon = 2 * DAY;
    Spec {
        window: DAY,
        lateness: 10 * MINUTE,
        partitions: 2,
        thresholds: Thresholds { ..sim::thresholds() },
        concept: Some(concept::Settings { length: DAY, horizon, slack: 0, threshold: 0.5, detector: Detector::Adwin }),
        policy: policy::Settings { pipeline: "payments-fraud".into(), retrain: true, window: DAY, horizon },
    }
}

fn fold(shelf: &Shelf) -> DriftFold {
    let codecs = Codecs::new();
    let written = Written { drift: (codecs.drift.clone(), 4), alerts: (codecs.alerts.clone(), 5) };
    let (predictions, outcomes) = (codecs.predictions.clone(), codecs.outcomes.clone());
    let writers: Writers = Box::new(move |id| {
        Ok(match id {
            1 => codecs.vectors.schema().clone(),
            2 => codecs.predictions.schema().clone(),
            3 => codecs.outcomes.schema().clone(),
            4 => codecs.drift.clone(),
            5 => codecs.alerts.clone(),
            _ => return Err(Error::Fatal(format!("schema {id}"))),
        })
    });
    let readers = Readers { numbers: NumberReader::new(&layout(), 1).unwrap(), predictions, outcomes };
    DriftFold::new(spec(), readers, writers, written, Box::new(shelf.clone()), Board::default().of("payments-fraud"))
}

fn record(raw: &Raw) -> Record<'_> {
    let (topic, partition, bytes) = (raw.topic, raw.partition, &raw.bytes);
    Record { topic, partition, offset: 0, timestamp: 0, key: None, payload: Some(bytes), traceparent: None }
}

/// Output records: which output, and the bytes.
type Records = Vec<(usize, Vec<u8>)>;

fn ready(fold: &mut DriftFold, now: i64, caught_up: bool) -> Records {
    let mut out = Outputs::default();
    fold.ready(now, caught_up, &mut out).unwrap();
    assert!(out.iter().all(|o| o.partition == 0 && (o.topic == ALERTS) == o.key.is_some()));
    out.iter().map(|o| (o.topic, o.payload.to_vec())).collect()
}

/// Feeds the partitions in an order that `seed` draws, each in its own; what had to wait comes again.
fn run(fold: &mut DriftFold, streams: &Streams, seed: u64) -> Records {
    let mut draws = Draws::new(seed);
    let mut queues: Vec<std::slice::Iter<'_, Raw>> = streams.values().map(|s| s.iter()).collect();
    let (mut written, mut now) = (Vec::new(), 0);
    // some are read far ahead of the others
    let speed: Vec<f64> = queues.iter().map(|_| draws.unit().powi(2) + 0.02).collect();
    while !queues.is_empty() {
        let at = (draws.unit() * queues.len() as f64) as usize;
        if draws.unit() > speed[at] {
            continue;
        }
        match queues[at].as_slice().first() {
            None => _ = queues.swap_remove(at),
            Some(raw) => match fold.take(&record(raw)) {
                Ok(()) => _ = queues[at].next(),
                Err(Error::Unavailable(_)) => {}
                Err(other) => panic!("{other}"),
            },
        }
        if draws.unit() < 0.02 {
            now += 100_000;
            written.extend(ready(fold, now, false));
            fold.commit();
        }
    }
    for _ in 0..5 {
        now += 100_000;
        written.extend(ready(fold, now, true));
        fold.commit();
    }
    written
}

fn read(written: &Records) -> (Vec<Drift>, Vec<Alert>) {
    let codecs = Codecs::new();
    let datum = |bytes: &'_ [u8]| wire::split(Some(bytes)).unwrap().1.to_vec();
    let of = |output| written.iter().filter(move |(o, _)| *o == output).map(move |(_, b)| datum(b));
    let mut drifts: Vec<Drift> = of(DRIFT).map(|d| codecs.drift.decode(&d).unwrap()).collect();
    drifts.sort_by_key(|d| (d.kind.clone(), d.window.from));
    (drifts, of(ALERTS).map(|d| codecs.alerts.decode(&d).unwrap()).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    /// The last window stays open: its end was not passed.
    #[test]
    fn windows_are_the_same_whatever_the_interleaving(seed: u64, order: u64) {
        let streams = streams(seed, 6, 150, 2, |_| QUIET);
        let shelf = Shelf::new();
        let (first, alerts) = read(&run(&mut fold(&shelf), &streams, seed));
        let (second, _) = read(&run(&mut fold(&shelf), &streams, order));
        prop_assert_eq!(&first, &second);
        prop_assert!(alerts.is_empty(), "windows of 150 rows say nothing");
        let data: Vec<&Drift> = first.iter().filter(|d| d.kind == "data").collect();
        prop_assert_eq!(data.iter().map(|d| d.window.from / DAY).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
        prop_assert!(data.iter().all(|d| d.rows == 150 && d.sampled == 150), "{:?}", data.iter().map(|d| d.rows).collect::<Vec<_>>());
        prop_assert_eq!(data.iter().map(|d| d.columns.len()).collect::<Vec<_>>(), [0, 0, 16, 16, 16]);
        // labels come a day after their events, the horizon is two: those of day 3 are in when label time has passed day 6
        let concept: Vec<i64> = first.iter().filter(|d| d.kind == "concept").map(|d| d.window.from / DAY).collect();
        prop_assert_eq!(concept, [2, 3]);
    }
}

fn moved(day: usize) -> World {
    if day < 5 { QUIET } else { World { amounts: 2.0, ..QUIET } }
}

#[test]
fn a_window_and_its_alerts_are_written_together_and_never_twice() {
    let (streams, shelf) = (streams(1, 11, 1_100, 2, moved), Shelf::new());
    let written = run(&mut fold(&shelf), &streams, 1);
    let (drifts, alerts) = read(&written);
    assert!(drifts.iter().all(|d| d.kind == "concept" || d.columns.iter().any(|c| c.exceeded) == (d.window.from / DAY >= 5)));
    assert_eq!(alerts.iter().map(|a| (a.kind.as_str(), a.window.from / DAY, a.retrain)).next(), Some(("data_drift", 6, true)));
    assert!(alerts[0].subjects.iter().any(|s| s == "amount"), "{}", alerts[0].message);

    // after a crash anywhere the rest follows, and no more
    for cut in 0..written.len() {
        if written.get(cut).is_some_and(|(output, _)| *output == ALERTS) {
            continue; // inside a transaction
        }
        let mut again = fold(&shelf);
        for (output, bytes) in [DRIFT, ALERTS].iter().flat_map(|o| written[..cut].iter().filter(move |(output, _)| output == o)) {
            let key = (*output == ALERTS).then_some(&b"payments-fraud"[..]);
            again.written(*output, &Record { key, ..record(&Raw { topic: *output, partition: 0, bytes: bytes.clone() }) }).unwrap();
        }
        if cut % 5 == 0 {
            let rest = run(&mut again, &streams, cut as u64 + 2);
            let whole = read(&written[..cut].iter().cloned().chain(rest).collect());
            assert_eq!(whole.0, drifts, "cut at {cut}");
            assert_eq!(whole.1.len(), alerts.len(), "cut at {cut}");
        }
    }
}

#[test]
fn what_was_aborted_is_written_again() {
    let streams = streams(3, 3, 60, 0, |_| QUIET);
    let mut fold = fold(&Shelf::new());
    for raw in streams.values().flatten() {
        fold.take(&record(raw)).unwrap();
    }
    let first = ready(&mut fold, 1, true);
    let kinds: Vec<String> = read(&first).0.into_iter().map(|drift| drift.kind).collect();
    assert_eq!(kinds, ["concept", "data", "data"]);
    assert!(ready(&mut fold, 2, true).is_empty(), "it is under way");
    fold.abort();
    assert_eq!(ready(&mut fold, 3, true), first);
    fold.commit();
    fold.abort();
    assert!(ready(&mut fold, 4, true).is_empty());
}

#[test]
fn without_its_references_a_window_waits_and_none_is_skipped() {
    let streams = streams(4, 30, 40, 1, |_| QUIET);
    let shelf = Shelf::new();
    shelf.away.store(true, SeqCst);
    let mut fold = fold(&shelf);
    // by time, as it is live: a vector, then its prediction
    let codecs = Codecs::new();
    let mut by_time: Vec<(i64, &Raw)> = streams
        .values()
        .flatten()
        .filter(|raw| raw.topic != OUTCOMES)
        .map(|raw| {
            let datum = wire::split(Some(&raw.bytes)).unwrap().1;
            if raw.topic == PREDICTIONS {
                let view = codecs.predictions.view(codecs.predictions.schema(), datum).unwrap();
                return (view.event_time, raw);
            }
            (NumberReader::new(&layout(), 1).unwrap().read(codecs.vectors.schema(), datum, &mut Vec::new()).unwrap().event_time, raw)
        })
        .collect();
    by_time.sort_by_key(|(time, raw)| (*time, raw.topic));
    let mut seen = Vec::new();
    let mut waited = 0;
    for (i, (_, raw)) in by_time.iter().enumerate() {
        while let Err(error) = fold.take(&record(raw)) {
            assert!(matches!(error, Error::Unavailable(_)), "{error}");
            waited += 1;
            if waited == 3 {
                shelf.away.store(false, SeqCst);
            }
            assert!(waited < 1_000, "stuck at record {i}");
            seen.extend(ready(&mut fold, i as i64, true));
            fold.commit();
        }
        seen.extend(ready(&mut fold, i as i64, true));
        fold.commit();
    }
    assert!(waited >= 3, "memory is bounded while the store is away");
    let windows: Vec<i64> = read(&seen).0.iter().map(|d| d.window.from / DAY).collect();
    assert_eq!(windows, (0..29).collect::<Vec<i64>>());
}

#[test]
fn records_of_other_pipelines_are_passed_over() {
    let mut fold = fold(&Shelf::new());
    let raw = Raw { topic: ALERTS, partition: 0, bytes: vec![0, 0, 0, 0, 99] };
    fold.written(ALERTS, &Record { key: Some(b"other"), ..record(&raw) }).unwrap();
    assert!(fold.written(ALERTS, &Record { key: Some(b"payments-fraud"), ..record(&raw) }).is_err());
}
