//! Invariant 2: exactly one record per valid event on a topic that derives from `<p>.valid`.

use super::bits::Bits;
use super::ledger::{Derived, Ledger, id_hash};
use super::report::{At, Invariant, Section, Violation};
use tidemill_events::partition::partition_of;

/// Counts the records of one topic (of one route, on `<p>.predictions`) by their source.
pub(super) struct Once {
    topic: String,
    /// How the records are called in a violation.
    name: String,
    raw: String,
    partitions: u32,
    /// Per raw partition, the raw offsets that were seen.
    seen: Vec<Bits>,
    section: Section,
}

impl Once {
    /// Of `topic`, which has as many partitions as `raw`: `partitions`.
    #[must_use]
    pub(super) fn new(topic: &str, name: &str, raw: &str, partitions: u32) -> Self {
        Self {
            topic: topic.to_owned(),
            name: name.to_owned(),
            raw: raw.to_owned(),
            partitions,
            seen: vec![Bits::default(); partitions as usize],
            section: Section::new(Invariant::Predictions),
        }
    }

    /// Takes up a record about `event_id`, which must be keyed by `key`; whether more can be checked.
    pub(super) fn record(&mut self, ledger: &Ledger, record: &Derived<'_>, event_id: &str, key: &str) -> bool {
        let violation =
            |expected: String, found: String| Violation { at: Some(record.at()), event_id: Some(event_id.to_owned()), expected, found };
        let source = record.source;
        let id = ledger.raw_id(source);
        self.section.check(id.is_some(), || {
            violation("a source in raw".into(), format!("{}/{}@{}, which is no record", source.topic, source.partition, source.offset))
        });
        let (Some(id), Some(seen)) = (id, usize::try_from(source.partition).ok().and_then(|p| self.seen.get_mut(p))) else { return false };
        let first = usize::try_from(source.offset).is_ok_and(|offset| seen.insert(offset));
        self.section
            .check(first, || violation(format!("one {} for raw {}@{}", self.name, source.partition, source.offset), "one more".into()));
        self.section.check(id == id_hash(event_id), || violation("the event id of its source".into(), "another".into()));
        let partition = partition_of(key.as_bytes(), self.partitions);
        self.section.check(record.key == Some(key.as_bytes()) && record.partition == partition, || {
            let found = record.key.map_or("no key".into(), String::from_utf8_lossy);
            violation(format!("key {key} on partition {partition}"), format!("{found} on partition {}", record.partition))
        });
        first
    }

    /// Reports every valid event that has no record and every other that has one, and gives the verdict.
    #[must_use]
    pub(super) fn finish(mut self, ledger: &Ledger) -> Section {
        for (partition, offset, valid) in ledger.records() {
            let seen = usize::try_from(partition).ok().and_then(|p| self.seen.get(p));
            let there = seen.is_some_and(|seen| usize::try_from(offset).is_ok_and(|o| seen.contains(o)));
            let count = |some: bool| format!("{} {} on {}", if some { "one" } else { "no" }, self.name, self.topic);
            self.section.check(there == valid, || Violation {
                at: Some(At { topic: self.raw.clone(), partition, offset }),
                event_id: None,
                expected: format!("{}, as it is {}", count(valid), if valid { "valid" } else { "rejected" }),
                found: count(there),
            });
        }
        self.section
    }
}
