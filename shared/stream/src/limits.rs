//! When the loop commits.

/// When a batch closes, and how long the loop waits.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Input records in a transaction, at most.
    pub records: usize,
    /// Output bytes after which a transaction takes no more input.
    pub bytes: usize,
    /// How long the first record of a batch waits for company.
    pub linger: Linger,
    /// Microseconds that a partition rests when something it needs is away.
    pub retry: i64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { records: 8_000, bytes: 8 << 20, linger: Linger::UntilWhole(5_000), retry: 500_000 }
    }
}

/// How long the first record of a batch waits for company, microseconds. A transaction costs the broker the same for one
/// record as for a hundred, and at a few thousand events a second it is the broker that is short of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Linger {
    /// So long in any case: for the line's first stage, which sets the pace, and for what nobody waits for.
    Fixed(i64),
    /// Until every owned partition has brought something, but no longer than that: a transaction of the stage before reaches
    /// all of its partitions at once. The others are then ready when the next one comes.
    UntilWhole(i64),
}
