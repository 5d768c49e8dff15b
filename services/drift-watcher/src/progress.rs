//! How far a time has come on channels that are each in order, but not among themselves.

use std::collections::HashMap;
use std::hash::Hash;
use tidemill_events::time::MINUTE;

/// A channel that has been silent for this long, microseconds of the wall clock, is not waited for.
const SILENCE: i64 = MINUTE;

/// The times of all channels that have ever delivered; one that has not is not waited for.
#[derive(Debug)]
pub(crate) struct Progress<C> {
    clocks: HashMap<C, Clock>,
    /// Wall clock at the last look.
    now: i64,
}

#[derive(Debug, Clone, Copy)]
struct Clock {
    time: i64,
    heard: bool,
    heard_at: i64,
}

impl<C> Default for Progress<C> {
    fn default() -> Self {
        Self { clocks: HashMap::new(), now: i64::MIN }
    }
}

impl<C: Copy + Eq + Hash> Progress<C> {
    /// A record of `channel` says that its time is `time`. Gives the channel's time before that, `None` for its first.
    pub(crate) fn advance(&mut self, channel: C, time: i64) -> Option<i64> {
        match self.clocks.get_mut(&channel) {
            Some(clock) => {
                let before = clock.time;
                clock.time = before.max(time);
                clock.heard = true;
                Some(before)
            }
            None => {
                self.clocks.insert(channel, Clock { time, heard: true, heard_at: i64::MIN });
                None
            }
        }
    }

    /// Notes at wall clock `now` who has been heard since the last look.
    pub(crate) fn look(&mut self, now: i64) {
        self.now = now;
        for clock in self.clocks.values_mut() {
            if std::mem::take(&mut clock.heard) {
                clock.heard_at = now;
            }
        }
    }

    /// Whether every channel has passed `time`. With `leave`, those that are silent are left behind, if another has passed.
    pub(crate) fn passed(&self, time: i64, leave: bool) -> bool {
        let mut one_has = false;
        for clock in self.clocks.values() {
            if clock.time >= time {
                one_has = true;
            } else if clock.heard || !leave || self.now.saturating_sub(clock.heard_at) < SILENCE {
                return false;
            }
        }
        one_has
    }

    /// Wall clock at the last look.
    pub(crate) fn now(&self) -> i64 {
        self.now
    }

    /// The channels that have delivered.
    pub(crate) fn channels(&self) -> impl Iterator<Item = C> + '_ {
        self.clocks.keys().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_channel_decides_unless_it_is_silent() {
        let mut progress = Progress::default();
        assert!(!progress.passed(0, true), "nobody has delivered");
        assert_eq!(progress.advance('a', 10), None);
        progress.look(0);
        assert!(progress.passed(10, false) && !progress.passed(11, false));
        assert_eq!(progress.advance('b', 5), None);
        progress.look(1);
        assert!(!progress.passed(10, true), "b was heard a moment ago");
        progress.look(SILENCE);
        assert!(!progress.passed(10, true));
        progress.look(SILENCE + 1);
        assert!(progress.passed(10, true) && !progress.passed(10, false));
        assert!(!progress.passed(11, true), "nobody is there");
        assert_eq!(progress.advance('b', 7), Some(5));
        assert!(!progress.passed(10, true), "b is back");
        progress.look(SILENCE + 2);
        assert!(!progress.passed(10, true));
        assert_eq!((progress.advance('b', 6), progress.advance('b', 10)), (Some(7), Some(7)));
        assert!(progress.passed(10, false));
    }
}
