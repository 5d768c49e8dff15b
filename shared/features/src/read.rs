//! The features of a key at a moment.

use crate::hop::{Feature, Take};
use crate::{Hop, KeyState};
use smallvec::SmallVec;
use std::ops::Range;
use tidemill_events::Value;

/// The entries that each window holds.
type Ranges = SmallVec<[Range<usize>; 4]>;

impl KeyState {
    /// Appends the hop's features at time `t` (microseconds since 1970) to `out`, in vector order, and
    /// returns how many are null because a sum left the range of doubles.
    ///
    /// Exact for `t >= merge_time - lateness`; before that, entries may be dropped already.
    pub fn read(&self, hop: &Hop, t: i64, out: &mut Vec<Value>) -> u64 {
        let events: Ranges = hop.windows().iter().map(|window| self.events.within(*window, t)).collect();
        let labels: Ranges = match &self.outcomes {
            Some(outcomes) => hop.label_windows().iter().map(|window| outcomes.within(*window, t)).collect(),
            None => Ranges::new(),
        };
        let mut overflows = 0;
        out.extend(hop.features().iter().map(|feature| {
            let value = self.value(feature, &events, &labels);
            if value.is_some_and(|v| !v.is_finite()) {
                overflows += 1;
                return Value::Null;
            }
            value.map_or(Value::Null, Value::Double)
        }));
        overflows
    }

    fn value(&self, feature: &Feature, events: &Ranges, labels: &Ranges) -> Option<f64> {
        let value = match feature.take {
            Take::Count => match events[feature.window].len() {
                0 => return Some(feature.fill.unwrap_or(0.0)),
                count => Some(count as f64),
            },
            Take::Column(how, column) => self.events.columns[column].aggregate(how, events[feature.window].clone()),
            Take::Label(how) => {
                self.outcomes.as_ref().and_then(|outcomes| outcomes.columns[0].aggregate(how, labels[feature.window].clone()))
            }
        };
        value.or(feature.fill)
    }
}
