//! What every consumer here is set to.

use rdkafka::ClientConfig;

/// A consumer that commits nothing by itself, without a group yet.
pub(crate) fn config(brokers: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", brokers)
        .set("enable.auto.commit", "false")
        // while a broker is away partitions have no leader, and librdkafka stays with that answer until it asks again: by
        // default for five minutes
        .set("topic.metadata.refresh.interval.ms", "5000");
    config
}
