//! The validator on rows of the payments example: what is valid, what is not, and that state follows commits.

use super::*;
use rust_decimal::Decimal;
use std::collections::BTreeMap;
use tidemill_events::codec::RawWriter;
use tidemill_events::records::Quality;
use tidemill_events::time::{DAY, HOUR, MINUTE, SECOND};

const FILE: &str = include_str!("../../../../examples/payments/pipeline.yaml");
const SCHEMA: &str = include_str!("../../../../examples/payments/payment.avsc");
/// Schema id of raw records.
const RAW: u32 = 1;
const T0: i64 = 17_000 * DAY;

struct Source {
    reader: Arc<RawReader>,
    valid: AvroSchema,
    away: bool,
}

impl RawSource for Source {
    fn raw(&mut self, id: u32, _appended_at: i64, _now: i64) -> Result<Reader, Error> {
        if self.away {
            return Err(Error::Unavailable("the registry is away".into()));
        }
        Ok(if id == RAW { Ok(self.reader.clone()) } else { Err(format!("schema id {id} is not one of ours")) })
    }

    fn writer(&mut self, _id: u32) -> Result<AvroSchema, Error> {
        Ok(self.valid.clone())
    }
}

/// A validator, the raw records it was given and what it wrote.
struct Bench {
    pipeline: Arc<Pipeline>,
    writer: RawWriter,
    task: ValidatorTask,
    out: Outputs,
    offset: i64,
    appended_at: i64,
}

fn task(pipeline: &Arc<Pipeline>, checkpoint: &[u8], away: bool) -> ValidatorTask {
    let codecs = Codecs::new(&pipeline.layout, 2, 3, 4).unwrap();
    let reader = RawReader::new(&pipeline.layout.avro(PerPipeline::Raw), &pipeline.layout.event).unwrap();
    let source = Source { reader: Arc::new(reader), valid: codecs.valid.schema().clone(), away };
    ValidatorTask::new(pipeline.clone(), codecs, Box::new(source), 3, checkpoint).unwrap()
}

impl Bench {
    fn new() -> Self {
        let (pipeline, _) = tidemill_pipeline::compile("pipeline.yaml", FILE, |_| Ok(SCHEMA.to_owned())).unwrap();
        let pipeline = Arc::new(pipeline);
        let writer = RawWriter::new(pipeline.layout.event.clone(), &pipeline.layout.avro(PerPipeline::Raw), RAW).unwrap();
        Self { task: task(&pipeline, &[], false), pipeline, writer, out: Outputs::default(), offset: 0, appended_at: T0 + 90 * DAY }
    }

    fn payload(&self, id: &str, event_time: i64, cents: i64) -> Vec<u8> {
        let mut bytes = Vec::new();
        let row = [id.into(), String::new(), "c1".into(), "t1".into()].map(|s: String| Value::String(s.into()));
        let [id, _, customer, terminal] = row;
        let row = [id, Value::Timestamp(event_time), customer, terminal, Value::Decimal(Decimal::new(cents, 2))];
        self.writer.encode(&row, &mut bytes).unwrap();
        bytes
    }

    fn raw(&mut self, payload: Option<&[u8]>) -> Result<(), Error> {
        let record = Record {
            topic: 0,
            partition: 3,
            offset: self.offset,
            timestamp: self.appended_at,
            key: Some(b"c1"),
            payload,
            traceparent: None,
        };
        self.offset += 1;
        self.task.process(&record, self.appended_at, &mut self.out)
    }

    fn pay(&mut self, id: &str, event_time: i64, cents: i64) {
        let payload = self.payload(id, event_time, cents);
        self.raw(Some(&payload)).unwrap();
    }

    fn commit(&mut self) {
        self.task.commit(1, false);
    }

    /// Per raw offset what became of it: `valid`, or the reason.
    fn verdicts(&self) -> BTreeMap<i64, String> {
        let codecs = Codecs::new(&self.pipeline.layout, 2, 3, 4).unwrap();
        let mut verdicts = BTreeMap::new();
        for output in self.out.iter() {
            let (_, datum) = wire::split(Some(output.payload)).unwrap();
            let (offset, verdict) = match output.topic {
                VALID => match codecs.valid.decode(codecs.valid.schema(), datum).unwrap() {
                    HopInput::Event(event) => (event.source.offset, "valid".to_owned()),
                    HopInput::Outcome(_) => unreachable!("the validator writes events"),
                },
                REJECTED => {
                    let reject: Reject = codecs.rejected.0.decode(datum).unwrap();
                    (reject.source.offset, reject.reason)
                }
                _ => continue,
            };
            assert_eq!(output.partition, 3, "the partition stays");
            assert_eq!(verdicts.insert(offset, verdict), None, "one verdict per record");
        }
        verdicts
    }

    fn verdict(&self, offset: i64) -> String {
        self.verdicts()[&offset].clone()
    }
}

#[test]
fn a_valid_event_carries_everything_on() {
    let mut bench = Bench::new();
    bench.pay("e1", T0, 1999);
    let outputs: Vec<_> = bench.out.iter().collect();
    assert_eq!((outputs.len(), outputs[0].topic, outputs[0].key), (1, VALID, Some(&b"c1"[..])));
    let codec = &bench.task.codecs.valid;
    let HopInput::Event(event) = codec.decode(codec.schema(), &outputs[0].payload[5..]).unwrap() else { panic!("an event") };
    assert_eq!((event.event_id.as_str(), event.event_time, event.merge_time), ("e1", T0, T0));
    assert_eq!((event.source.topic.as_str(), event.source.partition, event.source.offset), ("payments-fraud.raw", 3, 0));
    assert_eq!((event.from.stage.as_str(), event.from.partition), ("validator", 3));
    assert_eq!(event.entities, ["c1", "t1"]);
    assert_eq!(event.fields[4], Value::Decimal(Decimal::new(1999, 2)));
    assert_eq!(event.ingested_at, bench.appended_at);
}

#[test]
fn what_is_no_record_is_rejected_with_its_reason() {
    let mut bench = Bench::new();
    let good = bench.payload("e1", T0, 100);
    bench.raw(None).unwrap();
    bench.raw(Some(&[])).unwrap();
    bench.raw(Some(&[0, 0, 0])).unwrap();
    bench.raw(Some(&[7, 0, 0, 0, 1, 2])).unwrap();
    bench.raw(Some(&[&[0, 0, 0, 0, 99], &good[5..]].concat())).unwrap();
    bench.raw(Some(&good[..good.len() - 1])).unwrap();
    bench.raw(Some(&[&good[..], &[0]].concat())).unwrap();
    let reasons: Vec<String> = bench.verdicts().into_values().collect();
    assert_eq!(
        reasons,
        [
            reasons::NULL_PAYLOAD,
            reasons::NOT_AVRO,
            reasons::NOT_AVRO,
            reasons::NOT_AVRO,
            reasons::UNKNOWN_SCHEMA,
            reasons::UNDECODABLE,
            reasons::UNDECODABLE
        ]
    );
}

#[test]
fn a_reject_keeps_a_kibibyte_and_the_digest() {
    let mut bench = Bench::new();
    let payload = vec![9u8; 5_000];
    bench.raw(Some(&payload)).unwrap();
    let output = bench.out.iter().next().unwrap();
    let reject: Reject = bench.task.codecs.rejected.0.decode(&output.payload[5..]).unwrap();
    assert_eq!(reject.original, payload[..ORIGINAL]);
    assert_eq!(reject.sha256, hex::encode(Sha256::digest(&payload)));
    assert_eq!(output.key, Some(&b"c1"[..]));
}

#[test]
fn expectations_and_times_are_checked() {
    let mut bench = Bench::new();
    bench.pay("negative", T0, -1);
    bench.pay("", T0, 100);
    bench.pay("early", -1, 100);
    let ahead = bench.appended_at + HOUR;
    bench.pay("just in time", ahead, 100);
    bench.pay("future", ahead + MINUTE, 100);
    let reasons: Vec<String> = bench.verdicts().into_values().collect();
    assert_eq!(reasons, ["amount_out_of_range", reasons::MISSING_ID, reasons::INVALID_TIME, "valid", reasons::FUTURE]);
}

#[test]
fn lateness_counts_from_the_newest_valid_event() {
    let mut bench = Bench::new();
    bench.pay("a", T0, 100);
    let future = bench.appended_at + 2 * HOUR;
    bench.pay("moves no clock", future, 100);
    bench.pay("invalid", T0 + DAY, -100);
    bench.pay("b", T0 + HOUR, 100);
    bench.pay("within", T0 + 50 * MINUTE, 100);
    bench.pay("late", T0 + 50 * MINUTE - SECOND, 100);
    let verdicts: Vec<String> = bench.verdicts().into_values().collect();
    assert_eq!(verdicts, ["valid", "future", "amount_out_of_range", "valid", "valid", "late"]);
    let codec = &bench.task.codecs.valid;
    let last = bench.out.iter().filter(|o| o.topic == VALID).last().unwrap();
    let HopInput::Event(event) = codec.decode(codec.schema(), &last.payload[5..]).unwrap() else { panic!("an event") };
    assert_eq!(event.merge_time, T0 + HOUR, "the merge time never goes back");
}

#[test]
fn only_valid_ids_make_duplicates_and_only_for_a_while() {
    let mut bench = Bench::new();
    bench.pay("x", T0, -100);
    bench.pay("x", T0, 100);
    bench.pay("x", T0 + SECOND, 200);
    bench.pay("y", T0 + DAY, 100);
    bench.pay("x", T0 + DAY, 300);
    bench.pay("z", T0 + DAY + SECOND, 100);
    bench.pay("x", T0 + DAY + SECOND, 300);
    let verdicts: Vec<String> = bench.verdicts().into_values().collect();
    assert_eq!(verdicts, ["amount_out_of_range", "valid", "duplicate", "valid", "duplicate", "valid", "valid"]);
}

#[test]
fn what_was_not_committed_never_happened() {
    let mut bench = Bench::new();
    bench.pay("a", T0, 100);
    bench.commit();
    bench.pay("b", T0 + DAY / 2, 100);
    bench.task.abort();
    bench.out.clear();
    bench.pay("b", T0 + 5 * MINUTE, 100);
    bench.pay("a", T0 + 5 * MINUTE, 100);
    assert_eq!(bench.verdict(2), "valid", "neither seen nor late");
    assert_eq!(bench.verdict(3), "duplicate");
}

#[test]
fn a_restored_task_goes_on_as_if_nothing_had_happened() {
    let mut bench = Bench::new();
    bench.pay("a", T0, 100);
    bench.pay("b", T0 + HOUR, 100);
    bench.pay("bad", T0, -100);
    let delivered = Delivered([((VALID, 3), 17)].into());
    let checkpoint = bench.task.checkpoint(&delivered);
    let written: Vec<Vec<u8>> = bench.out.iter().filter(|o| o.topic == VALID).map(|o| o.payload.to_vec()).collect();

    bench.task = task(&bench.pipeline.clone(), &checkpoint, false);
    assert_eq!(bench.task.last_valid(), Some(17));
    for payload in &written {
        let record = Record { topic: 0, partition: 3, offset: 0, timestamp: 0, key: None, payload: Some(payload), traceparent: None };
        bench.task.restore(&record).unwrap();
    }
    bench.out.clear();
    bench.pay("a", T0 + HOUR, 100);
    bench.pay("late", T0, 100);
    bench.pay("bad", T0 + HOUR, 100);
    let verdicts: Vec<String> = bench.verdicts().into_values().collect();
    assert_eq!(verdicts, ["duplicate", "late", "valid"]);
    let minute = &bench.task.now.minute;
    assert_eq!((minute.valid, minute.rejected.iter().map(|(_, n)| n).sum::<u64>()), (3, 3), "the open minute goes on");
}

#[test]
fn a_registry_that_is_away_changes_nothing() {
    let mut bench = Bench::new();
    bench.task = task(&bench.pipeline.clone(), &[], true);
    let payload = bench.payload("a", T0, 100);
    assert!(matches!(bench.raw(Some(&payload)), Err(Error::Unavailable(_))));
    assert!(bench.out.is_empty());
    assert_eq!(bench.task.now, Checkpoint::default());
}

#[test]
fn a_minute_is_written_when_it_is_over() {
    let mut bench = Bench::new();
    bench.pay("a", T0, 100);
    bench.pay("bad", T0, -100);
    let end = bench.appended_at - bench.appended_at.rem_euclid(MINUTE) + MINUTE;
    bench.task.tick(end - 1, &mut bench.out).unwrap();
    assert_eq!(bench.out.iter().filter(|o| o.topic == QUALITY).count(), 0);
    bench.task.tick(end, &mut bench.out).unwrap();
    let output = bench.out.iter().find(|o| o.topic == QUALITY).unwrap();
    let quality: Quality = bench.task.codecs.quality.0.decode(&output.payload[5..]).unwrap();
    assert_eq!((quality.partition, quality.window_end, quality.valid, quality.merge_time), (3, end, 1, Some(T0)));
    assert_eq!(quality.rejected[0].reason, "amount_out_of_range");
}

#[test]
fn an_event_that_is_sent_again_late_is_a_duplicate_and_not_lost() {
    let mut bench = Bench::new();
    bench.pay("a", T0, 100);
    bench.pay("b", T0 + HOUR, 100);
    bench.pay("a", T0, 100);
    bench.pay("c", T0, 100);
    assert_eq!(bench.verdicts().into_values().collect::<Vec<_>>(), ["valid", "valid", "duplicate", "late"]);
}
