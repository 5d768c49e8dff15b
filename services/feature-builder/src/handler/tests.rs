//! Both hops of the payments example in a row, against sums over a list.

use super::*;
use crate::online::NoStore;
use proptest::prelude::*;
use rust_decimal::Decimal;
use tidemill_events::time::DAY;
use tidemill_events::{Source, Value};

const FILE: &str = include_str!("../../../../examples/payments/pipeline.yaml");
const SCHEMA: &str = include_str!("../../../../examples/payments/payment.avsc");
const T0: i64 = 17_000 * DAY;

fn shared(pipeline: &Arc<Pipeline>, position: usize, next: Next) -> Shared {
    let hop = Hop::new(pipeline.hops[position].clone(), position, &pipeline.layout.event).unwrap();
    Shared {
        pipeline: pipeline.clone(),
        version: 7,
        hop: Arc::new(hop),
        stage: format!("feature-builder.{position}").into(),
        input: HopCodec::new(&pipeline.layout, position, position as u32).unwrap(),
        next,
        nulls: Arc::new(|_| {}),
    }
}

/// Both hops, each at one partition.
struct Line {
    pipeline: Arc<Pipeline>,
    first: HopTask,
    second: HopTask,
    vectors: VectorCodec,
}

impl Line {
    fn new() -> Self {
        let (pipeline, _) = tidemill_pipeline::compile("pipeline.yaml", FILE, |_| Ok(SCHEMA.to_owned())).unwrap();
        let pipeline = Arc::new(pipeline);
        let vectors = VectorCodec::new(&pipeline.layout, 9).unwrap();
        let next = Next::Hop { position: 1, codec: HopCodec::new(&pipeline.layout, 1, 1).unwrap() };
        let unknown = || -> Writers { Box::new(|id| Err(Error::Fatal(format!("schema id {id}")))) };
        Self {
            first: HopTask::new(shared(&pipeline, 0, next), 2, unknown(), Box::new(NoStore)),
            second: HopTask::new(shared(&pipeline, 1, Next::Vector(vectors.clone())), 1, unknown(), Box::new(NoStore)),
            vectors,
            pipeline,
        }
    }

    fn run(&mut self, event: &Event) -> Vector {
        let mut valid = Vec::new();
        self.first.shared.input.encode_event(event, &mut valid).unwrap();
        let (key, hop) = step(&mut self.first, &valid, self.pipeline.source.partitions);
        let expected = if event.entities[1].is_empty() { &event.event_id } else { &event.entities[1] };
        assert_eq!(key, expected.as_bytes());
        let (key, vector) = step(&mut self.second, &hop, self.pipeline.source.partitions);
        assert_eq!(key, event.event_id.as_bytes());
        self.vectors.decode(self.vectors.schema(), &vector[5..]).unwrap()
    }
}

fn step(task: &mut HopTask, payload: &[u8], partitions: u32) -> (Vec<u8>, Vec<u8>) {
    let record =
        Record { topic: 0, partition: 0, offset: 0, timestamp: 0, key: None, payload: Some(payload), traceparent: Some(b"00-trace") };
    let mut out = Outputs::default();
    task.process(&record, 0, &mut out).unwrap();
    let output = out.iter().next().unwrap();
    assert_eq!(out.len(), 1, "one record in, one out");
    assert_eq!(output.partition, partition_of(output.key.unwrap(), partitions));
    assert_eq!(output.traceparent, Some(&b"00-trace"[..]));
    (output.key.unwrap().to_vec(), output.payload.to_vec())
}

fn event(offset: i64, event_time: i64, customer: &str, terminal: &str, cents: i64) -> Event {
    let id = format!("e{offset}");
    Event {
        event_id: id.as_str().into(),
        event_time,
        source: Source { topic: "payments-fraud.raw".into(), partition: 2, offset },
        ingested_at: 5,
        from: Stage { stage: "validator".into(), partition: 2 },
        merge_time: event_time,
        entities: vec![customer.into(), terminal.into()],
        fields: vec![
            Value::String(id.into()),
            Value::Timestamp(event_time),
            Value::String(customer.into()),
            Value::String(terminal.into()),
            Value::Decimal(Decimal::new(cents, 2)),
        ],
        features: Vec::new(),
    }
}

/// Customer counts and means over 1, 7 and 30 days, terminal counts over the same, 7 days ago, and the amount.
fn naive(past: &[(i64, String, String, i64)]) -> Vec<f64> {
    let (t, customer, terminal, cents) = past.last().unwrap();
    let days = [DAY, 7 * DAY, 30 * DAY];
    let of = |key: usize, delay: i64, w: i64| -> Vec<i64> {
        past.iter()
            .filter(|(at, c, m, _)| if key == 0 { c == customer } else { m == terminal } && *at > t - delay - w && *at <= t - delay)
            .map(|(_, _, _, cents)| *cents)
            .collect()
    };
    let count = |key, delay| days.map(|w| of(key, delay, w).len() as f64);
    let mean = days.map(|w| {
        let cents = of(0, 0, w);
        Decimal::new(cents.iter().sum(), 2).to_string().parse::<f64>().unwrap() / cents.len() as f64
    });
    [&count(0, 0)[..], &mean, &count(1, 7 * DAY), &[*cents as f64 / 100.0]].concat()
}

proptest! {
    #[test]
    fn vectors_equal_sums_over_a_list(payments in prop::collection::vec((0..3i64, 0..4u8, 0..3u8, 0..100_000i64), 1..120)) {
        let mut line = Line::new();
        let (mut t, mut past) = (T0, Vec::new());
        for (offset, (gap, customer, terminal, cents)) in payments.into_iter().enumerate() {
            t += gap * DAY / 2;
            let (customer, terminal) = (format!("c{customer}"), format!("t{terminal}"));
            let vector = line.run(&event(offset as i64, t, &customer, &terminal, cents));
            past.push((t, customer, terminal, cents));
            let told: Vec<f64> = vector.features.iter().map(|v| v.as_f64().unwrap()).collect();
            prop_assert_eq!(&told[..10], &naive(&past)[..]);
            if offset % 3 == 0 {
                line.first.commit(1, false);
                line.second.commit(1, false);
            }
        }
    }
}

#[test]
fn a_vector_keeps_the_events_coordinates() {
    let mut line = Line::new();
    let vector = line.run(&event(4, T0, "c", "t", 100));
    assert_eq!((vector.event_id.as_str(), vector.event_time, vector.ingested_at, vector.merge_time), ("e4", T0, 5, T0));
    assert_eq!((vector.source.partition, vector.source.offset), (2, 4));
    assert_eq!((vector.from.stage.as_str(), vector.from.partition, vector.pipeline_version), ("feature-builder.1", 1, 7));
    let names: Vec<&str> = line.pipeline.layout.features.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(vector.features.len(), names.len());
    assert_eq!(names[0], "customer_tx_count_1d");
}

#[test]
fn an_event_without_an_entity_goes_its_way_by_its_id() {
    let mut line = Line::new();
    let vector = line.run(&event(0, T0, "c", "", 100));
    assert_eq!(vector.features[6], Value::Double(0.0), "no terminal, no transactions of it");
    assert_eq!(line.second.state().len(), 0);
}

#[test]
fn abort_takes_the_batch_back_and_restore_folds_it() {
    let (mut line, mut again) = (Line::new(), Line::new());
    line.run(&event(0, T0, "c", "t", 100));
    line.first.commit(1, false);
    line.second.commit(1, false);
    line.run(&event(1, T0 + 1, "c", "t", 300));
    line.first.abort();
    line.second.abort();

    let mut valid = Vec::new();
    again.first.shared.input.encode_event(&event(0, T0, "c", "t", 100), &mut valid).unwrap();
    let record = Record { topic: 0, partition: 0, offset: 0, timestamp: 0, key: None, payload: Some(&valid), traceparent: None };
    again.first.restore(&record).unwrap();

    let next = event(2, T0 + 2, "c", "t2", 500);
    assert_eq!(line.run(&next).features[..6], again.run(&next).features[..6]);
}
