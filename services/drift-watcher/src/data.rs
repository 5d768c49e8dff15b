//! The windows of a pipeline's vectors and predictions: what is open, and what may be closed.
//!
//! A window closes when nothing more can come. Vectors of one raw partition that went through one hop partition into
//! one features partition are in the order of their merge time, so each such triple is a channel; a window is whole when all
//! of them have passed its end and the lateness that the validator grants. Its predictions are whole when there are as many
//! as vectors: each vector gets one.

use crate::progress::Progress;
use crate::window::{Window, window_of};
use std::collections::BTreeMap;
use tidemill_events::codec::VectorHead;
use tidemill_events::control::Span;
use tidemill_events::views::PredictionView;

/// How many windows one input may be read ahead of the other: it bounds the memory of a catch-up.
const AHEAD: i64 = 16;
/// An input that brought nothing for this long, microseconds of the wall clock, is not waited for by the other.
const QUIET: i64 = 2_000_000;

/// One of the two inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Vectors,
    Predictions,
}

/// A features partition, the input partition of the hop that wrote to it, and the raw partition.
type Channel = (i32, i32, i32);

/// How far an input has been read.
#[derive(Debug, Clone, Copy)]
struct Reading {
    /// First and latest event time.
    times: Option<(i64, i64)>,
    records: u64,
    records_then: u64,
    /// Wall clock when it was last seen to move.
    moved_at: i64,
}

/// The open windows.
#[derive(Debug)]
pub(crate) struct Data {
    length: i64,
    lateness: i64,
    partitions: usize,
    columns: usize,
    open: BTreeMap<i64, Window>,
    /// Windows that end by then are on the topic already.
    written_to: i64,
    /// Windows that end by then are closed.
    closed_to: i64,
    vectors: Progress<Channel>,
    predictions: Progress<i32>,
    readings: [Reading; 2],
    /// The oldest window is whole, but cannot be told yet.
    held: bool,
    late: u64,
}

impl Data {
    /// No windows yet, of `length` and with `lateness` (microseconds), vectors of `columns` numbers in `partitions`.
    pub(crate) fn new(length: i64, lateness: i64, partitions: usize, columns: usize) -> Self {
        let reading = Reading { times: None, records: 0, records_then: 0, moved_at: i64::MIN };
        let (open, vectors, predictions) = (BTreeMap::new(), Progress::default(), Progress::default());
        let (written_to, closed_to, readings) = (i64::MIN, i64::MIN, [reading; 2]);
        Self { length, lateness, partitions, columns, open, written_to, closed_to, vectors, predictions, readings, held: false, late: 0 }
    }

    /// The window of `span` is on the topic already.
    pub(crate) fn written(&mut self, span: Span) {
        self.written_to = self.written_to.max(span.to);
        self.closed_to = self.closed_to.max(span.to);
    }

    /// Whether a record of `side` at `time` must wait: the other input is too far behind it, or the windows before it cannot be
    /// told yet.
    pub(crate) fn must_wait(&mut self, side: Side, time: i64) -> bool {
        let (mine, other) = if side == Side::Vectors { (0, 1) } else { (1, 0) };
        // told before the question, so that two inputs never wait for each other
        let (first, latest) = self.readings[mine].times.unwrap_or((time, time));
        self.readings[mine].times = Some((first, latest.max(time)));
        let ahead_of = |from: i64| time.saturating_sub(from) > AHEAD.saturating_mul(self.length);
        if self.held && self.open.keys().next().is_some_and(|from| ahead_of(*from)) {
            return true;
        }
        let base = self.readings[other].times.map_or(first, |(_, latest)| latest);
        time >= self.closed_to && ahead_of(base) && !self.readings[other].is_quiet(self.vectors.now())
    }

    /// Whether the oldest window is whole, but cannot be told yet.
    pub(crate) fn hold(&mut self, held: bool) {
        self.held = held;
    }

    /// Takes up the vector `head` with the numbers `row`, from `partition`.
    pub(crate) fn vector(&mut self, partition: i32, head: &VectorHead<'_>, row: &[f64]) {
        self.readings[0].records += 1;
        let before = self.vectors.advance((partition, head.hop_partition, head.raw_partition), head.merge_time);
        let span = window_of(head.event_time, self.length);
        // by its own channel, and so the same whatever the order of the others
        let late = before.is_some_and(|time| time >= span.to.saturating_add(self.lateness));
        match if late { None } else { self.window(span) } {
            Some(window) => window.vector(head.event_id, row),
            None => self.late += u64::from(span.to > self.written_to),
        }
    }

    /// Takes up a prediction from `partition`.
    pub(crate) fn prediction(&mut self, partition: i32, prediction: &PredictionView<'_>) {
        self.readings[1].records += 1;
        self.predictions.advance(partition, prediction.event_time);
        if let Some(window) = self.window(window_of(prediction.event_time, self.length)) {
            window.prediction(prediction.event_id, prediction.score, &prediction.model);
        }
    }

    /// Vectors that came after their window had closed, since the start.
    pub(crate) fn late(&self) -> u64 {
        self.late
    }

    /// Notes the wall clock.
    pub(crate) fn look(&mut self, now: i64) {
        self.vectors.look(now);
        self.predictions.look(now);
        for reading in &mut self.readings {
            if reading.records != reading.records_then || reading.moved_at == i64::MIN {
                (reading.records_then, reading.moved_at) = (reading.records, now);
            }
        }
    }

    /// The oldest window, if nothing more can come into it. `caught_up` once the inputs have been read to their end.
    pub(crate) fn closed(&mut self, caught_up: bool) -> Option<&mut Window> {
        let all_read = caught_up || self.delivering() == self.partitions;
        let (length, lateness) = (self.length, self.lateness);
        let mut entry = self.open.first_entry()?;
        let window = entry.get_mut();
        let closes_at = window.span.to.saturating_add(lateness);
        let whole = all_read && self.vectors.passed(closes_at, caught_up);
        let predicted = window.predictions >= window.vectors || self.predictions.passed(closes_at.saturating_add(length), caught_up);
        (whole && predicted).then(|| entry.into_mut())
    }

    /// Forgets the oldest window: it is told.
    pub(crate) fn close(&mut self) {
        if let Some((_, window)) = self.open.pop_first() {
            self.closed_to = self.closed_to.max(window.span.to);
        }
    }

    /// How many windows are open.
    pub(crate) fn open(&self) -> usize {
        self.open.len()
    }

    /// Partitions that have delivered a vector.
    fn delivering(&self) -> usize {
        let mut partitions: Vec<i32> = self.vectors.channels().map(|(partition, ..)| partition).collect();
        partitions.sort_unstable();
        partitions.dedup();
        partitions.len()
    }

    fn window(&mut self, span: Span) -> Option<&mut Window> {
        if span.to <= self.closed_to {
            return None;
        }
        let columns = self.columns;
        Some(self.open.entry(span.from).or_insert_with(|| Window::new(span, columns)))
    }
}

impl Reading {
    fn is_quiet(&self, now: i64) -> bool {
        self.moved_at != i64::MIN && now.saturating_sub(self.moved_at) >= QUIET
    }
}

#[cfg(test)]
mod tests;
