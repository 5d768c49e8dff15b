//! Appends records outside of any transaction: idempotent, acknowledged by every replica in sync, a batch at a time.
//!
//! A record's delivery costs one small allocation and no future of its own: the client's thread writes
//! each outcome into the batch's table and wakes the caller once, after the last.

mod batch;
mod client;
mod flight;
mod outcome;
mod spans;

pub use batch::{Batch, Record};
pub use outcome::{Error, Receipt};

use crate::append::client::{Client, Fatal};
use crate::append::outcome::Outcomes;
use crate::append::spans::Sends;
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseRecord, Producer};
use std::time::Duration;
use tidemill_events::topics::Control;
use tokio::sync::watch;

/// How an [`Appender`] behaves.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Brokers to start from, `host:port`, comma-separated.
    pub brokers: String,
    /// What the broker's log calls this client.
    pub client_id: String,
    /// How long a record may wait for its acknowledgement.
    pub delivery_timeout: Duration,
    /// Bytes of records that may wait, of those in small batches and again of those in large ones; more are refused with
    /// [`Error::Busy`].
    pub queue_bytes: usize,
}

/// How long records are gathered: what several requests bring at the same time. It adds to the time of a lone record. What is
/// due and waits behind records in flight makes librdkafka spin (see `transactional`), so it is not shorter than a quick
/// answer takes.
const LINGER: Duration = Duration::from_millis(5);
/// The same for a large batch. Handing it over takes milliseconds, more on a busy machine; were its first records due
/// meanwhile, they would leave alone, and the client spin until they are answered.
const LINGER_LARGE: Duration = Duration::from_millis(25);
/// Records of a large batch, at least.
const LARGE: usize = 500;

/// An idempotent producer. Requests that wait for their receipts one after the other keep their order; what is handed over
/// at the same time has none.
pub struct Appender {
    small: Client,
    large: Client,
    client_id: String,
    delivery_timeout: Duration,
    fatal: watch::Receiver<Option<String>>,
}

/// The client could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("the producer cannot be set up: {0}")]
pub struct SetUp(#[from] KafkaError);

/// The broker does not answer.
#[derive(Debug, thiserror::Error)]
#[error("Kafka does not answer: {0}")]
pub struct Silent(#[from] KafkaError);

impl Appender {
    /// Sets up the clients; they connect by themselves, and again whenever they have to.
    ///
    /// # Errors
    /// [`SetUp`].
    pub fn new(settings: &Settings) -> Result<Self, SetUp> {
        let (tell, fatal): (Fatal, _) = watch::channel(None);
        Ok(Self {
            small: Client::new(settings, LINGER, &tell)?,
            large: Client::new(settings, LINGER_LARGE, &tell)?,
            client_id: settings.client_id.clone(),
            delivery_timeout: settings.delivery_timeout,
            fatal,
        })
    }

    /// The client for a batch of so many records.
    fn client(&self, records: usize) -> &Client {
        if records < LARGE { &self.small } else { &self.large }
    }

    /// Waits while so many records are on their way that those of a batch of `records` could only wait behind them. Nobody
    /// has to: it spares the processor what a full client costs.
    pub async fn turn(&self, records: usize) {
        self.client(records).producer().context().flight.turn(self.delivery_timeout).await;
    }

    /// Hands over a batch. The records are copied: when this returns the batch is no longer needed, and
    /// the receipt tells what became of each record, in order.
    #[must_use = "without the receipt nobody knows whether the records arrived"]
    pub fn append(&self, batch: &Batch) -> Receipt {
        let producer = self.client(batch.len()).producer();
        let flight = &producer.context().flight;
        let outcomes = Outcomes::new(batch.len());
        let sends = Sends::begin(batch, &self.client_id);
        flight.start(batch.len());
        for (index, record) in batch.records().enumerate() {
            let mut message = BaseRecord::with_opaque_to(batch.topic(), Box::new(outcomes.delivery(index)))
                .partition(record.partition)
                .key(record.key)
                .payload(record.payload);
            if let Some(headers) = sends.headers(index) {
                message = message.headers(headers.clone());
            }
            if let Err((error, refused)) = producer.send(message) {
                flight.land();
                refused.delivery_opaque.failed(&error);
            }
        }
        Receipt::new(outcomes, sends)
    }

    /// Returns when a client can no longer be used, with the reason: the process must start anew.
    pub async fn failed(&self) -> String {
        let mut fatal = self.fatal.clone();
        match fatal.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or_default(),
            Err(_) => "the producer is gone".into(),
        }
    }

    /// Asks a broker whether it is there. Blocks for `timeout` at most.
    ///
    /// # Errors
    /// [`Silent`].
    pub fn ping(&self, timeout: Duration) -> Result<(), Silent> {
        self.small.producer().client().fetch_metadata(Some(Control::Pipelines.name()), timeout)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
