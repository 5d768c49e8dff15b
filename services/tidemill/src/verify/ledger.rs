//! Invariant 1: every raw record is valid or rejected, exactly once, and nothing else is.

use super::bits::Bits;
use super::report::{At, Invariant, Section, Violation};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use tidemill_events::Source;
use tidemill_kafka::admin::Ends;

/// The reason code of a reject that repeats a valid event.
const DUPLICATE: &str = "duplicate";

/// What became of each raw record, by partition and offset.
///
/// Event ids and keys are kept as 64-bit hashes, so a difference of two of them is certain and an
/// equality is wrong once in 10^19.
pub struct Ledger {
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
pub struct Derived<'a> {
    /// Where it is.
    pub topic: &'a str,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// The raw record it names.
    pub source: &'a Source,
}

impl Derived<'_> {
    /// Its coordinates.
    #[must_use]
    pub fn at(&self) -> At {
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
    pub fn new(raw: &str, ends: &[Ends], dedupe: i64) -> Self {
        let partition = |ends: &Ends| {
            let records = vec![Raw::default(); usize::try_from(ends.stable - ends.start).unwrap_or(0)];
            Partition { start: ends.start, records, ..Partition::default() }
        };
        let partitions = ends.iter().map(partition).collect();
        Self { raw: raw.to_owned(), dedupe, partitions, section: Section::new(Invariant::Ledger) }
    }

    /// Takes up a raw record; `event_id` is `None` where it is no event.
    pub fn raw(&mut self, partition: i32, offset: i64, key: Option<&[u8]>, event_id: Option<&str>) {
        let Some((p, i)) = self.locate(partition, offset) else { return };
        let partition = &mut self.partitions[p];
        partition.present.insert(i);
        partition.records[i] = Raw { id: event_id.map_or(0, id_hash), key: key_hash(key) };
    }

    /// Takes up a record of `<p>.rejected`.
    pub fn rejected(&mut self, record: &Derived<'_>, reason: &str) {
        if record.source.topic != self.raw {
            // the ingestor rejects what an upstream's topic held; it never was in raw
            return;
        }
        let Some((p, i)) = self.source(record, None) else { return };
        let again = !self.partitions[p].rejected.insert(i);
        if reason == DUPLICATE {
            self.partitions[p].duplicates.insert(i);
        }
        self.once(record, None, again);
    }

    /// Takes up an event of `<p>.valid`; whether it stands for a raw record, so that more can be checked.
    pub fn valid(&mut self, record: &Derived<'_>, event_id: &str, merge_time: i64) -> bool {
        let Some((p, i)) = self.source(record, Some(event_id)) else { return false };
        self.section.check(record.partition == record.source.partition, || {
            record.violation(Some(event_id), format!("raw partition {}", record.source.partition), format!("partition {}", record.partition))
        });
        let again = !self.partitions[p].valid.insert(i);
        self.once(record, Some(event_id), again);
        let id = id_hash(event_id);
        self.section.check(self.partitions[p].records[i].id == id, || {
            record.violation(Some(event_id), "the event id of its raw record".into(), "another".into())
        });
        if again {
            return false;
        }
        let seen = self.partitions[p].ids.entry(id).or_insert(FirstAndLast { first: i, last: i64::MIN });
        let apart = merge_time.saturating_sub(seen.last);
        (seen.first, seen.last) = (seen.first.min(i), merge_time);
        self.section.check(apart >= self.dedupe, || {
            record.violation(Some(event_id), "an id valid once within source.dedupe".into(), format!("again {apart} µs of merge time later"))
        });
        true
    }

    /// The event id, hashed, of the raw record at `source`; `None` when there is no such record.
    #[must_use]
    pub fn raw_id(&self, source: &Source) -> Option<u64> {
        let (p, i) = self.locate(source.partition, source.offset)?;
        let partition = &self.partitions[p];
        (source.topic == self.raw && partition.present.contains(i)).then(|| partition.records[i].id)
    }

    /// The coordinates of each raw record, and whether it is valid.
    pub fn records(&self) -> impl Iterator<Item = (i32, i64, bool)> {
        self.partitions.iter().zip(0..).flat_map(|(partition, p)| {
            partition.present.iter().map(move |i| (p, partition.start + i as i64, partition.valid.contains(i)))
        })
    }

    /// How many raw records there are, and how many of them are valid and rejected.
    #[must_use]
    pub fn counts(&self) -> (u64, u64, u64) {
        self.partitions.iter().fold((0, 0, 0), |n, p| (n.0 + p.present.len(), n.1 + p.valid.len(), n.2 + p.rejected.len()))
    }

    /// The hashed event ids in raw, sorted.
    #[must_use]
    pub fn raw_ids(&self) -> Vec<u64> {
        let mut ids: Vec<u64> = self.partitions.iter().flat_map(|p| p.records.iter().map(|r| r.id)).filter(|id| *id != 0).collect();
        ids.sort_unstable();
        ids
    }

    /// Checks what can only be seen at the end, and gives the verdict.
    #[must_use]
    pub fn finish(&mut self) -> Section {
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

    /// Where the raw record that `record` names is; `None`, and a violation, when there is none, or one with another key.
    fn source(&mut self, record: &Derived<'_>, event_id: Option<&str>) -> Option<(usize, usize)> {
        let place = self.locate(record.source.partition, record.source.offset);
        let place = place.filter(|(p, i)| record.source.topic == self.raw && self.partitions[*p].present.contains(*i));
        self.section.check(place.is_some(), || {
            let Source { topic, partition, offset } = record.source;
            record.violation(event_id, "a source in raw".into(), format!("{topic}/{partition}@{offset}, which is no record"))
        });
        let (p, i) = place?;
        self.section.check(self.partitions[p].records[i].key == key_hash(record.key), || {
            let key = record.key.map_or("no key".into(), String::from_utf8_lossy);
            record.violation(event_id, "the key of its raw record".into(), key.into_owned())
        });
        Some((p, i))
    }

    fn once(&mut self, record: &Derived<'_>, event_id: Option<&str>, again: bool) {
        self.section.check(!again, || {
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
pub fn id_hash(id: &str) -> u64 {
    hash(id.as_bytes()).max(1)
}

fn key_hash(key: Option<&[u8]>) -> u64 {
    hash(key)
}

/// The same for the same value within one build of this program.
pub fn hash(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
