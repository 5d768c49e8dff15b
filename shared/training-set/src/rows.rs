//! Rows in columns.

use crate::Error;
use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use tidemill_events::time::DAY;

/// What differs between pipelines: their entities and features.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Columns {
    /// Names of the entities, in hop order.
    pub entities: Vec<CompactString>,
    /// Names of the features that are numbers, in the order of the vector.
    pub features: Vec<CompactString>,
}

/// Labelled vectors in columns; each column has one value for each row.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rows {
    /// What the columns are called.
    pub columns: Columns,
    /// The events' ids.
    pub event_id: Vec<CompactString>,
    /// When they happened, microseconds since 1970.
    pub event_time: Vec<i64>,
    /// Their labels.
    pub label: Vec<f64>,
    /// When the labels became known, microseconds since 1970.
    pub label_time: Vec<i64>,
    /// The keys of each entity; empty where an event has none.
    pub entities: Vec<Vec<CompactString>>,
    /// The values of each feature; NaN where it is missing.
    pub features: Vec<Vec<f64>>,
}

/// One row, borrowed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row<'a> {
    /// The event's id.
    pub event_id: &'a CompactString,
    /// When it happened, microseconds since 1970.
    pub event_time: i64,
    /// Its label.
    pub label: f64,
    /// When the label became known, microseconds since 1970.
    pub label_time: i64,
    /// Its keys, in hop order.
    pub entities: &'a [CompactString],
    /// Its features, in the order of the columns.
    pub features: &'a [f64],
}

impl Rows {
    /// No rows, of these columns.
    #[must_use]
    pub fn new(columns: Columns) -> Self {
        let entities = vec![Vec::new(); columns.entities.len()];
        let features = vec![Vec::new(); columns.features.len()];
        Self { columns, entities, features, ..Self::default() }
    }

    /// How many rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.event_time.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.event_time.is_empty()
    }

    /// Rows of `range` whose label is 1.
    #[must_use]
    pub fn positives(&self, range: Range<usize>) -> usize {
        self.label[range].iter().filter(|label| **label >= 0.5).count()
    }

    /// Adds a row. An entity or feature that it lacks is empty or missing; what it has beyond is left out.
    pub fn push(&mut self, row: &Row<'_>) {
        self.event_id.push(row.event_id.clone());
        self.event_time.push(row.event_time);
        self.label.push(row.label);
        self.label_time.push(row.label_time);
        for (i, column) in self.entities.iter_mut().enumerate() {
            column.push(row.entities.get(i).cloned().unwrap_or_default());
        }
        for (i, column) in self.features.iter_mut().enumerate() {
            column.push(row.features.get(i).copied().unwrap_or(f64::NAN));
        }
    }

    /// Puts `row` in the place of row number `at`.
    pub fn replace(&mut self, at: usize, row: &Row<'_>) {
        self.event_id[at] = row.event_id.clone();
        self.event_time[at] = row.event_time;
        self.label[at] = row.label;
        self.label_time[at] = row.label_time;
        for (i, column) in self.entities.iter_mut().enumerate() {
            column[at] = row.entities.get(i).cloned().unwrap_or_default();
        }
        for (i, column) in self.features.iter_mut().enumerate() {
            column[at] = row.features.get(i).copied().unwrap_or(f64::NAN);
        }
    }

    /// The features of row `row`, written into `out`.
    pub fn features_of(&self, row: usize, out: &mut Vec<f64>) {
        out.clear();
        out.extend(self.features.iter().map(|column| column[row]));
    }

    /// The rows at `positions`, in that order.
    #[must_use]
    pub fn select(&self, positions: &[usize]) -> Self {
        Self {
            columns: self.columns.clone(),
            event_id: pick(&self.event_id, positions),
            event_time: pick(&self.event_time, positions),
            label: pick(&self.label, positions),
            label_time: pick(&self.label_time, positions),
            entities: self.entities.iter().map(|column| pick(column, positions)).collect(),
            features: self.features.iter().map(|column| pick(column, positions)).collect(),
        }
    }

    /// Adds the rows of `other` after these.
    ///
    /// # Errors
    /// [`Error::Columns`] when it has others.
    pub fn append(&mut self, other: Rows) -> Result<(), Error> {
        if other.columns != self.columns {
            let names = |c: &Columns| c.entities.iter().chain(&c.features).map(ToString::to_string).collect();
            return Err(Error::Columns { expected: names(&self.columns), found: names(&other.columns) });
        }
        self.event_id.extend(other.event_id);
        self.event_time.extend(other.event_time);
        self.label.extend(other.label);
        self.label_time.extend(other.label_time);
        self.entities.iter_mut().zip(other.entities).for_each(|(own, other)| own.extend(other));
        self.features.iter_mut().zip(other.features).for_each(|(own, other)| own.extend(other));
        Ok(())
    }

    /// The days (UTC) of rows `range`, which are in order of event time: days since 1970, each with its rows.
    #[must_use]
    pub fn days(&self, range: Range<usize>) -> Vec<(i64, Range<usize>)> {
        let mut days: Vec<(i64, Range<usize>)> = Vec::new();
        for row in range {
            let day = self.event_time[row].div_euclid(DAY);
            match days.last_mut() {
                Some((last, rows)) if *last == day => rows.end = row + 1,
                _ => days.push((day, row..row + 1)),
            }
        }
        days
    }

    /// The rows, which are in order of event time, from `from` on and before `to` (microseconds since 1970).
    #[must_use]
    pub fn between(&self, from: i64, to: i64) -> Range<usize> {
        let position = |time| self.event_time.partition_point(|t| *t < time);
        position(from)..position(to).max(position(from))
    }
}

fn pick<T: Clone>(column: &[T], positions: &[usize]) -> Vec<T> {
    positions.iter().map(|p| column[*p].clone()).collect()
}
