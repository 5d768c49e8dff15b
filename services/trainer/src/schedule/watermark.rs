//! How far labels have come.

use std::collections::BTreeMap;
use tidemill_events::time::MINUTE;

/// The label time that every partition of `<p>.outcomes` has reached.
///
/// A partition counts from its first outcome on. Once all have been read to their end, one that brings nothing for a
/// minute of wall clock after another did is not waited for: with few events a partition may have no more of them.
#[derive(Debug, Clone, Default)]
pub struct Watermark {
    partitions: BTreeMap<i32, Partition>,
}

#[derive(Debug, Clone, Copy)]
struct Partition {
    /// The greatest label time.
    reached: i64,
    /// Whether it has brought something since it was last looked at.
    moved: bool,
    /// Wall clock when another one had brought something and this one had not.
    passed_at: Option<i64>,
}

impl Watermark {
    /// `partition` has an outcome whose label became known at `label_time`.
    pub fn outcome(&mut self, partition: i32, label_time: i64) {
        let entry = self.partitions.entry(partition).or_insert(Partition { reached: label_time, moved: true, passed_at: None });
        entry.reached = entry.reached.max(label_time);
        entry.moved = true;
    }

    /// Where it stands at wall clock `now`; none before the first outcome.
    pub fn look(&mut self, now: i64, caught_up: bool) -> Option<i64> {
        let any = self.partitions.values().any(|p| p.moved);
        for partition in self.partitions.values_mut() {
            if std::mem::take(&mut partition.moved) || !caught_up {
                partition.passed_at = None;
            } else if any {
                partition.passed_at.get_or_insert(now);
            }
        }
        let heard = |p: &&Partition| p.passed_at.is_none_or(|at| now.saturating_sub(at) < MINUTE);
        self.partitions.values().filter(heard).map(|p| p.reached).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_partition_decides() {
        let mut watermark = Watermark::default();
        assert_eq!(watermark.look(0, true), None);
        watermark.outcome(2, 50);
        watermark.outcome(0, 70);
        watermark.outcome(0, 60);
        assert_eq!(watermark.look(0, true), Some(50));
        watermark.outcome(2, 90);
        assert_eq!(watermark.look(1, true), Some(70));
    }

    #[test]
    fn a_silent_partition_is_not_waited_for_once_others_have_moved_on() {
        let mut watermark = Watermark::default();
        watermark.outcome(0, 10);
        watermark.outcome(1, 20);
        assert_eq!(watermark.look(0, true), Some(10));
        assert_eq!(watermark.look(10 * MINUTE, true), Some(10), "all are silent");
        watermark.outcome(1, 30);
        assert_eq!(watermark.look(10 * MINUTE, true), Some(10), "it may come yet");
        assert_eq!(watermark.look(11 * MINUTE, true), Some(30));
        watermark.outcome(0, 25);
        assert_eq!(watermark.look(11 * MINUTE + 1, true), Some(25), "it is back");
    }

    #[test]
    fn nobody_is_silent_before_all_was_read() {
        let mut watermark = Watermark::default();
        watermark.outcome(0, 10);
        watermark.look(0, false);
        watermark.outcome(1, 20);
        assert_eq!(watermark.look(0, false), Some(10));
        assert_eq!(watermark.look(5 * MINUTE, false), Some(10));
    }
}
