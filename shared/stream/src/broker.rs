//! What the loop needs of a broker.

use crate::spans::Spans;
use crate::{Error, Outputs};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A partition of one of a stage's input topics. All of them have the same number of partitions, and who owns a
/// partition owns it in each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Input {
    /// The partition.
    pub partition: i32,
    /// Which of the stage's input topics.
    pub topic: usize,
}

/// A record of an input topic, borrowed from the client.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// Which of the stage's input topics; in a restore, [`crate::Restore::input`].
    pub topic: usize,
    /// Partition of that topic.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
    /// Append time, microseconds since 1970.
    pub timestamp: i64,
    /// The key, if it has one.
    pub key: Option<&'a [u8]>,
    /// The value; `None` is a tombstone.
    pub payload: Option<&'a [u8]>,
    /// The W3C `traceparent` header, if it has one.
    pub traceparent: Option<&'a [u8]>,
}

/// Where a consumer group stands in a partition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Committed {
    /// First offset that is not done; `None` before the first commit.
    pub offset: Option<i64>,
    /// The metadata committed with it.
    pub metadata: String,
}

/// What one call of [`Broker::poll`] saw besides records.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Polled {
    /// The assignment has changed: call [`Broker::assignment`], then [`Broker::resume`].
    pub rebalanced: bool,
}

/// Highest offset that was written in the current transaction, by output topic and partition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Delivered(pub BTreeMap<(usize, i32), i64>);

impl Delivered {
    /// Highest offset written to partition `partition` of output `topic`, if anything was.
    #[must_use]
    pub fn last(&self, topic: usize, partition: i32) -> Option<i64> {
        self.0.get(&(topic, partition)).copied()
    }
}

/// A consumer of the input topics and a transactional producer, together.
///
/// An offset here is the offset of the *next* record to process, as Kafka commits it.
pub trait Broker {
    /// Waits at most `wait` for a record, then hands every record that is at hand to `each`, until `each`
    /// answers `false` or none is at hand.
    ///
    /// # Errors
    /// [`Error::Rebuild`] when the client is unusable.
    fn poll(&mut self, wait: Duration, each: &mut dyn FnMut(&Record<'_>) -> bool) -> Result<Polled, Error>;

    /// What makes spans of this broker's records; nothing by default.
    fn spans(&self) -> Option<Box<dyn Spans>> {
        None
    }

    /// How many input topics there are.
    fn topics(&self) -> usize;

    /// The partitions that this member owns now.
    fn assignment(&self) -> Vec<Input>;

    /// Committed offset and metadata of `partitions`, after any transaction that is under way for them.
    ///
    /// # Errors
    /// [`Error::Rebuild`] when the broker does not answer.
    fn committed(&mut self, partitions: &[Input]) -> Result<BTreeMap<Input, Committed>, Error>;

    /// Delivers records of exactly these partitions from these offsets on; whatever was fetched before is forgotten.
    ///
    /// # Errors
    /// [`Error::Rebuild`] when the client refuses.
    fn resume(&mut self, offsets: &BTreeMap<Input, i64>) -> Result<(), Error>;

    /// Delivers nothing of `inputs`, and of those held before and not now goes on where it stopped. [`Broker::resume`] lets
    /// all go.
    ///
    /// # Errors
    /// [`Error::Rebuild`] when the client refuses.
    fn hold(&mut self, inputs: &BTreeSet<Input>) -> Result<(), Error>;

    /// Hands every committed record of `restore` to `each`, in offset order.
    ///
    /// # Errors
    /// [`Error::Rebuild`] when the topic cannot be read to where it must be; errors of `each`.
    fn fold(&mut self, restore: &crate::Restore, each: &mut dyn FnMut(&Record<'_>) -> Result<(), Error>) -> Result<(), Error>;

    /// Begins a transaction and writes `outputs` in it; returns when the broker has acknowledged all of them.
    ///
    /// # Errors
    /// [`Error::Aborted`] or [`Error::Rebuild`].
    fn produce(&mut self, outputs: &Outputs) -> Result<Delivered, Error>;

    /// Adds offset and metadata of every owned partition to the transaction of `outputs` and commits it.
    ///
    /// # Errors
    /// [`Error::Aborted`] when it was certainly aborted; [`Error::Rebuild`] when the outcome is unknown.
    fn commit(&mut self, outputs: &Outputs, offsets: &BTreeMap<Input, (i64, String)>) -> Result<(), Error>;

    /// Makes the clients, after dropping those there were. The transactional ids stay the same, which
    /// fences its former users and ends whatever transaction they had open. May block for some seconds.
    ///
    /// # Errors
    /// [`Error::Rebuild`] when the broker is away: try again later. [`Error::Fatal`] when it refuses.
    fn connect(&mut self) -> Result<(), Error>;
}
