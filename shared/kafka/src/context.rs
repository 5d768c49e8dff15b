//! What clients say in the log, and what it means.

use crate::delivery::Fetched;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::statistics::Statistics;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// A client whose errors are warnings, and the end of a partition none.
#[derive(Default)]
pub(crate) struct Reading {
    /// Known only where the client is told to keep statistics.
    pub(crate) fetched: Fetched,
}

impl ClientContext for Reading {
    fn stats(&self, statistics: Statistics) {
        self.fetched.take(statistics);
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log_line(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        log_error(&error, reason);
    }
}

impl ConsumerContext for Reading {}

/// Logs a line of the client's own log. What matters of it comes as an error as well.
pub(crate) fn log_line(level: RDKafkaLogLevel, facility: &str, message: &str) {
    tracing::debug!(?level, facility, "{message}");
}

/// Whether a producer writes to some partition never again: a produce answer told it that the partition had no leader for a
/// moment, and librdkafka 2.12 then hears of no leader any more (librdkafka #5430). Only a new client helps.
#[derive(Default)]
pub(crate) struct LostLeader(AtomicBool);

impl LostLeader {
    /// Logs a line of the client's own log, which may tell it.
    pub(crate) fn log_line(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        if facility == "METADATAUPDATE" && message.contains("new leader-1 not found") {
            self.suspect();
        }
        log_line(level, facility, message);
    }

    /// There are ways to lose a leader that say nothing in the log.
    pub(crate) fn suspect(&self) {
        self.0.store(true, Relaxed);
    }

    pub(crate) fn is_suspected(&self) -> bool {
        self.0.load(Relaxed)
    }
}

/// Logs an error that the client reports of itself. It reconnects by itself, so nothing needs to be done; that a
/// partition has ended is told by `poll` as well.
pub(crate) fn log_error(error: &KafkaError, reason: &str) {
    if error.rdkafka_error_code() != Some(RDKafkaErrorCode::PartitionEOF) {
        tracing::warn!(%error, "{reason}");
    }
}
