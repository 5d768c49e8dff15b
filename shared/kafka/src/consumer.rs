//! What every consumer here is set to, and every client; where a partition begins and ends.

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaResult, RDKafkaErrorCode};
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

/// The first offset of a partition, and the one after its last that `consumer` may see.
///
/// A partition without a leader (its broker starts again) has neither until it has one: this asks again as long as
/// `patience`. librdkafka keeps what it knew of a topic and answers from that, so that it must look at the topic anew first.
///
/// # Errors
/// The broker's, or the client's when the broker does not answer in time.
pub(crate) fn watermarks<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
    partition: i32,
    patience: Duration,
) -> KafkaResult<(i64, i64)> {
    const PAUSE: Duration = Duration::from_millis(100);
    let until = Instant::now() + patience;
    loop {
        let error = match consumer.fetch_watermarks(topic, partition, patience) {
            Ok(watermarks) => return Ok(watermarks),
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
        if !leaderless || Instant::now() + PAUSE >= until {
            return Err(error);
        }
        sleep(PAUSE);
        // whether it answers shows in the next round
        let _ = consumer.fetch_metadata(Some(topic), until.saturating_duration_since(Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rdkafka::mocking::MockCluster;

    #[test]
    fn a_partition_that_has_no_leader_for_a_moment_is_asked_again() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("t", 1, 1).unwrap();
        cluster.partition_leader("t", 0, None).unwrap();
        let consumer: BaseConsumer = config(&cluster.bootstrap_servers()).create().unwrap();

        let refused = watermarks(&consumer, "t", 0, Duration::from_millis(300));
        assert!(refused.is_err(), "{refused:?}");

        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| watermarks(&consumer, "t", 0, Duration::from_secs(15)));
            // it has been refused once more, or is about to be: both ways it must answer
            sleep(Duration::from_millis(150));
            cluster.partition_leader("t", 0, Some(1)).unwrap();
            assert_eq!(waiting.join().unwrap(), Ok((0, 0)));
        });
    }
}
