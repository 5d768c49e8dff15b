//! Topics, group offsets and broker settings: what the command line and start-up checks ask of a cluster.

mod error;
mod topics;

pub use error::{Error, Mismatch};
pub use topics::{Outcome, TopicSpec};

use crate::consumer;
use rdkafka::ClientConfig;
use rdkafka::TopicPartitionList;
use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::topic_partition_list::Offset;
use std::time::Duration;

/// How long the broker may take to answer one request.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(15);

/// A connection that asks and creates; it consumes nothing and joins no group. Calls block.
pub struct Admin {
    brokers: String,
    client: AdminClient<DefaultClientContext>,
    /// Sees what is stable.
    committed: BaseConsumer,
    /// Sees all.
    uncommitted: BaseConsumer,
}

/// What a group has committed for one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The first offset that is not done; `None` when nothing was committed.
    pub offset: Option<i64>,
    /// The metadata beside it.
    pub metadata: String,
}

/// The readable offsets of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends {
    /// The first offset.
    pub start: i64,
    /// The last stable offset: a read_committed reader sees nothing at or after it.
    pub stable: i64,
    /// The high watermark; beyond `stable` while a transaction is open.
    pub high: i64,
}

impl Admin {
    /// Connects to the cluster behind `brokers` (`host:port,…`); the first call finds out whether it is there.
    ///
    /// # Errors
    /// [`Error::Kafka`] when the client cannot be made.
    pub fn new(brokers: &str) -> Result<Self, Error> {
        let client =
            ClientConfig::new().set("bootstrap.servers", brokers).create().map_err(|e| Error::kafka("set up an admin client", e))?;
        let reader = |isolation| {
            consumer::config(brokers).set("isolation.level", isolation).create().map_err(|e| Error::kafka("set up a consumer", e))
        };
        let (committed, uncommitted) = (reader("read_committed")?, reader("read_uncommitted")?);
        Ok(Self { brokers: brokers.to_owned(), client, committed, uncommitted })
    }

    /// How many partitions `topic` has; `None` when it does not exist.
    ///
    /// # Errors
    /// [`Error::Kafka`].
    pub fn partitions(&self, topic: &str) -> Result<Option<i32>, Error> {
        Ok(topics::partitions_of(self.client.inner(), &[topic])?.remove(topic))
    }

    /// Creates the topics that are missing and waits until each has its leaders. Topics that exist as
    /// specified are left alone, whoever created them.
    ///
    /// # Errors
    /// [`Error::Mismatch`] when a topic exists in another shape: then nothing is created. [`Error::Kafka`].
    pub async fn create_topics(&self, specs: &[TopicSpec]) -> Result<Vec<(String, Outcome)>, Error> {
        topics::create(&self.client, specs).await
    }

    /// The value of broker setting `name`, as the first broker that answers has it.
    ///
    /// # Errors
    /// [`Error::Kafka`]; [`Error::NoSetting`] when the broker does not tell.
    pub async fn broker_setting(&self, name: &str) -> Result<String, Error> {
        let doing = "read the broker's settings";
        let metadata = self.client.inner().fetch_metadata(None, TIMEOUT).map_err(|e| Error::kafka(doing, e))?;
        let broker = metadata.brokers().first().ok_or_else(|| Error::NoSetting(name.to_owned()))?.id();
        let options = AdminOptions::new().request_timeout(Some(TIMEOUT));
        let answers =
            self.client.describe_configs(&[ResourceSpecifier::Broker(broker)], &options).await.map_err(|e| Error::kafka(doing, e))?;
        let resource = match answers.into_iter().next() {
            Some(Ok(resource)) => resource,
            Some(Err(code)) => return Err(Error::kafka(doing, rdkafka::error::KafkaError::AdminOp(code))),
            None => return Err(Error::NoSetting(name.to_owned())),
        };
        resource.get(name).and_then(|entry| entry.value.clone()).ok_or_else(|| Error::NoSetting(name.to_owned()))
    }

    /// What `group` has committed for each partition of `topic`, from 0 on.
    ///
    /// # Errors
    /// [`Error::Kafka`]; [`Error::NoTopic`].
    pub fn committed(&self, group: &str, topic: &str) -> Result<Vec<Committed>, Error> {
        let doing = format!("read the offsets of group {group}");
        let partitions = self.partitions(topic)?.ok_or_else(|| Error::NoTopic(topic.to_owned()))?;
        let member: BaseConsumer = consumer::config(&self.brokers).set("group.id", group).create().map_err(|e| Error::kafka(&doing, e))?;
        let mut list = TopicPartitionList::new();
        list.add_partition_range(topic, 0, partitions - 1);
        let list = member.committed_offsets(list, TIMEOUT).map_err(|e| Error::kafka(&doing, e))?;
        let mut committed = vec![Committed { offset: None, metadata: String::new() }; list.count()];
        for element in list.elements() {
            element.error().map_err(|e| Error::kafka(&doing, e))?;
            let Some(slot) = usize::try_from(element.partition()).ok().and_then(|p| committed.get_mut(p)) else { continue };
            if let Offset::Offset(offset) = element.offset() {
                *slot = Committed { offset: Some(offset), metadata: element.metadata().to_owned() };
            }
        }
        Ok(committed)
    }

    /// The readable offsets of each partition of `topic`, from 0 on.
    ///
    /// # Errors
    /// [`Error::Kafka`]; [`Error::NoTopic`].
    pub fn ends(&self, topic: &str) -> Result<Vec<Ends>, Error> {
        let partitions = self.partitions(topic)?.ok_or_else(|| Error::NoTopic(topic.to_owned()))?;
        let partitions: Vec<i32> = (0..partitions).collect();
        let all = |consumer: &BaseConsumer, at| {
            consumer::offsets(consumer, topic, &partitions, at, TIMEOUT)
                .map_err(|e| Error::kafka(&format!("read where the partitions of {topic} begin and end"), e))
        };
        // in this order: nothing is stable beyond what is there
        let (start, stable) = (all(&self.committed, Offset::Beginning)?, all(&self.committed, Offset::End)?);
        let high = all(&self.uncommitted, Offset::End)?;
        let ends = start.into_iter().zip(stable).zip(high);
        Ok(ends.map(|((start, stable), high)| Ends { start, stable, high }).collect())
    }

    /// For each partition of `topic`, from 0 on, the first offset whose append time is at or after
    /// `time` (microseconds since 1970); `None` where all is older.
    ///
    /// # Errors
    /// [`Error::Kafka`]; [`Error::NoTopic`].
    pub fn offsets_at(&self, topic: &str, time: i64) -> Result<Vec<Option<i64>>, Error> {
        let doing = format!("look up offsets of {topic} by time");
        let partitions = self.partitions(topic)?.ok_or_else(|| Error::NoTopic(topic.to_owned()))?;
        let mut list = TopicPartitionList::new();
        list.add_partition_range(topic, 0, partitions - 1);
        list.set_all_offsets(Offset::Offset(time.div_euclid(1000))).map_err(|e| Error::kafka(&doing, e))?;
        let list = self.committed.offsets_for_times(list, TIMEOUT).map_err(|e| Error::kafka(&doing, e))?;
        let mut offsets = vec![None; list.count()];
        for element in list.elements() {
            element.error().map_err(|e| Error::kafka(&doing, e))?;
            let Some(slot) = usize::try_from(element.partition()).ok().and_then(|p| offsets.get_mut(p)) else { continue };
            if let Offset::Offset(offset) = element.offset() {
                *slot = Some(offset);
            }
        }
        Ok(offsets)
    }
}
