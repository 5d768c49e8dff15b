//! The pure task of one hop. in: `<p>.valid` or `<p>.hop.<entity>` · out: the next hop's input, or `<p>.features`.

use crate::online::Online;
use compact_str::CompactString;
use std::sync::Arc;
use tidemill_events::codec::{self, AvroSchema, HopCodec, VectorCodec};
use tidemill_events::partition::partition_of;
use tidemill_events::{Event, HopInput, Stage, Vector, wire};
use tidemill_features::{Hop, HopState, feature};
use tidemill_pipeline::Pipeline;
use tidemill_stream::{Delivered, Error, Outputs, Record, Task};

/// A writer schema by id.
pub type Writers = Box<dyn FnMut(u32) -> Result<AvroSchema, Error> + Send>;

/// Where a hop's events go.
#[derive(Clone)]
pub enum Next {
    /// To the hop of this entity.
    Hop {
        /// Its place among the entities.
        position: usize,
        /// Codec of its input.
        codec: HopCodec,
    },
    /// To the vector: this is the last hop.
    Vector(VectorCodec),
}

/// What the tasks of a hop share.
#[derive(Clone)]
pub struct Shared {
    /// The pipeline.
    pub pipeline: Arc<Pipeline>,
    /// Its version.
    pub version: i32,
    /// The hop.
    pub hop: Arc<Hop>,
    /// The stage's name.
    pub stage: CompactString,
    /// Codec of the input.
    pub input: HopCodec,
    /// Where events go.
    pub next: Next,
    /// Told how many column values and features became null for being errors, null or not finite.
    pub nulls: Arc<dyn Fn(u64) + Send + Sync>,
}

/// A hop at one input partition.
pub struct HopTask {
    shared: Shared,
    partition: i32,
    writers: Writers,
    state: HopState,
    online: Box<dyn Online>,
}

impl HopTask {
    /// The task at `partition`, with nothing folded yet.
    #[must_use]
    pub fn new(shared: Shared, partition: i32, writers: Writers, online: Box<dyn Online>) -> Self {
        Self { state: HopState::new(shared.hop.clone()), shared, partition, writers, online }
    }

    /// The state, for a comparison with the online store.
    #[must_use]
    pub fn state(&self) -> &HopState {
        &self.state
    }

    fn decode(&mut self, record: &Record<'_>) -> Result<HopInput, Error> {
        let (id, datum) = wire::split(record.payload).map_err(|e| Error::Fatal(format!("not written by Tidemill: {e}")))?;
        let writer = if id == self.shared.input.id() { self.shared.input.schema().clone() } else { (self.writers)(id)? };
        self.shared.input.decode(&writer, datum).map_err(fault)
    }

    /// The finished vector: the hops' features, then the row's.
    fn vector(&self, event: Event) -> Vector {
        let Event { event_id, event_time, source, ingested_at, merge_time, entities, fields, mut features, .. } = event;
        let mut nulls = 0;
        for row in &self.shared.pipeline.row {
            features.push(feature(row.program.eval(&fields), &mut nulls));
        }
        (self.shared.nulls)(nulls);
        let (from, pipeline_version) = (self.from(), self.shared.version);
        Vector { event_id, event_time, source, ingested_at, from, merge_time, entities, features, pipeline_version }
    }

    fn from(&self) -> Stage {
        Stage { stage: self.shared.stage.clone(), partition: self.partition }
    }

    fn emit(&self, mut event: Event, record: &Record<'_>, out: &mut Outputs) -> Result<(), codec::Error> {
        let partitions = self.shared.pipeline.source.partitions;
        match &self.shared.next {
            Next::Hop { position, codec } => {
                event.from = self.from();
                let key = event.entities.get(*position).filter(|key| !key.is_empty()).unwrap_or(&event.event_id).as_bytes();
                out.push(0, partition_of(key, partitions), Some(key), record.traceparent, |bytes| codec.encode_event(&event, bytes))
            }
            Next::Vector(codec) => {
                let vector = self.vector(event);
                let key = vector.event_id.as_bytes();
                out.push(0, partition_of(key, partitions), Some(key), record.traceparent, |bytes| codec.encode(&vector, bytes))
            }
        }
    }
}

fn fault(error: codec::Error) -> Error {
    Error::Fatal(error.to_string())
}

impl Task for HopTask {
    fn restore(&mut self, record: &Record<'_>) -> Result<(), Error> {
        match self.decode(record)? {
            HopInput::Event(event) => self.state.restore(&event),
            HopInput::Outcome(outcome) => self.state.restore_outcome(&outcome),
        }
        Ok(())
    }

    fn process(&mut self, record: &Record<'_>, _now: i64, out: &mut Outputs) -> Result<(), Error> {
        match self.decode(record)? {
            HopInput::Event(mut event) => {
                let mut features = std::mem::take(&mut event.features);
                let nulls = self.state.process(&event, &mut features);
                (self.shared.nulls)(nulls);
                event.features = features;
                self.emit(event, record, out).map_err(fault)
            }
            // the evaluator writes it to each hop that it is for, so it is sent on to none
            HopInput::Outcome(outcome) => {
                (self.shared.nulls)(self.state.process_outcome(&outcome));
                Ok(())
            }
        }
    }

    fn tick(&mut self, _now: i64, _out: &mut Outputs) -> Result<(), Error> {
        self.online.tick(&mut self.state);
        Ok(())
    }

    fn checkpoint(&mut self, _delivered: &Delivered) -> Vec<u8> {
        Vec::new()
    }

    fn commit(&mut self, seq: u64, lagging: bool) {
        self.state.commit();
        self.online.committed(&mut self.state, seq, lagging);
    }

    fn abort(&mut self) {
        self.state.abort();
    }
}

#[cfg(test)]
mod tests;
