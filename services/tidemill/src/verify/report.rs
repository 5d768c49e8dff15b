//! What verification found: counts per invariant and the first violations of each.

use serde::Serialize;
use std::fmt;

/// Violations shown of each invariant; all are counted.
const SHOWN: usize = 10;

/// A promise of docs/ARCHITECTURE.md, by its number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Invariant {
    /// 1: every raw record is valid or rejected, exactly once; what was acknowledged is in raw.
    Ledger,
    /// 2: exactly one record per valid event on each topic after.
    Predictions,
    /// 3: counts and sums equal a recomputation.
    Values,
    /// 4: the online store equals the fold of what is done.
    Online,
    /// 5: vectors equal a fold of the hop's input in offset order.
    Vectors,
}

impl Invariant {
    /// Its number and name.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Invariant::Ledger => "1 ledger",
            Invariant::Predictions => "2 exactly once",
            Invariant::Values => "3 counts and sums",
            Invariant::Online => "4 online store",
            Invariant::Vectors => "5 vectors",
        }
    }
}

/// Where a record is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct At {
    /// Its topic.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}@{}", self.topic, self.partition, self.offset)
    }
}

/// One broken promise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// The record it was seen at, if it was seen at one.
    #[serde(flatten)]
    pub at: Option<At>,
    /// The event, if known.
    pub event_id: Option<String>,
    /// What was expected.
    pub expected: String,
    /// What was found instead.
    pub found: String,
}

/// How an invariant fared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Section {
    /// Which.
    pub invariant: Invariant,
    /// Single facts that were checked.
    pub checked: u64,
    /// Those that do not hold.
    pub violations: u64,
    /// The first of them.
    pub first: Vec<Violation>,
}

impl Section {
    /// Nothing checked yet.
    #[must_use]
    pub fn new(invariant: Invariant) -> Self {
        Self { invariant, checked: 0, violations: 0, first: Vec::new() }
    }

    /// Checks a fact; the violation is made only if it does not hold and is among the first.
    pub fn check(&mut self, holds: bool, violation: impl FnOnce() -> Violation) {
        self.checked += 1;
        if !holds {
            self.violate(violation);
        }
    }

    /// Counts a violation of a fact that was counted already.
    pub fn violate(&mut self, violation: impl FnOnce() -> Violation) {
        self.violations += 1;
        if self.first.len() < SHOWN {
            self.first.push(violation());
        }
    }

    /// Adds what another part of the work found.
    pub fn merge(&mut self, other: Section) {
        self.checked += other.checked;
        self.violations += other.violations;
        let room = SHOWN - self.first.len();
        self.first.extend(other.first.into_iter().take(room));
    }
}
