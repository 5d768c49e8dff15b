//! When the loop commits.

use crate::Outputs;

/// When a batch closes, and how long the loop waits.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Input records in a transaction, at most.
    pub records: usize,
    /// How many times as many where one batch after another is full. What a transaction costs the broker does not depend on
    /// its records, so a loop that cannot keep up does more with fewer; one that has only a little to catch up with hands it
    /// on in parts, which the stage behind works at meanwhile.
    pub growth: usize,
    /// Output bytes after which a transaction takes no more input.
    pub bytes: usize,
    /// Bytes for one partition of one output topic after which it takes no more: they are to leave as one request.
    pub request: usize,
    /// How long the first record of a batch waits for company.
    pub linger: Linger,
    /// Microseconds that a partition rests when something it needs is away.
    pub retry: i64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { records: 8_000, growth: 4, bytes: 8 << 20, request: 900_000, linger: Linger::UntilWhole(5_000), retry: 500_000 }
    }
}

impl Limits {
    /// Whether `outputs` are as much as a transaction may write.
    pub(crate) fn are_reached_by(&self, outputs: &Outputs) -> bool {
        outputs.bytes() >= self.bytes || outputs.largest_request() >= self.request
    }
}

/// The slowest pace, microseconds.
pub const SLOWEST: i64 = 250_000;
/// How many times as long as a commit takes a batch gathers at least, where it is paced: committing is then a third of the
/// time at most.
const SHARE: i64 = 2;
/// One part in so many is what a commit counts in the mean of how long they take.
const SMOOTH: i64 = 8;

/// How long the first record of a batch waits for company, microseconds. A transaction costs the broker the same for one
/// record as for a hundred, and at a few thousand events a second it is the broker that is short of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Linger {
    /// So long at least: for the line's first stage, which sets the pace, and for what nobody waits for. Where commits take
    /// long, twice as long as they do, up to [`SLOWEST`]: fewer and larger transactions leave more of a busy machine to the
    /// work, and what waits comes through sooner (docs/decisions/transactions.md).
    Paced(i64),
    /// Until every owned partition has brought something, but no longer than that: a transaction of the stage before reaches
    /// all of its partitions at once. The others are then ready when the next one comes.
    UntilWhole(i64),
}

impl Linger {
    /// Microseconds to wait where commits take as long as `commits`.
    pub(crate) fn micros(self, commits: CommitTime) -> i64 {
        match self {
            Self::Paced(linger) => linger.max((SHARE * commits.0).min(SLOWEST)),
            Self::UntilWhole(linger) => linger,
        }
    }
}

/// How many records the next batch may have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    usual: usize,
    largest: usize,
    now: usize,
}

impl Size {
    /// Within `limits`.
    pub(crate) fn new(limits: &Limits) -> Self {
        Self { usual: limits.records, largest: limits.records.saturating_mul(limits.growth), now: limits.records }
    }

    /// Input records in a transaction, at most.
    pub(crate) fn most(self) -> usize {
        self.now
    }

    /// A batch has been committed, which was as large as it may be, or not.
    pub(crate) fn closed(&mut self, full: bool) {
        self.now = if full { self.now.saturating_mul(2).min(self.largest) } else { (self.now / 2).max(self.usual) };
    }
}

/// How long writing and committing takes of late: a mean, microseconds.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct CommitTime(i64);

impl CommitTime {
    /// One has taken `micros`.
    pub(crate) fn took(&mut self, micros: i64) {
        self.0 += (micros - self.0) / SMOOTH;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(commits: &[(usize, i64)]) -> CommitTime {
        let mut time = CommitTime::default();
        commits.iter().for_each(|(count, micros)| (0..*count).for_each(|_| time.took(*micros)));
        time
    }

    #[test]
    fn the_pace_slows_down_where_commits_take_long_and_comes_back() {
        let paced = Linger::Paced(30_000);
        assert_eq!(paced.micros(after(&[])), 30_000);
        assert_eq!(paced.micros(after(&[(100, 14_000)])), 30_000, "what is quick leaves it as it is");
        let slow = paced.micros(after(&[(100, 50_000)]));
        assert!((99_000..=100_000).contains(&slow), "{slow}");
        assert_eq!(paced.micros(after(&[(100, 10_000_000)])), SLOWEST);
        assert_eq!(paced.micros(after(&[(100, 50_000), (100, 10_000)])), 30_000);
        assert_eq!(paced.micros(after(&[(100, 10_000), (1, 60_000)])), 32_486, "one alone counts an eighth");
    }

    #[test]
    fn batches_grow_while_they_are_full_and_come_back() {
        let mut size = Size::new(&Limits { records: 100, growth: 4, ..Limits::default() });
        let mut after = |full| {
            size.closed(full);
            size.most()
        };
        assert_eq!([true, true, true].map(&mut after), [200, 400, 400]);
        assert_eq!([false, true, false, false, false].map(after), [200, 400, 200, 100, 100]);
    }

    #[test]
    fn what_waits_for_all_partitions_waits_no_longer() {
        assert_eq!(Linger::UntilWhole(5_000).micros(after(&[(100, 50_000)])), 5_000);
    }
}
