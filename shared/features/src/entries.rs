//! A set of entries in (event time, source) order.

use crate::Place;
use crate::column::{Cell, Column, Kind};
use crate::hop::Window;
use smallvec::SmallVec;
use std::ops::Range;

/// The part of a [`Place`] that breaks ties of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Origin {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
}

/// Times, origins and columns are arrays side by side, so that a search of the times touches few cache
/// lines; 24 bytes an entry, and 16 (exact) or 8 (double) per column.
#[derive(Debug, Clone)]
pub(crate) struct Entries {
    pub(crate) times: Vec<i64>,
    pub(crate) origins: Vec<Origin>,
    pub(crate) columns: SmallVec<[Column; 1]>,
    /// Entries before this index are dropped; they leave the memory in [`Entries::compact`].
    pub(crate) start: usize,
}

impl Entries {
    /// No entries, with columns of these kinds.
    pub(crate) fn new(kinds: &[Kind]) -> Self {
        let columns = kinds.iter().map(|kind| Column::new(*kind)).collect();
        Self { times: Vec::new(), origins: Vec::new(), columns, start: 0 }
    }

    /// Entries kept.
    pub(crate) fn len(&self) -> usize {
        self.times.len() - self.start
    }

    /// Whether no entry is kept.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Drops entries at or before `cutoff`.
    pub(crate) fn evict(&mut self, cutoff: i64) {
        while self.times.get(self.start).is_some_and(|time| *time <= cutoff) {
            self.start += 1;
        }
    }

    /// Adds an entry, and returns its index.
    pub(crate) fn add(&mut self, place: Place, cells: &[Cell]) -> usize {
        let at = self.index_of(place);
        self.times.insert(at, place.event_time);
        self.origins.insert(at, Origin { partition: place.partition, offset: place.offset });
        for (i, column) in self.columns.iter_mut().enumerate() {
            column.insert(at, cells.get(i).copied().unwrap_or(Cell::Null));
        }
        at
    }

    /// Takes entry `at` away.
    pub(crate) fn remove(&mut self, at: usize) {
        self.times.remove(at);
        self.origins.remove(at);
        for column in &mut self.columns {
            column.remove(at);
        }
    }

    /// Frees what was dropped, when that is much: constant time per entry in the long run.
    pub(crate) fn compact(&mut self) {
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

    /// Indices of the entries in `(t - delay - length, t - delay]`.
    pub(crate) fn within(&self, window: Window, t: i64) -> Range<usize> {
        let end = t.saturating_sub(window.delay);
        let start = end.saturating_sub(window.length);
        let times = &self.times[self.start..];
        let stop = if times.last().is_none_or(|last| *last <= end) { times.len() } else { times.partition_point(|time| *time <= end) };
        let first = times[..stop].partition_point(|time| *time <= start);
        self.start + first..self.start + stop
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
