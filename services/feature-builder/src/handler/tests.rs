//! Both hops of the payments example in a row, against sums over a list.

use super::*;
use crate::online::NoStore;
use proptest::prelude::*;
use rust_decimal::Decimal;
use tidemill_events::time::DAY;
use tidemill_events::{Outcome, Source, Value};

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

    /// What the evaluator writes: the outcome goes into the input of the terminal's hop.
    fn label(&mut self, outcome: &Outcome) {
        assert_eq!(self.pipeline.label_hops(), [1]);
        let mut out = Outputs::default();
        self.second.process(&record(&self.encoded(outcome)), 0, &mut out).unwrap();
        assert_eq!(out.len(), 0, "nobody sends an outcome on");
    }

    fn encoded(&self, outcome: &Outcome) -> Vec<u8> {
        let mut payload = Vec::new();
        self.second.shared.input.encode_outcome(outcome, &mut payload).unwrap();
        payload
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

fn record(payload: &[u8]) -> Record<'_> {
    Record { topic: 0, partition: 0, offset: 0, timestamp: 0, key: None, payload: Some(payload), traceparent: Some(b"00-trace") }
}

fn step(task: &mut HopTask, payload: &[u8], partitions: u32) -> (Vec<u8>, Vec<u8>) {
    let mut out = Outputs::default();
    task.process(&record(payload), 0, &mut out).unwrap();
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

/// The label of `event`, `after` microseconds later.
fn outcome(offset: i64, event: &Event, after: i64, label: f64) -> Outcome {
    Outcome {
        event_id: event.event_id.clone(),
        event_time: event.event_time,
        source: Source { topic: "payments-fraud.labels".into(), partition: 0, offset },
        from: Stage { stage: "evaluator".into(), partition: 0 },
        merge_time: event.event_time + after,
        entities: event.entities.clone(),
        fields: vec![Value::Null; event.fields.len()],
        label,
        label_time: event.event_time + after,
    }
}

/// A payment's time, customer, terminal and cents.
type Payment = (i64, String, String, i64);

/// Customer counts and means over 1, 7 and 30 days, terminal counts over the same, 7 days ago, the shares
/// of frauds in those (`labels`: event time, terminal, label), and the amount.
fn naive(past: &[Payment], labels: &[(i64, String, f64)]) -> Vec<f64> {
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
    let rate = days.map(|w| {
        let seen = labels.iter().filter(|(at, m, _)| m == terminal && *at > t - 7 * DAY - w && *at <= t - 7 * DAY);
        let (sum, count) = seen.fold((0.0, 0.0), |(sum, count), (_, _, label)| (sum + label, count + 1.0));
        if count == 0.0 { 0.0 } else { sum / count }
    });
    [&count(0, 0)[..], &mean, &count(1, 7 * DAY), &rate, &[*cents as f64 / 100.0]].concat()
}

proptest! {
    #[test]
    fn vectors_equal_sums_over_a_list(
        payments in prop::collection::vec((0..3i64, 0..4u8, 0..3u8, 0..100_000i64, prop::option::of(any::<bool>())), 1..120),
    ) {
        let mut line = Line::new();
        let (mut t, mut past, mut labels, mut waiting) = (T0, Vec::new(), Vec::new(), std::collections::VecDeque::new());
        for (offset, (gap, customer, terminal, cents, fraud)) in payments.into_iter().enumerate() {
            t += gap * DAY / 2;
            // a label comes five days after its event
            while let Some((paid, label)) = waiting.pop_front_if(|(paid, _): &mut (Event, f64)| paid.event_time + 5 * DAY <= t) {
                line.label(&outcome(labels.len() as i64, &paid, 5 * DAY, label));
                labels.push((paid.event_time, paid.entities[1].to_string(), label));
            }
            let (customer, terminal) = (format!("c{customer}"), format!("t{terminal}"));
            let event = event(offset as i64, t, &customer, &terminal, cents);
            let vector = line.run(&event);
            waiting.extend(fraud.map(|fraud| (event, f64::from(u8::from(fraud)))));
            past.push((t, customer, terminal, cents));
            let told: Vec<f64> = vector.features.iter().map(|v| v.as_f64().unwrap()).collect();
            prop_assert_eq!(&told[..13], &naive(&past, &labels)[..]);
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
    again.first.restore(&record(&valid)).unwrap();

    let next = event(2, T0 + 2, "c", "t2", 500);
    assert_eq!(line.run(&next).features[..6], again.run(&next).features[..6]);
}

/// The shares of frauds among the terminal's events of 1, 7 and 30 days that ended 7 days ago.
fn rates(vector: &Vector) -> &[Value] {
    &vector.features[9..12]
}

#[test]
fn an_outcome_counts_once_it_is_committed_and_after_a_restart() {
    let (mut line, mut again) = (Line::new(), Line::new());
    let first = event(0, T0, "c", "t", 100);
    let fraud = outcome(0, &first, 3 * DAY, 1.0);
    line.run(&first);
    line.second.commit(1, false);
    line.label(&fraud);
    line.second.abort();
    let later = |offset| event(offset, T0 + 8 * DAY - 1, "c2", "t", 100);
    assert_eq!(rates(&line.run(&later(1))), [0.0, 0.0, 0.0].map(Value::Double), "the outcome was aborted");
    line.second.abort();
    line.label(&fraud);
    line.second.commit(2, false);
    let vector = line.run(&later(2));
    assert_eq!(rates(&vector), [1.0, 1.0, 1.0].map(Value::Double));

    again.second.restore(&record(&line.encoded(&fraud))).unwrap();
    assert_eq!(rates(&again.run(&later(2))), rates(&vector));
}

#[test]
fn an_outcome_changes_nothing_at_a_hop_that_reads_no_labels_or_without_its_key() {
    let mut line = Line::new();
    let first = event(0, T0, "c", "", 100);
    let outcome = outcome(0, &first, DAY, 1.0);
    line.label(&outcome);
    assert_eq!(line.second.state().len(), 0, "it has no terminal");

    let mut payload = Vec::new();
    line.first.shared.input.encode_outcome(&outcome, &mut payload).unwrap();
    let mut out = Outputs::default();
    line.first.process(&record(&payload), 0, &mut out).unwrap();
    line.first.restore(&record(&payload)).unwrap();
    assert_eq!((out.len(), line.first.state().len()), (0, 0), "customers have no feature on labels");
}
