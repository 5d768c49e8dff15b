//! Appends records outside of any transaction: idempotent, acknowledged by every replica in sync, a batch at a time.
//!
//! A record's delivery costs one small allocation and no future of its own: the client's thread writes
//! each outcome into the batch's table and wakes the caller once, after the last.

mod batch;
mod flight;
mod outcome;
mod spans;

pub use batch::{Batch, Record};
pub use outcome::{Error, Receipt};

use crate::append::flight::Flight;
use crate::append::outcome::Outcomes;
use crate::append::spans::Sends;
use crate::consumer::RECONNECT;
use crate::context::LostLeader;
use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};
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
    /// Bytes of records that may wait; more are refused with [`Error::Busy`].
    pub queue_bytes: usize,
}

/// Records that may wait, however small they are.
const QUEUE_RECORDS: usize = 1_000_000;
/// Milliseconds. Gathers what several requests bring at the same time; adds to the time of a lone record. What is due and waits
/// behind records in flight makes librdkafka spin (see `transactional`), so it is not shorter than a quick answer takes.
const LINGER: &str = "5";

/// A producer that has lost a leader is replaced this often at most: the next may lose it, too, while the broker is away.
const REPLACE: Duration = Duration::from_secs(1);

/// An idempotent producer.
pub struct Appender {
    settings: Settings,
    producer: RwLock<Made>,
    tell: watch::Sender<Option<String>>,
    fatal: watch::Receiver<Option<String>>,
}

/// The present client.
struct Made {
    producer: Arc<ThreadedProducer<Deliveries>>,
    at: Instant,
}

impl Made {
    fn new(settings: &Settings, fatal: &watch::Sender<Option<String>>) -> Result<Self, KafkaError> {
        let deliveries = Deliveries { flight: Flight::default(), fatal: fatal.clone(), lost: LostLeader::default() };
        let producer = ThreadedProducer::from_config_and_context(&client_config(settings), deliveries)?;
        Ok(Self { producer: Arc::new(producer), at: Instant::now() })
    }

    fn is_lost(&self) -> bool {
        self.producer.context().lost.is_suspected() && self.at.elapsed() > REPLACE
    }
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
    /// Sets up the client; it connects by itself, and again whenever it has to.
    ///
    /// # Errors
    /// [`SetUp`].
    pub fn new(settings: &Settings) -> Result<Self, SetUp> {
        let (tell, fatal) = watch::channel(None);
        Ok(Self { producer: RwLock::new(Made::new(settings, &tell)?), settings: settings.clone(), tell, fatal })
    }

    /// The client; a new one where the present can write to some partition never again.
    fn producer(&self) -> Arc<ThreadedProducer<Deliveries>> {
        let present = self.producer.read().unwrap_or_else(PoisonError::into_inner);
        if !present.is_lost() {
            return present.producer.clone();
        }
        drop(present);
        let mut present = self.producer.write().unwrap_or_else(PoisonError::into_inner);
        if present.is_lost() {
            match Made::new(&self.settings, &self.tell) {
                Ok(made) => {
                    tracing::warn!("the producer has lost the leader of a partition, and is made anew");
                    let old = std::mem::replace(&mut *present, made);
                    // nobody waits for what it had on its way; that is told as not acknowledged, which takes a moment
                    old.producer.context().flight.end();
                    thread::spawn(move || drop(old));
                }
                Err(error) => tracing::warn!(%error, "the producer has lost the leader of a partition, and cannot be made anew"),
            }
        }
        present.producer.clone()
    }

    /// Waits while so many records are on their way that others could only wait behind them. Nobody has to: it spares
    /// the processor what a full client costs.
    pub async fn turn(&self) {
        self.producer().context().flight.turn(self.settings.delivery_timeout).await;
    }

    /// Hands over a batch. The records are copied: when this returns the batch is no longer needed, and
    /// the receipt tells what became of each record, in order.
    #[must_use = "without the receipt nobody knows whether the records arrived"]
    pub fn append(&self, batch: &Batch) -> Receipt {
        let producer = self.producer();
        let flight = &producer.context().flight;
        let outcomes = Outcomes::new(batch.len());
        let sends = Sends::begin(batch, &self.settings.client_id);
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

    /// Returns when the client can no longer be used, with the reason: the process must start anew.
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
        self.producer().client().fetch_metadata(Some(Control::Pipelines.name()), timeout)?;
        Ok(())
    }
}

fn client_config(settings: &Settings) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &settings.brokers)
        .set("client.id", &settings.client_id)
        .set("enable.idempotence", "true") // and with it acks=all
        .set("linger.ms", LINGER)
        .set("message.timeout.ms", settings.delivery_timeout.as_millis().to_string())
        .set("queue.buffering.max.kbytes", (settings.queue_bytes / 1024).max(1).to_string())
        .set("queue.buffering.max.messages", QUEUE_RECORDS.to_string())
        .set("reconnect.backoff.max.ms", RECONNECT);
    config
}

/// The client's callbacks.
struct Deliveries {
    flight: Flight,
    fatal: watch::Sender<Option<String>>,
    lost: LostLeader,
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.lost.log_line(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::Fatal) {
            self.fatal.send_replace(Some(reason.to_owned()));
        } else {
            tracing::warn!(%error, reason, "the producer reconnects");
        }
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Box<outcome::Delivery>;

    fn delivery(&self, result: &DeliveryResult<'_>, delivery: Self::DeliveryOpaque) {
        self.flight.land();
        match result {
            Ok(message) => delivery.acknowledged(message.offset()),
            Err((error, _)) => {
                // if it is the broker that is away, a new client does no harm
                if error.rdkafka_error_code() == Some(RDKafkaErrorCode::MessageTimedOut) {
                    self.lost.suspect();
                }
                delivery.failed(error);
            }
        }
    }
}

#[cfg(test)]
mod tests;
