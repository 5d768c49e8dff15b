//! A topic of the upstream's own, read exactly once whatever happens to the ingestor; and events that are published
//! straight to Kafka.

use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use tidemill_events::origin::{HEADER, Origin};
use tidemill_events::partition::partition_of;
use tidemill_integration_tests::admin::create_topic;
use tidemill_integration_tests::hostile::{Hostile, corruptions};
use tidemill_integration_tests::producer::{Outgoing, Producer};
use tidemill_integration_tests::services::Slot;
use tidemill_integration_tests::topics::Message;
use tidemill_integration_tests::upstream::{Shop, customer, id, id_of, json_payment};
use tidemill_integration_tests::{Pipeline, Service, Stack, payments};
use tidemill_kafka::reader::{Isolation, Scan};

const INGESTOR: Slot = Slot(Service::Ingestor, 1);
/// Payments of each upstream, and records that are none.
const GOOD: usize = 5_000;
const HOSTILE: usize = 50;
/// Of the upstream's topic; the pipelines have four.
const PARTITIONS: i32 = 3;
/// The upstream writes in so many goes; the ingestor is killed after each.
const GOES: usize = 10;
const UNKNOWN_ID: u32 = 2_000_000_000;

/// A pipeline that reads an upstream's topic, and what was written there.
struct Upstream {
    pipeline: Pipeline,
    topic: String,
    records: Vec<Outgoing>,
    /// Per record, the payment it is, or the reason it must be rejected with.
    wanted: Vec<Result<usize, &'static str>>,
    /// By partition and offset, the index of the record.
    written: BTreeMap<(i32, i64), usize>,
}

/// A copy of the payments example that reads a topic of its own, which is not there yet.
fn copy(stack: &Stack, format: &str) -> (Pipeline, String) {
    let pipeline = Pipeline::copy(&stack.environment, "payments", stack.test()).unwrap();
    let topic = format!("{}-upstream", pipeline.name);
    let text = pipeline.text().unwrap().replacen("partitions: 4", &format!("partitions: 4, topic: {topic}, format: {format}"), 1);
    assert!(text.contains(&topic));
    fs::write(pipeline.file(), text).unwrap();
    (pipeline, topic)
}

impl Upstream {
    fn apply(stack: &Stack, format: &str, payload: impl Fn(usize) -> Vec<u8>, hostile: &[Hostile], copied: (Pipeline, String)) -> Self {
        let (mut pipeline, topic) = copied;
        pipeline.apply_again(&stack.tidemill()).unwrap_or_else(|e| panic!("{format}: {e:#}"));
        let (mut records, mut wanted) = (Vec::new(), Vec::new());
        let every = GOOD / HOSTILE;
        for n in 0..GOOD {
            // keyed as the upstream likes, or not at all
            let key = (n % 2 == 0).then(|| format!("whatever-{n}").into_bytes());
            let partition = (n % PARTITIONS as usize) as i32;
            records.push(Outgoing { partition, key, payload: Some(payload(n)), headers: Vec::new() });
            wanted.push(Ok(n));
            if n % every == 0 {
                // from the first to the last, where there are more than there is room for
                let hostile = &hostile[n / every * hostile.len().max(HOSTILE) / HOSTILE % hostile.len()];
                records.push(hostile.outgoing(partition));
                wanted.push(Err(hostile.reason));
            }
        }
        assert_eq!(records.len(), GOOD + HOSTILE);
        Self { pipeline, topic, records, wanted, written: BTreeMap::new() }
    }

    /// Writes the `go`-th part of the records.
    fn write(&mut self, producer: &Producer, go: usize) {
        let part = |go: usize| self.records.len() * go / GOES;
        let (from, to) = (part(go), part(go + 1));
        let offsets = producer.write(&self.topic, &self.records[from..to]).unwrap();
        self.written.extend((from..to).zip(offsets).map(|(i, offset)| ((self.records[i].partition, offset), i)));
    }

    /// Every payment is in raw once, says where it came from, and is predicted once; every other record is rejected once.
    fn check(&self, stack: &Stack) {
        let reader = stack.reader();
        let mut came_from = BTreeMap::new();
        let mut scan = Scan::all(&stack.environment.kafka, &self.pipeline.topic("raw"), Isolation::ReadCommitted).unwrap();
        while let Some(record) = scan.next().unwrap() {
            let origin = Origin::parse(record.header(HEADER).unwrap()).unwrap();
            assert_eq!(origin.topic, self.topic);
            let event_id = id_of(&reader.decode(record.payload()).unwrap(), "transaction_id").unwrap();
            let n = self.wanted[self.written[&(origin.partition, origin.offset)]].unwrap();
            assert_eq!((event_id, record.key()), (id(n), Some(customer(n).as_bytes())), "keyed by the first entity");
            assert_eq!(record.partition(), partition_of(customer(n).as_bytes(), 4));
            assert_eq!(came_from.insert(n, ()), None, "payment {n} is in raw twice");
        }
        assert_eq!(came_from.len(), GOOD, "payments in raw");
        let predictions = reader.read(&self.pipeline.topic("predictions")).unwrap();
        let predicted: BTreeSet<String> = predictions.iter().map(|p| id_of(&p.value, "event_id").unwrap()).collect();
        assert_eq!((predictions.len(), predicted.len()), (GOOD, GOOD), "predictions, and events that have one");
        self.check_rejects(&reader.read(&self.pipeline.topic("rejected")).unwrap());
    }

    fn check_rejects(&self, rejects: &[Message]) {
        let mut seen = BTreeSet::new();
        for reject in rejects {
            let source = &reject.value["source"];
            assert_eq!(source["topic"], self.topic.as_str(), "{reject:?}");
            let at = (i32::try_from(source["partition"].as_i64().unwrap()).unwrap(), source["offset"].as_i64().unwrap());
            let index = self.written[&at];
            assert_eq!(self.wanted[index], Err(reject.value["reason"].as_str().unwrap()), "{at:?}: {reject:?}");
            let original = self.records[index].payload.as_deref().unwrap_or_default();
            let kept: Vec<Json> = original.iter().take(1024).map(|b| Json::from(*b)).collect();
            assert_eq!(reject.value["original"], Json::Array(kept));
            assert!(seen.insert(at), "{at:?} was rejected twice");
        }
        assert_eq!(seen.len(), HOSTILE, "every record that is none is rejected");
    }
}

fn hostile_json() -> Vec<Hostile> {
    let good = json_payment(0).to_string();
    let text = |what: &str, json: String, reason| Hostile::new(what, json.into_bytes(), reason);
    vec![
        Hostile::new("no payload", None, "null_payload"),
        text("nothing", String::new(), "empty"),
        text("cut off", good[..good.len() - 1].to_owned(), "malformed_json"),
        text("twice", good.repeat(2), "malformed_json"),
        text("an array", format!("[{good}]"), "not_an_object"),
        text("depth 100k", "[".repeat(100_000), "malformed_json"),
        text("depth 100k, closed", "[".repeat(100_000) + &"]".repeat(100_000), "too_deep"),
        text("a key twice", good.replacen('{', r#"{"amount":1,"#, 1), "duplicate_key"),
        text("NaN", good.replace(r#""12.50""#, "NaN"), "not_finite"),
        text("an unknown field", good.replacen('{', r#"{"colour":1,"#, 1), "unknown_field"),
        text("no terminal", good.replace("terminal_id", "customer"), "unknown_field"),
        text("an empty object", "{}".into(), "missing_field"),
        Hostile::new("bytes", vec![0xff, 0xfe, 0x00], "not_utf8"),
        Hostile::new("Avro", vec![0, 0, 0, 0, 1, 2, 97], "malformed_json"),
    ]
}

#[test]
fn an_upstreams_topic_is_read_exactly_once_whatever_is_killed() {
    let mut stack = Stack::new("foreign").unwrap();
    let (avro, plain) = (copy(&stack, "avro"), copy(&stack, "json"));
    // not ours to create
    let refused = stack.tidemill().run(&["apply", &avro.0.file().to_string_lossy()]).unwrap().with_code(1).unwrap();
    assert!(refused.err.contains(&format!("there is no topic `{}`", avro.1)), "{}", refused.err);
    for (_, topic) in [&avro, &plain] {
        create_topic(&stack.environment.kafka, topic, PARTITIONS).unwrap();
    }
    let shop = Shop::register(&stack.reader(), &avro.1).unwrap();
    // any registered schema that is no payment's
    let nobodys = json!({"type": "record", "name": "Other", "fields": [{"name": "x", "type": "string"}]});
    let other = stack.reader().register(&format!("{}-other", avro.1), &nobodys).unwrap();
    let hostile = corruptions(&shop.avro(0).unwrap(), other, UNKNOWN_ID);
    let avro = Upstream::apply(&stack, "avro", |n| shop.avro(n).unwrap(), &hostile, avro);
    let plain = Upstream::apply(&stack, "json", |n| json_payment(n).to_string().into_bytes(), &hostile_json(), plain);
    stack.start_all().unwrap();

    let (producer, mut upstreams) = (stack.producer().unwrap(), [avro, plain]);
    for go in 0..GOES {
        for upstream in &mut upstreams {
            upstream.write(&producer, go);
        }
        // at work on what was just written, or just done with it
        stack.services.kill(INGESTOR).unwrap();
        stack.services.start(&[INGESTOR]).unwrap();
        stack.services.await_ready().unwrap();
    }
    for upstream in &upstreams {
        stack.wait(&upstream.pipeline).unwrap();
        upstream.check(&stack);
        stack.tidemill().succeed(&["verify", &upstream.pipeline.name]).unwrap();
    }
    stack.services.stop_all().unwrap();
}

/// Events of the payments file that are published.
const PUBLISHED: &str = "2000";

#[test]
fn events_are_published_straight_to_kafka() {
    let mut stack = Stack::new("via-kafka").unwrap();
    let plain = stack.apply("payments").unwrap();
    let (mut upstream, topic) = copy(&stack, "avro");
    // days a second through partitions that are read one after the other: they meet in raw hours apart
    upstream.edit("lateness: 10m", "lateness: 1d").unwrap();
    create_topic(&stack.environment.kafka, &topic, PARTITIONS).unwrap();
    upstream.apply_again(&stack.tidemill()).unwrap();
    stack.start_all().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let events = payments::file(&stack.environment, &stack.tidemill(), folder.path()).unwrap();
    for pipeline in [&plain, &upstream] {
        let acks = folder.path().join(format!("{}.ndjson", pipeline.name));
        let (acks, events) = (acks.to_string_lossy(), events.to_string_lossy());
        let more =
            ["--events", &events, "--limit", PUBLISHED, "--rate", "1000/s", "--labels-delay", "1h", "--acks", &acks, "--output", "json"];
        let published = stack.tidemill().succeed(&[&["publish", &pipeline.name, "--via", "kafka"][..], &more].concat()).unwrap();
        let report = published.json().unwrap();
        assert_eq!((&report["acknowledged"], &report["labels"]["acknowledged"]), (&json!(2_000), &json!(2_000)), "{report}");
        stack.wait(pipeline).unwrap();
        stack.tidemill().succeed(&["verify", &pipeline.name, "--acks", &acks]).unwrap();
        for (topic, count) in [("raw", 2_000), ("predictions", 2_000), ("outcomes", 2_000)] {
            assert_eq!(stack.reader().count(&pipeline.topic(topic)).unwrap(), count, "{topic} of {}", pipeline.name);
        }
    }
    assert_eq!(stack.reader().count(&topic).unwrap(), 2_000, "events went by the upstream's own topic");
    stack.services.stop_all().unwrap();
}
