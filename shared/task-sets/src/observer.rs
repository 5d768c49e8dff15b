//! An observer: one leader that reads whole topics, all partitions of them, and writes what follows from them.
//!
//! A stage's task sees one partition. What needs all of a pipeline (a window's quality, its drift, a training, the
//! registry of models) is a [`Fold`]: one member of the group leads, reads the inputs from their beginning on
//! threads of its own, and writes by the same transactional loop as every stage. The group is on
//! `tidemill.pipelines`, which has one partition: whoever owns it leads, the others stand by.
//!
//! Exactly once: what the fold has written is read back before it starts, up to the last offset that the group's
//! metadata names; it writes nothing that is there already. Inputs are read again from their beginning, so a fold
//! must come to the same result for the same records, whatever the order of the partitions among themselves.

mod readers;

use readers::Readers;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tidemill_events::topics::Control;
use tidemill_kafka::transactional::{KafkaBroker, Settings};
use tidemill_service::Clock;
use tidemill_stream::metadata::{put_varint, take_varint};
use tidemill_stream::task::Until;
use tidemill_stream::{Committed, Delivered, Error, Limits, Outputs, Record, Restore, Stage, Task};

use crate::TaskSet;

/// What an observer does with what it reads. Pure: it is told the time.
pub trait Fold: Send + 'static {
    /// Takes up a record that this fold has written before, on output `output`; all of them come before anything
    /// else. A control topic holds other pipelines' records too.
    ///
    /// # Errors
    /// [`Error::Unavailable`] to be asked again later; [`Error::Fatal`] when it cannot be understood.
    fn written(&mut self, output: usize, record: &Record<'_>) -> Result<(), Error>;

    /// Takes up a record of input `record.topic`. Records of one partition come in offset order; topics and partitions
    /// come in no order among themselves.
    ///
    /// # Errors
    /// [`Error::Unavailable`] to be asked again later; [`Error::Fatal`].
    fn take(&mut self, record: &Record<'_>) -> Result<(), Error>;

    /// Writes what is due at wall clock `now`: called about every 100 ms. `caught_up` once every input has been
    /// read to where it ended.
    ///
    /// # Errors
    /// [`Error::Fatal`].
    fn ready(&mut self, now: i64, caught_up: bool, out: &mut Outputs) -> Result<(), Error>;

    /// What was written since the last commit is on its topics for good.
    fn commit(&mut self);

    /// What was written since the last commit never was: write it again.
    fn abort(&mut self);
}

/// What an observer reads and writes.
#[derive(Debug, Clone)]
pub struct Topics {
    /// Input topics; [`Record::topic`] counts them.
    pub inputs: Vec<String>,
    /// Output topics; the observer writes to their partition 0.
    pub outputs: Vec<String>,
}

/// Whom an observer is.
#[derive(Debug, Clone)]
pub struct Seat {
    /// `host:port,…` of the brokers.
    pub brokers: String,
    /// The instance of the service.
    pub instance: u32,
    /// The consumer group.
    pub group: String,
}

/// The loop of an observer; `make` makes its fold anew whenever this member begins to lead.
pub fn observer<F: Fold>(
    stage: &str,
    seat: &Seat,
    topics: Topics,
    clock: Arc<dyn Clock>,
    make: impl FnMut() -> Result<F, Error> + Send + 'static,
) -> TaskSet {
    let settings = Settings {
        brokers: seat.brokers.clone(),
        group: seat.group.clone(),
        slot: format!("{}.{}", seat.group, seat.instance),
        inputs: vec![Control::Pipelines.name().to_owned()],
        outputs: topics.outputs.clone(),
        gather: Duration::ZERO,
        fault: None,
    };
    let stage_of = ObserverStage { brokers: seat.brokers.clone(), topics, make: Box::new(make) };
    TaskSet::new(stage, KafkaBroker::new(settings), stage_of, Limits::default(), clock)
}

struct ObserverStage<F> {
    brokers: String,
    topics: Topics,
    make: Box<dyn FnMut() -> Result<F, Error> + Send>,
}

impl<F: Fold> Stage for ObserverStage<F> {
    type Task = ObserverTask<F>;

    fn open(&mut self, _: i32, _: &[Committed], task_bytes: &[u8], _: u64) -> Result<(ObserverTask<F>, Vec<Restore>), Error> {
        let last = read_offsets(task_bytes, self.topics.outputs.len()).ok_or_else(|| Error::Fatal("unknown offset metadata".into()))?;
        let written = last.iter().zip(&self.topics.outputs).enumerate().filter_map(|(output, (last, topic))| {
            Some(Restore { input: output, topic: topic.clone(), partition: 0, until: Until::Through((*last)?) })
        });
        let restores = written.collect();
        let fold = Arc::new(Mutex::new((self.make)()?));
        Ok((ObserverTask { brokers: self.brokers.clone(), inputs: self.topics.inputs.clone(), fold, last, readers: None }, restores))
    }
}

/// A fold that leads.
struct ObserverTask<F: Fold> {
    brokers: String,
    inputs: Vec<String>,
    fold: Arc<Mutex<F>>,
    /// Last offset written to each output's partition 0.
    last: Vec<Option<i64>>,
    /// Started with the first tick: what was written has been read by then.
    readers: Option<Readers>,
}

impl<F: Fold> ObserverTask<F> {
    fn fold(&self) -> MutexGuard<'_, F> {
        self.fold.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<F: Fold> Task for ObserverTask<F> {
    fn restore(&mut self, record: &Record<'_>) -> Result<(), Error> {
        self.fold().written(record.topic, record)
    }

    fn process(&mut self, _record: &Record<'_>, _now: i64, _out: &mut Outputs) -> Result<(), Error> {
        Ok(())
    }

    fn tick(&mut self, now: i64, out: &mut Outputs) -> Result<(), Error> {
        let readers = match &mut self.readers {
            Some(readers) => readers,
            none => none.insert(Readers::start(&self.brokers, &self.inputs, &self.fold)?),
        };
        readers.check()?;
        let caught_up = readers.have_caught_up();
        self.fold().ready(now, caught_up, out)
    }

    fn checkpoint(&mut self, delivered: &Delivered) -> Vec<u8> {
        for (output, last) in self.last.iter_mut().enumerate() {
            *last = delivered.last(output, 0).or(*last);
        }
        write_offsets(&self.last)
    }

    fn commit(&mut self, _seq: u64, _lagging: bool) {
        self.fold().commit();
    }

    fn abort(&mut self) {
        self.fold().abort();
    }
}

/// The last offsets as the metadata holds them: each one higher than it is, 0 for none.
fn write_offsets(last: &[Option<i64>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for offset in last {
        put_varint(&mut bytes, offset.map_or(0, |o| o as u64 + 1));
    }
    bytes
}

/// `None` when `bytes` are not what [`write_offsets`] wrote. An output that was added since has nothing.
fn read_offsets(mut bytes: &[u8], outputs: usize) -> Option<Vec<Option<i64>>> {
    let mut last = vec![None; outputs];
    let mut slots = last.iter_mut();
    while !bytes.is_empty() {
        let value = take_varint(&mut bytes)?;
        *slots.next()? = i64::try_from(value).ok()?.checked_sub(1).filter(|offset| *offset >= 0);
    }
    Some(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_travel_in_the_metadata() {
        let last = vec![None, Some(0), Some(7)];
        assert_eq!(read_offsets(&write_offsets(&last), 3), Some(last.clone()));
        assert_eq!(read_offsets(&[], 2), Some(vec![None, None]));
        assert_eq!(read_offsets(&write_offsets(&last), 4), Some(vec![None, Some(0), Some(7), None]));
        assert_eq!(read_offsets(&write_offsets(&last), 2), None);
        assert_eq!(read_offsets(&[0x80], 2), None);
    }
}
