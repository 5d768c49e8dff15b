//! The outcomes' part of invariant 2: each label became one outcome, or was rejected, or waits for an event that was
//! never predicted or whose horizon it missed; each event has one outcome at most.

use super::bits::Bits;
use super::ledger::{Derived, id_hash};
use super::report::{At, Invariant, Section, Violation};
use std::collections::{HashMap, HashSet};
use tidemill_events::Source;
use tidemill_events::records::Label;

/// What became of each label, by partition and offset.
pub(super) struct Outcomes {
    labels: String,
    /// How long after its event a label counts, microseconds.
    horizon: i64,
    partitions: HashMap<i32, Partition>,
    /// Event time of the predicted events, by the hash of their id.
    predicted: HashMap<u64, i64>,
    /// Events that have an outcome.
    joined: HashSet<u64>,
    section: Section,
}

#[derive(Default)]
struct Partition {
    labels: HashMap<usize, Read>,
    joined: Bits,
    rejected: Bits,
}

/// What is kept of a label.
struct Read {
    /// 0 where the record is no label.
    id: u64,
    label: f64,
    label_time: i64,
}

impl Outcomes {
    /// Of topic `labels`, whose labels count for `horizon` microseconds.
    #[must_use]
    pub(super) fn new(labels: &str, horizon: i64) -> Self {
        Self {
            labels: labels.to_owned(),
            horizon,
            partitions: HashMap::new(),
            predicted: HashMap::new(),
            joined: HashSet::new(),
            section: Section::new(Invariant::Predictions),
        }
    }

    /// Takes up a prediction.
    pub(super) fn predicted(&mut self, event_id: &str, event_time: i64) {
        self.predicted.entry(id_hash(event_id)).or_insert(event_time);
    }

    /// Takes up a record of `<p>.labels`; `None` where it is no label. Comes before what became of it.
    pub(super) fn label(&mut self, partition: i32, offset: i64, label: Option<&Label>) {
        let read = label.map_or(Read { id: 0, label: f64::NAN, label_time: 0 }, |l| Read {
            id: id_hash(&l.event_id),
            label: l.label,
            label_time: l.label_time,
        });
        self.partitions.entry(partition).or_default().labels.insert(usize::try_from(offset).unwrap_or_default(), read);
    }

    /// Takes up a reject; those of events are the ledger's.
    pub(super) fn rejected(&mut self, record: &Derived<'_>) {
        if record.source.topic == self.labels {
            let first = self.place(record, None).is_none_or(|(partition, at)| partition.rejected.insert(at));
            self.once(record, None, first);
        }
    }

    /// Takes up an outcome.
    pub(super) fn outcome(&mut self, record: &Derived<'_>, event_id: &str, label: f64) {
        let id = id_hash(event_id);
        let Some((partition, at)) = self.place(record, Some(event_id)) else { return };
        let (same, first) = {
            let read = &partition.labels[&at];
            (read.id == id && read.label.total_cmp(&label).is_eq(), partition.joined.insert(at))
        };
        self.once(record, Some(event_id), first);
        self.section.check(same, || violation(record, Some(event_id), "the event and the label of its source", "another"));
        self.section.check(self.predicted.contains_key(&id), || violation(record, Some(event_id), "a prediction of its event", "none"));
        let only = self.joined.insert(id);
        self.section.check(only, || violation(record, Some(event_id), "one outcome for the event", "one more"));
    }

    /// Checks what can only be seen at the end, and gives the verdict.
    #[must_use]
    pub(super) fn finish(mut self) -> Section {
        for (partition, read) in &self.partitions {
            for (at, label) in &read.labels {
                let (joined, rejected) = (read.joined.contains(*at), read.rejected.contains(*at));
                let in_time = |event_time: &i64| label.label_time <= event_time.saturating_add(self.horizon);
                let waits = label.id != 0 && !self.predicted.get(&label.id).is_some_and(in_time);
                self.section.check(if waits { !joined || !rejected } else { joined != rejected }, || Violation {
                    at: Some(At { topic: self.labels.clone(), partition: *partition, offset: *at as i64 }),
                    event_id: None,
                    expected: "an outcome, or a reject".into(),
                    found: if joined { "both".into() } else { "neither".into() },
                });
            }
        }
        self.section
    }

    /// Where the label that `record` names is; `None`, and a violation, when there is none.
    fn place(&mut self, record: &Derived<'_>, event_id: Option<&str>) -> Option<(&mut Partition, usize)> {
        let Source { topic, partition, offset } = record.source;
        let at = usize::try_from(*offset).unwrap_or(usize::MAX);
        let there = *topic == self.labels && self.partitions.get(partition).is_some_and(|p| p.labels.contains_key(&at));
        self.section.check(there, || {
            violation(record, event_id, "a source in labels", &format!("{topic}/{partition}@{offset}, which is no record"))
        });
        self.partitions.get_mut(partition).filter(|_| there).map(|partition| (partition, at))
    }

    fn once(&mut self, record: &Derived<'_>, event_id: Option<&str>, first: bool) {
        let Source { topic, partition, offset } = record.source;
        self.section.check(first, || violation(record, event_id, &format!("one record for {topic}/{partition}@{offset}"), "one more"));
    }
}

fn violation(record: &Derived<'_>, event_id: Option<&str>, expected: &str, found: &str) -> Violation {
    Violation { at: Some(record.at()), event_id: event_id.map(str::to_owned), expected: expected.into(), found: found.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HORIZON: i64 = 10;

    fn source(offset: i64) -> Source {
        Source { topic: "p.labels".into(), partition: 0, offset }
    }

    fn derived(source: &Source) -> Derived<'_> {
        Derived { topic: "p.outcomes", partition: 0, offset: 0, key: None, source }
    }

    /// Two predicted events and their labels at offsets 1 and 2; offset 3 is a label of nobody, 4 is none.
    fn world() -> Outcomes {
        let mut outcomes = Outcomes::new("p.labels", HORIZON);
        outcomes.predicted("a", 0);
        outcomes.predicted("b", 0);
        for (offset, id) in [(1, "a"), (2, "b"), (3, "nobody")] {
            outcomes.label(0, offset, Some(&Label { event_id: id.into(), label: 1.0, label_time: 5 }));
        }
        outcomes.label(0, 4, None);
        outcomes
    }

    fn found(tamper: impl FnOnce(&mut Outcomes)) -> Vec<String> {
        let mut outcomes = world();
        tamper(&mut outcomes);
        outcomes.finish().first.iter().map(|v| format!("{} / {}", v.expected, v.found)).collect()
    }

    fn right(outcomes: &mut Outcomes) {
        outcomes.outcome(&derived(&source(1)), "a", 1.0);
        outcomes.outcome(&derived(&source(2)), "b", 1.0);
        outcomes.rejected(&derived(&source(4)));
    }

    #[test]
    fn what_is_right_holds() {
        assert_eq!(found(right), Vec::<String>::new());
    }

    #[test]
    fn a_lost_label_is_seen() {
        let lost = found(|o| {
            o.outcome(&derived(&source(1)), "a", 1.0);
            o.rejected(&derived(&source(4)));
        });
        assert_eq!(lost, ["an outcome, or a reject / neither"]);
    }

    #[test]
    fn a_label_that_missed_its_horizon_may_wait() {
        let found = found(|o| {
            right(o);
            o.label(0, 5, Some(&Label { event_id: "a".into(), label: 1.0, label_time: 11 }));
        });
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn a_second_outcome_is_seen() {
        let twice = found(|o| {
            right(o);
            o.outcome(&derived(&source(1)), "a", 1.0);
        });
        assert_eq!(twice, ["one record for p.labels/0@1 / one more", "one outcome for the event / one more"]);
    }

    #[test]
    fn an_outcome_that_is_rejected_too_is_seen() {
        let both = found(|o| {
            right(o);
            o.rejected(&derived(&source(2)));
        });
        assert_eq!(both, ["an outcome, or a reject / both"]);
    }

    #[test]
    fn another_label_and_an_outcome_of_nothing_are_seen() {
        let found = found(|o| {
            o.outcome(&derived(&source(1)), "a", 0.0);
            o.outcome(&derived(&source(2)), "b", 1.0);
            o.outcome(&derived(&source(9)), "b", 1.0);
            o.rejected(&derived(&source(4)));
        });
        assert_eq!(found, ["the event and the label of its source / another", "a source in labels / p.labels/0@9, which is no record"]);
    }
}
