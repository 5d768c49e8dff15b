//! Where records go: Kafka, or a table in tests.

use std::future::Future;
use tidemill_kafka::append::{Appender, Batch, Error};

/// Appends batches of records.
pub trait Sink: Send + Sync + 'static {
    /// Waits until a batch of `records` would not only wait for others.
    fn turn(&self, _records: usize) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }

    /// Hands over the batch at once, and then waits until every record is acknowledged or given up: its
    /// offset, or why it has none, in the order of the batch.
    fn append(&self, batch: &Batch) -> impl Future<Output = Vec<Result<i64, Error>>> + Send + 'static;
}

impl Sink for Appender {
    fn turn(&self, records: usize) -> impl Future<Output = ()> + Send {
        Appender::turn(self, records)
    }

    fn append(&self, batch: &Batch) -> impl Future<Output = Vec<Result<i64, Error>>> + Send + 'static {
        Appender::append(self, batch).outcomes()
    }
}
