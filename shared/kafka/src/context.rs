//! What consumers that belong to no group say in the log.

use rdkafka::ClientContext;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// A client whose errors are warnings, and the end of a partition none.
pub(crate) struct Reading;

impl ClientContext for Reading {
    fn error(&self, error: KafkaError, reason: &str) {
        log_error(&error, reason);
    }
}

impl ConsumerContext for Reading {}

/// Logs what a client says of itself. It reconnects by itself, so nothing needs to be done; that a
/// partition has ended is told by `poll` as well.
pub(crate) fn log_error(error: &KafkaError, reason: &str) {
    if error.rdkafka_error_code() != Some(RDKafkaErrorCode::PartitionEOF) {
        tracing::warn!(%error, "{reason}");
    }
}
