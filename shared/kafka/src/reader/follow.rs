//! An endless read of a whole topic: every committed record from its beginning, then as they come.

use super::standing::{Polled, Standing};
use super::{Error, Isolation, Record, config};
use crate::admin::{self, Admin};
use rdkafka::topic_partition_list::Offset;
use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

/// Between two attempts when the broker or the topic is not there.
const PAUSE: Duration = Duration::from_millis(500);

/// Reads all partitions of a topic from their beginning on. It joins no group and commits nothing, and it goes on
/// where it was when the broker has been away.
pub struct Follow {
    reader: Standing,
    /// Partitions that have not been read to an end yet.
    behind: BTreeSet<i32>,
}

impl Follow {
    /// Starts at the beginning of `topic`.
    ///
    /// # Errors
    /// [`Error::Admin`] when the topic does not exist; [`Error::Kafka`].
    pub fn new(brokers: &str, topic: &str) -> Result<Self, Error> {
        let partitions = Admin::new(brokers)?.partitions(topic)?.ok_or_else(|| admin::Error::NoTopic(topic.to_owned()))?;
        let mut config = config(brokers, Isolation::ReadCommitted);
        // retention may have taken the first records
        config.set("auto.offset.reset", "earliest").set("fetch.wait.max.ms", "500");
        if partitions > 1 {
            // a busy topic, of which half a second at a time costs the broker far fewer answers; the others, which bring
            // decisions, are answered as soon as there is one
            config.set("fetch.min.bytes", "262144");
        }
        let reader = Standing::new(config, topic, (0..partitions).map(|_| Offset::Beginning).collect())?;
        Ok(Self { reader, behind: (0..partitions).collect() })
    }

    /// Starts at the beginning of `topic` once it is there and the broker answers; `None` when `stopped` says so before.
    /// Unparking the thread makes it look at once.
    pub fn when_there(brokers: &str, topic: &str, stopped: impl Fn() -> bool) -> Option<Self> {
        let mut said = false;
        while !stopped() {
            match Self::new(brokers, topic) {
                Ok(follow) => return Some(follow),
                Err(_) if said => {}
                Err(Error::Admin(admin::Error::NoTopic(_))) => tracing::info!("waiting for {topic}, which does not exist yet"),
                Err(error) => tracing::warn!(%error, "waiting for {topic}"),
            }
            said = true;
            thread::park_timeout(PAUSE);
        }
        None
    }

    /// The next record; `None` when none came within `patience`, or an end was reached. Records of one partition come
    /// in offset order.
    ///
    /// # Errors
    /// [`Error::Kafka`] when the client is unusable.
    pub fn next(&mut self, patience: Duration) -> Result<Option<Record<'_>>, Error> {
        match self.reader.poll(patience)? {
            Polled::Record(record) => Ok(Some(record)),
            Polled::End(partition) => {
                self.behind.remove(&partition);
                Ok(None)
            }
            Polled::Nothing => Ok(None),
        }
    }

    /// Whether every partition has been read to where it ended at that time. Once true it stays true.
    #[must_use]
    pub fn has_caught_up(&self) -> bool {
        self.behind.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::produce;
    use super::*;
    use rdkafka::mocking::MockCluster;
    use rdkafka::types::RDKafkaRespErr;
    use std::cell::Cell;

    #[test]
    fn waits_for_its_topic_until_it_is_told_to_stop() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("t", 1, 1).unwrap();
        let brokers = cluster.bootstrap_servers();
        cluster.topic_error("t", RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART).unwrap();
        let looks = Cell::new(0);
        let look = |until| looks.replace(looks.get() + 1) == until;
        assert!(Follow::when_there(&brokers, "t", || look(2)).is_none());
        let there = || {
            if look(4) {
                cluster.topic_error("t", RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR).unwrap();
            }
            false
        };
        assert!(Follow::when_there(&brokers, "t", there).is_some());
        assert_eq!(looks.get(), 5);
    }

    #[test]
    fn reads_what_was_and_then_what_comes() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("t", 2, 1).unwrap();
        let brokers = cluster.bootstrap_servers();
        produce(&brokers, 0, &["a", "b"]);
        let mut follow = Follow::new(&brokers, "t").unwrap();
        let mut seen = Vec::new();
        while !follow.has_caught_up() {
            if let Some(record) = follow.next(Duration::from_secs(20)).unwrap() {
                seen.push((record.partition(), record.offset(), record.payload().unwrap().to_vec()));
            }
        }
        assert_eq!(seen, [(0, 0, b"a".to_vec()), (0, 1, b"b".to_vec())]);
        produce(&brokers, 1, &["c"]);
        loop {
            if let Some(record) = follow.next(Duration::from_secs(20)).unwrap() {
                assert_eq!((record.partition(), record.payload()), (1, Some(&b"c"[..])));
                break;
            }
        }
    }
}
