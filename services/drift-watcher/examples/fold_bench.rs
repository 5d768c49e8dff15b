//! What watching costs per record, in one thread: `cargo run --release -p tidemill-drift-watcher --example fold_bench`.
//!
//! Vectors, predictions and outcomes of the payments example, 100,000 events a day; a window of a day is measured when it closes.

use std::sync::Arc;
use std::time::Instant;
use tidemill_drift_watcher::{Answer, Board, DriftFold, Known, Library, Readers, Spec, Writers, Written};
use tidemill_events::codec::{AvroSchema, NumberReader, OutcomeCodec, PredictionCodec, VectorCodec};
use tidemill_events::layout::control_avro;
use tidemill_events::records::ModelRef;
use tidemill_events::time::DAY;
use tidemill_events::topics::{Control, PerPipeline};
use tidemill_events::{Layout, Prediction, PredictionOutcome, Source, Stage, Value, Vector};
use tidemill_statistics::drift::{ColumnReference, Number, Reference, References};
use tidemill_stream::{Error, Outputs, Record};
use tidemill_task_sets::observer::Fold as _;

const PIPELINE: &str = include_str!("../../../examples/payments/pipeline.yaml");
const SCHEMA: &str = include_str!("../../../examples/payments/payment.avsc");
const DRIFT: &str = "\ndrift: { window: 1d, features: { psi: 0.2, missing: 0.1 }, score: { psi: 0.2 }, concept: adwin }\n";
const A_DAY: i64 = 100_000;
const DAYS: i64 = 4;

struct Shelf(Arc<Known>);

impl Library for Shelf {
    fn get(&mut self, _: &str) -> Answer {
        Answer::Known(self.0.clone())
    }
}

/// A number in [0, 1) that looks random.
fn noise(i: i64) -> f64 {
    ((i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 11) as f64 / (1u64 << 53) as f64
}

/// Nanoseconds this thread was on a processor: a busy machine does not count.
fn on_cpu() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    stat.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0)
}

type Failed = Box<dyn std::error::Error>;

/// The records of the three inputs, event by event.
fn records(layout: &Layout, model: &ModelRef) -> Result<Vec<[Vec<u8>; 3]>, Failed> {
    let (vectors, predictions, outcomes) = (VectorCodec::new(layout, 1)?, PredictionCodec::new(layout, 2)?, OutcomeCodec::new(layout, 3)?);
    let entities = vec!["2345".into(), "6789".into()];
    let event = |i: i64| {
        let event_time = i * (DAY / A_DAY);
        let event_id = i.to_string();
        let source = Source { topic: "payments-fraud.raw".into(), partition: (i % 4) as i32, offset: i / 4 };
        let features = (0..layout.features.len()).map(|c| Value::Double((noise(i * 31 + c as i64) * 100.0).round() / 4.0)).collect();
        let vector = Vector {
            event_id: event_id.as_str().into(),
            event_time,
            source: source.clone(),
            from: Stage { stage: "feature-builder.terminal".into(), partition: (i / 4 % 4) as i32 },
            merge_time: event_time,
            entities: entities.clone(),
            features,
            ingested_at: event_time,
            pipeline_version: 1,
        };
        let score = noise(i);
        let prediction = Prediction {
            event_id: event_id.as_str().into(),
            event_time,
            source: source.clone(),
            entities: entities.clone(),
            route: "default".into(),
            model: model.clone().into(),
            score,
            decision: "accept".into(),
            ..Prediction::default()
        };
        let outcome = PredictionOutcome {
            event_id: &event_id,
            event_time,
            source: &source,
            entities: &entities,
            label: f64::from(u8::from(score > 0.5)),
            label_time: event_time + 7 * DAY,
            score,
            decision: "accept",
            route: "default",
            model,
        };
        let mut bytes = [Vec::new(), Vec::new(), Vec::new()];
        vectors.encode(&vector, &mut bytes[0])?;
        predictions.encode(&prediction, &mut bytes[1])?;
        outcomes.encode(&outcome, &mut bytes[2])?;
        Ok(bytes)
    };
    (0..A_DAY * DAYS).map(event).collect()
}

fn main() -> Result<(), Failed> {
    let compiled = tidemill_pipeline::compile("pipeline.yaml", &format!("{PIPELINE}{DRIFT}"), |_| Ok(SCHEMA.to_owned()));
    let (pipeline, _) = compiled.map_err(|d| format!("{d:?}"))?;
    let layout = &pipeline.layout;
    let spec = Spec::of(&pipeline).ok_or("the pipeline has no drift")?;
    let model = ModelRef { name: "payments-fraud".into(), version: 1, digest: "sha256:1".into(), stage: "champion".into() };
    let records = records(layout, &model)?;

    let readers = Readers {
        numbers: NumberReader::new(layout, 1)?,
        predictions: PredictionCodec::new(layout, 2)?,
        outcomes: OutcomeCodec::new(layout, 3)?,
    };
    let names = readers.numbers.names();
    let values: Vec<f64> = (0..20_000).map(|i| (noise(i * 31) * 100.0).round() / 4.0).collect();
    let reference = |name: &str| ColumnReference { name: name.to_owned(), reference: Reference::Number(Number::new(&values)) };
    let columns = names.iter().map(|n| n.as_str()).chain(["score"]).map(reference).collect();
    let known = Arc::new(Known::new(References::new(columns), names));

    let avro = |topic| AvroSchema::parse(&layout.avro(topic));
    let schemas = [readers.numbers.schema(), readers.predictions.schema(), readers.outcomes.schema()].map(AvroSchema::clone);
    let alerts = AvroSchema::parse(control_avro(Control::Alerts))?;
    let written = Written { drift: (avro(PerPipeline::Drift)?, 4), alerts: (alerts, 5) };
    let writers: Writers =
        Box::new(move |id| schemas.get(id as usize - 1).cloned().ok_or_else(|| Error::Fatal(format!("there is no schema {id}"))));
    let meters = Board::default().of(&pipeline.name);
    let mut fold = DriftFold::new(spec, readers, writers, written, Box::new(Shelf(known)), meters);

    let (mut taking, mut closing, mut windows) = (0, Vec::new(), 0);
    for (batch, events) in records.chunks(2_000).enumerate() {
        let before = on_cpu();
        for (i, event) in events.iter().enumerate() {
            for (topic, bytes) in event.iter().enumerate() {
                let partition = (i % 4) as i32;
                fold.take(&Record { topic, partition, offset: 0, timestamp: 0, key: None, payload: Some(bytes), traceparent: None })?;
            }
        }
        taking += on_cpu() - before;
        let (mut out, started) = (Outputs::default(), Instant::now());
        fold.ready(batch as i64, true, &mut out)?;
        fold.commit();
        if !out.is_empty() {
            windows += out.len();
            closing.push(started.elapsed().as_secs_f64());
        }
    }
    println!("{:.0} records/s and core: vector, prediction and outcome of each event", records.len() as f64 * 3e9 / taking as f64);
    let slowest = closing.iter().copied().fold(0.0, f64::max);
    let columns = layout.features.len() + 1;
    println!("{windows} windows and alerts; at most {slowest:.3} s to measure and write one of 100,000 rows x {columns} columns");
    Ok(())
}
