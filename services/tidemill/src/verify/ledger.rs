//! Invariant 1: every raw record is valid or rejected, exactly once, and nothing else is.

use super::bits::Bits;
use super::report::{At, Invariant, Section, Violation};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use tidemill_events::Source;
use tidemill_events::time::format_duration;
use tidemill_kafka::admin::Ends;

/// The reason code of a reject that repeats a valid event.
const DUPLICATE: &str = "duplicate";

/// What became of each raw record, by partition and offset.
///
/// Event ids and keys are kept as 64-bit hashes, so a difference of two of them is certain and an
/// equality is wrong once in 10^19.
pub(super) struct Ledger {
    raw: String,
    /// Microseconds of merge time within which an id may be valid once.
    dedupe: i64,
    partitions: Vec<Partition>,
    section: Section,
}

#[derive(Default)]
struct Partition {
    start: i64,
    records: Vec<Raw>,
    present: Bits,
    valid: Bits,
    rejected: Bits,
    duplicates: Bits,
    /// Valid ids.
    ids: HashMap<u64, FirstAndLast>,
}

#[derive(Clone, Copy, Default)]
struct Raw {
    /// 0 where the record is no event.
    id: u64,
    key: u64,
}

struct FirstAndLast {
    /// Raw offset at which the id was valid first.
    first: usize,
    /// Merge time at which it was valid last.
    last: i64,
}

/// A record that derives from a raw one, as far as the ledger looks at it.
pub(super) struct Derived<'a> {
    /// Where it is.
    pub(super) topic: &'a str,
    /// Its partition.
    pub(super) partition: i32,
    /// Its offset.
    pub(super) offset: i64,
    /// Its key.
    pub(super) key: Option<&'a [u8]>,
    /// The raw record it names.
    pub(super) source: &'a Source,
}

impl Derived<'_> {
    /// Its coordinates.
    #[must_use]
    pub(super) fn at(&self) -> At {
        At { topic: self.topic.to_owned(), partition: self.partition, offset: self.offset }
    }

    fn violation(&self, event_id: Option<&str>, expected: String, found: String) -> Violation {
        Violation { at: Some(self.at()), event_id: event_id.map(str::to_owned), expected, found }
    }
}

impl Ledger {
    /// The ledger of topic `raw`, whose partitions end at `ends`, of a pipeline with this `source.dedupe`
    /// (microseconds).
    #[must_use]
    pub(super) fn new(raw: &str, ends: &[Ends], dedupe: i64) -> Self {
        let partition = |ends: &Ends| {
            let records = vec![Raw::default(); usize::try_from(ends.stable - ends.start).unwrap_or(0)];
            Partition { start: ends.start, records, ..Partition::default() }
        };
        let partitions = ends.iter().map(partition).collect();
        Self { raw: raw.to_owned(), dedupe, partitions, section: Section::new(Invariant::Ledger) }
    }

    /// Takes up a raw record; `event_id` is `None` where it is no event.
    pub(super) fn raw(&mut self, partition: i32, offset: i64, key: Option<&[u8]>, event_id: Option<&str>) {
        let Some((p, i)) = self.locate(partition, offset) else { return };
        let partition = &mut self.partitions[p];
        partition.present.insert(i);
        partition.records[i] = Raw { id: event_id.map_or(0, id_hash), key: key_hash(key) };
    }

    /// Takes up a record of `<p>.rejected`.
    pub(super) fn rejected(&mut self, record: &Derived<'_>, reason: &str) {
        if record.source.topic != self.raw {
            // the ingestor rejects what an upstream's topic held; it never was in raw
            return;
        }
        let Some((p, i)) = self.source(record, None) else { return };
        self.section.check(self.partitions[p].records[i].key == key_hash(record.key), || {
            let key = record.key.map_or("no key".into(), String::from_utf8_lossy);
            record.violation(None, "the key of its raw record".into(), key.into_owned())
        });
        let first = self.partitions[p].rejected.insert(i);
        if reason == DUPLICATE {
            self.partitions[p].duplicates.insert(i);
        }
        self.once(record, None, first);
    }

    /// Takes up an event of `<p>.valid`, which must be keyed by `key`; whether it stands for a raw record, for the first time.
    pub(super) fn valid(&mut self, record: &Derived<'_>, event_id: &str, key: &str, merge_time: i64) -> bool {
        let Some((p, i)) = self.source(record, Some(event_id)) else { return false };
        self.section.check(record.partition == record.source.partition && record.key == Some(key.as_bytes()), || {
            let found = record.key.map_or("no key".into(), String::from_utf8_lossy);
            let expected = format!("key {key} on raw partition {}", record.source.partition);
            record.violation(Some(event_id), expected, format!("{found} on partition {}", record.partition))
        });
        let first = self.partitions[p].valid.insert(i);
        self.once(record, Some(event_id), first);
        let id = id_hash(event_id);
        self.section.check(self.partitions[p].records[i].id == id, || {
            record.violation(Some(event_id), "the event id of its raw record".into(), "another".into())
        });
        if first {
            let seen = self.partitions[p].ids.entry(id).or_insert(FirstAndLast { first: i, last: i64::MIN });
            let apart = merge_time.saturating_sub(seen.last);
            (seen.first, seen.last) = (seen.first.min(i), merge_time);
            self.section.check(apart > self.dedupe, || {
                let found = format!("again {} of merge time later", format_duration(apart));
                record.violation(Some(event_id), format!("an id valid once within {}", format_duration(self.dedupe)), found)
            });
        }
        first
    }

    /// The event id, hashed, of the raw record at `source`; `None` when there is no such record.
    #[must_use]
    pub(super) fn raw_id(&self, source: &Source) -> Option<u64> {
        let (p, i) = self.locate(source.partition, source.offset)?;
        let partition = &self.partitions[p];
        (source.topic == self.raw && partition.present.contains(i)).then(|| partition.records[i].id)
    }

    /// The coordinates of each raw record, and whether it is valid.
    pub(super) fn records(&self) -> impl Iterator<Item = (i32, i64, bool)> {
        self.partitions
            .iter()
            .zip(0..)
            .flat_map(|(partition, p)| partition.present.iter().map(move |i| (p, partition.start + i as i64, partition.valid.contains(i))))
    }

    /// How many raw records there are, and how many of them are valid and rejected.
    #[must_use]
    pub(super) fn counts(&self) -> (u64, u64, u64) {
        self.partitions.iter().fold((0, 0, 0), |n, p| (n.0 + p.present.len(), n.1 + p.valid.len(), n.2 + p.rejected.len()))
    }

    /// The hashed event ids in raw, sorted.
    #[must_use]
    pub(super) fn raw_ids(&self) -> Vec<u64> {
        let mut ids: Vec<u64> = self.partitions.iter().flat_map(|p| p.records.iter().map(|r| r.id)).filter(|id| *id != 0).collect();
        ids.sort_unstable();
        ids
    }

    /// Checks what can only be seen at the end, and gives the verdict.
    #[must_use]
    pub(super) fn finish(&mut self) -> Section {
        for (partition, p) in self.partitions.iter().zip(0..) {
            for i in partition.present.iter() {
                let at = || At { topic: self.raw.clone(), partition: p, offset: partition.start + i as i64 };
                let (valid, rejected) = (partition.valid.contains(i), partition.rejected.contains(i));
                self.section.check(valid != rejected, || Violation {
                    at: Some(at()),
                    event_id: None,
                    expected: "valid or rejected".into(),
                    found: if valid { "both".into() } else { "neither".into() },
                });
                if partition.duplicates.contains(i) {
                    let original = partition.ids.get(&partition.records[i].id).is_some_and(|seen| seen.first < i);
                    self.section.check(original, || Violation {
                        at: Some(at()),
                        event_id: None,
                        expected: "an earlier valid event with the same id, as it was rejected as a duplicate".into(),
                        found: "none: the event is lost".into(),
                    });
                }
            }
        }
        std::mem::replace(&mut self.section, Section::new(Invariant::Ledger))
    }

    /// Where the raw record that `record` names is; `None`, and a violation, when there is none.
    fn source(&mut self, record: &Derived<'_>, event_id: Option<&str>) -> Option<(usize, usize)> {
        let place = self.locate(record.source.partition, record.source.offset);
        let place = place.filter(|(p, i)| record.source.topic == self.raw && self.partitions[*p].present.contains(*i));
        self.section.check(place.is_some(), || {
            let Source { topic, partition, offset } = record.source;
            record.violation(event_id, "a source in raw".into(), format!("{topic}/{partition}@{offset}, which is no record"))
        });
        place
    }

    fn once(&mut self, record: &Derived<'_>, event_id: Option<&str>, first: bool) {
        self.section.check(first, || {
            let Source { partition, offset, .. } = record.source;
            record.violation(event_id, format!("raw {partition}@{offset} once"), "once more".into())
        });
    }

    fn locate(&self, partition: i32, offset: i64) -> Option<(usize, usize)> {
        let p = usize::try_from(partition).ok()?;
        let partition = self.partitions.get(p)?;
        let i = usize::try_from(offset.checked_sub(partition.start)?).ok()?;
        (i < partition.records.len()).then_some((p, i))
    }
}

/// An event id as the ledger keeps it; never 0.
#[must_use]
pub(super) fn id_hash(id: &str) -> u64 {
    hash(id.as_bytes()).max(1)
}

fn key_hash(key: Option<&[u8]>) -> u64 {
    hash(key)
}

/// The same for the same value within one build of this program.
pub(super) fn hash(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
