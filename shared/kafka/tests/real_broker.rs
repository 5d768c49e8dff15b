//! What the mock broker cannot show: topic creation, transaction markers, committed metadata, racing applies.
//!
//! Needs the parts that `make up` starts: `TIDEMILL_KAFKA` and `TIDEMILL_REGISTRY` (`source .tidemill/env`).

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use rdkafka::ClientConfig;
use rdkafka::TopicPartitionList;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::Offset;
use std::time::Duration;
use tidemill_events::records::Pipeline;
use tidemill_events::topics::Control;
use tidemill_kafka::admin::{Admin, Ends, Error, Outcome, TopicSpec};
use tidemill_kafka::pipelines::{self, Publisher};
use tidemill_kafka::reader::{Isolation, Scan};
use tidemill_kafka::registry::Registry;

const TIMEOUT: Duration = Duration::from_secs(20);

fn env(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: `make up`, then `source .tidemill/env`"))
}

/// Topics of one test, deleted at its end.
struct Bed {
    runtime: tokio::runtime::Runtime,
    brokers: String,
    admin: Admin,
    specs: Vec<TopicSpec>,
}

impl Bed {
    fn new(test: &str, topics: &[(&str, i32)]) -> Self {
        let brokers = env("TIDEMILL_KAFKA");
        let admin = Admin::new(&brokers).unwrap();
        let name = |topic: &str| format!("test-{test}-{}.{topic}", std::process::id());
        let specs = topics.iter().map(|(t, partitions)| TopicSpec { name: name(t), partitions: *partitions, compacted: false }).collect();
        Self { runtime: tokio::runtime::Runtime::new().unwrap(), brokers, admin, specs }
    }

    fn create(&self) -> Result<Vec<(String, Outcome)>, Error> {
        self.runtime.block_on(self.admin.create_topics(&self.specs))
    }

    fn topic(&self) -> &str {
        &self.specs[0].name
    }

    fn producer(&self, id: &str) -> BaseProducer {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers).set("transactional.id", format!("{}.{id}", self.topic()));
        let producer: BaseProducer = config.create().unwrap();
        producer.init_transactions(TIMEOUT).unwrap();
        producer
    }

    fn transaction(&self, producer: &BaseProducer, values: &[&str], commit: bool) {
        producer.begin_transaction().unwrap();
        for value in values {
            producer.send(BaseRecord::<str, str>::to(self.topic()).partition(0).payload(*value)).map_err(|(e, _)| e).unwrap();
        }
        producer.flush(TIMEOUT).unwrap();
        if commit { producer.commit_transaction(TIMEOUT).unwrap() } else { producer.abort_transaction(TIMEOUT).unwrap() }
    }

    fn read(&self, from: i64, isolation: Isolation) -> Vec<(i64, String)> {
        let mut scan = Scan::new(&self.brokers, self.topic(), &[(0, from)], isolation).unwrap();
        let mut seen = Vec::new();
        while let Some(record) = scan.next().unwrap() {
            assert!(record.appended_at() > 1_600_000_000_000_000, "append time in microseconds");
            seen.push((record.offset(), String::from_utf8(record.payload().unwrap().to_vec()).unwrap()));
        }
        seen
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        let client: AdminClient<DefaultClientContext> = ClientConfig::new().set("bootstrap.servers", &self.brokers).create().unwrap();
        let names: Vec<&str> = self.specs.iter().map(|s| s.name.as_str()).collect();
        let _ = self.runtime.block_on(client.delete_topics(&names, &AdminOptions::new()));
    }
}

#[test]
fn topics_are_created_once_and_never_grown() {
    let mut bed = Bed::new("topics", &[("a", 2), ("b", 1)]);
    let created = bed.create().unwrap();
    assert!(created.iter().all(|(_, outcome)| *outcome == Outcome::Created), "{created:?}");
    let again = bed.create().unwrap();
    assert!(again.iter().all(|(_, outcome)| *outcome == Outcome::Existed), "{again:?}");
    assert_eq!(bed.admin.partitions(bed.topic()).unwrap(), Some(2));

    let new = TopicSpec { name: format!("{}.new", bed.topic()), partitions: 1, compacted: false };
    bed.specs[0].partitions = 4;
    bed.specs.push(new.clone());
    let error = bed.create().unwrap_err();
    assert!(matches!(&error, Error::Mismatch(found) if found.len() == 1), "{error}");
    assert!(error.to_string().contains("has 2 partitions, the pipeline file wants 4"), "{error}");
    assert_eq!(bed.admin.partitions(&new.name).unwrap(), None, "nothing is created where anything differs");
    assert_eq!(bed.admin.partitions(bed.topic()).unwrap(), Some(2));
}

#[test]
fn a_scan_sees_what_was_committed_and_stops_at_the_last_stable_offset() {
    let bed = Bed::new("scan", &[("t", 1)]);
    bed.create().unwrap();
    let producer = bed.producer("a");
    bed.transaction(&producer, &["a", "b"], true);
    bed.transaction(&producer, &["aborted"], false);
    bed.transaction(&producer, &["c"], true);
    let open = bed.producer("b");
    open.begin_transaction().unwrap();
    open.send(BaseRecord::<str, str>::to(bed.topic()).partition(0).payload("open")).map_err(|(e, _)| e).unwrap();
    open.flush(TIMEOUT).unwrap();
    bed.transaction(&producer, &["after"], true);

    // a, b, marker, aborted, marker, c, marker, open
    assert_eq!(bed.read(0, Isolation::ReadCommitted), [(0, "a".into()), (1, "b".into()), (5, "c".into())]);
    assert_eq!(bed.read(6, Isolation::ReadCommitted), [], "only a marker is left");
    assert_eq!(bed.admin.ends(bed.topic()).unwrap(), [Ends { start: 0, stable: 7, high: 10 }]);
    let all: Vec<String> = bed.read(0, Isolation::ReadUncommitted).into_iter().map(|(_, v)| v).collect();
    assert_eq!(all, ["a", "b", "aborted", "c", "open", "after"]);
    open.abort_transaction(TIMEOUT).unwrap();
    assert_eq!(bed.read(6, Isolation::ReadCommitted), [(8, "after".into())]);
}

#[test]
fn offsets_of_a_group_come_with_their_metadata() {
    let bed = Bed::new("group", &[("t", 2)]);
    bed.create().unwrap();
    let group = format!("{}.group", bed.topic());
    assert!(bed.admin.committed(&group, bed.topic()).unwrap().iter().all(|c| c.offset.is_none()));

    let member: BaseConsumer = ClientConfig::new().set("bootstrap.servers", &bed.brokers).set("group.id", &group).create().unwrap();
    let mut offsets = TopicPartitionList::new();
    let mut element = offsets.add_partition(bed.topic(), 1);
    element.set_offset(Offset::Offset(7)).unwrap();
    element.set_metadata("AQU");
    member.commit(&offsets, CommitMode::Sync).unwrap();

    let committed = bed.admin.committed(&group, bed.topic()).unwrap();
    assert_eq!(committed[0].offset, None);
    assert_eq!((committed[1].offset, committed[1].metadata.as_str()), (Some(7), "AQU"));
    assert!(matches!(bed.admin.committed(&group, "test-nothere"), Err(Error::NoTopic(_))));
}

#[test]
fn the_broker_tells_its_settings() {
    let bed = Bed::new("settings", &[("t", 1)]);
    let value = bed.runtime.block_on(bed.admin.broker_setting("offset.metadata.max.bytes")).unwrap();
    assert!(value.parse::<u64>().unwrap() >= 4096, "{value}");
    assert!(matches!(bed.runtime.block_on(bed.admin.broker_setting("no.such.setting")), Err(Error::NoSetting(_))));
}

#[test]
fn of_two_applies_at_the_same_time_the_first_to_begin_fails() {
    let bed = Bed::new("apply", &[("t", 1)]);
    let control = TopicSpec { name: Control::Pipelines.name().into(), partitions: 1, compacted: true };
    bed.runtime.block_on(bed.admin.create_topics(&[control])).unwrap();
    let registry = {
        let _guard = bed.runtime.enter();
        Registry::new(&env("TIDEMILL_REGISTRY"), TIMEOUT).unwrap().blocking()
    };
    let name = format!("test-apply-{}", std::process::id());
    let record = |version| Pipeline {
        pipeline: name.clone(),
        pipeline_version: version,
        digest: "sha256:00".into(),
        file: String::new(),
        event_schema: String::new(),
        applied_at: 0,
    };
    let slow = Publisher::new(&bed.brokers, registry.clone(), &name).unwrap();
    assert_eq!(slow.applied().unwrap(), None);
    let quick = Publisher::new(&bed.brokers, registry.clone(), &name).unwrap();
    quick.publish(&record(1)).unwrap();
    let error = slow.publish(&record(2)).unwrap_err();
    assert!(matches!(error, pipelines::Error::Raced(_)), "{error}");
    assert_eq!(pipelines::applied(&bed.brokers, &registry).unwrap().get(&name), Some(&record(1)));

    let next = Publisher::new(&bed.brokers, registry.clone(), &name).unwrap();
    assert_eq!(next.applied().unwrap(), Some(record(1)));
    next.publish(&record(2)).unwrap();
    assert_eq!(pipelines::applied(&bed.brokers, &registry).unwrap().get(&name), Some(&record(2)));

    let plain: BaseProducer = ClientConfig::new().set("bootstrap.servers", &bed.brokers).create().unwrap();
    plain.send(BaseRecord::<str, str>::to(Control::Pipelines.name()).partition(0).key(&name)).map_err(|(e, _)| e).unwrap();
    plain.flush(TIMEOUT).unwrap();
    assert_eq!(pipelines::applied(&bed.brokers, &registry).unwrap().get(&name), None);
}
