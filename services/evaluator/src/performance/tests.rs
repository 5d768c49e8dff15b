//! Windows under any interleaving of partitions, aborts and restarts, against a model that looks at each partition alone.

use super::scores::Scores;
use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use tidemill_events::codec::OutcomeCodec;
use tidemill_events::control::Span;
use tidemill_events::records::ModelRef;
use tidemill_events::time::{DAY, MINUTE};
use tidemill_events::topics::PerPipeline;
use tidemill_events::views::{ModelView, OutcomeView};
use tidemill_events::{Layout, PredictionOutcome, Source};

const PARTITIONS: usize = 3;
const SETTINGS: Settings =
    Settings { window: 10, horizon: 7, slack: 0, partitions: PARTITIONS as u32, threshold: 0.5, precision_at: Some(3), exact: 6 };

#[derive(Debug, Clone, Copy)]
struct Row {
    event_time: i64,
    delay: i64,
    score: f64,
    label: f64,
    version: i32,
}

impl Row {
    fn view(&self) -> OutcomeView<'static> {
        let digest = if self.version == 0 { "sha256:b" } else { "sha256:c" };
        let model = ModelView { name: "p", version: self.version, digest, stage: "champion" };
        let Row { event_time, delay, score, label, .. } = *self;
        OutcomeView { event_id: "e", event_time, label, label_time: event_time + delay, score, decision: "review", model }
    }

    fn window(&self) -> i64 {
        self.event_time.div_euclid(SETTINGS.window) * SETTINGS.window
    }
}

fn row() -> impl Strategy<Value = Row> {
    let score = prop_oneof![6 => (0..=8u8).prop_map(|s| f64::from(s) / 8.0), 1 => Just(f64::NAN)];
    (-20..80i64, 0..=SETTINGS.horizon, score, prop::sample::select(vec![0.0, 1.0, 0.4]), 0..3i32)
        .prop_map(|(event_time, delay, score, label, version)| Row { event_time, delay, score, label, version })
}

/// The rows of each partition, roughly by time, as a stream has them.
fn partitions() -> impl Strategy<Value = Vec<Vec<Row>>> {
    let partition = prop::collection::vec((row(), -6..6i64), 0..40).prop_map(|mut rows| {
        rows.sort_by_key(|(row, jitter)| row.event_time + row.delay + jitter);
        rows.into_iter().map(|(row, _)| row).collect::<Vec<_>>()
    });
    prop::collection::vec(partition, PARTITIONS)
}

/// What must be written: of each window that every partition with rows has passed, the rows that came before their own
/// partition had passed it.
fn model(partitions: &[Vec<Row>]) -> BTreeMap<i64, Performance> {
    let mut rows: BTreeMap<i64, Vec<Row>> = BTreeMap::new();
    let mut passed = i64::MAX;
    for partition in partitions.iter().filter(|p| !p.is_empty()) {
        let mut clock = i64::MIN;
        for row in partition {
            if clock < row.window() + SETTINGS.window + SETTINGS.horizon {
                rows.entry(row.window()).or_default().push(*row);
            }
            clock = clock.max(row.event_time + row.delay);
        }
        passed = passed.min(clock);
    }
    rows.retain(|from, _| from + SETTINGS.window + SETTINGS.horizon <= passed);
    rows.into_iter().map(|(from, rows)| (from, performance(from, &rows))).collect()
}

fn performance(from: i64, rows: &[Row]) -> Performance {
    let mut scores = Scores::new(SETTINGS.exact, SETTINGS.threshold);
    let mut versions: BTreeMap<i32, i64> = BTreeMap::new();
    for row in rows {
        scores.add(row.score, row.label);
        *versions.entry(row.version).or_default() += 1;
    }
    let most = versions.iter().max_by_key(|(version, count)| (**count, **version)).map_or(0, |(version, _)| *version);
    let view = Row { version: most, ..rows[0] }.view();
    Performance {
        window: Span { from, to: from + SETTINGS.window },
        model: view.model.to_owned(),
        rows: rows.len() as i64,
        positives: rows.iter().filter(|row| row.label >= 0.5).count() as i64,
        versions: versions.into_iter().map(|(version, count)| (version.to_string(), count)).collect(),
        metrics: scores.metrics(SETTINGS.precision_at).named().into_iter().map(|(n, v)| (n.to_owned(), v)).collect(),
    }
}

fn layout() -> Layout {
    Layout {
        pipeline: "p".into(),
        event: tidemill_events::RecordSchema::parse(r#"{"type":"record","name":"E","fields":[{"name":"id","type":"string"}]}"#).unwrap(),
        entities: Vec::new(),
        features: Vec::new(),
        hop_features: Vec::new(),
    }
}

fn schema() -> AvroSchema {
    AvroSchema::parse(&layout().avro(PerPipeline::Performance)).unwrap()
}

fn fold() -> PerformanceFold {
    let schema = schema();
    let own = schema.clone();
    let outcomes = OutcomeCodec::new(&layout(), 7).unwrap();
    PerformanceFold::new(SETTINGS, outcomes, Box::new(move |_| Ok(schema.clone())), (own, 1), Arc::new(|| {}))
}

fn record(payload: &[u8]) -> Record<'_> {
    Record { topic: 0, partition: 0, offset: 0, timestamp: 0, key: None, payload: Some(payload), traceparent: None }
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Read(usize),
    Commit,
    Abort,
    Crash,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step =
        prop_oneof![12 => (0..PARTITIONS).prop_map(Step::Read), 2 => Just(Step::Commit), 1 => Just(Step::Abort), 1 => Just(Step::Crash)];
    prop::collection::vec(step, 0..250)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn each_window_is_written_once_with_the_same_numbers(partitions in partitions(), steps in steps()) {
        let mut written: Vec<Vec<u8>> = Vec::new();
        let mut fold = fold();
        let mut next = [0; PARTITIONS];
        let rest = (0..PARTITIONS).cycle().take(PARTITIONS * 50).map(Step::Read).chain([Step::Commit]);
        for step in steps.into_iter().chain(rest) {
            let mut out = Outputs::default();
            match step {
                Step::Read(partition) => {
                    if let Some(row) = partitions[partition].get(next[partition]) {
                        fold.windows.take(partition as i32, &row.view());
                        next[partition] += 1;
                    }
                    continue;
                }
                Step::Crash => {
                    fold = self::fold();
                    for payload in &written {
                        fold.written(0, &record(payload)).unwrap();
                    }
                    next = [0; PARTITIONS];
                    continue;
                }
                Step::Commit | Step::Abort => {
                    let caught_up = (0..PARTITIONS).all(|p| next[p] == partitions[p].len());
                    fold.ready(0, caught_up, &mut out).unwrap();
                }
            }
            if matches!(step, Step::Commit) {
                written.extend(out.iter().map(|o| o.payload.to_vec()));
                fold.commit();
            } else {
                fold.abort();
            }
        }
        let mut told = BTreeMap::new();
        for payload in &written {
            let performance: Performance = schema().decode(wire::split(Some(payload)).unwrap().1).unwrap();
            prop_assert!(told.insert(performance.window.from, performance).is_none(), "a window was written twice");
        }
        prop_assert_eq!(told, model(&partitions));
    }
}

fn at(event_time: i64) -> OutcomeView<'static> {
    Row { event_time, delay: 5, score: 0.5, label: 1.0, version: 0 }.view()
}

/// What is closed at `now`, by start and rows.
fn closed(windows: &mut Windows, now: i64, caught_up: bool) -> Vec<(i64, i64)> {
    windows.look(now);
    std::iter::from_fn(|| windows.close(now, caught_up)).map(|p| (p.window.from, p.rows)).collect()
}

#[test]
fn a_partition_without_records_is_not_waited_for_once_all_is_read() {
    let mut windows = Windows::new(SETTINGS);
    for time in [1, 9, 13] {
        assert_eq!(windows.take(0, &at(time)), Taken::Counted);
        windows.take(1, &at(time));
    }
    assert_eq!(closed(&mut windows, 0, true), [(0, 4)], "13 + 5 is past 10 + 7");
    assert_eq!(closed(&mut windows, 0, true), []);
    assert_eq!(windows.take(2, &at(3)), Taken::Late, "the window is written");
    let mut behind = Windows::new(SETTINGS);
    behind.take(0, &at(1));
    behind.take(0, &at(13));
    assert_eq!(closed(&mut behind, 0, false), [], "it may have records that are still to be read");
}

#[test]
fn a_silent_partition_is_waited_for_a_minute() {
    let mut windows = Windows::new(SETTINGS);
    windows.take(0, &at(1));
    windows.take(1, &at(1));
    let start = 1_000_000_000;
    assert_eq!(closed(&mut windows, start, true), []);
    windows.take(0, &at(13));
    assert_eq!(closed(&mut windows, start + 59_999_999, true), []);
    assert_eq!(closed(&mut windows, start + 60_000_000, false), [], "not before all is read");
    assert_eq!(closed(&mut windows, start + 60_000_000, true), [(0, 2)]);
    assert_eq!(windows.take(1, &at(2)), Taken::Late);
    windows.take(1, &at(13));
    assert_eq!(closed(&mut windows, start + 60_000_001, true), [], "window 10 is passed by none");
}

#[test]
fn with_a_default_label_a_window_waits_for_the_lateness_as_well() {
    let mut windows = Windows::new(Settings { slack: 4, partitions: 1, ..SETTINGS });
    windows.take(0, &at(1));
    windows.take(0, &at(12));
    assert_eq!(closed(&mut windows, 0, true), [], "12 + 5 is at 10 + 7");
    assert_eq!(windows.take(0, &at(9)), Taken::Counted, "the default label was given after that");
    windows.take(0, &at(15));
    assert_eq!(closed(&mut windows, 0, true), [], "15 + 5 is not yet at 10 + 7 + 4");
    windows.take(0, &at(16));
    assert_eq!(closed(&mut windows, 0, true), [(0, 2)]);
}

#[test]
fn the_lateness_counts_where_the_file_has_a_default_label() {
    const FILE: &str = include_str!("../../../../examples/payments/pipeline.yaml");
    const SCHEMA: &str = include_str!("../../../../examples/payments/payment.avsc");
    let of = |file: &str| {
        let (pipeline, _) = tidemill_pipeline::compile("pipeline.yaml", file, |_| Ok(SCHEMA.to_owned())).unwrap();
        Settings::of(&pipeline).map(|settings| (settings.horizon, settings.slack))
    };
    let with = FILE.replace("labels: { horizon: 7d }", "labels: { horizon: 7d, default: 0 }");
    assert_eq!(of(FILE), Some((7 * DAY, 0)));
    assert_eq!(of(&with), Some((7 * DAY, 10 * MINUTE)));
    assert_eq!(of(&FILE.replace("performance: {", "# performance: {")), None);
}

#[test]
fn silence_of_all_closes_nothing() {
    let mut windows = Windows::new(SETTINGS);
    windows.take(0, &at(1));
    assert_eq!(closed(&mut windows, 0, true), []);
    assert_eq!(closed(&mut windows, 1_000_000_000, true), [], "its labels are not in");
}

#[test]
fn what_was_written_with_another_length_is_not_told_again() {
    let mut windows = Windows::new(SETTINGS);
    windows.told(Span { from: 0, to: 15 });
    assert_eq!(windows.take(0, &at(3)), Taken::Told);
    assert_eq!(windows.take(0, &at(12)), Taken::Told, "[10, 20) would tell [10, 15) twice");
    assert_eq!(windows.take(0, &at(20)), Taken::Counted);
    assert_eq!(windows.take(0, &at(-1)), Taken::Late, "its partition has passed it");
    assert_eq!(windows.take(1, &at(-1)), Taken::Counted);
}

#[test]
fn outcomes_are_read_from_their_records() {
    let late = Arc::new(AtomicUsize::new(0));
    let counted = late.clone();
    let outcomes = OutcomeCodec::new(&layout(), 7).unwrap();
    let (known, own) = (outcomes.schema().clone(), schema());
    let tell = Arc::new(move || _ = counted.fetch_add(1, Relaxed));
    let mut fold = PerformanceFold::new(SETTINGS, outcomes.clone(), Box::new(move |_| Ok(known.clone())), (own.clone(), 1), tell);
    let source = Source { topic: "p.labels".into(), partition: 0, offset: 0 };
    let model = ModelRef { name: "p".into(), version: 2, digest: "sha256:c".into(), stage: "champion".into() };
    for (event_time, label_time) in [(3, 4), (12, 17), (5, 6)] {
        let outcome = PredictionOutcome {
            event_id: "e",
            event_time,
            source: &source,
            entities: &[],
            label: 1.0,
            label_time,
            score: 0.75,
            decision: "review",
            route: "default",
            model: &model,
        };
        let mut payload = Vec::new();
        outcomes.encode(&outcome, &mut payload).unwrap();
        fold.take(&record(&payload)).unwrap();
    }
    let mut out = Outputs::default();
    fold.ready(0, true, &mut out).unwrap();
    assert_eq!(late.load(Relaxed), 1);
    let told: Vec<_> = out.iter().map(|o| (o.topic, o.partition, o.payload.to_vec())).collect();
    assert_eq!(told.len(), 1);
    let read: Performance = own.decode(wire::split(Some(&told[0].2)).unwrap().1).unwrap();
    assert_eq!((read.window, read.rows, read.model), (Span { from: 0, to: 10 }, 1, model));
    assert_eq!(read.metrics["recall"], 1.0);
}
