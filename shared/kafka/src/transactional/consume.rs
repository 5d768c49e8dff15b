//! What the group has assigned, as the rebalance callback hears it.
//!
//! The callback only writes down: partitions are given to the client by the loop, with the offsets from
//! which their restored state goes on, so that no record is fetched before.

use crate::context::{log_error, log_line};
use crate::delivery::Fetched;
use rdkafka::ClientContext;
use rdkafka::TopicPartitionList;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::statistics::Statistics;
use rdkafka::types::RDKafkaRespErr;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Release};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tidemill_stream::Input;

/// The assignment, and whether the loop has heard of it.
pub(super) struct Membership {
    inputs: Vec<String>,
    state: Mutex<State>,
    /// The loop has not heard of the assignment yet: outside of the lock, for it is asked after each record.
    changed: AtomicBool,
    pub(super) fetched: Fetched,
}

#[derive(Default)]
struct State {
    partitions: Vec<Input>,
    /// Since when the group owes it an assignment, be it an empty one.
    waiting: Option<Instant>,
}

impl Membership {
    /// Of a member that reads the topics `inputs`, before it has joined.
    pub(super) fn new(inputs: &[String]) -> Self {
        Self {
            inputs: inputs.to_vec(),
            state: Mutex::new(State { waiting: Some(Instant::now()), ..State::default() }),
            changed: AtomicBool::new(false),
            fetched: Fetched::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Which of the inputs `topic` is.
    pub(super) fn index_of(&self, topic: &str) -> usize {
        // nothing else is subscribed
        self.inputs.iter().position(|input| input == topic).unwrap_or_default()
    }

    /// What `input` is called.
    pub(super) fn name_of(&self, input: Input) -> &str {
        self.inputs.get(input.topic).map_or("", String::as_str)
    }

    /// For how long the group has owed it an assignment.
    pub(super) fn waits(&self) -> Option<Duration> {
        self.state().waiting.map(|since| since.elapsed())
    }

    pub(super) fn partitions(&self) -> Vec<Input> {
        self.state().partitions.clone()
    }

    pub(super) fn has_changed(&self) -> bool {
        self.changed.load(Acquire)
    }

    pub(super) fn take_changed(&self) -> bool {
        self.changed.swap(false, AcqRel)
    }
}

impl ClientContext for Membership {
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

impl ConsumerContext for Membership {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, error: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let assigned = error == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        let partitions = if assigned {
            list.elements().iter().map(|e| Input { partition: e.partition(), topic: self.index_of(e.topic()) }).collect()
        } else {
            if let Err(error) = consumer.unassign() {
                tracing::warn!(%error, "could not let go of the partitions");
            }
            Vec::new()
        };
        let shown: Vec<String> = partitions.iter().map(|i: &Input| format!("{} [{}]", self.inputs[i.topic], i.partition)).collect();
        tracing::info!("assigned: {}", if shown.is_empty() { "nothing".to_owned() } else { shown.join(", ") });
        *self.state() = State { partitions, waiting: (!assigned).then(Instant::now) };
        self.changed.store(true, Release);
    }
}
