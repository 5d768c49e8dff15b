//! What a feature store promises.

use crate::{Error, Partition};
use compact_str::CompactString;
use std::future::Future;

/// A key of an entity and its packed state.
pub type Entry = (CompactString, Vec<u8>);

/// Where a partition stands in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mark {
    /// The highest commit number of which something is written.
    pub begun: Option<u64>,
    /// The watermark: the highest commit number up to which everything is written. It never goes down.
    pub complete: Option<u64>,
    /// Whether what is there may be served: a key that is missing then has no state.
    pub ready: bool,
}

/// Where a batch goes on from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// From nothing: the first part of a rebuild. Unless `serve`, the partition is not ready from here on.
    Afresh {
        /// What is there is old but right, and may be served meanwhile.
        serve: bool,
    },
    /// From the batch with this commit number, which must be the last one begun.
    After(u64),
}

/// What holds once a batch is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// More parts follow.
    More,
    /// Everything up to the commit number is written.
    Complete,
    /// The same, and the partition may be served: the last part of a rebuild.
    Ready,
}

/// States as of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Commit number of the states, at most 2^53.
    pub commit: u64,
    /// Where it goes on from.
    pub start: Start,
    /// What holds then.
    pub end: End,
    /// The states.
    pub entries: Vec<Entry>,
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is written.
    Applied,
    /// Nothing of a higher commit was overwritten: another owner has begun commit `begun`.
    Stale {
        /// That owner's commit number.
        begun: u64,
    },
    /// The batch before this one is not what the store saw last: the store was emptied or went back in
    /// time. Everything has to be written again.
    Unexpected {
        /// The commit number found; `None` where the store is empty.
        begun: Option<u64>,
    },
}

/// One key to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lookup<'a> {
    /// Where it lives.
    pub partition: &'a Partition,
    /// The key.
    pub key: &'a str,
}

/// What a read found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Read {
    /// The packed state, if there is one.
    pub state: Option<Vec<u8>>,
    /// Whether the partition may be served. If not, a missing state means nothing.
    pub ready: bool,
    /// The partition's watermark: the state is that of this commit or a later one.
    pub commit: Option<u64>,
}

/// A store of packed states.
///
/// Batches of one partition apply in parts; between two parts another owner's may come. Therefore every
/// part first raises `begun` to its commit number, and a part below `begun` is refused: no value of a lower
/// commit overwrites one of a higher, whatever the order in which owners' parts arrive. Applying a batch twice
/// does no harm, so an unknown outcome is answered by writing it again.
pub trait FeatureStore: Send + Sync + 'static {
    /// Where `partition` stands.
    ///
    /// # Errors
    /// The store does not answer.
    fn mark(&self, partition: &Partition) -> impl Future<Output = Result<Mark, Error>> + Send;

    /// Writes `batch`, all of it unless the outcome is another than [`Outcome::Applied`].
    ///
    /// # Errors
    /// The store does not answer; any part of the batch may be written.
    fn write(&self, partition: &Partition, batch: &Batch) -> impl Future<Output = Result<Outcome, Error>> + Send;

    /// Reads `keys` in one round trip, in their order.
    ///
    /// # Errors
    /// The store does not answer.
    fn read(&self, keys: &[Lookup<'_>]) -> impl Future<Output = Result<Vec<Read>, Error>> + Send;
}
