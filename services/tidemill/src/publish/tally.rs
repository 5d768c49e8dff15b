//! What has become of the records so far; written by the lanes, read by whoever shows it.

use super::batch::Kind;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Examples kept of each reason.
const EXAMPLES: usize = 3;

/// A count that goes up.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Its value.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }
}

/// Counts of one publication.
#[derive(Debug, Default)]
pub struct Tally {
    /// Events read from the source.
    pub read: Count,
    /// Events that the ingestor answered with 2xx.
    pub acknowledged: Count,
    /// Of these, events that it had already.
    pub duplicates: Count,
    /// Events that the ingestor will never take.
    pub refused: Count,
    /// Labels that became due.
    pub labels_due: Count,
    /// Labels that the ingestor answered with 2xx.
    pub labels_acknowledged: Count,
    /// Labels that the ingestor will never take.
    pub labels_refused: Count,
    /// What stands in the source in an event's place and cannot be read.
    pub unreadable: Count,
    /// Requests that were repeated.
    pub retries: Count,
    refusals: Mutex<BTreeMap<String, Refusals>>,
    trouble: Mutex<Option<String>>,
}

/// Records that were refused for one reason.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Refusals {
    /// How many.
    pub count: u64,
    /// The first few, each with what was wrong with it.
    pub examples: Vec<String>,
}

impl Tally {
    pub(super) fn refuse(&self, kind: Kind, code: &str, example: impl FnOnce() -> String) {
        match kind {
            Kind::Events => self.refused.add(1),
            Kind::Labels => self.labels_refused.add(1),
        }
        self.example(code, example);
    }

    pub(super) fn unreadable(&self, why: String) {
        self.unreadable.add(1);
        self.example("unreadable", || why);
    }

    fn example(&self, code: &str, example: impl FnOnce() -> String) {
        let mut refusals = lock(&self.refusals);
        let refusals = refusals.entry(code.to_owned()).or_default();
        refusals.count += 1;
        if refusals.examples.len() < EXAMPLES {
            refusals.examples.push(example());
        }
    }

    /// Refused and unreadable records by reason code.
    #[must_use]
    pub fn refusals(&self) -> BTreeMap<String, Refusals> {
        lock(&self.refusals).clone()
    }

    /// Why nothing is taken at the moment, if so.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        lock(&self.trouble).clone()
    }

    pub(super) fn set_trouble(&self, trouble: Option<String>) {
        *lock(&self.trouble) = trouble;
    }
}

/// The data are counts: still right after a panic elsewhere.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
