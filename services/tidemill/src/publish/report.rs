//! What a publication came to.

use super::tally::{Refusals, Tally};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// The end of a publication.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Version of this shape.
    pub version: u32,
    /// Events read and sent.
    pub sent: u64,
    /// Events answered 2xx.
    pub acknowledged: u64,
    /// Of these, events that the ingestor had already.
    pub duplicates: u64,
    /// Events that the ingestor refused.
    pub refused: u64,
    /// Events that could not be delivered.
    pub undelivered: u64,
    /// What stood in the source in an event's place and could not be read.
    pub unreadable: u64,
    /// Refused and unreadable records by reason code, with the first few of each.
    pub reasons: BTreeMap<String, Refusals>,
    /// Labels sent, acknowledged and refused.
    pub labels: Labels,
    /// Requests that were repeated.
    pub retries: u64,
    /// Seconds from the first to the last.
    pub elapsed: f64,
    /// Acknowledged events a second.
    pub rate: f64,
    /// Why it ended before all was delivered, if it did.
    pub failure: Option<String>,
}

/// Labels of a publication.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Labels {
    /// Labels sent.
    pub sent: u64,
    /// Labels answered 2xx.
    pub acknowledged: u64,
    /// Labels that the ingestor refused.
    pub refused: u64,
}

impl Report {
    pub(super) fn new(tally: &Tally, elapsed: Duration, failure: Option<String>) -> Self {
        let (sent, acknowledged, refused) = (tally.read.get(), tally.acknowledged.get(), tally.refused.get());
        Self {
            version: 1,
            sent,
            acknowledged,
            duplicates: tally.duplicates.get(),
            refused,
            undelivered: sent.saturating_sub(acknowledged + refused),
            unreadable: tally.unreadable.get(),
            reasons: tally.refusals(),
            labels: Labels {
                sent: tally.labels_due.get(),
                acknowledged: tally.labels_acknowledged.get(),
                refused: tally.labels_refused.get(),
            },
            retries: tally.retries.get(),
            elapsed: elapsed.as_secs_f64(),
            rate: acknowledged as f64 / elapsed.as_secs_f64().max(1e-6),
            failure,
        }
    }

    /// Whether every record was acknowledged or refused for good.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let labels = &self.labels;
        self.failure.is_none() && self.undelivered == 0 && labels.sent == labels.acknowledged + labels.refused
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} events sent, {} acknowledged", self.sent, self.acknowledged)?;
        if self.duplicates > 0 {
            write!(f, " ({} of them already there)", self.duplicates)?;
        }
        writeln!(f, " in {:.1} s, {:.0}/s", self.elapsed, self.rate)?;
        if self.labels.sent > 0 {
            writeln!(f, "{} labels sent, {} acknowledged", self.labels.sent, self.labels.acknowledged)?;
        }
        if self.retries > 0 {
            writeln!(f, "{} requests repeated", self.retries)?;
        }
        if self.undelivered > 0 {
            writeln!(f, "{} events not delivered", self.undelivered)?;
        }
        for (code, refusals) in &self.reasons {
            writeln!(f, "{} refused: {code}", refusals.count)?;
            refusals.examples.iter().try_for_each(|example| writeln!(f, "    {example}"))?;
        }
        if let Some(failure) = &self.failure {
            writeln!(f, "stopped: {failure}")?;
        }
        Ok(())
    }
}
