//! A producer that writes whatever it is told, where it is told, and knows where it went.

use anyhow::{Context, Result, bail};
use rdkafka::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::message::{Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Longer than a broker's restart.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A record to write.
#[derive(Debug, Clone, Default)]
pub struct Outgoing {
    /// Its partition.
    pub partition: i32,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value; `None` is a tombstone.
    pub payload: Option<Vec<u8>>,
    /// Its headers.
    pub headers: Vec<(String, Vec<u8>)>,
}

/// A producer that waits for the acknowledgement of all it writes.
pub struct Producer {
    client: BaseProducer<Deliveries>,
}

#[derive(Default)]
struct Deliveries(Mutex<Vec<(usize, Result<i64, String>)>>);

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Box<usize>;

    fn delivery(&self, result: &DeliveryResult<'_>, index: Box<usize>) {
        let outcome = match result {
            Ok(message) => Ok(message.offset()),
            Err((error, _)) => Err(error.to_string()),
        };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((*index, outcome));
    }
}

impl Producer {
    /// A producer to the brokers `host:port,…`.
    ///
    /// # Errors
    /// When the client cannot be set up.
    pub fn new(brokers: &str) -> Result<Self> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", brokers).set("enable.idempotence", "true").set("message.timeout.ms", "60000");
        let client = config.create_with_context(Deliveries::default()).context("cannot set up a producer")?;
        Ok(Self { client })
    }

    /// Writes `records` to `topic` and gives the offset of each.
    ///
    /// # Errors
    /// When one was not acknowledged.
    pub fn write(&self, topic: &str, records: &[Outgoing]) -> Result<Vec<i64>> {
        for (index, record) in records.iter().enumerate() {
            let headers =
                record.headers.iter().fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value: Some(value) }));
            let mut message = BaseRecord::with_opaque_to(topic, Box::new(index)).partition(record.partition).headers(headers);
            if let Some(key) = &record.key {
                message = message.key(key.as_slice());
            }
            if let Some(payload) = &record.payload {
                message = message.payload(payload.as_slice());
            }
            self.client.send(message).map_err(|(error, _)| error).with_context(|| format!("cannot write to {topic}"))?;
            self.client.poll(Duration::ZERO);
        }
        self.client.flush(TIMEOUT).with_context(|| format!("{topic} does not acknowledge"))?;
        let mut deliveries = std::mem::take(&mut *self.client.context().0.lock().unwrap_or_else(PoisonError::into_inner));
        deliveries.sort_by_key(|(index, _)| *index);
        if deliveries.len() != records.len() {
            bail!("{} of {} records were acknowledged by {topic}", deliveries.len(), records.len());
        }
        deliveries.into_iter().map(|(index, outcome)| outcome.map_err(|e| anyhow::anyhow!("record {index} to {topic}: {e}"))).collect()
    }
}
