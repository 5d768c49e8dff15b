//! What a writer did, for metrics: plain counters that any thread may read.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counters of one [`crate::Writer`], over all its partitions.
#[derive(Debug, Default)]
pub struct Stats {
    /// Batches written.
    pub batches: AtomicU64,
    /// States written.
    pub keys: AtomicU64,
    /// Bytes of keys and states written.
    pub bytes: AtomicU64,
    /// Attempts that failed and were made again.
    pub retries: AtomicU64,
    /// Times that the store was found emptied or gone back.
    pub losses: AtomicU64,
    /// Rebuilds finished.
    pub rebuilds: AtomicU64,
    /// Partitions given up because another owner had begun a higher commit.
    pub stale: AtomicU64,
}

impl Stats {
    pub(crate) fn add(counter: &AtomicU64, n: u64) {
        counter.fetch_add(n, Relaxed);
    }
}
