//! What every consumer here is set to, and every client; where a partition begins and ends.

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::topic_partition_list::Offset;
use rdkafka::{ClientConfig, TopicPartitionList};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Milliseconds between two attempts to connect, at most: a broker that comes back is noticed within a second, not ten.
pub(crate) const RECONNECT: &str = "1000";

/// A consumer that commits nothing by itself, without a group yet.
pub(crate) fn config(brokers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", brokers)
        .set("enable.auto.commit", "false")
        // while a broker is away partitions have no leader, and librdkafka stays with that answer until it asks again: by
        // default for five minutes
        .set("topic.metadata.refresh.interval.ms", "5000")
        .set("reconnect.backoff.max.ms", RECONNECT);
    config
}

/// Where `partitions` of `topic` stand at `at`, each in its place: at [`Offset::Beginning`] their first offsets, at
/// [`Offset::End`] the one after the last that `consumer` may see. One question to each of their brokers.
///
/// A partition without a leader (its broker starts again) stands nowhere until it has one: this asks again as long as
/// `patience`. librdkafka keeps what it knew of a topic and answers from that, so that it must look at the topic anew first.
///
/// # Errors
/// The broker's, or the client's when the broker does not answer in time.
pub(crate) fn offsets<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
    partitions: &[i32],
    at: Offset,
    patience: Duration,
) -> KafkaResult<Vec<i64>> {
    const PAUSE: Duration = Duration::from_millis(100);
    if partitions.is_empty() {
        return Ok(Vec::new());
    }
    let until = Instant::now() + patience;
    let left = || until.saturating_duration_since(Instant::now());
    let mut asked = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions {
        asked.add_partition_offset(topic, *partition, at)?;
    }
    loop {
        let told = consumer.offsets_for_times(asked.clone(), left()).and_then(|told| {
            let offset = |partition: &i32| {
                let element = told.find_partition(topic, *partition).ok_or(KafkaError::OffsetFetch(RDKafkaErrorCode::UnknownPartition))?;
                element.error()?;
                element.offset().to_raw().ok_or(KafkaError::OffsetFetch(RDKafkaErrorCode::NoOffset))
            };
            partitions.iter().map(offset).collect()
        });
        let error = match told {
            Ok(offsets) => return Ok(offsets),
            Err(error) => error,
        };
        let leaderless = matches!(
            error.rdkafka_error_code(),
            Some(
                RDKafkaErrorCode::UnknownPartition
                    | RDKafkaErrorCode::LeaderNotAvailable
                    | RDKafkaErrorCode::NotLeaderForPartition
                    | RDKafkaErrorCode::OffsetNotAvailable
            )
        );
        if !leaderless || left() <= PAUSE {
            return Err(error);
        }
        sleep(PAUSE);
        // whether it answers shows in the next round
        let _ = consumer.fetch_metadata(Some(topic), left());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reader::tests::produce;
    use rdkafka::mocking::MockCluster;

    #[test]
    fn a_partition_that_has_no_leader_for_a_moment_is_asked_again() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("t", 1, 1).unwrap();
        cluster.partition_leader("t", 0, None).unwrap();
        let consumer: BaseConsumer = config(&cluster.bootstrap_servers()).create().unwrap();

        let ends = |patience| offsets(&consumer, "t", &[0], Offset::End, patience);
        let refused = ends(Duration::from_millis(300));
        assert!(refused.is_err(), "{refused:?}");

        std::thread::scope(|scope| {
            let began = Instant::now();
            let waiting = scope.spawn(|| ends(Duration::from_secs(15)));
            // it has been refused once more, or is about to be: both ways it must answer
            sleep(Duration::from_millis(150));
            cluster.partition_leader("t", 0, Some(1)).unwrap();
            assert_eq!(waiting.join().unwrap(), Ok(vec![0]));
            // by itself the client would look at the topic anew only when its patience has ended
            assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
        });
    }

    #[test]
    fn each_partition_is_told_in_its_place() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("t", 3, 1).unwrap();
        let brokers = cluster.bootstrap_servers();
        produce(&brokers, 1, &["a", "b"]);
        produce(&brokers, 2, &["c"]);
        let consumer: BaseConsumer = config(&brokers).create().unwrap();
        let of = |partitions: &[i32], at| offsets(&consumer, "t", partitions, at, Duration::from_secs(15));
        assert_eq!(of(&[2, 0, 1], Offset::End), Ok(vec![1, 0, 2]));
        assert_eq!(of(&[0, 1], Offset::Beginning), Ok(vec![0, 0]));
        assert_eq!(of(&[], Offset::End), Ok(vec![]));
        assert!(offsets(&consumer, "t", &[0, 7], Offset::End, Duration::from_millis(300)).is_err(), "there is no partition 7");
    }
}
