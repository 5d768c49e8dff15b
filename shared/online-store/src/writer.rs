//! Carries the states of a task into a store: the task's thread hands over and goes on, a tokio task writes.
//!
//! Nothing is queued. While a batch is being written, held back, or Redis is away, the owner merely keeps
//! the names of the keys it touches; whatever state they have at the next hand-over is what is written. So
//! states coalesce by themselves, memory is bounded by one batch part per partition, and a slow or absent
//! store never stops the stream.

mod seat;
mod stand;
mod task;

use crate::{Entry, FeatureStore, Partition, Stats};
use seat::{Handed, Seat, Want};
use std::sync::Arc;
use std::time::{Duration, Instant};
use task::Task;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

/// Bytes of a part that the owner is asked for: what is in memory twice.
const PART_BYTES: usize = 4 << 20;

/// How often a writer does what.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Least time between two updates of a partition while its owner lags.
    pub lagging: Duration,
    /// An idle partition is looked at this often, to notice that the store was emptied.
    pub check: Duration,
    /// First pause after a failure; it doubles from failure to failure.
    pub retry: Duration,
    /// Longest pause between attempts.
    pub retry_at_most: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            lagging: Duration::from_secs(3),
            check: Duration::from_secs(1),
            retry: Duration::from_millis(20),
            retry_at_most: Duration::from_secs(2),
        }
    }
}

/// Where a writer gets states from. Both return `None` while the owner has uncommitted changes: nothing
/// of a transaction that may be aborted leaves its owner.
pub trait Source {
    /// States of about `bytes` bytes of keys touched since they were last handed over, and whether
    /// there are more.
    fn touched(&mut self, bytes: usize) -> Option<(Vec<Entry>, bool)>;

    /// About `bytes` bytes of all states from position `from` (0 first) on, and the position to go on
    /// from. The part after which there is none also holds the keys touched since the first part.
    fn all(&mut self, from: usize, bytes: usize) -> Option<(Vec<Entry>, Option<usize>)>;
}

/// Writes partitions into a store.
#[derive(Debug)]
pub struct Writer<S> {
    store: Arc<S>,
    runtime: Handle,
    pace: Pace,
    stats: Arc<Stats>,
}

impl<S: FeatureStore> Writer<S> {
    /// A writer into `store`, whose tasks run on `runtime`.
    #[must_use]
    pub fn new(store: Arc<S>, runtime: Handle, pace: Pace, stats: Arc<Stats>) -> Self {
        Self { store, runtime, pace, stats }
    }

    /// Takes `partition` over, whose owner's state is that of commit `commit`. The store is brought to
    /// it if it is not there already. Dropping the result gives the partition up.
    #[must_use]
    pub fn assign(&self, partition: Partition, commit: u64) -> PartitionWriter {
        let (sender, receiver) = mpsc::channel(1);
        let seat = Arc::new(Seat::default());
        let task = Task {
            store: self.store.clone(),
            partition,
            seat: seat.clone(),
            batches: receiver,
            pace: self.pace,
            stats: self.stats.clone(),
        };
        self.runtime.spawn(task.run(commit));
        PartitionWriter { seat, batches: sender, lagging: self.pace.lagging, last: None, commit }
    }
}

/// The owner's end of one partition. Dropping it ends the writing, after the batch under way.
#[derive(Debug)]
pub struct PartitionWriter {
    seat: Arc<Seat>,
    batches: mpsc::Sender<Handed>,
    lagging: Duration,
    /// When something was last handed over.
    last: Option<Instant>,
    /// The commit number that was last handed over completely.
    commit: u64,
}

impl PartitionWriter {
    /// Hands over what the store needs, if it needs something now, from an owner whose state is that of
    /// commit `commit`. To be called after each commit and about every 100 ms; never blocks.
    ///
    /// While `lagging`, updates are held back to one per [`Pace::lagging`].
    pub fn offer(&mut self, commit: u64, lagging: bool, source: &mut impl Source) {
        let Some(want) = self.seat.take(|want| self.is_due(want, commit, lagging)) else { return };
        let Some((handed, all)) = hand_over(want, commit, source) else { return self.seat.open(want) };
        if all {
            self.commit = commit;
        }
        self.last = Some(Instant::now());
        if self.batches.try_send(handed).is_err() {
            // the seat opens only after the batch before was received, so there is room while the task lives
            tracing::error!("the online store's writing task ended unexpectedly");
        }
    }

    /// Whether the partition was given up because another owner has begun a higher commit.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.seat.is_closed()
    }

    fn is_due(&self, want: Want, commit: u64, lagging: bool) -> bool {
        match want {
            Want::All { .. } | Want::Touched { more: true } => true,
            Want::Touched { more: false } => {
                let rested = self.last.is_none_or(|last| last.elapsed() >= self.lagging);
                commit != self.commit && (!lagging || rested)
            }
        }
    }
}

/// What is wanted, and whether all up to `commit` is handed over with it.
fn hand_over(want: Want, commit: u64, source: &mut impl Source) -> Option<(Handed, bool)> {
    match want {
        Want::Touched { .. } => {
            let (entries, more) = source.touched(PART_BYTES)?;
            Some((Handed::Touched { commit, entries, more }, !more))
        }
        Want::All { from } => {
            let (entries, next) = source.all(from, PART_BYTES)?;
            Some((Handed::Part { commit, entries, from, next }, next.is_none()))
        }
    }
}
