//! Writing a batch's records and waiting for their acknowledgement.

use super::rebuild;
use crate::context::{log_error, log_line};
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tidemill_stream::{Delivered, Error, Output, Outputs};

use super::PATIENCE;

/// What the broker has acknowledged of the current batch.
pub(super) struct Deliveries(Mutex<State>);

struct State {
    /// Per output topic, partition → highest offset.
    last: Vec<BTreeMap<i32, i64>>,
    failed: Option<KafkaError>,
}

impl Deliveries {
    pub(super) fn new(topics: usize) -> Self {
        Self(Mutex::new(State { last: vec![BTreeMap::new(); topics], failed: None }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Result<Delivered, KafkaError> {
        let mut state = self.state();
        let last = state.last.iter_mut().map(std::mem::take).enumerate();
        let delivered = Delivered(last.flat_map(|(topic, ps)| ps.into_iter().map(move |(p, o)| ((topic, p), o))).collect());
        state.failed.take().map_or(Ok(delivered), Err)
    }
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log_line(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        log_error(&error, reason);
    }
}

impl ProducerContext for Deliveries {
    /// Index of the output topic.
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, topic: usize) {
        let mut state = self.state();
        match result {
            Ok(message) => {
                if let Some(last) = state.last.get_mut(topic) {
                    let offset = last.entry(message.partition()).or_insert(-1);
                    *offset = message.offset().max(*offset);
                }
            }
            Err((error, _)) => state.failed = Some(error.clone()),
        }
    }
}

/// Writes `outputs` and waits until all are acknowledged.
pub(super) fn write(producer: &BaseProducer<Deliveries>, topics: &[String], outputs: &Outputs) -> Result<Delivered, Error> {
    // what an earlier, aborted batch left behind
    let _ = producer.context().take();
    for output in outputs.iter() {
        send(producer, topics, &output)?;
    }
    // `flush` and `commit_transaction` poll in steps of 100 ms, so wait here first, in short ones
    let deadline = Instant::now() + PATIENCE;
    while producer.in_flight_count() > 0 {
        producer.poll(Duration::from_millis(1));
        if Instant::now() > deadline {
            return Err(Error::Rebuild(format!("{} records were not acknowledged in {PATIENCE:?}", producer.in_flight_count())));
        }
    }
    producer.context().take().map_err(|e| decide(producer, &e))
}

fn send(producer: &BaseProducer<Deliveries>, topics: &[String], output: &Output<'_>) -> Result<(), Error> {
    let mut record = BaseRecord::with_opaque_to(&topics[output.topic], output.topic).partition(output.partition).payload(output.payload);
    if let Some(key) = output.key {
        record = record.key(key);
    }
    if let Some(traceparent) = output.traceparent {
        record = record.headers(OwnedHeaders::new_with_capacity(1).insert(Header { key: "traceparent", value: Some(traceparent) }));
    }
    loop {
        match producer.send(record) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                producer.poll(Duration::from_millis(1));
                record = back;
            }
            Err((error, _)) => return Err(decide(producer, &error)),
        }
    }
}

/// What an error in a transaction means: an abortable one is aborted here; after all others the outcome
/// is unknown, and the clients must go.
pub(super) fn decide(producer: &BaseProducer<Deliveries>, error: &KafkaError) -> Error {
    let abortable = match error {
        KafkaError::Transaction(e) => e.txn_requires_abort(),
        // a record that was refused puts the transaction into the abortable state, unless it was fatal
        KafkaError::MessageProduction(_) => producer.client().fatal_error().is_none(),
        _ => false,
    };
    if !abortable || producer.in_flight_count() > 0 {
        return rebuild(error.clone());
    }
    match producer.abort_transaction(PATIENCE) {
        Ok(()) => Error::Aborted(error.to_string()),
        Err(e) => rebuild(e),
    }
}
