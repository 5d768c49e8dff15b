//! The task alone, and in its loop on the in-memory broker: what becomes of a stranger's records, and that it becomes
//! of each once, whatever fails.

use super::*;
use crate::meters::Meters;
use crate::route::{Source, events_shape};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use tidemill_events::codec::{RawReader, RawWriter};
use tidemill_events::partition::partition_of;
use tidemill_events::{RecordSchema, Value};
use tidemill_pipeline::Pipeline;
use tidemill_service::Metrics;
use tidemill_stream::memory::{Cluster, MemoryBroker};
use tidemill_stream::{Committed, Limits, Restore, Runner, Stage, Stats};

const FILE: &str = include_str!("../../../../examples/payments/pipeline.yaml");
const SCHEMA: &str = include_str!("../../../../examples/payments/payment.avsc");
const TOPIC: &str = "shop.payments";
/// The upstream's schema, one that does not resolve, and one that is not asked for in vain.
const GOOD: u32 = 41;
const UNFIT: u32 = 42;
const AWAY: u32 = 43;
const TRACE: &[u8] = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// The payments' schema with a field before and one after it that events do not have.
fn upstream_schema() -> String {
    let (head, fields) = SCHEMA.split_once("\"fields\"").unwrap();
    let fields = fields.replacen('[', r#"[{"name":"shop","type":"string"},"#, 1);
    format!("{head}\"fields\"{fields}")
}

struct Known;

impl Readers for Known {
    fn reader(&mut self, id: u32, _now: i64) -> Result<schemas::Reader, Error> {
        let resolving = |schema: &str| RawReader::resolving(schema, &pipeline(Format::Avro).layout.event).map(Arc::new);
        match id {
            GOOD => Ok(resolving(&upstream_schema()).map_err(|e| e.to_string())),
            UNFIT => Ok(resolving(r#"{"type":"record","name":"R","fields":[{"name":"x","type":"int"}]}"#).map_err(|e| e.to_string())),
            AWAY => Err(Error::Unavailable("the registry is away".into())),
            _ => Ok(Err(format!("no schema {id}"))),
        }
    }
}

fn pipeline(format: Format) -> Pipeline {
    let format = if format == Format::Json { "json" } else { "avro" };
    let file = FILE.replacen("partitions: 4", &format!("partitions: 4, topic: {TOPIC}, format: {format}"), 1);
    tidemill_pipeline::compile("pipeline.yaml", &file, |_| Ok(SCHEMA.to_owned())).unwrap().0
}

fn shared(format: Format) -> Arc<Shared> {
    let pipeline = pipeline(format);
    let rejected = AvroSchema::parse(&pipeline.layout.avro(PerPipeline::Rejected)).unwrap();
    Arc::new(Shared {
        upstream: pipeline.source.upstream.clone().unwrap(),
        intake: Arc::new(Intake::new(events_shape(&Source::from(&pipeline), 7)).unwrap()),
        rejected: (rejected, 8),
        partitions: pipeline.source.partitions,
    })
}

fn task(shared: &Arc<Shared>, metrics: &Metrics) -> ForeignTask {
    ForeignTask::new(shared.clone(), Box::new(Known), Counted::new(Meters::new(metrics), "payments-fraud".into(), stage::STAGE))
}

fn avro(id: u32, event_id: &str, customer: &str) -> Vec<u8> {
    let schema = upstream_schema();
    let text = |t: &str| Value::String(t.into());
    let amount = Value::Decimal("12.5".parse().unwrap());
    let row = [text("north"), text(event_id), Value::Timestamp(1_532_521_800_000_000), text(customer), text("t9"), amount];
    let mut bytes = Vec::new();
    RawWriter::new(RecordSchema::parse(&schema).unwrap(), &schema, id).unwrap().encode(&row, &mut bytes).unwrap();
    bytes
}

fn json(event_id: &str, customer: &str) -> Vec<u8> {
    let event = format!(r#""transaction_id":"{event_id}","event_time":1532521800000,"customer_id":"{customer}""#);
    format!(r#"{{{event},"terminal_id":"t9","amount":12.5}}"#).into_bytes()
}

/// What became of one record: the id of the event in raw, or the reject.
fn verdict(shared: &Arc<Shared>, payload: Option<&[u8]>) -> (Result<String, Reject>, Vec<String>) {
    let mut task = task(shared, &Metrics::new("test", "0"));
    let mut out = Outputs::default();
    let record = Record { topic: 0, partition: 9, offset: 77, timestamp: 0, key: Some(b"upstream"), payload, traceparent: Some(TRACE) };
    task.process(&record, 5, &mut out).unwrap();
    assert_eq!(out.len(), 1, "one record for one record");
    let output = out.iter().next().unwrap();
    assert_eq!(output.traceparent, Some(TRACE));
    let (_, datum) = wire::split(Some(output.payload)).unwrap();
    let origin: Vec<String> = output.origin.iter().map(|o| String::from_utf8_lossy(o).into_owned()).collect();
    if output.topic == RAW {
        let pipeline = pipeline(Format::Avro);
        let row = RawReader::new(&pipeline.layout.avro(PerPipeline::Raw), &pipeline.layout.event).unwrap().decode(datum).unwrap();
        assert_eq!(output.partition, partition_of(output.key.unwrap(), 4));
        return (Ok(row[0].to_key().unwrap().into()), origin);
    }
    assert_eq!((output.key, output.partition), (Some(&b"upstream"[..]), 9 % 4));
    (Err(shared.rejected.0.decode(datum).unwrap()), origin)
}

#[test]
fn a_record_says_where_it_came_from_and_is_keyed_by_its_first_entity() {
    for (format, payload) in [(Format::Avro, avro(GOOD, "a1", "c1")), (Format::Json, json("a1", "c1"))] {
        let (event, origin) = verdict(&shared(format), Some(&payload));
        assert_eq!((event.unwrap().as_str(), &origin[..]), ("a1", &["shop.payments/9/77".to_owned()][..]));
    }
}

#[test]
fn what_is_no_record_is_rejected_with_its_reason_and_the_upstreams_coordinates() {
    let good = avro(GOOD, "a1", "c1");
    let deep = "[".repeat(100_000).into_bytes();
    let mut cases: Vec<(Format, Option<Vec<u8>>, &str)> = vec![
        (Format::Avro, None, "null_payload"),
        (Format::Avro, Some(vec![]), "not_avro"),
        (Format::Avro, Some(vec![0, 0, 0, 0]), "not_avro"),
        (Format::Avro, Some([&[1], &good[1..]].concat()), "not_avro"),
        (Format::Avro, Some(json("a1", "c1")), "not_avro"),
        (Format::Avro, Some(avro(99, "a1", "c1")), "unknown_schema"),
        (Format::Avro, Some(avro(UNFIT, "a1", "c1")), "unknown_schema"),
        (Format::Avro, Some([&good[..], &[0]].concat()), "undecodable"),
        (Format::Avro, Some(avro(GOOD, "", "c1")), "empty_id"),
        (Format::Avro, Some(avro(GOOD, &"x".repeat(950_000), "c1")), "too_large"),
        (Format::Json, None, "null_payload"),
        (Format::Json, Some(vec![]), "empty"),
        (Format::Json, Some(good.clone()), "not_utf8"),
        (Format::Json, Some(vec![0xff, 0xfe]), "not_utf8"),
        (Format::Json, Some(deep), "malformed_json"),
        (Format::Json, Some(b"[]".to_vec()), "not_an_object"),
        (Format::Json, Some(json("a1", "c1").repeat(2)), "malformed_json"),
        (Format::Json, Some(json(&"x".repeat(950_000), "c1")), "too_large"),
    ];
    cases.extend((wire::HEADER_LEN..good.len()).map(|end| (Format::Avro, Some(good[..end].to_vec()), "undecodable")));
    for (format, payload, reason) in cases {
        let (judged, origin) = verdict(&shared(format), payload.as_deref());
        let reject = judged.unwrap_err();
        let payload = payload.unwrap_or_default();
        assert_eq!(reject.reason, reason, "{}", reject.detail);
        assert_eq!(reject.source, SourceRecord { topic: TOPIC.into(), partition: 9, offset: 77 });
        assert_eq!((reject.original.as_slice(), reject.rejected_at), (&payload[..payload.len().min(1024)], 5));
        assert_eq!(reject.sha256, hex::encode(Sha256::digest(&payload)));
        assert!(origin.is_empty() && !reject.detail.is_empty() && reject.detail.len() < 1_000, "{}", reject.detail);
    }
}

#[test]
fn a_registry_that_is_away_is_waited_for() {
    let shared = shared(Format::Avro);
    let mut task = task(&shared, &Metrics::new("test", "0"));
    let (payload, mut out) = (avro(AWAY, "a1", "c1"), Outputs::default());
    let record = Record { topic: 0, partition: 0, offset: 0, timestamp: 0, key: None, payload: Some(&payload), traceparent: None };
    assert!(matches!(task.process(&record, 0, &mut out), Err(Error::Unavailable(_))));
    assert!(out.is_empty());
}

#[test]
fn forged_traces_and_endless_keys_go_no_further() {
    let shared = shared(Format::Json);
    let mut task = task(&shared, &Metrics::new("test", "0"));
    let (key, mut out) = (vec![b'k'; 100_000], Outputs::default());
    let record =
        Record { topic: 0, partition: 0, offset: 0, timestamp: 0, key: Some(&key), payload: Some(b"{"), traceparent: Some(b"00-forged") };
    task.process(&record, 0, &mut out).unwrap();
    let output = out.iter().next().unwrap();
    assert_eq!((output.key, output.traceparent), (None, None));
}

struct Foreign(Arc<Shared>, Metrics);

impl Stage for Foreign {
    type Task = ForeignTask;
    fn open(&mut self, _: i32, _: &[Committed], _: &[u8], _: u64) -> Result<(ForeignTask, Vec<Restore>), Error> {
        Ok((task(&self.0, &self.1), Vec::new()))
    }
}

fn member(cluster: &Arc<Mutex<Cluster>>, metrics: &Metrics) -> Runner<MemoryBroker, Foreign> {
    let now = AtomicI64::new(0);
    let clock = Box::new(move || now.fetch_add(1_000, Ordering::Relaxed));
    let broker = MemoryBroker::new(cluster.clone(), "a", &[TOPIC], &["raw", "rejected"]);
    let limits = Limits { records: 7, ..Limits::default() };
    Runner::new(broker, Foreign(shared(Format::Json), metrics.clone()), limits, clock, Arc::new(Stats::default()))
}

proptest! {
    /// Crashes before or after any operation, over as many partitions as the upstream likes.
    #[test]
    fn every_record_is_in_raw_or_rejected_once(
        records in proptest::collection::vec((0..6i32, any::<bool>()), 1..60),
        fuses in proptest::collection::vec((0..12u32, any::<bool>(), any::<bool>()), 0..6),
    ) {
        let cluster = Arc::new(Mutex::new(Cluster::default()));
        let mut wanted = BTreeMap::new();
        for (n, (partition, good)) in records.iter().enumerate() {
            let payload = if *good { json(&format!("e{n}"), &format!("c{}", n % 5)) } else { b"{".to_vec() };
            let offset = records[..n].iter().filter(|(p, _)| p == partition).count() as i64;
            wanted.insert((*partition, offset), *good);
            cluster.lock().unwrap().publish(TOPIC, *partition, b"k", &payload);
        }
        cluster.lock().unwrap().rebalance(&[("a", &[0, 1, 2, 3, 4, 5])]);
        let metrics = Metrics::new("test", "0");
        let mut runner = member(&cluster, &metrics);
        for (operations, effective, restart) in fuses {
            cluster.lock().unwrap().light_fuse(operations, effective);
            if restart {
                runner = member(&cluster, &metrics);
            }
            turn(&mut runner, 30);
        }
        turn(&mut runner, 200);
        let cluster = cluster.lock().unwrap();
        let mut found = BTreeMap::new();
        for partition in 0..4 {
            for record in cluster.visible("raw", partition, 0) {
                let origin = record.origin.unwrap();
                let origin = Origin::parse(&origin).unwrap();
                prop_assert_eq!(found.insert((origin.partition, origin.offset), true), None);
            }
            for record in cluster.visible("rejected", partition, 0) {
                let (_, datum) = wire::split(Some(&record.payload)).unwrap();
                let reject: Reject = shared(Format::Json).rejected.0.decode(datum).unwrap();
                prop_assert_eq!(found.insert((reject.source.partition, reject.source.offset), false), None);
            }
        }
        prop_assert_eq!(found, wanted);
    }
}

fn turn(runner: &mut Runner<MemoryBroker, Foreign>, steps: u32) {
    let left = AtomicI64::new(steps.into());
    // `run` recovers by itself, as a process that is not killed does
    runner.run(&|| left.fetch_sub(1, Ordering::Relaxed) <= 0).unwrap();
}

#[test]
fn what_is_committed_is_counted() {
    let metrics = Metrics::new("test", "0");
    let cluster = Arc::new(Mutex::new(Cluster::default()));
    for payload in [json("e1", "c1"), b"{".to_vec(), json("e2", "c1")] {
        cluster.lock().unwrap().publish(TOPIC, 0, b"k", &payload);
    }
    cluster.lock().unwrap().rebalance(&[("a", &[0])]);
    turn(&mut member(&cluster, &metrics), 50);
    let text = metrics.encode().unwrap();
    for (outcome, count) in [("accepted", 2), ("malformed_json", 1)] {
        let line =
            format!(r#"tidemill_ingest_records_total{{pipeline="payments-fraud",stage="ingestor.topic",outcome="{outcome}"}} {count}"#);
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }
}
