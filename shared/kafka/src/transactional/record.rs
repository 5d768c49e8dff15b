//! A message as a stage sees it.

use rdkafka::message::{BorrowedMessage, Headers, Message};
use tidemill_stream::Record;

/// The trace that a message is followed by.
pub(super) fn traceparent<'a>(message: &'a BorrowedMessage<'_>) -> Option<&'a [u8]> {
    message.headers()?.iter().find(|header| header.key == "traceparent")?.value
}

/// A stage's view of a message.
pub(crate) fn record<'a>(message: &'a BorrowedMessage<'_>, topic: usize, traceparent: Option<&'a [u8]>) -> Record<'a> {
    Record {
        topic,
        partition: message.partition(),
        offset: message.offset(),
        timestamp: message.timestamp().to_millis().unwrap_or(0) * 1_000,
        key: message.key(),
        payload: message.payload(),
        traceparent,
    }
}
