//! The vectors of `<p>.features` by source, small enough to keep: hashes of what each hop contributed.

use super::bits::Bits;
use super::ledger::hash;
use std::ops::Range;
use tidemill_events::{Source, Value};
use tidemill_kafka::admin::Ends;

/// What `<p>.features` says of each valid event. One group of columns per hop, then the row features.
pub(super) struct Vectors {
    groups: Vec<Range<usize>>,
    partitions: Vec<Partition>,
}

struct Partition {
    start: i64,
    /// Per raw offset, the offset in `<p>.features`; negative where there is no vector.
    offsets: Vec<i64>,
    /// Per raw offset, a hash per group.
    hashes: Vec<u64>,
    /// Raw offsets whose vectors another version of the pipeline computed.
    outdated: Bits,
}

/// How computed features compare with the vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compared {
    /// They are the same, bit by bit.
    Equal,
    /// They differ from the vector at this offset of `<p>.features`.
    Differs(i64),
    /// They differ from a vector that another version of the pipeline computed, maybe from other definitions.
    Outdated,
    /// There is no vector to compare with.
    Missing,
}

impl Vectors {
    /// For vectors whose columns fall into `groups`, of raw partitions that end at `ends`.
    #[must_use]
    pub(super) fn new(groups: Vec<Range<usize>>, ends: &[Ends]) -> Self {
        let partition = |ends: &Ends| {
            let records = usize::try_from(ends.stable - ends.start).unwrap_or(0);
            Partition { start: ends.start, offsets: vec![-1; records], hashes: vec![0; records * groups.len()], outdated: Bits::default() }
        };
        Self { partitions: ends.iter().map(partition).collect(), groups }
    }

    /// Takes up the vector at `offset` of its partition; `current` if the pipeline's present version computed it.
    pub(super) fn put(&mut self, source: &Source, offset: i64, features: &[Value], current: bool) {
        let Some((p, i)) = self.locate(source) else { return };
        let width = self.groups.len();
        let partition = &mut self.partitions[p];
        partition.offsets[i] = offset;
        if !current {
            partition.outdated.insert(i);
        }
        for (slot, group) in partition.hashes[i * width..(i + 1) * width].iter_mut().zip(&self.groups) {
            *slot = features.get(group.clone()).map_or(0, features_hash);
        }
    }

    /// Compares the columns of `group` with the vector of `source`.
    #[must_use]
    pub(super) fn compare(&self, source: &Source, group: usize, features: &[Value]) -> Compared {
        let Some((p, i)) = self.locate(source) else { return Compared::Missing };
        let partition = &self.partitions[p];
        match partition.offsets[i] {
            offset if offset < 0 => Compared::Missing,
            _ if partition.hashes[i * self.groups.len() + group] == features_hash(features) => Compared::Equal,
            _ if partition.outdated.contains(i) => Compared::Outdated,
            offset => Compared::Differs(offset),
        }
    }

    /// The columns of group `group`.
    #[must_use]
    pub(super) fn group(&self, group: usize) -> Range<usize> {
        self.groups[group].clone()
    }

    fn locate(&self, source: &Source) -> Option<(usize, usize)> {
        let p = usize::try_from(source.partition).ok()?;
        let partition = self.partitions.get(p)?;
        let i = usize::try_from(source.offset.checked_sub(partition.start)?).ok()?;
        (i < partition.offsets.len()).then_some((p, i))
    }
}

/// Two lists of features have the same hash if they are equal bit by bit.
fn features_hash(features: &[Value]) -> u64 {
    let mut all = 0u64;
    for feature in features {
        let one = match feature {
            Value::Null => 1,
            Value::Double(v) => v.to_bits() ^ 0x9e37_79b9_7f4a_7c15,
            Value::String(text) => hash(text.as_str()),
            Value::Bool(_) | Value::Long(_) | Value::Decimal(_) | Value::Timestamp(_) => 0,
        };
        all = (all.rotate_left(23) ^ one).wrapping_mul(0xd6e8_feb8_6659_fd93);
        all ^= all >> 32;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(partition: i32, offset: i64) -> Source {
        Source { topic: "p.raw".into(), partition, offset }
    }

    fn vectors() -> Vectors {
        let ends = [Ends { start: 5, stable: 9, high: 9 }, Ends { start: 0, stable: 2, high: 2 }];
        Vectors::new(vec![0..2, 2..3], &ends)
    }

    #[test]
    fn tells_equal_different_and_missing_apart() {
        let mut vectors = vectors();
        let features = [Value::Double(1.0), Value::Null, Value::String("a".into())];
        vectors.put(&source(0, 6), 77, &features, true);
        assert_eq!(vectors.compare(&source(0, 6), 0, &features[..2]), Compared::Equal);
        assert_eq!(vectors.compare(&source(0, 6), 1, &features[2..]), Compared::Equal);
        assert_eq!(vectors.compare(&source(0, 6), 1, &[Value::String("b".into())]), Compared::Differs(77));
        assert_eq!(vectors.compare(&source(0, 7), 0, &features[..2]), Compared::Missing);
        assert_eq!(vectors.compare(&source(9, 6), 0, &features[..2]), Compared::Missing);
        vectors.put(&source(1, 0), 78, &features, false);
        assert_eq!(vectors.compare(&source(1, 0), 0, &features[..2]), Compared::Equal);
        assert_eq!(vectors.compare(&source(1, 0), 0, &[]), Compared::Outdated);
    }

    #[test]
    fn bits_and_places_matter() {
        let distinct = [
            [Value::Double(0.0), Value::Double(1.0)],
            [Value::Double(-0.0), Value::Double(1.0)],
            [Value::Double(1.0), Value::Double(0.0)],
            [Value::Double(1.0), Value::Double(f64::from_bits(1))],
            [Value::Double(1.0), Value::Null],
            [Value::Null, Value::Double(1.0)],
            [Value::Double(1.0), Value::Double(1.0)],
        ];
        let mut hashes: Vec<u64> = distinct.iter().map(|f| features_hash(f)).collect();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), distinct.len());
    }
}
