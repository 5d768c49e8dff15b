//! A read_committed reader of a whole topic, as a downstream system would be: a client of its own, not Tidemill's.

use crate::environment::Environment;
use anyhow::{Context, Result};
use rdkafka::TopicPartitionList;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::topic_partition_list::Offset;
use std::time::{Duration, Instant};
use tidemill_kafka::admin::Admin;

/// After this long without a record the client may be stuck (librdkafka #5430), in one partition or in all, and is replaced.
const QUIET: Duration = Duration::from_secs(10);

/// Reads all of a topic from its beginning, in no group.
pub struct Committed {
    brokers: String,
    topic: String,
    /// Where each partition goes on.
    next: Vec<Offset>,
    consumer: BaseConsumer,
    heard: Instant,
}

impl Committed {
    /// # Errors
    /// When the topic is not there.
    pub fn new(environment: &Environment, topic: &str) -> Result<Self> {
        let brokers = environment.kafka.clone();
        let partitions = Admin::new(&brokers)?.partitions(topic)?.with_context(|| format!("there is no topic {topic}"))?;
        let next: Vec<Offset> = (0..partitions).map(|_| Offset::Beginning).collect();
        Ok(Self { consumer: consumer(&brokers, topic, &next)?, brokers, topic: topic.to_owned(), next, heard: Instant::now() })
    }

    /// The next record, if there is one within `patience`. An error is a broker that is away: the client goes on by itself.
    ///
    /// # Errors
    /// When there can be no new client.
    pub fn poll(&mut self, patience: Duration) -> Result<Option<BorrowedMessage<'_>>> {
        if self.heard.elapsed() > QUIET {
            self.consumer = consumer(&self.brokers, &self.topic, &self.next)?;
            self.heard = Instant::now();
        }
        let Some(Ok(message)) = self.consumer.poll(patience) else { return Ok(None) };
        self.heard = Instant::now();
        if let Some(next) = usize::try_from(message.partition()).ok().and_then(|p| self.next.get_mut(p)) {
            *next = Offset::Offset(message.offset() + 1);
        }
        Ok(Some(message))
    }
}

fn consumer(brokers: &str, topic: &str, next: &[Offset]) -> Result<BaseConsumer> {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", brokers)
        // librdkafka assigns only to a consumer that has a group; nothing joins it or commits to it
        .set("group.id", "tidemill.test.watch")
        .set("enable.auto.commit", "false")
        // by default a reader that was told of no leader, by a broker that stalled, stays with that for five minutes
        .set("topic.metadata.refresh.interval.ms", "5000")
        .set("auto.offset.reset", "error")
        .set("isolation.level", "read_committed")
        .set("fetch.queue.backoff.ms", "5")
        .set("queued.min.messages", "100000");
    let consumer: BaseConsumer = config.create().context("cannot set up a consumer")?;
    let mut assignment = TopicPartitionList::new();
    for (partition, offset) in (0..).zip(next) {
        assignment.add_partition_offset(topic, partition, *offset)?;
    }
    consumer.assign(&assignment)?;
    Ok(consumer)
}
