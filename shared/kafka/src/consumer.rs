//! What every consumer here is set to, and every client.

use rdkafka::ClientConfig;

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
