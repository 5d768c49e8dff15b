//! What a publication came to.

use super::tally::{Refusals, Tally};
use crate::output::{self, count};
use serde::Serialize;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// The end of a publication.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
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
    pub(crate) fn new(tally: &Tally, elapsed: Duration, failure: Option<String>) -> Self {
        let (sent, acknowledged, refused) = (tally.read.get(), tally.acknowledged.get(), tally.refused.get());
        Self {
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

impl output::Report for Report {
    fn rows(&self) -> Vec<Json> {
        vec![json!(self)]
    }

    fn table(&self) -> String {
        self.lines().join("\n") + "\n"
    }
}

impl Report {
    fn lines(&self) -> Vec<String> {
        let already = if self.duplicates > 0 { format!(" ({} were there already)", count(self.duplicates)) } else { String::new() };
        let rate = count(self.rate.round() as u64);
        let mut lines = vec![format!(
            "{} events sent, {} acknowledged{already} in {:.1} s: {rate}/s",
            count(self.sent),
            count(self.acknowledged),
            self.elapsed
        )];
        if self.labels.sent > 0 {
            lines.push(format!("{} labels sent, {} acknowledged", count(self.labels.sent), count(self.labels.acknowledged)));
        }
        for (n, what) in [(self.retries, "requests repeated"), (self.undelivered, "events not delivered")] {
            if n > 0 {
                lines.push(format!("{} {what}", count(n)));
            }
        }
        for (code, refusals) in &self.reasons {
            lines.push(format!("{} refused: {code}", count(refusals.count)));
            lines.extend(refusals.examples.iter().map(|example| format!("    {example}")));
        }
        lines.extend(self.failure.iter().map(|failure| format!("stopped: {failure}")));
        lines
    }
}
