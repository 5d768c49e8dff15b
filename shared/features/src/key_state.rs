//! The state of one key: its events and its outcomes, each a set in (event time, source) order.

use crate::Hop;
use crate::column::{Cell, LABEL};
use crate::entries::Entries;

/// Where an event, or an outcome, stands in the set of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// When the event happened, microseconds since 1970.
    pub event_time: i64,
    /// Partition of its raw (or label) record.
    pub partition: i32,
    /// Offset of its raw (or label) record.
    pub offset: i64,
}

/// The state of one key.
#[derive(Debug, Clone)]
pub struct KeyState {
    pub(crate) events: Entries,
    /// Made for the first outcome: where no feature looks at labels, there is none.
    pub(crate) outcomes: Option<Box<Entries>>,
    pub(crate) merge_time: i64,
    pub(crate) last_event_time: i64,
}

/// What an insertion changed, to take it back.
#[derive(Debug, Clone, Copy)]
pub struct Change {
    added: Added,
    /// Where the kept events and outcomes began. A set has fewer than 2^32 entries, and the log of
    /// changes is on the hot path.
    starts: [u32; 2],
    merge_time: i64,
    last_event_time: i64,
}

/// The new entry's index.
#[derive(Debug, Clone, Copy)]
enum Added {
    /// It was too old to keep.
    Nothing,
    Event(usize),
    Outcome(usize),
}

impl KeyState {
    /// The state of a key that no event and no outcome has named.
    #[must_use]
    pub fn new(hop: &Hop) -> Self {
        Self { events: Entries::new(hop.kinds()), outcomes: None, merge_time: i64::MIN, last_event_time: i64::MIN }
    }

    /// Largest merge time among the key's events and outcomes, microseconds since 1970; `None` without any.
    #[must_use]
    pub fn merge_time(&self) -> Option<i64> {
        (self.merge_time != i64::MIN).then_some(self.merge_time)
    }

    /// Largest event time among the key's events, dropped ones too; `None` without events.
    #[must_use]
    pub fn last_event_time(&self) -> Option<i64> {
        (self.last_event_time != i64::MIN).then_some(self.last_event_time)
    }

    /// Events kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether no event is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Outcomes kept.
    #[must_use]
    pub fn outcomes(&self) -> usize {
        self.outcomes.as_ref().map_or(0, |outcomes| outcomes.len())
    }

    /// Adds an event with the values that [`Hop::cells`] gave, and drops what its merge time makes too
    /// old. Each place is to be added once.
    pub fn insert(&mut self, hop: &Hop, place: Place, merge_time: i64, cells: &[Cell]) -> Change {
        let mut change = self.advance(hop, merge_time);
        self.last_event_time = self.last_event_time.max(place.event_time);
        if place.event_time > self.cutoff(hop) {
            change.added = Added::Event(self.events.add(place, cells));
        }
        change
    }

    /// As [`KeyState::insert`] an outcome of a hop that reads labels, with its label, at its event's time.
    pub(crate) fn insert_outcome(&mut self, hop: &Hop, place: Place, merge_time: i64, label: Cell) -> Change {
        let mut change = self.advance(hop, merge_time);
        if place.event_time > self.label_cutoff(hop) {
            let outcomes = self.outcomes.get_or_insert_with(|| Box::new(Entries::new(&[LABEL])));
            change.added = Added::Outcome(outcomes.add(place, &[label]));
        }
        change
    }

    /// Takes back the newest change that is not yet taken back. No [`KeyState::compact`] may lie between.
    pub fn undo(&mut self, change: Change) {
        match change.added {
            Added::Nothing => {}
            Added::Event(at) => self.events.remove(at),
            Added::Outcome(at) => self.outcomes.iter_mut().for_each(|outcomes| outcomes.remove(at)),
        }
        let [events, outcomes] = change.starts;
        self.events.start = events as usize;
        if let Some(set) = &mut self.outcomes {
            set.start = outcomes as usize;
        }
        self.merge_time = change.merge_time;
        self.last_event_time = change.last_event_time;
    }

    /// Frees what was dropped, when that is much: constant time per entry in the long run.
    pub fn compact(&mut self) {
        self.events.compact();
        if let Some(outcomes) = &mut self.outcomes {
            outcomes.compact();
        }
    }

    /// Events at or before this time are dropped.
    pub(crate) fn cutoff(&self, hop: &Hop) -> i64 {
        self.merge_time.saturating_sub(hop.horizon())
    }

    /// Outcomes of events at or before this time are dropped.
    pub(crate) fn label_cutoff(&self, hop: &Hop) -> i64 {
        self.merge_time.saturating_sub(hop.label_horizon())
    }

    /// Goes on to `merge_time` and drops what that makes too old. The change so far has nothing added.
    fn advance(&mut self, hop: &Hop, merge_time: i64) -> Change {
        let outcomes = self.outcomes.as_ref().map_or(0, |outcomes| outcomes.start);
        let change = Change {
            added: Added::Nothing,
            starts: [self.events.start as u32, outcomes as u32],
            merge_time: self.merge_time,
            last_event_time: self.last_event_time,
        };
        self.merge_time = self.merge_time.max(merge_time);
        self.events.evict(self.cutoff(hop));
        let cutoff = self.label_cutoff(hop);
        if let Some(outcomes) = &mut self.outcomes {
            outcomes.evict(cutoff);
        }
        change
    }
}
