//! Live quality: the metrics of each closed window of event time, once. in: `<p>.outcomes` · out: `<p>.performance`.
//!
//! `windows` says what belongs to a window and when it is closed, `scores` keeps its scores within a bound.

mod scores;
mod windows;

pub(crate) use windows::Settings;

use std::collections::VecDeque;
use std::sync::Arc;
use tidemill_events::codec::{self, AvroSchema, OutcomeCodec};
use tidemill_events::control::Performance;
use tidemill_events::wire;
use tidemill_stream::{Error, Outputs, Record};
use tidemill_task_sets::Writers;
use tidemill_task_sets::observer::Fold;
use windows::{Taken, Windows};

/// The fold of a pipeline's outcomes into the quality of its windows.
pub(crate) struct PerformanceFold {
    windows: Windows,
    outcomes: OutcomeCodec,
    writers: Writers,
    /// Schema and id of what it writes.
    own: (AvroSchema, u32),
    /// Told of each outcome that came when its window was closed.
    late: Arc<dyn Fn() + Send + Sync>,
    /// Closed, to be written.
    due: VecDeque<Performance>,
    /// Written since the last commit.
    open: Vec<Performance>,
}

fn fault(error: codec::Error) -> Error {
    Error::Fatal(error.to_string())
}

fn not_ours(error: wire::Error) -> Error {
    Error::Fatal(format!("not written by Tidemill: {error}"))
}

impl PerformanceFold {
    /// Of nothing yet. `writers` gives schemas by id, `own` is the schema of `<p>.performance` and its id.
    #[must_use]
    pub(crate) fn new(
        settings: Settings,
        outcomes: OutcomeCodec,
        writers: Writers,
        own: (AvroSchema, u32),
        late: Arc<dyn Fn() + Send + Sync>,
    ) -> Self {
        Self { windows: Windows::new(settings), outcomes, writers, own, late, due: VecDeque::new(), open: Vec::new() }
    }
}

impl Fold for PerformanceFold {
    fn written(&mut self, _output: usize, record: &Record<'_>) -> Result<(), Error> {
        let (id, datum) = wire::split(record.payload).map_err(not_ours)?;
        let written: Performance = (self.writers)(id)?.decode(datum).map_err(fault)?;
        self.windows.told(written.window);
        Ok(())
    }

    fn take(&mut self, record: &Record<'_>) -> Result<(), Error> {
        let (id, datum) = wire::split(record.payload).map_err(not_ours)?;
        let schema = (self.writers)(id)?;
        let outcome = self.outcomes.view(&schema, datum).map_err(fault)?;
        if self.windows.take(record.partition, &outcome) == Taken::Late {
            (self.late)();
        }
        Ok(())
    }

    fn ready(&mut self, now: i64, caught_up: bool, out: &mut Outputs) -> Result<(), Error> {
        self.windows.look(now);
        while let Some(closed) = self.windows.close(now, caught_up) {
            self.due.push_back(closed);
        }
        let (schema, id) = &self.own;
        while let Some(performance) = self.due.pop_front() {
            out.push(0, 0, None, None, |bytes| schema.encode(*id, &performance, bytes)).map_err(fault)?;
            self.open.push(performance);
        }
        Ok(())
    }

    fn commit(&mut self) {
        self.open.clear();
    }

    fn abort(&mut self) {
        self.due.extend(self.open.drain(..));
    }
}

#[cfg(test)]
mod tests;
