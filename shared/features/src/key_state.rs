//! The state of one key: a set of entries in (event time, source) order.

use crate::Hop;
use crate::column::{Cell, Column};
use smallvec::SmallVec;

/// Where an event stands in the set of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// When it happened, microseconds since 1970.
    pub event_time: i64,
    /// Partition of its raw record.
    pub partition: i32,
    /// Offset of its raw record.
    pub offset: i64,
}

/// The part of a [`Place`] that breaks ties of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Origin {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
}

/// The entries of one key. Times, origins and columns are arrays side by side, so that a search of
/// the times touches few cache lines; 24 bytes an entry, and 16 (exact) or 8 (double) per column.
#[derive(Debug, Clone)]
pub struct KeyState {
    pub(crate) times: Vec<i64>,
    pub(crate) origins: Vec<Origin>,
    pub(crate) columns: SmallVec<[Column; 1]>,
    /// Entries before this index are dropped; they leave the memory in [`KeyState::compact`].
    pub(crate) start: usize,
    pub(crate) merge_time: i64,
    pub(crate) last_event_time: i64,
}

/// What an insertion changed, to take it back.
#[derive(Debug, Clone, Copy)]
pub struct Change {
    /// Index of the new entry; `None` if it was too old to keep.
    at: Option<usize>,
    start: usize,
    merge_time: i64,
    last_event_time: i64,
}

impl KeyState {
    /// The state of a key that no event has named.
    #[must_use]
    pub fn new(hop: &Hop) -> Self {
        Self {
            times: Vec::new(),
            origins: Vec::new(),
            columns: hop.kinds().iter().map(|kind| Column::new(*kind)).collect(),
            start: 0,
            merge_time: i64::MIN,
            last_event_time: i64::MIN,
        }
    }

    /// Largest merge time among the key's events, microseconds since 1970; `None` without events.
    #[must_use]
    pub fn merge_time(&self) -> Option<i64> {
        (self.merge_time != i64::MIN).then_some(self.merge_time)
    }

    /// Largest event time among the key's events, dropped ones too; `None` without events.
    #[must_use]
    pub fn last_event_time(&self) -> Option<i64> {
        (self.last_event_time != i64::MIN).then_some(self.last_event_time)
    }

    /// Entries kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.times.len() - self.start
    }

    /// Whether no entry is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds an event with the values that [`Hop::cells`] gave, and drops what its merge time makes too
    /// old. Each place is to be added once.
    pub fn insert(&mut self, hop: &Hop, place: Place, merge_time: i64, cells: &[Cell]) -> Change {
        let mut change = Change { at: None, start: self.start, merge_time: self.merge_time, last_event_time: self.last_event_time };
        self.merge_time = self.merge_time.max(merge_time);
        self.last_event_time = self.last_event_time.max(place.event_time);
        let cutoff = self.cutoff(hop);
        while self.times.get(self.start).is_some_and(|time| *time <= cutoff) {
            self.start += 1;
        }
        if place.event_time > cutoff {
            let at = self.index_of(place);
            self.put(at, place, cells);
            change.at = Some(at);
        }
        change
    }

    /// Takes back the newest change that is not yet taken back. No [`KeyState::compact`] may lie between.
    pub fn undo(&mut self, change: Change) {
        if let Some(at) = change.at {
            self.times.remove(at);
            self.origins.remove(at);
            for column in &mut self.columns {
                column.remove(at);
            }
        }
        self.start = change.start;
        self.merge_time = change.merge_time;
        self.last_event_time = change.last_event_time;
    }

    /// Frees what was dropped, when that is much: constant time per entry in the long run.
    pub fn compact(&mut self) {
        if self.start < 16 || self.start * 4 < self.times.len() {
            return;
        }
        self.times.drain(..self.start);
        self.origins.drain(..self.start);
        for column in &mut self.columns {
            column.drain(self.start);
        }
        self.start = 0;
    }

    /// Entries at or before this time are dropped.
    pub(crate) fn cutoff(&self, hop: &Hop) -> i64 {
        self.merge_time.saturating_sub(hop.horizon())
    }

    /// Puts an entry before index `at`.
    pub(crate) fn put(&mut self, at: usize, place: Place, cells: &[Cell]) {
        self.times.insert(at, place.event_time);
        self.origins.insert(at, Origin { partition: place.partition, offset: place.offset });
        for (i, column) in self.columns.iter_mut().enumerate() {
            column.insert(at, cells.get(i).copied().unwrap_or(Cell::Null));
        }
    }

    /// Index of the first entry after `place`.
    fn index_of(&self, place: Place) -> usize {
        if self.times.last().is_none_or(|last| *last < place.event_time) {
            return self.times.len();
        }
        let times = &self.times[self.start..];
        let first = self.start + times.partition_point(|time| *time < place.event_time);
        let ties = self.times[first..].partition_point(|time| *time == place.event_time);
        let origin = Origin { partition: place.partition, offset: place.offset };
        first + self.origins[first..first + ties].partition_point(|other| *other < origin)
    }
}
