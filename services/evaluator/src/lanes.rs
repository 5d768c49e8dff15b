//! How far the predictions of one partition have come, when they come from tasks that are far apart.
//!
//! A partition of the predictions mixes what every task of the last hop wrote, and each of those mixes all raw partitions.
//! In a replay at full speed they are days of event time apart. Along one lane (a raw partition through one task of the
//! last hop) event time only moves by the lateness that events may have, so the partition has come as far as its slowest
//! lane. A lane of which nothing was appended for a minute while others moved on holds nobody: it has no more events, or
//! its task is down and its labels may be refused.

use std::collections::BTreeMap;
use tidemill_events::time::MINUTE;

/// How long a lane may be silent, in append time, microseconds.
const SILENCE: i64 = MINUTE;

/// A raw partition, and the partition of the last hop's input that its event went through.
pub(crate) type Lane = (i32, i32);

/// A prediction going by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Passing {
    /// Where it came along.
    pub(crate) lane: Lane,
    /// When its record was appended, microseconds since 1970.
    pub(crate) appended_at: i64,
}

/// The lanes of a partition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Lanes {
    /// Largest event time and newest append time of each.
    lanes: BTreeMap<Lane, (i64, i64)>,
    newest: i64,
}

impl Lanes {
    /// Takes up a prediction of an event at `event_time`.
    pub(crate) fn pass(&mut self, passing: Passing, event_time: i64) {
        let (time, appended_at) = self.lanes.entry(passing.lane).or_insert((i64::MIN, i64::MIN));
        *time = event_time.max(*time);
        *appended_at = passing.appended_at.max(*appended_at);
        self.newest = passing.appended_at.max(self.newest);
    }

    /// The event time that every lane has reached; the smallest of all before the first prediction.
    pub(crate) fn reached(&self) -> i64 {
        let oldest = self.newest.saturating_sub(SILENCE);
        let live = self.lanes.values().filter(|(_, appended_at)| *appended_at >= oldest);
        live.map(|(time, _)| *time).min().unwrap_or(i64::MIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass(lanes: &mut Lanes, lane: Lane, appended_at: i64, event_time: i64) -> i64 {
        lanes.pass(Passing { lane, appended_at }, event_time);
        lanes.reached()
    }

    #[test]
    fn the_slowest_lane_decides_and_a_silent_one_does_not() {
        let mut lanes = Lanes::default();
        assert_eq!(lanes.reached(), i64::MIN);
        assert_eq!(pass(&mut lanes, (0, 0), 0, 50), 50);
        assert_eq!(pass(&mut lanes, (0, 0), 1, 40), 50, "events may be late");
        assert_eq!(pass(&mut lanes, (0, 1), 2, 7), 7, "another task of the last hop is behind");
        assert_eq!(pass(&mut lanes, (1, 0), 3, 90), 7);
        assert_eq!(pass(&mut lanes, (0, 1), 4, 60), 50);
        assert_eq!(pass(&mut lanes, (1, 0), 2 + SILENCE, 95), 60, "(0, 0) was silent for a minute");
        assert_eq!(pass(&mut lanes, (0, 0), 3 + SILENCE, 51), 51, "and holds again when it comes back");
    }
}
