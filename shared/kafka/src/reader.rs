//! Reading without a group: a bounded scan here, an endless [`Tail`] and [`Follow`] beside it.
//!
//! A scan is every record of some partitions, from given offsets to where they ended when it began: the
//! last stable offset (read_committed) or the high watermark. Transaction markers take offsets too, so it
//! ends at the broker's end-of-partition event, not when an offset is reached. Neither joins a group or
//! commits anything.

mod follow;
mod standing;
mod tail;

pub use follow::Follow;
pub use tail::Tail;

use crate::admin::{self, Admin};
use crate::consumer;
use crate::context::Reading;
use rdkafka::ClientConfig;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::topic_partition_list::Offset;
use std::time::{Duration, Instant};

/// How long the broker may deliver nothing before a scan gives up: longer than a restart takes.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(100);

/// Which records a scan sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// Only those of committed transactions, up to the last stable offset.
    ReadCommitted,
    /// All, those of aborted and open transactions too.
    ReadUncommitted,
}

/// Why a scan could not go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The cluster did not tell about the topic.
    #[error(transparent)]
    Admin(#[from] admin::Error),
    /// The client is unusable, or an offset is gone.
    #[error("could not read {topic}: {source}")]
    Kafka {
        /// The topic.
        topic: String,
        /// The client's word.
        source: KafkaError,
    },
    /// No record and no end of a partition came for as long as the scan is patient.
    #[error("{topic} partitions {partitions:?} deliver nothing: is the broker up? ({last})")]
    Stalled {
        /// The topic.
        topic: String,
        /// Partitions that have not been read to their end.
        partitions: Vec<i32>,
        /// The last error that the client reported.
        last: String,
    },
}

/// A scan under way.
pub struct Scan {
    consumer: BaseConsumer<Reading>,
    topic: String,
    ranges: Vec<Range>,
    /// Per partition, the end of the scan; `None` when it was reached or is not part of it.
    until: Vec<Option<i64>>,
    open: usize,
    patience: Duration,
}

/// What a scan reads of a partition: offsets in `[from, to)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The partition.
    pub partition: i32,
    /// First offset that is read.
    pub from: i64,
    /// First one that is not.
    pub to: i64,
}

/// A record, borrowed from the client.
pub struct Record<'a>(BorrowedMessage<'a>);

impl<'a> Record<'a> {
    /// As a stage sees a record of its input `topic`, but without a trace: what a stage folds again, or only observes,
    /// starts no span, and librdkafka allocates for each look at headers.
    #[must_use]
    pub fn as_input(&self, topic: usize) -> tidemill_stream::Record<'_> {
        crate::transactional::record::record(&self.0, topic, None)
    }

    /// Its partition.
    #[must_use]
    pub fn partition(&self) -> i32 {
        self.0.partition()
    }

    /// Its offset.
    #[must_use]
    pub fn offset(&self) -> i64 {
        self.0.offset()
    }

    /// When it was appended, microseconds since 1970.
    #[must_use]
    pub fn appended_at(&self) -> i64 {
        self.0.timestamp().to_millis().unwrap_or(0) * 1000
    }

    /// Its key.
    #[must_use]
    pub fn key(&self) -> Option<&[u8]> {
        self.0.key()
    }

    /// Its value; `None` is a tombstone.
    #[must_use]
    pub fn payload(&self) -> Option<&[u8]> {
        self.0.payload()
    }

    /// The value of its first header called `name`.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.0.headers()?.iter().find(|h| h.key == name)?.value
    }
}

impl Scan {
    /// Reads all of `topic`.
    ///
    /// # Errors
    /// [`Error::Admin`] when the topic does not exist; [`Error::Kafka`].
    pub fn all(brokers: &str, topic: &str, isolation: Isolation) -> Result<Self, Error> {
        let partitions = Admin::new(brokers)?.partitions(topic)?.ok_or_else(|| admin::Error::NoTopic(topic.to_owned()))?;
        let from: Vec<(i32, i64)> = (0..partitions).map(|p| (p, 0)).collect();
        Self::new(brokers, topic, &from, isolation)
    }

    /// Reads partitions of `topic`, each from the offset beside it (or from its first, if that is later).
    ///
    /// # Errors
    /// [`Error::Kafka`].
    pub fn new(brokers: &str, topic: &str, from: &[(i32, i64)], isolation: Isolation) -> Result<Self, Error> {
        let fault = |source| Error::Kafka { topic: topic.to_owned(), source };
        let consumer: BaseConsumer<Reading> = config(brokers, isolation).create_with_context(Reading::default()).map_err(fault)?;
        let partitions: Vec<i32> = from.iter().map(|(partition, _)| *partition).collect();
        let all = |at| consumer::offsets(&consumer, topic, &partitions, at, admin::TIMEOUT).map_err(fault);
        let ends = all(Offset::Beginning)?.into_iter().zip(all(Offset::End)?);
        let mut assignment = TopicPartitionList::new();
        let (mut until, mut ranges) = (Vec::new(), Vec::new());
        for (&(partition, offset), (first, stable)) in from.iter().zip(ends) {
            let start = offset.max(first);
            ranges.push(Range { partition, from: start.min(stable), to: stable });
            let Ok(slot) = usize::try_from(partition) else { continue };
            if until.len() <= slot {
                until.resize(slot + 1, None);
            }
            if start < stable {
                until[slot] = Some(stable);
                assignment.add_partition_offset(topic, partition, Offset::Offset(start)).map_err(fault)?;
            }
        }
        consumer.assign(&assignment).map_err(fault)?;
        Ok(Self { consumer, topic: topic.to_owned(), ranges, until, open: assignment.count(), patience: PATIENCE })
    }

    /// Gives up after `patience` without a record, not after a minute.
    #[must_use]
    pub fn patient_for(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// What it reads of each partition, fixed when it began.
    #[must_use]
    pub fn ranges(&self) -> &[Range] {
        &self.ranges
    }

    /// The next record; `None` once every partition was read to its end. Records of one partition come
    /// in offset order.
    ///
    /// # Errors
    /// [`Error::Kafka`] when the client is unusable; [`Error::Stalled`].
    #[expect(clippy::should_implement_trait, reason = "records borrow from the scan, which no Iterator can say")]
    pub fn next(&mut self) -> Result<Option<Record<'_>>, Error> {
        let Self { consumer, topic, until, open, patience, .. } = self;
        let consumer = &*consumer;
        let mut quiet: Option<Instant> = None;
        let mut last = None;
        while *open > 0 {
            match consumer.poll(POLL) {
                Some(Ok(message)) => {
                    let slot = slot(until, message.partition());
                    let Some(end) = slot.as_ref().and_then(|s| **s) else { continue };
                    if message.offset() < end {
                        return Ok(Some(Record(message)));
                    }
                    close(slot, open);
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => close(slot(until, partition), open),
                Some(Err(source)) if is_final(&source) => return Err(Error::Kafka { topic: topic.clone(), source }),
                // the client reconnects by itself
                Some(Err(source)) => last = Some(source),
                None => {}
            }
            if quiet.get_or_insert_with(Instant::now).elapsed() > *patience {
                let partitions = until.iter().zip(0..).filter(|(end, _)| end.is_some()).map(|(_, p)| p).collect();
                let last = last.map_or_else(|| "no error was reported".to_owned(), |e| e.to_string());
                return Err(Error::Stalled { topic: topic.clone(), partitions, last });
            }
        }
        Ok(None)
    }
}

fn slot(until: &mut [Option<i64>], partition: i32) -> Option<&mut Option<i64>> {
    usize::try_from(partition).ok().and_then(|p| until.get_mut(p))
}

fn close(slot: Option<&mut Option<i64>>, open: &mut usize) {
    if slot.and_then(Option::take).is_some() {
        *open -= 1;
    }
}

fn is_final(error: &KafkaError) -> bool {
    if matches!(error, KafkaError::MessageConsumptionFatal(_)) {
        return true;
    }
    let gone = [
        RDKafkaErrorCode::AutoOffsetReset,
        RDKafkaErrorCode::OffsetOutOfRange,
        RDKafkaErrorCode::TopicAuthorizationFailed,
        RDKafkaErrorCode::UnknownPartition,
        RDKafkaErrorCode::UnknownTopic,
    ];
    error.rdkafka_error_code().is_some_and(|code| gone.contains(&code))
}

pub(crate) fn config(brokers: &str, isolation: Isolation) -> ClientConfig {
    let mut config = consumer::config(brokers);
    config
        // librdkafka assigns only to a consumer that has a group; nothing joins it or commits to it
        .set("group.id", "tidemill.scan")
        .set("enable.partition.eof", "true")
        .set("auto.offset.reset", "error")
        .set("isolation.level", if isolation == Isolation::ReadCommitted { "read_committed" } else { "read_uncommitted" })
        .set("fetch.queue.backoff.ms", "5")
        // of each partition; a record that waits takes a few times its bytes
        .set("queued.min.messages", "10000")
        .set("queued.max.messages.kbytes", "16384")
        // the end of a partition is told with an empty answer: do not wait long for more
        .set("fetch.wait.max.ms", "10");
    config
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use rdkafka::mocking::MockCluster;
    use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

    const TOPIC: &str = "t";

    pub(crate) fn produce(brokers: &str, partition: i32, values: &[&str]) {
        let producer: BaseProducer = ClientConfig::new().set("bootstrap.servers", brokers).create().unwrap();
        for value in values {
            producer.send(BaseRecord::to(TOPIC).partition(partition).key("k").payload(*value)).map_err(|(e, _)| e).unwrap();
        }
        producer.flush(Duration::from_secs(10)).unwrap();
    }

    fn read(mut scan: Scan) -> Vec<(i32, i64, String)> {
        let mut seen = Vec::new();
        while let Some(record) = scan.next().unwrap() {
            assert_eq!(record.key(), Some(&b"k"[..]));
            seen.push((record.partition(), record.offset(), String::from_utf8(record.payload().unwrap().to_vec()).unwrap()));
        }
        seen.sort();
        seen
    }

    #[test]
    fn reads_each_partition_from_its_offset_to_its_end() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic(TOPIC, 3, 1).unwrap();
        let brokers = cluster.bootstrap_servers();
        produce(&brokers, 0, &["a", "b", "c"]);
        produce(&brokers, 2, &["d"]);

        let all = read(Scan::all(&brokers, TOPIC, Isolation::ReadCommitted).unwrap());
        assert_eq!(all, [(0, 0, "a".into()), (0, 1, "b".into()), (0, 2, "c".into()), (2, 0, "d".into())]);
        let some = read(Scan::new(&brokers, TOPIC, &[(0, 2), (1, 0)], Isolation::ReadCommitted).unwrap());
        assert_eq!(some, [(0, 2, "c".into())]);
        assert_eq!(read(Scan::new(&brokers, TOPIC, &[(0, 3)], Isolation::ReadCommitted).unwrap()), []);
    }

    #[test]
    fn what_is_appended_after_the_start_is_not_part_of_it() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic(TOPIC, 1, 1).unwrap();
        let brokers = cluster.bootstrap_servers();
        produce(&brokers, 0, &["a"]);
        let scan = Scan::all(&brokers, TOPIC, Isolation::ReadCommitted).unwrap();
        produce(&brokers, 0, &["b"]);
        assert_eq!(scan.ranges(), [Range { partition: 0, from: 0, to: 1 }]);
        assert_eq!(read(scan), [(0, 0, "a".into())]);
    }
}
