//! What became of the records of a batch.

use super::spans::Sends;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use tokio::sync::Notify;

/// Why a record is not known to be in its topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Too much is waiting already; nothing was sent. Worth another try a little later.
    #[error("too much is waiting for Kafka already")]
    Busy,
    /// The record is larger than the broker takes. Never worth another try.
    #[error("the record is larger than Kafka takes")]
    TooLarge,
    /// No acknowledgement in time: it may be in the topic or not. Worth another try.
    #[error("Kafka did not acknowledge the record in time")]
    NotAcknowledged,
    /// The broker refused it: no such topic or partition, no permission. Worth another try once that is put right.
    #[error("Kafka refused the record")]
    Refused,
}

impl Error {
    const ALL: [Self; 4] = [Self::Busy, Self::TooLarge, Self::NotAcknowledged, Self::Refused];

    /// One word for it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::TooLarge => "too_large",
            Self::NotAcknowledged => "not_acknowledged",
            Self::Refused => "refused",
        }
    }

    fn of(error: &KafkaError) -> Self {
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::QueueFull) => Self::Busy,
            Some(RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::InvalidMessageSize) => Self::TooLarge,
            Some(
                RDKafkaErrorCode::UnknownTopic
                | RDKafkaErrorCode::UnknownPartition
                | RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::ClusterAuthorizationFailed
                | RDKafkaErrorCode::InvalidTopic
                | RDKafkaErrorCode::InvalidRecord
                | RDKafkaErrorCode::PolicyViolation,
            ) => Self::Refused,
            _ => Self::NotAcknowledged,
        }
    }
}

const OPEN: i64 = i64::MIN;

/// One number per record: its offset, below zero an error, or [`OPEN`].
#[derive(Debug)]
pub(super) struct Outcomes {
    numbers: Vec<AtomicI64>,
    open: AtomicUsize,
    any_failed: AtomicBool,
    all_known: Notify,
}

impl Outcomes {
    pub(super) fn new(records: usize) -> Arc<Self> {
        Arc::new(Self {
            numbers: (0..records).map(|_| AtomicI64::new(OPEN)).collect(),
            open: AtomicUsize::new(records),
            any_failed: AtomicBool::new(false),
            all_known: Notify::new(),
        })
    }

    pub(super) fn delivery(self: &Arc<Self>, index: usize) -> Delivery {
        Delivery { outcomes: Arc::clone(self), index }
    }

    fn settle(&self, index: usize, number: i64) {
        self.numbers[index].store(number, Ordering::Relaxed);
        if self.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.all_known.notify_one();
        }
    }
}

/// A record on its way; ends in exactly one of the two calls.
#[derive(Debug)]
pub(super) struct Delivery {
    outcomes: Arc<Outcomes>,
    index: usize,
}

impl Delivery {
    pub(super) fn acknowledged(&self, offset: i64) {
        self.outcomes.settle(self.index, offset);
    }

    pub(super) fn failed(&self, error: &KafkaError) {
        if !self.outcomes.any_failed.swap(true, Ordering::Relaxed) {
            tracing::warn!(%error, "a record was not appended; others of its batch may follow");
        }
        let error = Error::of(error);
        self.outcomes.settle(self.index, -1 - error as i64);
    }
}

/// A batch's way to its acknowledgements.
#[derive(Debug)]
pub struct Receipt(Arc<Outcomes>, Sends);

impl Receipt {
    pub(super) fn new(outcomes: Arc<Outcomes>, sends: Sends) -> Self {
        Self(outcomes, sends)
    }

    /// Waits until every record is acknowledged or given up: its offset, or why it has none, in the
    /// order of the batch. Takes as long as the delivery timeout at most.
    pub async fn outcomes(self) -> Vec<Result<i64, Error>> {
        while self.0.open.load(Ordering::Acquire) > 0 {
            self.0.all_known.notified().await;
        }
        let read = |number: &AtomicI64| {
            let number = number.load(Ordering::Relaxed);
            Error::ALL.get(usize::try_from(-1 - number).unwrap_or(usize::MAX)).map_or(Ok(number), |e| Err(*e))
        };
        let outcomes: Vec<_> = self.0.numbers.iter().map(read).collect();
        self.1.end(&outcomes);
        outcomes
    }
}
