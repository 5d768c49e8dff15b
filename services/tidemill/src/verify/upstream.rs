//! The way in of invariant 1: every record of the upstream's own topic is in raw or rejected, exactly once.

use super::bits::Bits;
use super::ledger::Derived;
use super::report::{At, Invariant, Section, Violation};
use std::ops::Range;
use tidemill_events::origin::Origin;

/// What became of each record of the upstream's topic, by partition and offset.
pub(super) struct Upstream {
    topic: String,
    partitions: Vec<Partition>,
    section: Section,
}

struct Partition {
    /// From the first offset that is still there to where the ingestor is: what lies outside is not judged.
    done: Range<i64>,
    present: Bits,
    raw: Bits,
    rejected: Bits,
}

/// What a record of the upstream's became.
#[derive(Clone, Copy)]
enum Became {
    Raw,
    Rejected,
}

impl Upstream {
    /// Of `topic`, whose partitions are done by the ingestor in these ranges of offsets.
    #[must_use]
    pub(super) fn new(topic: &str, done: impl Iterator<Item = Range<i64>>) -> Self {
        let partition = |done| Partition { done, present: Bits::default(), raw: Bits::default(), rejected: Bits::default() };
        Self { topic: topic.to_owned(), partitions: done.map(partition).collect(), section: Section::new(Invariant::Ledger) }
    }

    /// Takes up a record of the upstream's topic. All of them come before what became of them.
    pub(super) fn record(&mut self, partition: i32, offset: i64) {
        if let Some((partition, at)) = self.place(partition, offset) {
            partition.present.insert(at);
        }
    }

    /// Takes up the raw record at `at`, which says that it came from `origin`; one of an earlier version's topic is not judged.
    pub(super) fn raw(&mut self, at: At, origin: Origin<'_>) {
        if origin.topic == self.topic {
            self.became(Became::Raw, &at, origin.partition, origin.offset);
        }
    }

    /// Takes up a reject; those of raw records and labels are others'.
    pub(super) fn rejected(&mut self, record: &Derived<'_>) {
        if record.source.topic == self.topic {
            self.became(Became::Rejected, &record.at(), record.source.partition, record.source.offset);
        }
    }

    fn became(&mut self, became: Became, at: &At, partition: i32, offset: i64) {
        let place = self.place(partition, offset).map(|(partition, at)| {
            let set = match became {
                Became::Raw => &mut partition.raw,
                Became::Rejected => &mut partition.rejected,
            };
            (partition.present.contains(at), set.insert(at))
        });
        let Some((is_there, is_first)) = place else { return };
        let name = format!("{}/{partition}@{offset}", self.topic);
        let violation = |expected: String, found: &str| Violation { at: Some(at.clone()), event_id: None, expected, found: found.into() };
        self.section.check(is_there, || violation(format!("a record at {name}, from which it came"), "none"));
        self.section.check(is_first, || violation(format!("one record for {name}"), "one more"));
    }

    /// Checks that each became one of the two, and gives the verdict.
    #[must_use]
    pub(super) fn finish(mut self) -> Section {
        for (partition, p) in self.partitions.iter().zip(0..) {
            for i in partition.present.iter() {
                let (raw, rejected) = (partition.raw.contains(i), partition.rejected.contains(i));
                self.section.check(raw != rejected, || Violation {
                    at: Some(At { topic: self.topic.clone(), partition: p, offset: partition.done.start + i as i64 }),
                    event_id: None,
                    expected: "in raw or rejected".into(),
                    found: if raw { "both".into() } else { "neither".into() },
                });
            }
        }
        self.section
    }

    fn place(&mut self, partition: i32, offset: i64) -> Option<(&mut Partition, usize)> {
        let partition = usize::try_from(partition).ok().and_then(|p| self.partitions.get_mut(p))?;
        if !partition.done.contains(&offset) {
            return None;
        }
        let at = usize::try_from(offset - partition.done.start).ok()?;
        Some((partition, at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidemill_events::Source;

    const TOPIC: &str = "shop.orders";

    /// Partition 0 holds 5 to 8, of which 8 is not done yet; partition 1 holds 0.
    fn upstream() -> Upstream {
        let mut upstream = Upstream::new(TOPIC, [5..8, 0..1].into_iter());
        for (partition, offset) in [(0, 5), (0, 7), (0, 8), (1, 0)] {
            upstream.record(partition, offset);
        }
        upstream
    }

    fn raw(upstream: &mut Upstream, topic: &str, partition: i32, offset: i64) {
        upstream.raw(At { topic: "p.raw".into(), partition: 0, offset: 1 }, Origin { topic, partition, offset });
    }

    fn rejected(upstream: &mut Upstream, topic: &str, partition: i32, offset: i64) {
        let source = Source { topic: topic.into(), partition, offset };
        upstream.rejected(&Derived { topic: "p.rejected", partition: 0, offset: 1, key: None, source: &source });
    }

    fn found(upstream: Upstream) -> Vec<String> {
        upstream.finish().first.into_iter().map(|v| format!("{}: {}", v.expected, v.found)).collect()
    }

    #[test]
    fn each_record_becomes_one() {
        let mut all = upstream();
        raw(&mut all, TOPIC, 0, 5);
        rejected(&mut all, TOPIC, 0, 7);
        raw(&mut all, TOPIC, 1, 0);
        // not judged: another topic, what is gone there, what is not done yet, no such partition
        raw(&mut all, "shop.before", 0, 5);
        rejected(&mut all, "p.raw", 0, 5);
        for (partition, offset) in [(0, 4), (0, 8), (0, i64::MAX), (9, 0)] {
            raw(&mut all, TOPIC, partition, offset);
        }
        assert_eq!(found(all), [""; 0]);
    }

    #[test]
    fn what_is_lost_doubled_or_made_up_is_seen() {
        let mut all = upstream();
        raw(&mut all, TOPIC, 0, 5);
        raw(&mut all, TOPIC, 0, 5);
        raw(&mut all, TOPIC, 0, 6);
        raw(&mut all, TOPIC, 1, 0);
        rejected(&mut all, TOPIC, 1, 0);
        let expected = [
            "one record for shop.orders/0@5: one more",
            "a record at shop.orders/0@6, from which it came: none",
            "in raw or rejected: neither",
            "in raw or rejected: both",
        ];
        assert_eq!(found(all), expected);
    }
}
