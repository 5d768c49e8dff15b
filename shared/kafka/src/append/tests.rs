//! The appender against librdkafka's own mock broker.

use super::client::REPLACE;
use super::*;
use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use rdkafka::mocking::MockCluster;
use rdkafka::{Offset, TopicPartitionList};
use std::sync::Arc;
use std::time::Instant;

fn settings(brokers: String) -> Settings {
    Settings { brokers, client_id: "test".into(), delivery_timeout: Duration::from_secs(10), queue_bytes: 64 << 20 }
}

fn batch(count: usize) -> Batch {
    let mut batch = Batch::new("t", Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into()));
    for i in 0..count {
        batch.push((i % 3) as i32, format!("key{i}").as_bytes(), format!("payload{i}").as_bytes());
    }
    batch
}

fn cluster() -> MockCluster<'static, rdkafka::producer::DefaultProducerContext> {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("t", 3, 1).unwrap();
    cluster
}

#[tokio::test]
async fn every_record_gets_its_own_offset_and_is_there() {
    let cluster = cluster();
    let appender = Appender::new(&settings(cluster.bootstrap_servers())).unwrap();
    appender.ping(Duration::from_secs(10)).unwrap();
    let batch = batch(1000);
    let outcomes = appender.append(&batch).outcomes().await;
    assert_eq!(outcomes.len(), 1000);

    let consumer: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", cluster.bootstrap_servers()).set("group.id", "g").create().unwrap();
    let mut all = TopicPartitionList::new();
    (0..3).for_each(|p| all.add_partition_offset("t", p, Offset::Beginning).unwrap());
    consumer.assign(&all).unwrap();
    for _ in 0..1000 {
        let message = consumer.poll(Duration::from_secs(10)).expect("a record in time").unwrap();
        let place = |(i, r): (usize, batch::Record<'_>)| r.partition == message.partition() && outcomes[i] == Ok(message.offset());
        let (_, record) = batch.records().enumerate().find(|(i, r)| place((*i, *r))).expect("a record with this offset");
        assert_eq!((Some(record.key), Some(record.payload)), (message.key(), message.payload()));
        let headers = message.headers().unwrap();
        assert_eq!(headers.get(0).value, batch.traceparent().map(str::as_bytes));
    }
}

#[tokio::test]
async fn failures_are_told_apart_and_spare_the_rest() {
    let cluster = cluster();
    let appender = Appender::new(&settings(cluster.bootstrap_servers())).unwrap();
    let mut mixed = Batch::new("t", None);
    mixed.push(0, b"k", b"v");
    mixed.push(0, b"k", &vec![0; 2 << 20]);
    mixed.push(7, b"k", b"v");
    mixed.push(1, b"k", b"v");
    let outcomes = appender.append(&mixed).outcomes().await;
    assert_eq!(outcomes, [Ok(0), Err(Error::TooLarge), Err(Error::Refused), Ok(0)]);
    assert_eq!(appender.append(&Batch::new("t", None)).outcomes().await, []);
}

#[tokio::test]
async fn a_full_queue_is_busy_and_a_silent_broker_times_out() {
    let cluster = cluster();
    cluster.broker_down(1).unwrap();
    let small = Settings { delivery_timeout: Duration::from_millis(300), queue_bytes: 1024, ..settings(cluster.bootstrap_servers()) };
    let appender = Appender::new(&small).unwrap();
    assert!(appender.ping(Duration::from_millis(100)).is_err());
    let mut large = Batch::new("t", None);
    (0..3).for_each(|_| large.push(0, b"k", &[0; 400]));
    let outcomes = appender.append(&large).outcomes().await;
    assert_eq!(outcomes, [Err(Error::NotAcknowledged), Err(Error::NotAcknowledged), Err(Error::Busy)]);
    cluster.broker_up(1).unwrap();
    let mut one = Batch::new("t", None);
    one.push(0, b"k", b"v");
    let mut tries = 0;
    while let [Err(error)] = appender.append(&one).outcomes().await[..] {
        tries += 1;
        assert!(tries < 50, "still {error} though the broker is back");
    }
}

/// The mock broker falls over when a partition has no leader, so here the client is only told that it has lost one; the
/// real broker stalls in the integration tests.
#[tokio::test]
async fn a_client_that_has_lost_a_leader_is_replaced() {
    let cluster = cluster();
    let appender = Appender::new(&settings(cluster.bootstrap_servers())).unwrap();
    assert!(appender.append(&batch(30)).outcomes().await.iter().all(Result::is_ok));
    let first = Arc::downgrade(&appender.small.producer());
    appender.small.producer().context().log(
        RDKafkaLogLevel::Warning,
        "METADATAUPDATE",
        "[thrd:main]: Partition t(TZUyVOkzSoymj2SDzq45ig)[0]: new leader-1 not found in cache",
    );
    appender.small.present.write().unwrap().at = Instant::now() - 2 * REPLACE;
    assert!(appender.append(&batch(30)).outcomes().await.iter().all(Result::is_ok));
    let begin = Instant::now();
    while first.strong_count() > 0 {
        assert!(begin.elapsed() < Duration::from_secs(10), "the old client is still there");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
