//! A sample of rows of bounded size that is the same whatever the order in which they come.
//!
//! Of all ids the `k` with the smallest hashes are kept (bottom-k sampling): a sample without replacement
//! of distinct ids, uniform as far as the hash is. The hash is FNV-1a of the id's bytes, 64 bits, then the
//! finaliser of SplitMix64 (David Stafford's mix 13); it is written out here and has no key, so a sample is
//! the same in every process and version. Who chooses the ids can choose what is sampled: it is for
//! figures, not for decisions against an adversary.

use compact_str::CompactString;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// At most k rows, by the hash of their ids.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample<T> {
    limit: usize,
    offered: u64,
    rows: BTreeMap<(u64, CompactString), T>,
}

impl<T> Sample<T> {
    /// A sample of at most `k` rows.
    #[must_use]
    pub fn new(k: usize) -> Self {
        Self { limit: k, offered: 0, rows: BTreeMap::new() }
    }

    /// Offers the row of `id`; `row` is called if it is taken. O(log k), and without an allocation for the
    /// many that are not. An id that is in the sample keeps its first row.
    pub fn offer(&mut self, id: &str, row: impl FnOnce() -> T) {
        self.offered += 1;
        let hash = hash(id);
        let full = self.rows.len() >= self.limit;
        if full && self.rows.last_key_value().is_none_or(|((last, last_id), _)| (hash, id) >= (*last, last_id.as_str())) {
            return;
        }
        let Entry::Vacant(place) = self.rows.entry((hash, id.into())) else { return };
        place.insert(row());
        if full {
            self.rows.pop_last();
        }
    }

    /// How often a row was offered, ids that came again included.
    #[must_use]
    pub fn offered(&self) -> u64 {
        self.offered
    }

    /// Rows in the sample.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Ids and rows, in the order of the hash.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.rows.iter().map(|((_, id), row)| (id.as_str(), row))
    }

    /// The rows, in the order of the hash.
    #[must_use]
    pub fn into_rows(self) -> Vec<T> {
        self.rows.into_values().collect()
    }
}

fn hash(id: &str) -> u64 {
    let fnv = id.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    let mixed = (fnv ^ (fnv >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
