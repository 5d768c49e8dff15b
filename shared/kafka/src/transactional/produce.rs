//! Writing a batch's records and waiting for their acknowledgement.

use super::rebuild;
use crate::context::{LostLeader, log_error};
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use tidemill_events::origin;
use tidemill_stream::{Delivered, Error, Output, Outputs};

use super::{PATIENCE, SMALL};

/// Between two looks for the broker's answers: short against the 10 to 15 ms that they take.
const LOOK: Duration = Duration::from_micros(500);
/// The same for the answers to a large batch, which take 50 ms and more.
const LOOK_LARGE: Duration = Duration::from_millis(2);

/// What the broker has answered of the current batch, as far as the client was polled.
pub(super) struct Deliveries {
    state: Mutex<State>,
    lost: LostLeader,
}

struct State {
    /// Records that were acknowledged or refused.
    answered: usize,
    /// Per output topic, partition → highest offset.
    last: Vec<BTreeMap<i32, i64>>,
    failed: Option<KafkaError>,
}

impl Deliveries {
    pub(super) fn new(topics: usize) -> Self {
        Self { state: Mutex::new(State { answered: 0, last: vec![BTreeMap::new(); topics], failed: None }), lost: LostLeader::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answered(&self) -> usize {
        self.state().answered
    }

    fn take(&self) -> Result<Delivered, KafkaError> {
        let mut state = self.state();
        state.answered = 0;
        let last = state.last.iter_mut().map(std::mem::take).enumerate();
        let delivered = Delivered(last.flat_map(|(topic, ps)| ps.into_iter().map(move |(p, o)| ((topic, p), o))).collect());
        state.failed.take().map_or(Ok(delivered), Err)
    }
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.lost.log_line(level, facility, message);
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
            // the first says why; what follows is only purged
            Err((error, _)) => {
                state.failed.get_or_insert_with(|| error.clone());
            }
        }
        state.answered += 1;
    }
}

/// Writes `outputs` and waits until all are acknowledged.
pub(super) fn write(producer: &BaseProducer<Deliveries>, topics: &[String], outputs: &Outputs) -> Result<Delivered, Error> {
    // what an earlier, aborted batch left behind
    let deliveries = producer.context();
    let _ = deliveries.take();
    // a partition at a time: all of its records are handed over before its first request leaves (see `LINGER_LARGE`)
    for output in outputs.by_partition() {
        send(producer, topics, &output)?;
    }
    let missing = wait(producer, outputs.len());
    if missing > 0 {
        return Err(Error::Rebuild(if deliveries.lost.is_suspected() {
            "the producer has lost the leader of a partition".into()
        } else {
            format!("{missing} records were not acknowledged in {PATIENCE:?}")
        }));
    }
    deliveries.take().map_err(|e| decide(producer, &e))
}

/// Waits until `wanted` records are answered and the client counts none any more. Tells how many are missing.
///
/// `flush` and `commit_transaction` would wait, too, but in steps of 100 ms; a poll with a timeout spins through its last
/// millisecond and never returns before; a thread that polls wakes the loop at each answer and spins when all is quiet.
fn wait(producer: &BaseProducer<Deliveries>, wanted: usize) -> usize {
    let deadline = Instant::now() + PATIENCE;
    let look = if wanted > SMALL { LOOK_LARGE } else { LOOK };
    let mut before = 0;
    loop {
        // takes one answer: of a request, so of all its records
        producer.poll(Duration::ZERO);
        let answered = producer.context().answered();
        // the client counts a record a moment longer than its answer takes to arrive
        if answered >= wanted && producer.in_flight_count() == 0 || Instant::now() > deadline || producer.context().lost.is_suspected() {
            return wanted.saturating_sub(answered);
        }
        if answered == before {
            thread::sleep(look);
        }
        before = answered;
    }
}

fn send(producer: &BaseProducer<Deliveries>, topics: &[String], output: &Output<'_>) -> Result<(), Error> {
    let mut record = BaseRecord::with_opaque_to(&topics[output.topic], output.topic).partition(output.partition).payload(output.payload);
    if let Some(key) = output.key {
        record = record.key(key);
    }
    let headers = [("traceparent", output.traceparent), (origin::HEADER, output.origin)];
    if headers.iter().any(|(_, value)| value.is_some()) {
        let headers = headers.iter().filter(|(_, value)| value.is_some());
        record =
            record.headers(headers.fold(OwnedHeaders::new_with_capacity(2), |all, (key, value)| all.insert(Header { key, value: *value })));
    }
    loop {
        match producer.send(record) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                // a batch is far smaller than the queue, so this is a burst of retries at most
                producer.poll(Duration::ZERO);
                thread::sleep(LOOK);
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
