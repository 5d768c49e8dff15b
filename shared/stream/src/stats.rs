//! What a loop did, for metrics: plain counters that any thread may read.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// Counters of one loop.
#[derive(Debug, Default)]
pub struct Stats {
    /// Input records done.
    pub records: AtomicU64,
    /// Output records written.
    pub outputs: AtomicU64,
    /// Transactions committed.
    pub commits: AtomicU64,
    /// Microseconds spent in producing and committing.
    pub commit_micros: AtomicU64,
    /// Microseconds spent in processing records.
    pub process_micros: AtomicU64,
    /// Transactions aborted.
    pub aborts: AtomicU64,
    /// Times that the clients were made anew.
    pub rebuilds: AtomicU64,
    /// Records folded at restores.
    pub restored: AtomicU64,
    /// Times that a record had to wait because something was away.
    pub waits: AtomicU64,
    /// Partitions owned.
    pub partitions: AtomicU64,
    /// Whether the loop has joined its group and restored what it owns.
    pub ready: AtomicBool,
}

impl Stats {
    pub(crate) fn add(counter: &AtomicU64, n: u64) {
        counter.fetch_add(n, Relaxed);
    }
}
