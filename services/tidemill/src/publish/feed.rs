//! Reads rows and fills the lanes' batches when they are due; runs on a thread of its own.

use super::batch::{Batch, Filling, Kind};
use super::encode::Encoder;
use super::labels::Pending;
use super::pace::Pacer;
use super::source::{self, Row, Source};
use super::tally::Tally;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tidemill_events::partition::partition_of;
use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;

/// Bytes after which a batch is sent; the ingestor takes a MiB.
const MAX_BYTES: usize = 900 << 10;
/// Shortest nap. What becomes due meanwhile goes out together: a request for every event or two costs the ingestor and
/// the broker more than the events themselves.
const TICK: Duration = Duration::from_millis(20);
/// Longest nap: how soon a stop is noticed.
const LONGEST_NAP: Duration = Duration::from_millis(100);

/// Labels go apart from events.
#[derive(Debug, Clone, Copy)]
pub(super) struct Labelling {
    /// Column of the label.
    pub(super) column: usize,
    /// How long after the event the label is due, microseconds.
    pub(super) delay: i64,
}

pub(super) struct Feed {
    pub(super) source: Box<dyn Source>,
    pub(super) encoder: Encoder,
    pub(super) labelling: Option<Labelling>,
    pub(super) pacer: Pacer,
    pub(super) lanes: Vec<Outlet>,
    pub(super) max_records: usize,
    pub(super) limit: u64,
    pub(super) stop: Arc<AtomicBool>,
    pub(super) tally: Arc<Tally>,
    pub(super) started: Instant,
    pub(super) pending: Pending,
}

/// The near end of a lane.
pub(super) struct Outlet {
    events: Filling,
    labels: Filling,
    queue: Sender<Batch>,
}

/// Why the feed ends early.
enum Halt {
    /// A lane has ended; whoever runs it knows why.
    LaneEnded,
    Source(source::Error),
}

impl From<source::Error> for Halt {
    fn from(error: source::Error) -> Self {
        Self::Source(error)
    }
}

impl Outlet {
    pub(super) fn new(queue: Sender<Batch>) -> Self {
        Self { events: Filling::new(Kind::Events), labels: Filling::new(Kind::Labels), queue }
    }

    /// Sends what there is, events before labels, and waits until the lane takes it.
    fn flush(&mut self, tally: &Tally) -> Result<(), Halt> {
        for filling in [&mut self.events, &mut self.labels] {
            if filling.len() > 0 {
                count(filling, tally);
                self.queue.blocking_send(filling.take()).map_err(|_| Halt::LaneEnded)?;
            }
        }
        Ok(())
    }

    /// Sends what there is unless the lane is busy: then it grows until the lane is free.
    fn flush_if_free(&mut self, tally: &Tally) -> Result<(), Halt> {
        for filling in [&mut self.events, &mut self.labels] {
            if filling.len() == 0 {
                continue;
            }
            match self.queue.try_reserve() {
                Ok(permit) => {
                    count(filling, tally);
                    permit.send(filling.take());
                }
                Err(TrySendError::Full(())) => break,
                Err(TrySendError::Closed(())) => return Err(Halt::LaneEnded),
            }
        }
        Ok(())
    }
}

fn count(filling: &Filling, tally: &Tally) {
    let counter = match filling.kind() {
        Kind::Events => &tally.read,
        Kind::Labels => &tally.labels_due,
    };
    counter.add(filling.len() as u64);
}

impl Feed {
    /// Feeds the lanes until the source ends, the limit is reached, someone says stop or a lane has ended.
    ///
    /// # Errors
    /// When the source cannot be read; what was read before is still sent.
    pub(super) fn run(mut self) -> Result<(), source::Error> {
        match self.events().and_then(|()| self.rest()) {
            Ok(()) | Err(Halt::LaneEnded) => Ok(()),
            Err(Halt::Source(error)) => {
                // a lane that has ended says so itself
                let _ = self.flush();
                Err(error)
            }
        }
    }

    fn events(&mut self) -> Result<(), Halt> {
        let mut key = Vec::new();
        for _ in 0..self.limit {
            match self.source.advance()? {
                Row::End => break,
                Row::Unreadable(why) => self.tally.unreadable(why),
                Row::Ready => self.event(&mut key)?,
            }
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
        }
        Ok(())
    }

    /// Sends the current row, after the labels that are due before it.
    fn event(&mut self, key: &mut Vec<u8>) -> Result<(), Halt> {
        let timed = self.labelling.is_some() || self.pacer.by_event_time();
        let time = if timed { self.encoder.time(&*self.source) } else { None };
        if let Some(time) = time {
            self.labels_until(time)?;
        }
        self.wait_for_turn(time)?;
        let lane = match self.lanes.len() {
            1 => 0,
            n => {
                self.encoder.key(&*self.source, key);
                partition_of(key, n as u32) as usize
            }
        };
        let outlet = &mut self.lanes[lane];
        self.encoder.event(&*self.source, &mut outlet.events);
        self.pacer.sent();
        if let (Some(labelling), Some(time)) = (self.labelling, time)
            && let Some(label) = self.source.cell(labelling.column).number()
        {
            self.pending.push(time.saturating_add(labelling.delay), lane, outlet.events.last_id(), label);
        }
        if outlet.events.len() >= self.max_records || outlet.events.bytes() >= MAX_BYTES {
            outlet.flush(&self.tally)?;
        }
        Ok(())
    }

    fn labels_until(&mut self, time: i64) -> Result<(), Halt> {
        while let Some(due) = self.pending.next_due().filter(|due| *due <= time) {
            if self.pacer.by_event_time() {
                self.wait_for_turn(Some(due))?;
            }
            let Some(label) = self.pending.pop(due) else { break };
            let outlet = &mut self.lanes[label.lane];
            label.write(&mut outlet.labels);
            if outlet.labels.len() >= self.max_records {
                outlet.flush(&self.tally)?;
            }
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
        }
        Ok(())
    }

    /// The labels that become due after the last event, and what the batches still hold.
    fn rest(&mut self) -> Result<(), Halt> {
        if !self.stop.load(Ordering::Relaxed) {
            self.labels_until(i64::MAX)?;
        }
        self.flush()
    }

    fn flush(&mut self) -> Result<(), Halt> {
        self.lanes.iter_mut().try_for_each(|lane| lane.flush(&self.tally))
    }

    /// Sleeps until the next record is due; what is waiting in batches goes out meanwhile.
    fn wait_for_turn(&mut self, time: Option<i64>) -> Result<(), Halt> {
        while let Some(wait) = self.pacer.due_in(time, || self.started.elapsed()) {
            self.lanes.iter_mut().try_for_each(|lane| lane.flush_if_free(&self.tally))?;
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
            thread::sleep(wait.clamp(TICK, LONGEST_NAP));
        }
        Ok(())
    }
}
