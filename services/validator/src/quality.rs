//! What was seen in the current wall-clock minute of one raw partition.

use compact_str::CompactString;
use tidemill_events::records::{Quality, ReasonCount};
use tidemill_events::time::MINUTE;

/// Reasons that are counted by name; the others together, so that the offset metadata stays small.
const NAMED_REASONS: usize = 40;
const OTHERS: &str = "others";

/// The counts of a minute.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Minute {
    /// Start, microseconds since 1970; `None` before its first record.
    pub(crate) start: Option<i64>,
    pub(crate) valid: u64,
    pub(crate) out_of_order: u64,
    pub(crate) rejected: Vec<(CompactString, u64)>,
}

impl Minute {
    pub(crate) fn count_valid(&mut self, now: i64, in_order: bool) {
        self.begin(now);
        self.valid += 1;
        self.out_of_order += u64::from(!in_order);
    }

    pub(crate) fn count_rejected(&mut self, now: i64, reason: &str) {
        self.begin(now);
        let reason = if self.rejected.len() < NAMED_REASONS || self.rejected.iter().any(|(r, _)| r == reason) { reason } else { OTHERS };
        match self.rejected.iter_mut().find(|(r, _)| r == reason) {
            Some((_, count)) => *count += 1,
            None => self.rejected.push((reason.into(), 1)),
        }
    }

    fn begin(&mut self, now: i64) {
        self.start.get_or_insert(now - now.rem_euclid(MINUTE));
    }

    /// The record of a minute that is over at `now`; counting then starts again.
    pub(crate) fn close(&mut self, now: i64, partition: i32, merge_time: Option<i64>) -> Option<Quality> {
        let start = self.start.filter(|start| now >= start + MINUTE)?;
        let minute = std::mem::take(self);
        let rejected = minute.rejected.into_iter().map(|(reason, count)| ReasonCount { reason: reason.into(), count: count as i64 });
        Some(Quality {
            partition,
            window_start: start,
            window_end: start + MINUTE,
            valid: minute.valid as i64,
            rejected: rejected.collect(),
            out_of_order: minute.out_of_order as i64,
            merge_time,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_is_told_once_when_it_is_over() {
        let mut minute = Minute::default();
        minute.count_valid(MINUTE + 7, true);
        minute.count_valid(MINUTE + 8, false);
        minute.count_rejected(MINUTE + 9, "late");
        assert_eq!(minute.close(2 * MINUTE - 1, 3, None), None);
        let told = minute.close(2 * MINUTE, 3, Some(9)).unwrap();
        assert_eq!((told.window_start, told.valid, told.out_of_order), (MINUTE, 2, 1));
        assert_eq!(told.rejected, [ReasonCount { reason: "late".into(), count: 1 }]);
        assert_eq!(minute.close(9 * MINUTE, 3, None), None);
    }

    #[test]
    fn many_reasons_do_not_grow_without_bound() {
        let mut minute = Minute::default();
        for i in 0..1_000 {
            minute.count_rejected(0, &format!("reason_{i}"));
        }
        assert_eq!(minute.rejected.len(), NAMED_REASONS + 1);
        assert_eq!(minute.rejected.iter().map(|(_, n)| n).sum::<u64>(), 1_000);
    }
}
