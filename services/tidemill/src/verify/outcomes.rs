//! The outcomes' part of invariant 2: each label became one outcome, or was rejected, or waits for an event that was
//! never predicted or whose horizon it missed; each event has one outcome at most. Where events get a default label, an
//! outcome may name its prediction as the source, and an event that later labels have gone by has an outcome.

use super::bits::Bits;
use super::ledger::{Derived, id_hash};
use super::report::{At, Invariant, Section, Violation};
use std::collections::{HashMap, HashSet};
use tidemill_events::Source;
use tidemill_events::records::Label;

/// When labels count, and what an event gets that has none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    /// How long after its event a label counts, microseconds.
    pub(super) horizon: i64,
    /// The label of an event that has none by then.
    pub(super) default: Option<f64>,
    /// How far label times go by that before it gets it, microseconds.
    pub(super) slack: i64,
}

/// A record of `<p>.outcomes`.
pub(super) struct Read<'a> {
    pub(super) event_id: &'a str,
    pub(super) label: f64,
    pub(super) label_time: i64,
}

/// What became of each label, by partition and offset.
pub(super) struct Outcomes {
    labels: String,
    predictions: String,
    rule: Rule,
    partitions: HashMap<i32, Partition>,
    /// The predicted events, by the hash of their id.
    predicted: HashMap<u64, Predicted>,
    /// Events that have an outcome.
    joined: HashSet<u64>,
    section: Section,
}

/// The first prediction of an event.
#[derive(Clone, Copy)]
struct Predicted {
    event_time: i64,
    partition: i32,
    offset: i64,
}

#[derive(Default)]
struct Partition {
    labels: HashMap<usize, Labelled>,
    joined: Bits,
    rejected: Bits,
    /// Largest label time of the outcomes: labels have gone by at least so far.
    labelled_to: Option<i64>,
    /// Event time of the first event that got the default label: it was in force from there on.
    defaulted_from: Option<i64>,
}

/// What is kept of a label.
struct Labelled {
    /// 0 where the record is no label.
    id: u64,
    label: f64,
    label_time: i64,
}

impl Outcomes {
    /// Of the topics `labels` and `predictions`.
    #[must_use]
    pub(super) fn new(labels: &str, predictions: &str, rule: Rule) -> Self {
        Self {
            labels: labels.to_owned(),
            predictions: predictions.to_owned(),
            rule,
            partitions: HashMap::new(),
            predicted: HashMap::new(),
            joined: HashSet::new(),
            section: Section::new(Invariant::Predictions),
        }
    }

    /// Takes up the prediction at `offset` of `partition`.
    pub(super) fn predicted(&mut self, (partition, offset): (i32, i64), event_id: &str, event_time: i64) {
        self.predicted.entry(id_hash(event_id)).or_insert(Predicted { event_time, partition, offset });
    }

    /// Takes up a record of `<p>.labels`; `None` where it is no label. Comes before what became of it.
    pub(super) fn label(&mut self, partition: i32, offset: i64, label: Option<&Label>) {
        let read = label.map_or(Labelled { id: 0, label: f64::NAN, label_time: 0 }, |l| Labelled {
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
    pub(super) fn outcome(&mut self, record: &Derived<'_>, read: &Read<'_>) {
        let id = id_hash(read.event_id);
        if *record.source.topic == self.predictions {
            self.defaulted(record, read, id);
        } else if !self.labelled(record, read, id) {
            return;
        }
        let event = Some(read.event_id);
        self.section.check(self.predicted.contains_key(&id), || violation(record, event, "a prediction of its event", "none"));
        let only = self.joined.insert(id);
        self.section.check(only, || violation(record, event, "one outcome for the event", "one more"));
    }

    /// Takes up an outcome of a label; `false` if there is none.
    fn labelled(&mut self, record: &Derived<'_>, read: &Read<'_>, id: u64) -> bool {
        let event = Some(read.event_id);
        let Some((partition, at)) = self.place(record, event) else { return false };
        let label = &partition.labels[&at];
        let same = label.id == id && label.label.total_cmp(&read.label).is_eq();
        let first = partition.joined.insert(at);
        partition.labelled_to = partition.labelled_to.max(Some(read.label_time));
        self.once(record, event, first);
        self.section.check(same, || violation(record, event, "the event and the label of its source", "another"));
        true
    }

    /// Takes up an outcome with the default label.
    fn defaulted(&mut self, record: &Derived<'_>, read: &Read<'_>, id: u64) {
        let event = Some(read.event_id);
        let Rule { horizon, default, .. } = self.rule;
        let predicted = self.predicted.get(&id).copied();
        let own = predicted.is_none_or(|p| (p.partition, p.offset) == (record.source.partition, record.source.offset));
        self.section.check(own, || violation(record, event, "the prediction of its event as source", "another"));
        let known = predicted.is_none_or(|p| p.event_time.saturating_add(horizon) == read.label_time);
        self.section.check(known, || violation(record, event, "a label time at the end of the horizon", "another"));
        let label = default.is_some_and(|default| default.total_cmp(&read.label).is_eq());
        self.section.check(label, || violation(record, event, "a label, or the default one", "another"));
        let partition = self.partitions.entry(record.partition).or_default();
        let from = predicted.map_or(i64::MAX, |p| p.event_time);
        partition.defaulted_from = Some(partition.defaulted_from.map_or(from, |known| known.min(from)));
    }

    /// Checks what can only be seen at the end, and gives the verdict.
    #[must_use]
    pub(super) fn finish(mut self) -> Section {
        for (partition, read) in &self.partitions {
            for (at, label) in &read.labels {
                let (joined, rejected) = (read.joined.contains(*at), read.rejected.contains(*at));
                let in_time = |p: &Predicted| label.label_time <= p.event_time.saturating_add(self.rule.horizon);
                let waits = label.id != 0 && !self.predicted.get(&label.id).is_some_and(in_time);
                self.section.check(if waits { !joined || !rejected } else { joined != rejected }, || Violation {
                    at: Some(At { topic: self.labels.clone(), partition: *partition, offset: *at as i64 }),
                    event_id: None,
                    expected: "an outcome, or a reject".into(),
                    found: if joined { "both".into() } else { "neither".into() },
                });
            }
        }
        self.gone_by();
        self.section
    }

    /// Since the default label is in force, whatever labels have gone by has an outcome.
    fn gone_by(&mut self) {
        let Rule { horizon, default: Some(_), slack } = self.rule else { return };
        let patience = horizon.saturating_add(slack);
        for (id, Predicted { event_time, partition, offset }) in &self.predicted {
            let Some(Partition { labelled_to: Some(to), defaulted_from: Some(from), .. }) = self.partitions.get(partition) else {
                continue;
            };
            if event_time >= from && event_time.saturating_add(patience) < *to {
                self.section.check(self.joined.contains(id), || Violation {
                    at: Some(At { topic: self.predictions.clone(), partition: *partition, offset: *offset }),
                    event_id: None,
                    expected: "an outcome, with the default label if need be".into(),
                    found: "none".into(),
                });
            }
        }
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
        let rule = Rule { horizon: HORIZON, default: Some(0.0), slack: 2 };
        let mut outcomes = Outcomes::new("p.labels", "p.predictions", rule);
        outcomes.predicted((0, 0), "a", 0);
        outcomes.predicted((0, 1), "b", 0);
        outcomes.predicted((0, 2), "c", 7);
        outcomes.predicted((0, 3), "d", 20);
        for (offset, id) in [(1, "a"), (2, "b"), (3, "nobody")] {
            outcomes.label(0, offset, Some(&Label { event_id: id.into(), label: 1.0, label_time: 5 }));
        }
        outcomes.label(0, 4, None);
        outcomes
    }

    fn read(event_id: &str, label: f64, label_time: i64) -> Read<'_> {
        Read { event_id, label, label_time }
    }

    fn prediction(offset: i64) -> Source {
        Source { topic: "p.predictions".into(), partition: 0, offset }
    }

    fn found(tamper: impl FnOnce(&mut Outcomes)) -> Vec<String> {
        let mut outcomes = world();
        tamper(&mut outcomes);
        outcomes.finish().first.iter().map(|v| format!("{} / {}", v.expected, v.found)).collect()
    }

    fn right(outcomes: &mut Outcomes) {
        outcomes.outcome(&derived(&source(1)), &read("a", 1.0, 5));
        outcomes.outcome(&derived(&source(2)), &read("b", 1.0, 5));
        outcomes.rejected(&derived(&source(4)));
    }

    #[test]
    fn what_is_right_holds() {
        assert_eq!(found(right), Vec::<String>::new());
    }

    #[test]
    fn a_lost_label_is_seen() {
        let lost = found(|o| {
            o.outcome(&derived(&source(1)), &read("a", 1.0, 5));
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
            o.outcome(&derived(&source(1)), &read("a", 1.0, 5));
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
            o.outcome(&derived(&source(1)), &read("a", 0.0, 5));
            o.outcome(&derived(&source(2)), &read("b", 1.0, 5));
            o.outcome(&derived(&source(9)), &read("b", 1.0, 5));
            o.rejected(&derived(&source(4)));
        });
        assert_eq!(found, ["the event and the label of its source / another", "a source in labels / p.labels/0@9, which is no record"]);
    }

    #[test]
    fn default_labels_hold() {
        let found = found(|o| {
            right(o);
            o.outcome(&derived(&prediction(2)), &read("c", 0.0, 17));
            o.label(0, 6, Some(&Label { event_id: "d".into(), label: 1.0, label_time: 30 }));
            o.outcome(&derived(&source(6)), &read("d", 1.0, 30));
        });
        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn a_default_of_another_is_seen() {
        let found = found(|o| {
            right(o);
            o.outcome(&derived(&prediction(3)), &read("c", 1.0, 18));
        });
        let wanted = [
            "the prediction of its event as source / another",
            "a label time at the end of the horizon / another",
            "a label, or the default one / another",
        ];
        assert_eq!(found, wanted);
    }

    #[test]
    fn an_event_that_labels_have_gone_by_without_an_outcome_is_seen() {
        let lost = found(|o| {
            o.outcome(&derived(&prediction(0)), &read("a", 0.0, 10));
            for offset in [1, 2, 4] {
                o.rejected(&derived(&source(offset)));
            }
            o.label(0, 6, Some(&Label { event_id: "d".into(), label: 1.0, label_time: 30 }));
            o.outcome(&derived(&source(6)), &read("d", 1.0, 30));
        });
        assert_eq!(lost, ["an outcome, with the default label if need be / none"; 2], "b and c");
    }
}
