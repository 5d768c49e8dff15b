//! The clients' settings, each with why it is so: what had to be right is in docs/decisions/transactions.md.

use super::{LARGE, Settings};
use crate::consumer::RECONNECT;
use crate::delivery::STATISTICS;
use rdkafka::ClientConfig;

/// Most bytes of a request for one partition; the broker takes 1,048,588 by default. Batches are smaller
/// ([`tidemill_stream::Limits::request`]), and the number of their records does not matter.
const REQUEST: &str = "1000000";
/// Milliseconds that records wait in the client for the rest of their batch, so that it leaves as one request for each
/// partition; the partitions are being registered meanwhile. If a part of it left first, the rest would wait for that part's
/// acknowledgement, and for as long as records that are due wait behind more than five others librdkafka 2.12 spins
/// (librdkafka #3692), which kept up to a seventh of a busy machine from the broker that was waited for.
const LINGER_SMALL: &str = "5";
/// The same for a thousand records and more, and where a fault is injected and no partition is registered.
const LINGER_LARGE: &str = "20";

/// Of the consumer.
pub(super) fn consumer(settings: &Settings) -> ClientConfig {
    let mut config = crate::consumer::config(&settings.brokers);
    config
        .set("client.id", &settings.slot)
        .set("group.id", &settings.group)
        // static membership: a restart within the session takes its partitions back without a rebalance
        .set("group.instance.id", &settings.slot)
        .set("partition.assignment.strategy", "range")
        .set("session.timeout.ms", "6000")
        .set("heartbeat.interval.ms", "1500")
        // a restore of the state happens between two polls
        .set("max.poll.interval.ms", "600000")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "earliest")
        .set("statistics.interval.ms", STATISTICS)
        // on every hop, the first too: librdkafka asks for stable offsets only then
        .set("isolation.level", "read_committed")
        // a full local queue sleeps this long, 1,000 ms by default
        .set("fetch.queue.backoff.ms", "5")
        // of each partition: about what the largest batch takes; a record that waits takes a few times its bytes
        .set("queued.min.messages", "10000")
        .set("queued.max.messages.kbytes", "16384");
    if !settings.gather.is_zero() {
        config.set("fetch.min.bytes", "65536").set("fetch.wait.max.ms", settings.gather.as_millis().to_string());
    }
    config
}

/// Of the producer that writes in `turn`.
pub(super) fn producer(settings: &Settings, turn: usize) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &settings.brokers)
        .set("client.id", &settings.slot)
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("linger.ms", if settings.fault.is_some() || turn == LARGE { LINGER_LARGE } else { LINGER_SMALL })
        .set("queue.buffering.max.messages", "1000000")
        .set("queue.buffering.max.kbytes", "131072")
        .set("batch.size", REQUEST)
        .set("batch.num.messages", "1000000")
        .set("sticky.partitioning.linger.ms", "0")
        .set("reconnect.backoff.max.ms", RECONNECT);
    if settings.fault.is_none() {
        // a killed member's transaction must not hold readers back for long
        config.set("transactional.id", format!("{}.{turn}", settings.slot)).set("transaction.timeout.ms", "10000");
    }
    config
}
