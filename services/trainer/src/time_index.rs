//! Where to begin reading a topic of which only what is not older than some event time is wanted.
//!
//! A topic is in the order of its appends, not of event time. What has been read of a partition says up to which offset
//! every event is older: that much need not be read again.

use std::collections::BTreeMap;

/// Records between two marks, at least: so many may be read again in vain.
const EVERY: i64 = 4_096;

/// What earlier readings of a topic saw of its event times.
#[derive(Debug, Default)]
pub(crate) struct TimeIndex {
    partitions: BTreeMap<i32, Partition>,
}

#[derive(Debug)]
struct Partition {
    /// By offset, and so by time.
    marks: Vec<Mark>,
    /// First offset that no reading has seen.
    next: i64,
    /// The newest event time before it.
    newest: i64,
}

/// No event before an offset is newer than a time.
#[derive(Debug, Clone, Copy)]
struct Mark {
    offset: i64,
    newest: i64,
}

impl TimeIndex {
    /// The last known offset of `partition` before which every event is older than `time`.
    pub(crate) fn begin(&self, partition: i32, time: i64) -> i64 {
        let Some(Partition { marks, .. }) = self.partitions.get(&partition) else { return 0 };
        let older = marks.partition_point(|mark| mark.newest < time);
        older.checked_sub(1).and_then(|last| marks.get(last)).map_or(0, |mark| mark.offset)
    }

    /// First offset of `partition` that no reading has seen.
    pub(crate) fn end(&self, partition: i32) -> i64 {
        self.partitions.get(&partition).map_or(0, |seen| seen.next)
    }

    /// A reading that began at [`TimeIndex::begin`] or before has come to an event. Of one partition they come in offset order.
    pub(crate) fn saw(&mut self, partition: i32, offset: i64, event_time: i64) {
        let seen = self.partitions.entry(partition).or_insert(Partition { marks: Vec::new(), next: 0, newest: i64::MIN });
        if offset < seen.next {
            return;
        }
        if offset - seen.marks.last().map_or(0, |mark| mark.offset) >= EVERY {
            seen.marks.push(Mark { offset, newest: seen.newest });
        }
        seen.newest = seen.newest.max(event_time);
        seen.next = offset + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(index: &mut TimeIndex, times: &[i64], from: i64) {
        for (offset, time) in (0..).zip(times).skip(from as usize) {
            index.saw(3, offset, *time);
        }
    }

    #[test]
    fn what_is_about_in_order_is_read_from_about_there() {
        let times: Vec<i64> = (0..100_000).map(|n| n * 10 + n % 7 * 1_000).collect();
        let mut index = TimeIndex::default();
        read(&mut index, &times, 0);
        let begin = index.begin(3, 500_000);
        assert!((50_000 - 2 * EVERY..=50_000).contains(&begin), "{begin}");
        assert_eq!((index.begin(3, 0), index.begin(4, 500_000)), (0, 0));
    }

    proptest! {
        /// Readings end anywhere, each begins where the index says, and nothing that is wanted lies before.
        #[test]
        fn nothing_that_is_wanted_is_left_out(
            noise in prop::collection::vec(0..200_000i64, 20_000),
            readings in prop::collection::vec((0..20_000usize, 0..400_000i64), 1..6),
        ) {
            let times: Vec<i64> = (0..).zip(&noise).map(|(n, noise)| n * 10 + noise).collect();
            let mut index = TimeIndex::default();
            for (until, wanted) in readings {
                let begin = index.begin(3, wanted);
                prop_assert!(begin <= index.end(3));
                let mut before = times.iter().take(begin as usize);
                prop_assert!(before.all(|time| *time < wanted));
                read(&mut index, &times[..until], begin);
            }
        }
    }
}
