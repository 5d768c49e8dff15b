//! Which ids are valid already, within `source.dedupe` by merge time.

use compact_str::CompactString;
use hashbrown::{DefaultHashBuilder, HashTable};
use std::collections::VecDeque;
use std::hash::BuildHasher;

/// The valid ids of one raw partition, oldest first. Merge time never decreases along a partition, so
/// the queue is in merge-time order, and what has been added since the last commit is its tail.
pub(crate) struct Seen {
    /// How long an id counts, microseconds of merge time.
    dedupe: i64,
    ids: VecDeque<(CompactString, i64)>,
    /// Sequence number of the front of `ids`.
    first: u64,
    index: HashTable<u64>,
    hasher: DefaultHashBuilder,
    uncommitted: usize,
}

impl Seen {
    pub(crate) fn new(dedupe: i64) -> Self {
        Self { dedupe, ids: VecDeque::new(), first: 0, index: HashTable::new(), hasher: DefaultHashBuilder::default(), uncommitted: 0 }
    }

    /// The merge time under which `id` became valid, if that is at most `dedupe` before `merge_time`.
    pub(crate) fn find(&self, id: &str, merge_time: i64) -> Option<i64> {
        // an id that no longer counts may still be there, beside its successor
        let counts = |at: &u64| self.entry(*at).0 == id && self.entry(*at).1 >= merge_time - self.dedupe;
        self.index.find(self.hasher.hash_one(id), counts).map(|at| self.entry(*at).1)
    }

    /// Adds an id that [`Seen::find`] did not find.
    pub(crate) fn add(&mut self, id: CompactString, merge_time: i64) {
        let at = self.first + self.ids.len() as u64;
        let hash = self.hasher.hash_one(id.as_str());
        self.ids.push_back((id, merge_time));
        let Self { ids, first, hasher, .. } = self;
        self.index.insert_unique(hash, at, |at| hasher.hash_one(ids[(*at - *first) as usize].0.as_str()));
        self.uncommitted += 1;
    }

    /// Makes what was added last, and forgets what no longer counts.
    pub(crate) fn commit(&mut self) {
        self.uncommitted = 0;
        let Some(newest) = self.ids.back().map(|(_, merge_time)| *merge_time) else { return };
        while self.ids.front().is_some_and(|(_, then)| *then < newest - self.dedupe) {
            self.unlink(self.first);
            self.ids.pop_front();
            self.first += 1;
        }
    }

    /// Takes back what was added since the last commit.
    pub(crate) fn abort(&mut self) {
        for _ in 0..std::mem::take(&mut self.uncommitted) {
            self.unlink(self.first + self.ids.len() as u64 - 1);
            self.ids.pop_back();
        }
    }

    fn entry(&self, at: u64) -> &(CompactString, i64) {
        &self.ids[(at - self.first) as usize]
    }

    fn unlink(&mut self, at: u64) {
        let hash = self.hasher.hash_one(self.entry(at).0.as_str());
        if let Ok(found) = self.index.find_entry(hash, |other| *other == at) {
            found.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Against a list of all that was ever added.
        #[test]
        fn equals_a_list(steps in prop::collection::vec((0..12u8, 0..4i64, 0..10u8), 1..200)) {
            let mut seen = Seen::new(5);
            let mut committed: Vec<(String, i64)> = Vec::new();
            let mut all: Vec<(String, i64)> = Vec::new();
            let mut merge_time = 0;
            for (id, pace, then) in steps {
                merge_time += pace;
                let id = id.to_string();
                let expected = all.iter().rev().find(|(i, t)| *i == id && *t >= merge_time - 5).map(|(_, t)| *t);
                prop_assert_eq!(seen.find(&id, merge_time), expected);
                if expected.is_none() {
                    seen.add(id.as_str().into(), merge_time);
                    all.push((id, merge_time));
                }
                match then {
                    0 => { seen.commit(); committed.clone_from(&all); }
                    1 => {
                        seen.abort();
                        all.clone_from(&committed);
                        merge_time = all.last().map_or(0, |(_, t)| *t);
                    }
                    _ => {}
                }
            }
        }
    }

    #[test]
    fn memory_is_bounded_by_the_window() {
        let mut seen = Seen::new(100);
        for t in 0..10_000 {
            seen.add(compact_str::format_compact!("{t}"), t);
            seen.commit();
        }
        assert_eq!(seen.ids.len(), 101);
        assert_eq!(seen.index.len(), 101);
    }
}
