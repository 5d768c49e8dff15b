//! A stage's work at one input partition: a plain struct with no Kafka, no async, no clock of its own.

use crate::{Committed, Delivered, Error, Outputs, Record};

/// A stage: makes the tasks of the partitions that this member owns.
pub trait Stage {
    /// The work at one partition.
    type Task: Task;

    /// A task for `partition` as it was after what `committed` (one for each input topic) and `task_bytes` (of
    /// [`Task::checkpoint`]) say is done, and which records must be folded into it first, in this order.
    ///
    /// # Errors
    /// [`Error::Fatal`] when the committed state cannot be understood.
    fn open(&mut self, partition: i32, committed: &[Committed], task_bytes: &[u8], seq: u64) -> Result<(Self::Task, Vec<Restore>), Error>;
}

/// Which records to fold at a restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restore {
    /// [`Record::topic`] of what is read.
    pub input: usize,
    /// The topic: one of the stage's inputs or outputs.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// How far.
    pub until: Until,
}

/// Where a fold ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Before this offset: a committed offset of the topic's consumer, so all before it is visible.
    Before(i64),
    /// With the record at this offset, which exists, but may take a moment to become visible.
    Through(i64),
}

/// The work at one input partition.
///
/// Between two calls of [`Task::commit`] or [`Task::abort`] the task reads its own uncommitted changes.
pub trait Task {
    /// Takes up a record that is done, without emitting.
    ///
    /// # Errors
    /// [`Error::Unavailable`] to be asked again later; [`Error::Fatal`] when it cannot be understood.
    fn restore(&mut self, record: &Record<'_>) -> Result<(), Error>;

    /// Processes a record at wall clock `now` (microseconds since 1970).
    ///
    /// # Errors
    /// [`Error::Unavailable`], with the task unchanged, to be asked again later; [`Error::Fatal`].
    fn process(&mut self, record: &Record<'_>, now: i64, out: &mut Outputs) -> Result<(), Error>;

    /// What is due by the wall clock: called about every 100 ms.
    ///
    /// # Errors
    /// [`Error::Fatal`].
    fn tick(&mut self, now: i64, out: &mut Outputs) -> Result<(), Error>;

    /// The input topic of which it should get no more for now, because it has been read too far ahead of the others. It
    /// gets more of it all the same when the others bring nothing.
    fn ahead(&mut self) -> Option<usize> {
        None
    }

    /// The task's bytes for the offset metadata, given what this transaction wrote.
    fn checkpoint(&mut self, delivered: &Delivered) -> Vec<u8>;

    /// The changes since the last commit are durable, as the partition's commit number `seq`. While
    /// `lagging`, more input is at hand: side effects may be put together.
    fn commit(&mut self, seq: u64, lagging: bool);

    /// The changes since the last commit never happened.
    fn abort(&mut self);
}
