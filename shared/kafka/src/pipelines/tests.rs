//! Following and reading the control topic of a broker that comes late and goes away.

use super::*;
use crate::registry::Registry;
use crate::registry::mock::Mock;
use rdkafka::ClientConfig;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tidemill_events::layout::control_avro;
use tokio::sync::watch;

fn pipeline(name: &str, version: i32) -> Pipeline {
    Pipeline {
        pipeline: name.into(),
        pipeline_version: version,
        digest: "sha256:00".into(),
        file: format!("pipeline: {name}"),
        event_schema: "{}".into(),
        applied_at: 1,
    }
}

struct Bed {
    cluster: MockCluster<'static, DefaultProducerContext>,
    registry_mock: Arc<Mock>,
    registry: Blocking,
    id: u32,
    runtime: tokio::runtime::Runtime,
}

impl Bed {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let cluster = MockCluster::new(1).unwrap();
        let (registry_mock, registry) = runtime.block_on(async {
            let (mock, url) = Mock::start().await;
            (mock, Registry::new(&url, Duration::from_millis(200)).unwrap().blocking())
        });
        let id = registry_mock.add("tidemill.pipelines-value", control_avro(Control::Pipelines));
        Self { cluster, registry_mock, registry, id, runtime }
    }

    fn brokers(&self) -> String {
        self.cluster.bootstrap_servers()
    }

    fn encode(&self, pipeline: &Pipeline) -> Vec<u8> {
        let mut payload = Vec::new();
        AvroSchema::parse(control_avro(Control::Pipelines)).unwrap().encode(self.id, pipeline, &mut payload).unwrap();
        payload
    }

    fn write(&self, key: &str, payload: Option<&[u8]>) {
        let producer: BaseProducer = ClientConfig::new().set("bootstrap.servers", self.brokers()).create().unwrap();
        let mut record = BaseRecord::to(Control::Pipelines.name()).partition(0).key(key);
        if let Some(payload) = payload {
            record = record.payload(payload);
        }
        producer.send(record).map_err(|(e, _)| e).unwrap();
        producer.flush(Duration::from_secs(10)).unwrap();
    }

    fn apply(&self, pipeline: &Pipeline) {
        self.write(&pipeline.pipeline, Some(&self.encode(pipeline)));
    }

    fn wait(&self, state: &mut watch::Receiver<Applied>, what: impl FnMut(&Applied) -> bool) -> Applied {
        let seen = self.runtime.block_on(async { tokio::time::timeout(Duration::from_secs(20), state.wait_for(what)).await });
        seen.expect("in time").unwrap().clone()
    }
}

fn version(applied: &Applied, name: &str) -> Option<i32> {
    applied.pipelines.get(name).map(|p| p.pipeline_version)
}

#[test]
fn follows_from_the_first_apply_to_the_removal() {
    let bed = Bed::new();
    bed.cluster.create_topic(Control::Pipelines.name(), 1, 1).unwrap();
    bed.apply(&pipeline("a", 1));
    bed.apply(&pipeline("b", 1));
    bed.apply(&pipeline("a", 2));
    let follower = Follower::start(&bed.brokers(), bed.registry.clone()).unwrap();
    let mut state = follower.applied();

    let seen = bed.wait(&mut state, |s| s.caught_up);
    assert_eq!((version(&seen, "a"), version(&seen, "b")), (Some(2), Some(1)), "what was there at the start comes at once");

    bed.apply(&pipeline("b", 2));
    bed.wait(&mut state, |s| version(s, "b") == Some(2));
    bed.write("a", None);
    let seen = bed.wait(&mut state, |s| version(s, "a").is_none());
    assert_eq!(seen.pipelines.keys().collect::<Vec<_>>(), ["b"]);
}

#[test]
fn a_record_that_is_no_pipeline_is_left_out_and_the_rest_followed() {
    let bed = Bed::new();
    bed.cluster.create_topic(Control::Pipelines.name(), 1, 1).unwrap();
    bed.apply(&pipeline("a", 1));
    bed.write("a", Some(b"hello"));
    bed.write("z", Some(&bed.encode(&pipeline("a", 9))));
    bed.apply(&pipeline("b", 1));
    let follower = Follower::start(&bed.brokers(), bed.registry.clone()).unwrap();
    let seen = bed.wait(&mut follower.applied(), |s| s.caught_up);
    assert_eq!((version(&seen, "a"), version(&seen, "b")), (Some(1), Some(1)));

    let error = applied(&bed.brokers(), &bed.registry).unwrap_err().to_string();
    assert!(error.contains("offset 1 of tidemill.pipelines"), "{error}");
}

#[test]
fn a_registry_and_a_broker_that_go_away_are_waited_for() {
    let bed = Bed::new();
    bed.cluster.create_topic(Control::Pipelines.name(), 1, 1).unwrap();
    bed.apply(&pipeline("a", 1));
    bed.registry_mock.failures.store(6, Ordering::SeqCst);
    let follower = Follower::start(&bed.brokers(), bed.registry.clone()).unwrap();
    let mut state = follower.applied();
    bed.wait(&mut state, |s| version(s, "a") == Some(1));

    bed.cluster.broker_down(1).unwrap();
    bed.cluster.broker_up(1).unwrap();
    bed.apply(&pipeline("a", 2));
    let seen = bed.wait(&mut state, |s| version(s, "a") == Some(2));
    assert!(seen.caught_up);
}

#[test]
fn reads_what_is_applied_now() {
    let bed = Bed::new();
    bed.cluster.create_topic(Control::Pipelines.name(), 1, 1).unwrap();
    bed.apply(&pipeline("a", 1));
    bed.apply(&pipeline("b", 1));
    bed.apply(&pipeline("a", 2));
    bed.write("b", None);
    assert_eq!(applied(&bed.brokers(), &bed.registry).unwrap(), [("a".to_owned(), pipeline("a", 2))].into());
}
