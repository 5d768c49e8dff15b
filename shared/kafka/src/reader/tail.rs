//! An endless read: the committed records of a topic as they come.

use super::standing::{Polled, Standing};
use super::{Error, Isolation, Record, config};
use crate::admin::Admin;
use rdkafka::topic_partition_list::Offset;
use std::time::Duration;

/// Reads what is committed to a topic from now on. It joins no group and commits nothing, and it goes on
/// where it was when the broker has been away.
pub struct Tail(Standing);

impl Tail {
    /// Starts at the present ends of `topic`.
    ///
    /// # Errors
    /// [`Error::Admin`] when the topic does not exist; [`Error::Kafka`].
    pub fn new(brokers: &str, topic: &str) -> Result<Self, Error> {
        let ends = Admin::new(brokers)?.ends(topic)?;
        let mut config = config(brokers, Isolation::ReadCommitted);
        // the broker answers as soon as there is a record
        config.set("enable.partition.eof", "false").set("fetch.wait.max.ms", "500");
        Standing::new(config, topic, ends.into_iter().map(|ends| Offset::Offset(ends.stable)).collect()).map(Self)
    }

    /// The next record; `None` when none came within `patience`.
    ///
    /// # Errors
    /// [`Error::Kafka`] when the client is unusable or an offset is gone.
    pub fn next(&mut self, patience: Duration) -> Result<Option<Record<'_>>, Error> {
        match self.0.poll(patience)? {
            Polled::Record(record) => Ok(Some(record)),
            Polled::End(_) | Polled::Nothing => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::produce;
    use super::*;
    use rdkafka::mocking::MockCluster;

    #[test]
    fn reads_what_comes_and_nothing_of_what_was() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("t", 2, 1).unwrap();
        let brokers = cluster.bootstrap_servers();
        produce(&brokers, 0, &["a", "b"]);
        let mut tail = Tail::new(&brokers, "t").unwrap();
        assert!(tail.next(Duration::from_millis(50)).unwrap().is_none());
        produce(&brokers, 0, &["c"]);
        produce(&brokers, 1, &["d"]);
        let mut seen = Vec::new();
        while seen.len() < 2 {
            if let Some(record) = tail.next(Duration::from_secs(20)).unwrap() {
                seen.push((record.partition(), record.offset(), record.payload().unwrap().to_vec()));
            }
        }
        seen.sort();
        assert_eq!(seen, [(0, 2, b"c".to_vec()), (1, 0, b"d".to_vec())]);
    }
}
