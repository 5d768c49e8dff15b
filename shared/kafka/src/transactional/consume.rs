//! What the group has assigned, as the rebalance callback hears it.
//!
//! The callback only writes down: partitions are given to the client by the loop, with the offsets from
//! which their restored state goes on, so that no record is fetched before.

use crate::context::{log_error, log_line};
use rdkafka::ClientContext;
use rdkafka::TopicPartitionList;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaRespErr;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The assignment, and whether the loop has heard of it.
#[derive(Default)]
pub(super) struct Membership(Mutex<State>);

#[derive(Default)]
struct State {
    partitions: Vec<i32>,
    changed: bool,
}

impl Membership {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn partitions(&self) -> Vec<i32> {
        self.state().partitions.clone()
    }

    pub(super) fn has_changed(&self) -> bool {
        self.state().changed
    }

    pub(super) fn take_changed(&self) -> bool {
        std::mem::take(&mut self.state().changed)
    }
}

impl ClientContext for Membership {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log_line(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        log_error(&error, reason);
    }
}

impl ConsumerContext for Membership {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, error: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let partitions = if error == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            list.elements().iter().map(|e| e.partition()).collect()
        } else {
            if let Err(error) = consumer.unassign() {
                tracing::warn!(%error, "could not let go of the partitions");
            }
            Vec::new()
        };
        tracing::info!(?partitions, "assignment");
        *self.state() = State { partitions, changed: true };
    }
}
