//! The features of a key at a moment.

use crate::hop::{Feature, Of, Window};
use crate::{Hop, KeyState};
use smallvec::SmallVec;
use std::ops::Range;
use tidemill_events::Value;

impl KeyState {
    /// Appends the hop's features at time `t` (microseconds since 1970) to `out`, in vector order, and
    /// returns how many are null because a sum left the range of doubles.
    ///
    /// Exact for `t >= merge_time - lateness`; before that, entries may be dropped already.
    pub fn read(&self, hop: &Hop, t: i64, out: &mut Vec<Value>) -> u64 {
        let ranges: SmallVec<[Range<usize>; 4]> = hop.windows().iter().map(|window| self.entries_in(*window, t)).collect();
        let mut overflows = 0;
        out.extend(hop.features().iter().map(|feature| {
            let value = self.value(feature, &ranges[feature.window]);
            if value.is_some_and(|v| !v.is_finite()) {
                overflows += 1;
                return Value::Null;
            }
            value.map_or(Value::Null, Value::Double)
        }));
        overflows
    }

    /// Indices of the entries in `(t - delay - length, t - delay]`.
    fn entries_in(&self, window: Window, t: i64) -> Range<usize> {
        let end = t.saturating_sub(window.delay);
        let start = end.saturating_sub(window.length);
        let times = &self.times[self.start..];
        let stop = if times.last().is_none_or(|last| *last <= end) { times.len() } else { times.partition_point(|time| *time <= end) };
        let first = times[..stop].partition_point(|time| *time <= start);
        self.start + first..self.start + stop
    }

    fn value(&self, feature: &Feature, range: &Range<usize>) -> Option<f64> {
        match feature.of {
            Of::Count if range.is_empty() => Some(feature.fill.unwrap_or(0.0)),
            Of::Count => Some(range.len() as f64),
            Of::Column(how, column) => self.columns[column].aggregate(how, range.clone()).or(feature.fill),
        }
    }
}
