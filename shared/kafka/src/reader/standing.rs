//! A consumer that stands for a whole topic: replaced, where it was, when it has got stuck.

use super::{Error, Record, is_final};
use crate::context::Reading;
use crate::delivery::{Delivery, STATISTICS};
use rdkafka::ClientConfig;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::Offset;
use std::time::Duration;
use tidemill_stream::Input;

/// What a poll brought.
pub(super) enum Polled<'a> {
    Record(Record<'a>),
    /// The partition has been read to its present end.
    End(i32),
    Nothing,
}

/// A consumer of all partitions of a topic. It joins no group and commits nothing, and it goes on where it was when the
/// broker has been away.
pub(super) struct Standing {
    config: ClientConfig,
    topic: String,
    /// Where each partition goes on.
    next: Vec<Offset>,
    consumer: BaseConsumer<Reading>,
    delivery: Delivery,
    /// Polls since the last look whether all partitions are delivered.
    unlooked: usize,
}

/// As many polls that did not have to wait may lie between two looks whether all partitions are delivered: a look asks the
/// clock.
const LOOK: usize = 1_024;

impl Standing {
    /// Begins at `next`, an offset for each partition of `topic`.
    pub(super) fn new(mut config: ClientConfig, topic: &str, next: Vec<Offset>) -> Result<Self, Error> {
        config.set("statistics.interval.ms", STATISTICS);
        let consumer = consumer(&config, topic, &next).map_err(|source| Error::Kafka { topic: topic.to_owned(), source })?;
        Ok(Self { config, topic: topic.to_owned(), next, consumer, delivery: Delivery::new(), unlooked: 0 })
    }

    /// What comes next within `patience`.
    ///
    /// # Errors
    /// [`Error::Kafka`] when the client is unusable or an offset is gone. After any other error it reconnects by itself.
    pub(super) fn poll(&mut self, patience: Duration) -> Result<Polled<'_>, Error> {
        if self.unlooked >= LOOK {
            self.unlooked = 0;
            self.replace_if_stuck();
        }
        let Self { topic, next, consumer, delivery, unlooked, .. } = self;
        *unlooked += 1;
        // what is at hand is taken without asking the clock
        let polled = consumer.poll(Duration::ZERO).or_else(|| {
            *unlooked = LOOK;
            consumer.poll(patience)
        });
        match polled {
            Some(Ok(message)) => {
                let record = Record(message);
                if let Some(next) = usize::try_from(record.partition()).ok().and_then(|p| next.get_mut(p)) {
                    *next = Offset::Offset(record.offset() + 1);
                }
                delivery.record(input(record.partition()));
                Ok(Polled::Record(record))
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => Ok(Polled::End(partition)),
            Some(Err(source)) if is_final(&source) => Err(Error::Kafka { topic: topic.clone(), source }),
            Some(Err(_)) | None => Ok(Polled::Nothing),
        }
    }

    fn replace_if_stuck(&mut self) {
        let Self { config, topic, next, consumer, delivery, .. } = self;
        let partitions = (0..).zip(&*next).map(|(partition, _)| input(partition));
        let Some(what) = delivery.missing(consumer, &consumer.context().fetched, |_| topic.as_str(), partitions) else { return };
        tracing::warn!("{what}: making the client anew");
        match self::consumer(config, topic, next) {
            Ok(another) => *consumer = another,
            Err(error) => tracing::warn!(%error, "a client could not be made"),
        }
        delivery.restart();
    }
}

/// A partition of the only topic.
fn input(partition: i32) -> Input {
    Input { partition, topic: 0 }
}

fn consumer(config: &ClientConfig, topic: &str, next: &[Offset]) -> Result<BaseConsumer<Reading>, KafkaError> {
    let consumer: BaseConsumer<Reading> = config.create_with_context(Reading::default())?;
    let mut assignment = TopicPartitionList::with_capacity(next.len());
    for (partition, offset) in (0..).zip(next) {
        assignment.add_partition_offset(topic, partition, *offset)?;
    }
    consumer.assign(&assignment)?;
    Ok(consumer)
}

#[cfg(test)]
mod tests {
    use super::super::tests::produce;
    use super::super::{Isolation, config};
    use super::*;
    use rdkafka::mocking::MockCluster;

    #[test]
    fn a_client_that_delivers_nothing_of_what_comes_is_replaced_where_it_was() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("t", 2, 1).unwrap();
        let brokers = cluster.bootstrap_servers();
        let mut reader = Standing::new(config(&brokers, Isolation::ReadCommitted), "t", vec![Offset::Beginning; 2]).unwrap();
        reader.delivery = Delivery::looking(Duration::ZERO);
        let mut next = |told: &dyn Fn(&BaseConsumer<Reading>)| {
            loop {
                match reader.poll(Duration::from_secs(20)).unwrap() {
                    Polled::Record(record) => break record.payload().unwrap().to_vec(),
                    Polled::End(_) | Polled::Nothing => told(&reader.consumer),
                }
            }
        };
        produce(&brokers, 1, &["a"]);
        assert_eq!(next(&|_| {}), b"a");
        // stuck is what this looks like: no error, no record
        let grow = |consumer: &BaseConsumer<Reading>| {
            consumer.pause(&consumer.assignment().unwrap()).unwrap();
            produce(&brokers, 1, &["b"]);
        };
        assert_eq!(next(&grow), b"b");
    }
}
