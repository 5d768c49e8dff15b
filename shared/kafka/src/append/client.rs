//! A client of the broker: replaced when it has lost a partition, and counting what is on its way.

use super::flight::Flight;
use super::{Settings, outcome};
use crate::consumer::RECONNECT;
use crate::context::LostLeader;
use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{DeliveryResult, Producer, ProducerContext, ThreadedProducer};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Records that may wait, however small they are.
const QUEUE_RECORDS: usize = 1_000_000;
/// A producer that has lost a leader is replaced this often at most: the next may lose it, too, while the broker is away.
pub(super) const REPLACE: Duration = Duration::from_secs(1);

/// Where a client tells why it can no longer be used.
pub(super) type Fatal = watch::Sender<Option<String>>;

/// A client, whichever is the present one.
pub(super) struct Client {
    config: ClientConfig,
    fatal: Fatal,
    pub(super) present: RwLock<Made>,
}

/// The present client.
pub(super) struct Made {
    producer: Arc<ThreadedProducer<Deliveries>>,
    pub(super) at: Instant,
}

impl Made {
    fn new(config: &ClientConfig, fatal: &Fatal) -> Result<Self, KafkaError> {
        let deliveries = Deliveries { flight: Flight::default(), fatal: fatal.clone(), lost: LostLeader::default() };
        let producer = ThreadedProducer::from_config_and_context(config, deliveries)?;
        Ok(Self { producer: Arc::new(producer), at: Instant::now() })
    }

    fn is_lost(&self) -> bool {
        self.producer.context().lost.is_suspected() && self.at.elapsed() > REPLACE
    }
}

impl Client {
    /// One that gathers what arrives within `linger`.
    pub(super) fn new(settings: &Settings, linger: Duration, fatal: &Fatal) -> Result<Self, KafkaError> {
        let config = config(settings, linger);
        Ok(Self { present: RwLock::new(Made::new(&config, fatal)?), config, fatal: fatal.clone() })
    }

    /// The client; a new one where the present can write to some partition never again.
    pub(super) fn producer(&self) -> Arc<ThreadedProducer<Deliveries>> {
        let present = self.present.read().unwrap_or_else(PoisonError::into_inner);
        if !present.is_lost() {
            return present.producer.clone();
        }
        drop(present);
        let mut present = self.present.write().unwrap_or_else(PoisonError::into_inner);
        if present.is_lost() {
            match Made::new(&self.config, &self.fatal) {
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
}

fn config(settings: &Settings, linger: Duration) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", &settings.brokers)
        .set("client.id", &settings.client_id)
        .set("enable.idempotence", "true") // and with it acks=all
        .set("linger.ms", linger.as_millis().to_string())
        .set("message.timeout.ms", settings.delivery_timeout.as_millis().to_string())
        .set("queue.buffering.max.kbytes", (settings.queue_bytes / 1024).max(1).to_string())
        .set("queue.buffering.max.messages", QUEUE_RECORDS.to_string())
        .set("reconnect.backoff.max.ms", RECONNECT);
    config
}

/// The client's callbacks.
pub(super) struct Deliveries {
    pub(super) flight: Flight,
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
