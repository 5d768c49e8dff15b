//! Rows a second that the predictor's task does on one core, from a record of `<p>.features` to one of `<p>.predictions`:
//! decoded, scored by a trained model, decided, encoded; no reasons, no Kafka. Vectors are those of `examples/payments`.
//!
//! `cargo run --release -p tidemill-predictor --example stream_bench [MODEL.txt]`; without a model, 100 random trees of 31
//! leaves over all numbers of the vector.

#[path = "../../../shared/model/examples/score_bench/random.rs"]
mod random;

use random::Numbers;
use std::sync::Arc;
use std::time::Instant;
use tidemill_events::codec::{PredictionCodec, VectorCodec};
use tidemill_events::layout::FeatureType;
use tidemill_events::records::{self, ModelRef};
use tidemill_events::time::DAY;
use tidemill_events::{Source, Stage, Value, Vector};
use tidemill_model::{Learner, Scorer};
use tidemill_pipeline::Pipeline;
use tidemill_predictor::{Deployed, Newest, PredictorTask, Shared};
use tidemill_stream::{Error, Outputs, Record, Task};
use tokio::sync::watch;

const ROWS: usize = 40_000;
/// Records in a transaction.
const BATCH: usize = 2_000;
const RUNS: usize = 9;
/// Nothing is decided above it, so nothing has reasons.
const NEVER: &str = "threshold: 1.0";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let record = records::Pipeline {
        pipeline: "payments-fraud".into(),
        pipeline_version: 1,
        digest: String::new(),
        file: include_str!("../../../examples/payments/pipeline.yaml").replace("threshold: 0.5", NEVER),
        event_schema: include_str!("../../../examples/payments/payment.avsc").into(),
        applied_at: 0,
    };
    let pipeline = tidemill_pipeline::from_record(&record).map_err(|all| format!("{all:?}"))?;
    let columns = pipeline.layout.features.iter().filter(|column| column.ty == FeatureType::Double);
    let columns: Vec<String> = columns.map(|column| column.name.to_string()).collect();
    let model = match std::env::args().nth(1) {
        Some(path) => std::fs::read(path)?,
        None => random::model(100, 31, &columns).into_bytes(),
    };
    let scorer = Scorer::read(Learner::Lightgbm, &model)?;
    println!("{} of {} numbers are features of the model", scorer.features().len(), columns.len());

    let vectors = VectorCodec::new(&pipeline.layout, 1)?;
    let rows = rows(&pipeline, &vectors)?;
    let mut task = task(pipeline, vectors, scorer)?;
    let mut seconds = (0..RUNS).map(|_| run(&mut task, &rows)).collect::<Result<Vec<f64>, _>>()?;
    seconds.sort_by(f64::total_cmp);
    let rate = |seconds: f64| ROWS as f64 / seconds;
    println!(
        "{:.0} rows/s, {:.2} us a row (median of {RUNS} runs of {ROWS} rows, {:.0} to {:.0})",
        rate(seconds[RUNS / 2]),
        seconds[RUNS / 2] / ROWS as f64 * 1e6,
        rate(seconds[RUNS - 1]),
        rate(seconds[0])
    );
    Ok(())
}

/// Encoded vectors with random features.
fn rows(pipeline: &Pipeline, codec: &VectorCodec) -> Result<Vec<Vec<u8>>, tidemill_events::codec::Error> {
    let mut numbers = Numbers(7);
    let row = |n: usize| {
        let mut value = |ty: FeatureType| match ty {
            FeatureType::Double if numbers.below(20) == 0 => Value::Null,
            FeatureType::Double => Value::Double(numbers.unit() * 100.0),
            FeatureType::String => Value::String("word".into()),
        };
        let vector = Vector {
            event_id: format!("{n:010}").into(),
            event_time: 17_000 * DAY + n as i64 * 1_000_000,
            source: Source { topic: "payments-fraud.raw".into(), partition: 1, offset: n as i64 },
            ingested_at: 17_100 * DAY,
            from: Stage::default(),
            merge_time: 17_000 * DAY,
            entities: vec![format!("{}", n % 5_000).into(), format!("{}", n % 10_000).into()],
            features: pipeline.layout.features.iter().map(|column| value(column.ty)).collect(),
            pipeline_version: 1,
        };
        let mut bytes = Vec::new();
        codec.encode(&vector, &mut bytes)?;
        Ok(bytes)
    };
    (0..ROWS).map(row).collect()
}

fn task(pipeline: Pipeline, vectors: VectorCodec, scorer: Scorer) -> Result<PredictorTask, Box<dyn std::error::Error>> {
    let model = ModelRef { name: "payments-fraud".into(), version: 1, digest: format!("sha256:{:064}", 1), stage: "champion".into() };
    let deployed = Deployed { number: 1, model: Arc::new(model), scorer: Some(Arc::new(scorer)) };
    let newest = Newest { caught_up: true, deployed: [(pipeline.name.clone(), deployed)].into(), ..Newest::default() };
    let shared = Shared {
        newest: watch::channel(newest).1,
        predictions: PredictionCodec::new(&pipeline.layout, 2)?,
        vectors,
        pipeline: Arc::new(pipeline),
        unscored: Arc::new(|| {}),
    };
    let writers = Box::new(|id| Err(Error::Fatal(format!("schema {id}"))));
    Ok(PredictorTask::new(shared, writers, &[])?)
}

/// Seconds for all rows.
fn run(task: &mut PredictorTask, rows: &[Vec<u8>]) -> Result<f64, Error> {
    let mut out = Outputs::default();
    let begun = Instant::now();
    for (batch, offset) in rows.chunks(BATCH).zip((0..).step_by(BATCH)) {
        out.clear();
        for (payload, offset) in batch.iter().zip(offset..) {
            let record =
                Record { topic: 0, partition: 0, offset, timestamp: 0, key: Some(b"k"), payload: Some(payload), traceparent: None };
            task.process(&record, 17_100 * DAY, &mut out)?;
        }
        assert_eq!(out.len(), batch.len());
        task.commit(1, false);
    }
    Ok(begun.elapsed().as_secs_f64())
}
