//! The evaluator on predictions and labels of the payments example: what it writes where.

mod nights;

use super::*;
use tidemill_events::Prediction;
use tidemill_events::codec::RawWriter;
use tidemill_events::time::{DAY, HOUR};
use tidemill_events::topics::PerPipeline;

const FILE: &str = include_str!("../../../../examples/payments/pipeline.yaml");
const SCHEMA: &str = include_str!("../../../../examples/payments/payment.avsc");
const T0: i64 = 17_000 * DAY;
const LABEL: u32 = 1;

struct Known {
    labels: Arc<RawReader>,
    writers: Vec<(u32, AvroSchema)>,
}

impl Schemas for Known {
    fn label(&mut self, id: u32, _: i64, _: i64) -> Result<Result<Arc<RawReader>, String>, Error> {
        Ok(if id == LABEL { Ok(self.labels.clone()) } else { Err(format!("schema id {id} is not one of ours")) })
    }

    fn writer(&mut self, id: u32) -> Result<AvroSchema, Error> {
        self.writers.iter().find(|(known, _)| *known == id).map(|(_, schema)| schema.clone()).ok_or(Error::Unavailable("unknown".into()))
    }
}

/// A task at partition 3, what it was given and what it wrote.
struct Bench {
    shared: Shared,
    labels: RawWriter,
    task: EvaluatorTask,
    out: Outputs,
    inputs: Vec<(usize, i64, Vec<u8>)>,
    /// The header of what is given next.
    trace: Option<Vec<u8>>,
}

fn task(shared: &Shared, checkpoint: &[u8]) -> EvaluatorTask {
    let layout = &shared.pipeline.layout;
    let text = layout.avro(PerPipeline::Labels);
    let labels = Arc::new(RawReader::new(&text, &tidemill_events::RecordSchema::parse(&text).unwrap()).unwrap());
    let writers = vec![(3, shared.outcomes.schema().clone()), (4, shared.rejected.0.clone())];
    EvaluatorTask::new(shared.clone(), Box::new(Known { labels, writers }), 3, checkpoint).unwrap()
}

impl Bench {
    fn new() -> Self {
        Self::with(None)
    }

    fn with(default: Option<f64>) -> Self {
        let (pipeline, _) = tidemill_pipeline::compile("pipeline.yaml", FILE, |_| Ok(SCHEMA.to_owned())).unwrap();
        let layout = pipeline.layout.clone();
        let text = layout.avro(PerPipeline::Labels);
        let shared = Shared {
            labels: Labels { horizon: 7 * DAY, default },
            topic: "payments-fraud.labels".into(),
            predictions_topic: "payments-fraud.predictions".into(),
            predictions: PredictionCodec::new(&layout, 2).unwrap(),
            outcomes: OutcomeCodec::new(&layout, 3).unwrap(),
            rejected: (AvroSchema::parse(&layout.avro(PerPipeline::Rejected)).unwrap(), 4),
            hops: vec![(1, HopCodec::new(&layout, 1, 5).unwrap())],
            room: Arc::new(Room::new(usize::MAX, std::path::Path::new("never used")).unwrap()),
            told: Arc::new(|_| {}),
            pipeline: Arc::new(pipeline),
        };
        let schema = tidemill_events::RecordSchema::parse(&text).unwrap();
        let labels = RawWriter::new(schema, &text, LABEL).unwrap();
        Self { task: task(&shared, &[]), shared, labels, out: Outputs::default(), inputs: Vec::new(), trace: None }
    }

    fn give(&mut self, topic: usize, payload: Vec<u8>) {
        let offset = self.inputs.iter().filter(|(t, ..)| *t == topic).count() as i64;
        let traceparent = self.trace.as_deref();
        let record = Record { topic, partition: 3, offset, timestamp: T0 + 30 * DAY, key: None, payload: Some(&payload), traceparent };
        self.task.process(&record, T0, &mut self.out).unwrap();
        self.inputs.push((topic, offset, payload));
    }

    fn predict(&mut self, id: &str, event_time: i64, terminal: &str) {
        let entities = vec!["c1".into(), terminal.into()];
        let prediction =
            Prediction { event_id: id.into(), event_time, entities, score: 0.75, decision: "review".into(), ..Prediction::default() };
        let mut bytes = Vec::new();
        self.shared.predictions.encode(&prediction, &mut bytes).unwrap();
        self.give(PREDICTIONS, bytes);
    }

    fn label(&mut self, id: &str, label: f64, label_time: i64) {
        let mut bytes = Vec::new();
        self.labels.encode(&[Value::String(id.into()), Value::Double(label), Value::Timestamp(label_time)], &mut bytes).unwrap();
        self.give(1, bytes);
    }

    /// Label offset and reason of each reject, in the order written.
    fn rejects(&self) -> Vec<(i64, String)> {
        let rejects = self.out.iter().filter(|o| o.topic == REJECTED);
        rejects
            .map(|o| {
                let reject: Reject = self.shared.rejected.0.decode(wire::split(Some(o.payload)).unwrap().1).unwrap();
                assert_eq!(reject.source.topic, "payments-fraud.labels");
                (reject.source.offset, reject.reason)
            })
            .collect()
    }

    /// A task that has folded what this one has done and written.
    fn restart(&mut self) {
        let count = |topic| self.out.iter().filter(|o| o.topic == topic).count() as i64;
        let mut delivered = Delivered::default();
        for topic in [OUTCOMES, REJECTED].into_iter().filter(|topic| count(*topic) > 0) {
            delivered.0.insert((topic, 3), count(topic) - 1);
        }
        let checkpoint = self.task.checkpoint(&delivered);
        let mut successor = task(&self.shared, &checkpoint);
        let last = |topic| Some(count(topic) - 1).filter(|last| *last >= 0);
        assert_eq!(successor.written(), Last { outcome: last(OUTCOMES), reject: last(REJECTED) });
        let written = |topic| self.out.iter().filter(move |o| o.topic == topic).map(|o| o.payload.to_vec());
        let done = written(OUTCOMES).map(|p| (WRITTEN_OUTCOMES, 0, p)).chain(written(REJECTED).map(|p| (WRITTEN_REJECTS, 0, p)));
        let of = |topic| self.inputs.iter().filter(move |(t, ..)| *t == topic).cloned();
        for (topic, offset, payload) in done.chain(of(PREDICTIONS)).chain(of(1)) {
            let record =
                Record { topic, partition: 3, offset, timestamp: T0 + 30 * DAY, key: None, payload: Some(&payload), traceparent: None };
            successor.restore(&record).unwrap();
        }
        self.task = successor;
        self.out.clear();
    }

    fn outcomes(&self) -> Vec<(String, f64)> {
        let outcomes = self.out.iter().filter(|o| o.topic == OUTCOMES);
        outcomes
            .map(|o| {
                assert_eq!(o.partition, 3, "the partition of prediction and label");
                let outcome: WrittenOutcome = self.shared.outcomes.schema().decode(wire::split(Some(o.payload)).unwrap().1).unwrap();
                (outcome.event_id.to_string(), outcome.label)
            })
            .collect()
    }
}

#[test]
fn an_outcome_goes_to_its_topic_and_to_the_entity_whose_features_look_at_it() {
    let mut bench = Bench::new();
    bench.predict("e1", T0, "t9");
    bench.label("e1", 1.0, T0 + 7 * DAY);
    assert_eq!(bench.outcomes(), [("e1".to_owned(), 1.0)]);
    let hop: Vec<_> = bench.out.iter().filter(|o| o.topic == FIRST_HOP).collect();
    assert_eq!(hop.len(), 1);
    assert_eq!(hop[0].key, Some(&b"t9"[..]));
    assert_eq!(hop[0].partition, partition_of(b"t9", bench.shared.pipeline.source.partitions));
    let codec = &bench.shared.hops[0].1;
    let decoded = codec.decode(codec.schema(), wire::split(Some(hop[0].payload)).unwrap().1).unwrap();
    let tidemill_events::HopInput::Outcome(outcome) = decoded else { panic!("an event") };
    assert_eq!((outcome.event_time, outcome.merge_time, outcome.label), (T0, T0 + 7 * DAY, 1.0));
    assert_eq!((outcome.source.topic.as_str(), outcome.source.partition, outcome.source.offset), ("payments-fraud.labels", 3, 0));
}

#[test]
fn whichever_comes_second_links_to_the_first() {
    let mut bench = Bench::new();
    let [prediction, label] = [[b'p'; 55], [b'l'; 55]];
    bench.trace = Some(prediction.to_vec());
    bench.predict("e1", T0, "t9");
    assert_eq!(bench.out.links(), [[0; 55]; 0]);
    bench.trace = Some(label.to_vec());
    bench.label("e1", 1.0, T0 + DAY);
    assert_eq!(bench.out.links(), [prediction]);

    let mut bench = Bench::new();
    bench.trace = Some(label.to_vec());
    bench.label("e1", 1.0, T0 + DAY);
    bench.trace = Some(vec![b'h'; 1 << 20]);
    bench.label("e2", 1.0, T0 + DAY);
    bench.trace = None;
    bench.predict("e1", T0, "t9");
    bench.predict("e2", T0, "t9");
    assert_eq!(bench.out.links(), [label], "a header of any length is not kept");
}

#[test]
fn an_event_without_the_entity_has_an_outcome_all_the_same() {
    let mut bench = Bench::new();
    bench.predict("e1", T0, "");
    bench.label("e1", 0.0, T0 + DAY);
    assert_eq!(bench.outcomes().len(), 1);
    assert_eq!(bench.out.len(), 1, "and nothing goes to a hop without a key");
}

#[test]
fn hostile_labels_are_rejected_with_their_reason() {
    let mut bench = Bench::new();
    bench.predict("e1", T0, "t1");
    bench.label("e1", 2.0, T0 + DAY);
    bench.label("e1", f64::NAN, T0 + DAY);
    bench.label("e1", 1.0, T0 + 31 * DAY);
    bench.label("e1", 1.0, T0 + 7 * DAY + HOUR);
    bench.give(1, vec![]);
    bench.give(1, vec![0, 0, 0, 0, 77, 1]);
    bench.give(1, vec![0, 0, 0, 0, 1, 200]);
    bench.label("e1", 1.0, T0 + DAY);
    bench.label("e1", 1.0, T0 + DAY);
    bench.label("e1", 0.0, T0 + DAY);
    let wanted = [
        reasons::OUT_OF_RANGE,
        reasons::OUT_OF_RANGE,
        reasons::FUTURE,
        reasons::LATE,
        reasons::NOT_AVRO,
        reasons::UNKNOWN_SCHEMA,
        reasons::UNDECODABLE,
        reasons::DUPLICATE,
        reasons::CONFLICT,
    ];
    let offsets = [0, 1, 2, 3, 4, 5, 6, 8, 9];
    let wanted: Vec<(i64, String)> = offsets.into_iter().zip(wanted.map(str::to_owned)).collect();
    assert_eq!(bench.rejects(), wanted);
    assert_eq!(bench.outcomes(), [("e1".to_owned(), 1.0)]);
}

#[test]
fn a_successor_goes_on_where_the_task_was() {
    let mut bench = Bench::new();
    bench.predict("joined", T0, "t1");
    bench.label("joined", 1.0, T0 + DAY);
    bench.predict("waiting", T0, "t1");
    bench.label("held", 1.0, T0 + DAY);
    bench.label("joined", 0.0, T0 + DAY);

    bench.restart();
    bench.label("joined", 1.0, T0 + DAY);
    bench.label("waiting", 0.0, T0 + DAY);
    bench.predict("held", T0, "t1");
    assert_eq!(bench.outcomes(), [("waiting".to_owned(), 0.0), ("held".to_owned(), 1.0)]);
    assert_eq!(bench.rejects(), [(3, reasons::DUPLICATE.to_owned())]);
}

#[test]
fn an_event_without_a_label_gets_the_default_once() {
    let mut bench = Bench::with(Some(0.0));
    let lateness = bench.shared.pipeline.source.lateness;
    bench.predict("other", T0, "t1");
    bench.predict("silent", T0, "t9");
    bench.label("other", 1.0, T0 + DAY);
    bench.label("nobody", 1.0, T0 + 7 * DAY + lateness + 1);
    assert_eq!(bench.outcomes().len(), 1, "a label of no event says nothing of others");
    bench.predict("later", T0 + DAY, "");
    bench.label("later", 1.0, T0 + 7 * DAY + lateness + 1);
    assert_eq!(bench.outcomes(), [("other".to_owned(), 1.0), ("silent".to_owned(), 0.0), ("later".to_owned(), 1.0)]);
    let told = bench.out.iter().filter(|o| o.topic == OUTCOMES).nth(1).unwrap();
    #[derive(serde::Deserialize)]
    struct Read {
        label_time: i64,
        source: SourceRecord,
    }
    let read: Read = bench.shared.outcomes.schema().decode(wire::split(Some(told.payload)).unwrap().1).unwrap();
    assert_eq!(read.label_time, T0 + 7 * DAY, "known when the horizon was over");
    assert_eq!(read.source, SourceRecord { topic: "payments-fraud.predictions".into(), partition: 3, offset: 1 });
    assert_eq!(bench.out.iter().filter(|o| o.topic == FIRST_HOP).count(), 2, "features on labels see it, too");

    bench.restart();
    bench.label("silent", 1.0, T0 + DAY);
    bench.label("other", 1.0, T0 + DAY);
    bench.task.tick(T0, &mut bench.out).unwrap();
    assert_eq!(bench.outcomes(), [], "the default is the event's outcome");
    assert_eq!(bench.rejects(), [(3, reasons::LATE.to_owned()), (4, reasons::DUPLICATE.to_owned())]);
}

#[test]
fn very_many_defaults_are_told_bit_by_bit_and_before_the_label_that_lets_them_go() {
    let mut bench = Bench::with(Some(0.0));
    for n in 0..2 * DUE + 1 {
        bench.predict(&format!("e{n}"), T0, "t1");
    }
    bench.predict("other", T0 + 5 * DAY, "t1");
    bench.trace = Some(vec![b'l'; 55]);
    bench.label("other", 1.0, T0 + 9 * DAY);
    bench.trace = None;
    let silent = |bench: &Bench| bench.outcomes().iter().filter(|(_, label)| *label == 0.0).count();
    assert_eq!((bench.outcomes().len(), silent(&bench)), (DUE, DUE));
    bench.restart();
    bench.task.tick(T0, &mut bench.out).unwrap();
    assert_eq!((bench.outcomes().len(), silent(&bench)), (DUE, DUE));
    bench.task.tick(T0, &mut bench.out).unwrap();
    bench.task.tick(T0, &mut bench.out).unwrap();
    assert_eq!((bench.outcomes().len(), silent(&bench)), (DUE + 2, DUE + 1), "and none twice");
    assert_eq!(bench.outcomes().last(), Some(&("other".to_owned(), 1.0)));
}

#[test]
fn an_outcome_that_waited_goes_on_in_the_trace_of_its_label() {
    let mut bench = Bench::with(Some(0.0));
    for n in 0..DUE {
        bench.predict(&format!("e{n}"), T0, "t1");
    }
    bench.predict("other", T0 + 5 * DAY, "t1");
    bench.trace = Some(vec![b'l'; 55]);
    bench.label("other", 1.0, T0 + 9 * DAY);
    bench.trace = Some(vec![b'n'; 55]);
    bench.predict("next", T0 + 9 * DAY, "t1");
    let traces: Vec<_> = bench.out.iter().filter_map(|o| o.traceparent.map(<[u8]>::to_vec)).collect();
    // the outcome, and what its hop gets of it
    assert_eq!(traces, [vec![b'l'; 55], vec![b'l'; 55]]);
}
