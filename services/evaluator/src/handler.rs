//! The pure task. in: `<p>.predictions`, `<p>.labels` · out: `<p>.outcomes`, `<p>.rejected`, and the hop input of every
//! entity with a feature on the label.

use crate::checkpoint::{Last, WrittenOutcome, WrittenReject};
use crate::join::{self, Awaiting, Fate, Join, Label, Refusal, Room};
use crate::lanes::Passing;
use crate::ranges::Ranges;
use crate::reasons;
use compact_str::CompactString;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use tidemill_events::codec::{self, AvroSchema, HopCodec, OutcomeCodec, PredictionCodec, RawReader};
use tidemill_events::partition::partition_of;
use tidemill_events::records::{ModelRef, Reject, SourceRecord};
use tidemill_events::{Outcome, PredictionOutcome, Source, Stage, Value, time, wire};
use tidemill_pipeline::Pipeline;
use tidemill_pipeline::learning::Labels;
use tidemill_stream::{Delivered, Error, Outputs, Record, Task, Traceparent};

/// Inputs as [`Record::topic`] tells them; in a restore also what the task itself has written.
pub(crate) const PREDICTIONS: usize = 0;
const LABELS: usize = 1;
pub(crate) const WRITTEN_OUTCOMES: usize = 2;
pub(crate) const WRITTEN_REJECTS: usize = 3;

/// The output topics; the hop inputs follow.
const OUTCOMES: usize = 0;
const REJECTED: usize = 1;
const FIRST_HOP: usize = 2;

/// Most outcomes and rejects that follow from the clocks at a time.
const DUE: usize = 1_000;

/// How much of a rejected record is kept, bytes.
const ORIGINAL: usize = 1024;

/// Where schemas come from.
pub trait Schemas: Send {
    /// The reader of labels written under schema `id` and appended at `appended_at`.
    ///
    /// # Errors
    /// [`Error::Unavailable`] while it cannot be told.
    fn label(&mut self, id: u32, appended_at: i64, now: i64) -> Result<Result<Arc<RawReader>, String>, Error>;

    /// The schema of records that Tidemill writes.
    ///
    /// # Errors
    /// [`Error::Unavailable`] while it cannot be told.
    fn writer(&mut self, id: u32) -> Result<AvroSchema, Error>;
}

/// What the tasks of a pipeline share.
#[derive(Clone)]
pub struct Shared {
    /// The pipeline.
    pub pipeline: Arc<Pipeline>,
    /// How long after its event a label counts, and the label of an event that has none by then.
    pub labels: Labels,
    /// The topic of labels.
    pub topic: CompactString,
    /// The topic of predictions: a default label names the prediction's record as its source.
    pub predictions_topic: CompactString,
    /// Codec of the predictions.
    pub predictions: PredictionCodec,
    /// Codec of the outcomes.
    pub outcomes: OutcomeCodec,
    /// Schema and id of the rejects.
    pub rejected: (AvroSchema, u32),
    /// Position and input codec of every hop with a feature on the label.
    pub hops: Vec<(usize, HopCodec)>,
    /// What may be kept in memory, and where the rest goes.
    pub room: Arc<Room>,
    /// Told the fate of each label: `joined`, or its reason code.
    pub told: Arc<dyn Fn(&'static str) + Send + Sync>,
}

/// The evaluator's join at one partition.
pub struct EvaluatorTask {
    shared: Shared,
    schemas: Box<dyn Schemas>,
    partition: i32,
    join: Join,
    last: Last,
    committed: Last,
    /// While restoring: offsets of the labels that became outcomes or were rejected.
    decided: Ranges,
    /// Most predictions in a row are of one model.
    model: Arc<ModelRef>,
}

fn fault(error: codec::Error) -> Error {
    Error::Fatal(error.to_string())
}

fn disk(error: join::Error) -> Error {
    Error::Fatal(error.to_string())
}

fn not_ours(error: wire::Error) -> Error {
    Error::Fatal(format!("not written by Tidemill: {error}"))
}

/// The trace to link to later. Anybody may write labels, with headers of any length.
fn trace(record: &Record<'_>) -> Option<Box<[u8]>> {
    record.traceparent.filter(|text| text.len() == size_of::<Traceparent>()).map(Box::from)
}

/// Why a record is not a label, or a label is not taken: code and detail.
struct NoLabel(&'static str, String);

impl EvaluatorTask {
    /// The task at `partition` as `checkpoint` says it was, with nothing folded yet.
    ///
    /// # Errors
    /// [`Error::Fatal`] when the checkpoint cannot be read.
    pub fn new(shared: Shared, schemas: Box<dyn Schemas>, partition: i32, checkpoint: &[u8]) -> Result<Self, Error> {
        let last = Last::decode(checkpoint).ok_or_else(|| Error::Fatal(format!("partition {partition}: unreadable offset metadata")))?;
        let join = Join::new(shared.labels.horizon, shared.labels.default.map(|_| shared.pipeline.source.lateness), shared.room.clone());
        Ok(Self { shared, schemas, partition, join, last, committed: last, decided: Ranges::default(), model: Arc::default() })
    }

    /// How far its own outputs go, as committed.
    pub(crate) fn written(&self) -> Last {
        self.committed
    }

    /// A record of a topic to which only Tidemill writes.
    fn written_record<T: DeserializeOwned>(&mut self, record: &Record<'_>) -> Result<T, Error> {
        let (id, datum) = wire::split(record.payload).map_err(not_ours)?;
        self.schemas.writer(id)?.decode(datum).map_err(fault)
    }

    fn prediction(&mut self, record: &Record<'_>) -> Result<(Awaiting, Passing), Error> {
        let (id, datum) = wire::split(record.payload).map_err(not_ours)?;
        let codec = &self.shared.predictions;
        let writer = if id == codec.id() { codec.schema().clone() } else { self.schemas.writer(id)? };
        let prediction = codec.decode(&writer, datum).map_err(fault)?;
        if prediction.model != self.model {
            self.model = prediction.model;
        }
        // an event without the last entity goes by its id, as its record in that hop does
        let last = prediction.entities.last().filter(|key| !key.is_empty()).unwrap_or(&prediction.event_id);
        let task = partition_of(last.as_bytes(), self.shared.pipeline.source.partitions);
        let passing = Passing { lane: (prediction.source.partition, task), appended_at: record.timestamp };
        let awaiting = Awaiting {
            event_id: prediction.event_id,
            event_time: prediction.event_time,
            offset: record.offset,
            entities: prediction.entities.into(),
            score: prediction.score,
            decision: prediction.decision,
            route: prediction.route,
            model: self.model.clone(),
            trace: trace(record),
        };
        Ok((awaiting, passing))
    }

    /// Anybody may write labels, so what is none is told apart from what cannot be told now.
    fn label(&mut self, record: &Record<'_>, now: i64) -> Result<Result<Label, NoLabel>, Error> {
        let (id, datum) = match wire::split(record.payload) {
            Ok(parts) => parts,
            Err(error @ wire::Error::Null) => return Ok(Err(NoLabel(reasons::NULL_PAYLOAD, error.to_string()))),
            Err(error) => return Ok(Err(NoLabel(reasons::NOT_AVRO, error.to_string()))),
        };
        let reader = match self.schemas.label(id, record.timestamp, now)? {
            Ok(reader) => reader,
            Err(why) => return Ok(Err(NoLabel(reasons::UNKNOWN_SCHEMA, why))),
        };
        let row = match reader.decode(datum) {
            Ok(row) => row,
            Err(error) => return Ok(Err(NoLabel(reasons::UNDECODABLE, error.to_string()))),
        };
        let [Value::String(event_id), Value::Double(label), Value::Timestamp(label_time)] = row.as_slice() else {
            return Ok(Err(NoLabel(reasons::UNDECODABLE, "a field is null".into())));
        };
        if !(0.0..=1.0).contains(label) {
            return Ok(Err(NoLabel(reasons::OUT_OF_RANGE, format!("{label} is not between 0 and 1"))));
        }
        if *label_time > record.timestamp.saturating_add(self.shared.pipeline.source.max_future) {
            return Ok(Err(NoLabel(reasons::FUTURE, format!("known at {}, which is to come", time::format_instant(*label_time)))));
        }
        let source = self.source(record);
        let payload = record.payload.unwrap_or_default().into();
        Ok(Ok(Label { event_id: event_id.clone(), label: label + 0.0, label_time: *label_time, source, payload, trace: trace(record) }))
    }

    /// `trace` is that of the event.
    fn settle(&self, fate: &Fate, trace: Option<&[u8]>, now: i64, out: &mut Outputs) -> Result<(), Error> {
        match fate {
            Fate::Joined(prediction, label) => {
                (self.shared.told)("joined");
                self.outcome(prediction, label, trace, out).map_err(fault)
            }
            Fate::Defaulted(prediction) => {
                (self.shared.told)("defaulted");
                self.outcome(prediction, &self.default_label(prediction), trace, out).map_err(fault)
            }
            Fate::Refused(refusal, label) => {
                let (reason, detail) = self.explain(*refusal, label);
                self.reject(NoLabel(reason, detail), Some(label.event_id.as_bytes()), &label.source, &label.payload, now, out)
            }
        }
    }

    /// The default label of `prediction`'s event: known when the horizon was over, by the prediction itself.
    fn default_label(&self, prediction: &Awaiting) -> Label {
        let Labels { horizon, default } = &self.shared.labels;
        let source = Source { topic: self.shared.predictions_topic.clone(), partition: self.partition, offset: prediction.offset };
        let label_time = prediction.event_time.saturating_add(*horizon);
        let event_id = prediction.event_id.clone();
        Label { event_id, label: default.unwrap_or_default(), label_time, source, payload: Box::default(), trace: None }
    }

    fn outcome(&self, prediction: &Awaiting, label: &Label, trace: Option<&[u8]>, out: &mut Outputs) -> Result<(), codec::Error> {
        let Awaiting { event_id, event_time, entities, score, decision, route, model, .. } = prediction;
        // whichever came first: the span of the other, which makes the outcome, links to it
        if let Some(other) = if label.trace.as_ref().map(AsRef::as_ref) == trace { &prediction.trace } else { &label.trace } {
            out.link(other);
        }
        let Label { label, label_time, source, .. } = label;
        let outcome = PredictionOutcome {
            event_id,
            event_time: *event_time,
            source,
            entities,
            label: *label,
            label_time: *label_time,
            score: *score,
            decision,
            route,
            model,
        };
        out.push(OUTCOMES, self.partition, Some(event_id.as_bytes()), trace, |bytes| self.shared.outcomes.encode(&outcome, bytes))?;
        if self.shared.hops.is_empty() {
            return Ok(());
        }
        let outcome = Outcome {
            event_id: event_id.clone(),
            event_time: *event_time,
            source: source.clone(),
            from: Stage { stage: crate::STAGE.into(), partition: self.partition },
            merge_time: *label_time,
            entities: entities.to_vec(),
            fields: vec![Value::Null; self.shared.pipeline.layout.event.fields.len()],
            label: *label,
            label_time: *label_time,
        };
        for (topic, (position, codec)) in self.shared.hops.iter().enumerate() {
            let key = outcome.entities[*position].as_bytes();
            if !key.is_empty() {
                let partition = partition_of(key, self.shared.pipeline.source.partitions);
                out.push(FIRST_HOP + topic, partition, Some(key), trace, |bytes| codec.encode_outcome(&outcome, bytes))?;
            }
        }
        Ok(())
    }

    /// Part of what the clocks have brought about: a label that comes after a long silence may end the wait of very
    /// many events, which are then told with the next records and ticks, and before that label.
    fn due(&mut self, now: i64, out: &mut Outputs) -> Result<(), Error> {
        for _ in 0..DUE {
            let Some(fate) = self.join.due().map_err(disk)? else { break };
            // one that waited is no longer the record at hand: its label's trace goes on
            let trace = if let Fate::Joined(_, label) = &fate { label.trace.as_deref() } else { None };
            self.settle(&fate, trace, now, out)?;
        }
        Ok(())
    }

    fn explain(&self, refusal: Refusal, label: &Label) -> (&'static str, String) {
        let event_id = &label.event_id;
        let horizon = time::format_duration(self.shared.labels.horizon);
        match refusal {
            Refusal::Duplicate => (reasons::DUPLICATE, format!("event {event_id} has the label {} already", label.label)),
            Refusal::Conflict => (reasons::CONFLICT, format!("event {event_id} has another label than {}", label.label)),
            Refusal::Late => {
                let at = time::format_instant(label.label_time);
                (reasons::LATE, format!("known at {at}, more than {horizon} after event {event_id}"))
            }
            Refusal::Defaulted => (reasons::LATE, format!("event {event_id} has the default label already: labels known later were there")),
            Refusal::UnknownEvent => (reasons::UNKNOWN_EVENT, format!("no event {event_id} was predicted within {horizon}")),
        }
    }

    fn source(&self, record: &Record<'_>) -> Source {
        Source { topic: self.shared.topic.clone(), partition: record.partition, offset: record.offset }
    }

    fn reject(
        &self,
        NoLabel(reason, detail): NoLabel,
        key: Option<&[u8]>,
        source: &Source,
        payload: &[u8],
        now: i64,
        out: &mut Outputs,
    ) -> Result<(), Error> {
        let reject = Reject {
            source: SourceRecord { topic: source.topic.clone(), partition: source.partition, offset: source.offset },
            reason: reason.to_owned(),
            detail,
            sha256: hex::encode(Sha256::digest(payload)),
            original: payload[..payload.len().min(ORIGINAL)].to_vec(),
            rejected_at: now,
        };
        let (schema, id) = &self.shared.rejected;
        (self.shared.told)(reason);
        out.push(REJECTED, self.partition, key, None, |bytes| schema.encode(*id, &reject, bytes)).map_err(fault)
    }
}

impl Task for EvaluatorTask {
    fn restore(&mut self, record: &Record<'_>) -> Result<(), Error> {
        self.join.make_room().map_err(disk)?;
        match record.topic {
            WRITTEN_OUTCOMES => {
                let written: WrittenOutcome = self.written_record(record)?;
                if written.source.topic == self.shared.topic {
                    self.decided.insert(written.source.offset);
                    self.join.restore_outcome(&written.event_id, written.label, written.event_time, written.label_time);
                } else {
                    self.join.restore_defaulted(&written.event_id, written.event_time);
                }
            }
            WRITTEN_REJECTS => {
                // those of events are the validator's
                let WrittenReject { source } = self.written_record(record)?;
                if source.topic == self.shared.topic {
                    self.decided.insert(source.offset);
                }
            }
            PREDICTIONS => {
                let (prediction, passing) = self.prediction(record)?;
                self.join.restore_prediction(prediction, passing).map_err(disk)?;
            }
            _ if self.decided.contains(record.offset) => {}
            _ => {
                if let Ok(label) = self.label(record, record.timestamp)? {
                    self.join.restore_label(label).map_err(disk)?;
                }
            }
        }
        Ok(())
    }

    fn process(&mut self, record: &Record<'_>, now: i64, out: &mut Outputs) -> Result<(), Error> {
        self.join.restored().map_err(disk)?;
        self.decided = Ranges::default();
        self.join.make_room().map_err(disk)?;
        let fate = if record.topic == PREDICTIONS {
            let (prediction, passing) = self.prediction(record)?;
            self.join.predicted(prediction, passing)
        } else {
            match self.label(record, now)? {
                Ok(label) => self.join.labelled(label),
                Err(why) => {
                    let source = self.source(record);
                    return self.reject(why, record.key, &source, record.payload.unwrap_or_default(), now, out);
                }
            }
        };
        if let Some(fate) = fate.map_err(disk)? {
            self.settle(&fate, record.traceparent, now, out)?;
        }
        self.due(now, out)
    }

    fn tick(&mut self, now: i64, out: &mut Outputs) -> Result<(), Error> {
        self.join.restored().map_err(disk)?;
        self.due(now, out)
    }

    fn ahead(&mut self) -> Option<usize> {
        self.join.labels_are_ahead().then_some(LABELS)
    }

    fn checkpoint(&mut self, delivered: &Delivered) -> Vec<u8> {
        self.last.outcome = delivered.last(OUTCOMES, self.partition).or(self.last.outcome);
        self.last.reject = delivered.last(REJECTED, self.partition).or(self.last.reject);
        self.last.encode()
    }

    fn commit(&mut self, _seq: u64, _lagging: bool) {
        self.committed = self.last;
        self.join.commit();
    }

    fn abort(&mut self) {
        self.last = self.committed;
        self.join.abort();
    }
}

#[cfg(test)]
mod tests;
