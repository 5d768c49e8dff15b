//! The pure task. in: `<p>.features` · out: `<p>.predictions`.

use crate::in_force::InForce;
use crate::newest::Newest;
use compact_str::CompactString;
use std::sync::Arc;
use tidemill_events::codec::{AvroSchema, PredictionCodec, VectorCodec};
use tidemill_events::partition::partition_of;
use tidemill_events::{Prediction, Vector, wire};
use tidemill_pipeline::Pipeline;
use tidemill_stream::{Delivered, Error, Outputs, Record, Task};
use tokio::sync::watch;

/// A writer schema by id.
pub type Writers = Box<dyn FnMut(u32) -> Result<AvroSchema, Error> + Send>;

/// The route of every prediction, until a pipeline has more than one.
pub(crate) const ROUTE: &str = "default";

/// What the tasks of a pipeline share.
#[derive(Clone)]
pub struct Shared {
    /// The pipeline.
    pub pipeline: Arc<Pipeline>,
    /// What is deployed.
    pub newest: watch::Receiver<Newest>,
    /// Codec of the input.
    pub vectors: VectorCodec,
    /// Codec of the output.
    pub predictions: PredictionCodec,
    /// Called for each vector that could not be scored.
    pub unscored: Arc<dyn Fn() + Send + Sync>,
}

/// The predictor at one partition of `<p>.features`: it keeps nothing between records but which model is in force.
pub struct PredictorTask {
    shared: Shared,
    writers: Writers,
    in_force: InForce,
    /// Nothing has been predicted in the present transaction yet.
    fresh: bool,
}

impl PredictorTask {
    /// The task, as `task_bytes` of the offset metadata say.
    ///
    /// # Errors
    /// [`Error::Fatal`] when they say something else.
    pub fn new(shared: Shared, writers: Writers, task_bytes: &[u8]) -> Result<Self, Error> {
        let in_force = InForce::new(shared.pipeline.clone(), shared.newest.clone(), task_bytes)?;
        Ok(Self { shared, writers, in_force, fresh: true })
    }

    fn predict(&mut self, vector: Vector, now: i64) -> Result<Prediction, Error> {
        if self.fresh {
            self.in_force.adopt()?;
            self.fresh = false;
        }
        let scorer = self.in_force.scorer().ok_or_else(|| Error::Fatal("no model was adopted".into()))?;
        let scored = scorer.score(&vector.features);
        if scored.score.is_nan() {
            (self.shared.unscored)();
        }
        Ok(Prediction {
            event_id: vector.event_id,
            event_time: vector.event_time,
            source: vector.source,
            ingested_at: vector.ingested_at,
            entities: vector.entities,
            route: CompactString::const_new(ROUTE),
            model: scorer.model().clone(),
            score: scored.score,
            decision: scored.decision,
            reasons: scored.reasons,
            predicted_at: now,
        })
    }
}

impl Task for PredictorTask {
    fn restore(&mut self, _record: &Record<'_>) -> Result<(), Error> {
        Ok(())
    }

    fn process(&mut self, record: &Record<'_>, now: i64, out: &mut Outputs) -> Result<(), Error> {
        let (id, datum) = wire::split(record.payload).map_err(|e| Error::Fatal(format!("not written by Tidemill: {e}")))?;
        let vectors = &self.shared.vectors;
        let writer = if id == vectors.id() { vectors.schema().clone() } else { (self.writers)(id)? };
        let vector = vectors.decode(&writer, datum).map_err(|e| Error::Fatal(e.to_string()))?;
        let prediction = self.predict(vector, now)?;
        let key = prediction.event_id.as_bytes();
        out.push(0, partition_of(key, self.shared.pipeline.source.partitions), Some(key), record.traceparent, |bytes| {
            self.shared.predictions.encode(&prediction, bytes)
        })
        .map_err(|e| Error::Fatal(e.to_string()))
    }

    fn tick(&mut self, _now: i64, _out: &mut Outputs) -> Result<(), Error> {
        Ok(())
    }

    fn checkpoint(&mut self, _delivered: &Delivered) -> Vec<u8> {
        self.in_force.checkpoint()
    }

    fn commit(&mut self, _seq: u64, _lagging: bool) {
        self.fresh = true;
    }

    fn abort(&mut self) {
        self.fresh = true;
    }
}
