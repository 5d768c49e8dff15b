//! The pure task. in: `<p>.raw` · out: `<p>.valid`, `<p>.rejected`, `<p>.quality`.

use crate::checkpoint::Checkpoint;
use crate::seen::Seen;
use crate::verdict::{Reason, check, reasons};
use compact_str::CompactString;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use tidemill_events::codec::{self, AvroSchema, HopCodec, RawReader};
use tidemill_events::records::{Reject, SourceRecord};
use tidemill_events::topics::PerPipeline;
use tidemill_events::{Event, HopInput, Layout, Source, Stage, Value, time, wire};
use tidemill_pipeline::Pipeline;
use tidemill_service::http::is_sampled_traceparent;
use tidemill_stream::{Delivered, Error, Outputs, Record, Task};

/// The output topics, in the order of the indices below.
pub(crate) const OUTPUTS: [PerPipeline; 3] = [PerPipeline::Valid, PerPipeline::Rejected, PerPipeline::Quality];
const VALID: usize = 0;
const REJECTED: usize = 1;
const QUALITY: usize = 2;

/// How much of a rejected record is kept, bytes.
const ORIGINAL: usize = 1024;

/// A reader of raw records of one schema, or why there is none.
pub type Reader = Result<Arc<RawReader>, String>;

/// Where schemas come from.
pub trait RawSource: Send {
    /// The reader of raw records written under schema `id` and appended at `appended_at`.
    ///
    /// # Errors
    /// [`Error::Unavailable`] while it cannot be told.
    fn raw(&mut self, id: u32, appended_at: i64, now: i64) -> Result<Reader, Error>;

    /// The schema of records on `<p>.valid`.
    ///
    /// # Errors
    /// [`Error::Unavailable`] while it cannot be told.
    fn writer(&mut self, id: u32) -> Result<AvroSchema, Error>;
}

/// What is written, and under which ids.
#[derive(Clone)]
pub struct Codecs {
    pub(crate) valid: HopCodec,
    rejected: (AvroSchema, u32),
    quality: (AvroSchema, u32),
}

impl Codecs {
    /// The codecs of a layout whose schemas have these ids.
    ///
    /// # Errors
    /// [`Error::Fatal`], which would be a fault in `schemas/`.
    pub fn new(layout: &Layout, valid: u32, rejected: u32, quality: u32) -> Result<Self, Error> {
        let parse = |topic, id| AvroSchema::parse(&layout.avro(topic)).map(|schema| (schema, id)).map_err(fault);
        Ok(Self {
            valid: HopCodec::new(layout, 0, valid).map_err(fault)?,
            rejected: parse(PerPipeline::Rejected, rejected)?,
            quality: parse(PerPipeline::Quality, quality)?,
        })
    }
}

/// The trace to go on with. Anybody may write to the raw topic: a forged header must not join an event to somebody's trace.
fn trace<'a>(record: &Record<'a>) -> Option<&'a [u8]> {
    record.traceparent.filter(|text| std::str::from_utf8(text).is_ok_and(is_sampled_traceparent))
}

fn fault(error: codec::Error) -> Error {
    Error::Fatal(error.to_string())
}

/// The validator at one raw partition.
pub struct ValidatorTask {
    pipeline: Arc<Pipeline>,
    codecs: Codecs,
    source: Box<dyn RawSource>,
    topic: CompactString,
    partition: i32,
    seen: Seen,
    now: Checkpoint,
    committed: Checkpoint,
}

impl ValidatorTask {
    /// The task as `checkpoint` says it was.
    ///
    /// # Errors
    /// [`Error::Fatal`] when the checkpoint cannot be read.
    pub fn new(
        pipeline: Arc<Pipeline>,
        codecs: Codecs,
        source: Box<dyn RawSource>,
        partition: i32,
        checkpoint: &[u8],
    ) -> Result<Self, Error> {
        let checkpoint =
            Checkpoint::decode(checkpoint).ok_or_else(|| Error::Fatal(format!("partition {partition}: unreadable offset metadata")))?;
        Ok(Self {
            topic: PerPipeline::Raw.name(&pipeline.name, &pipeline.layout.entities).into(),
            seen: Seen::new(pipeline.source.dedupe),
            now: checkpoint.clone(),
            committed: checkpoint,
            pipeline,
            codecs,
            source,
            partition,
        })
    }

    /// Offset of the last record written to `<p>.valid` in this partition.
    pub(crate) fn last_valid(&self) -> Option<i64> {
        self.committed.last_valid
    }

    /// The row in a raw record, and how it is named in rejects if it is none.
    fn decode(&mut self, record: &Record<'_>, now: i64) -> Result<Result<Vec<Value>, Reason>, Error> {
        let (id, datum) = match wire::split(record.payload) {
            Ok(parts) => parts,
            Err(wire::Error::Null) => return Ok(Err(Reason::new(reasons::NULL_PAYLOAD, wire::Error::Null.to_string()))),
            Err(error) => return Ok(Err(Reason::new(reasons::NOT_AVRO, error.to_string()))),
        };
        Ok(match self.source.raw(id, record.timestamp, now)? {
            Err(why) => Err(Reason::new(reasons::UNKNOWN_SCHEMA, why)),
            Ok(reader) => reader.decode(datum).map_err(|error| Reason::new(reasons::UNDECODABLE, error.to_string())),
        })
    }

    /// The event in a row, if it is valid now.
    fn judge(&self, row: Vec<Value>, record: &Record<'_>) -> Result<Event, Reason> {
        let stamp = check(&self.pipeline, &row, record.timestamp)?;
        let before = self.now.merge_time.unwrap_or(stamp.time);
        let merge_time = before.max(stamp.time);
        // before lateness: an event that is sent again, late, is not lost
        if self.seen.find(&stamp.id, merge_time).is_some() {
            let window = time::format_duration(self.pipeline.source.dedupe);
            return Err(Reason::new(reasons::DUPLICATE, format!("id {} was valid already, less than {window} before", stamp.id)));
        }
        if stamp.time < before - self.pipeline.source.lateness {
            let (at, limit) = (time::format_instant(before), time::format_duration(self.pipeline.source.lateness));
            return Err(Reason::new(
                reasons::LATE,
                format!("event time {} is more than {limit} before {at}", time::format_instant(stamp.time)),
            ));
        }
        Ok(Event {
            event_id: stamp.id,
            event_time: stamp.time,
            source: Source { topic: self.topic.clone(), partition: record.partition, offset: record.offset },
            ingested_at: record.timestamp,
            from: Stage { stage: crate::STAGE.into(), partition: self.partition },
            merge_time,
            entities: self.pipeline.hops.iter().map(|hop| hop.key_of(&row)).collect(),
            fields: row,
            features: Vec::new(),
        })
    }

    fn accept(&mut self, event: Event, record: &Record<'_>, now: i64, out: &mut Outputs) -> Result<(), codec::Error> {
        let key = event.entities.first().filter(|key| !key.is_empty()).unwrap_or(&event.event_id);
        out.push(VALID, record.partition, Some(key.as_bytes()), trace(record), |bytes| self.codecs.valid.encode_event(&event, bytes))?;
        self.now.minute.count_valid(now, self.now.merge_time.is_none_or(|before| event.event_time >= before));
        self.now.merge_time = Some(event.merge_time);
        self.seen.add(event.event_id, event.merge_time);
        Ok(())
    }

    fn reject(&mut self, reason: Reason, record: &Record<'_>, now: i64, out: &mut Outputs) -> Result<(), Error> {
        let payload = record.payload.unwrap_or_default();
        let reject = Reject {
            source: SourceRecord { topic: self.topic.clone(), partition: record.partition, offset: record.offset },
            reason: reason.code.to_string(),
            detail: reason.detail,
            sha256: hex::encode(Sha256::digest(payload)),
            original: payload[..payload.len().min(ORIGINAL)].to_vec(),
            rejected_at: now,
        };
        let (schema, id) = &self.codecs.rejected;
        out.push(REJECTED, record.partition, record.key, trace(record), |bytes| schema.encode(*id, &reject, bytes)).map_err(fault)?;
        self.now.minute.count_rejected(now, &reason.code);
        Ok(())
    }
}

impl Task for ValidatorTask {
    /// Takes up an id that this task has found valid before; the record is one of `<p>.valid`.
    fn restore(&mut self, record: &Record<'_>) -> Result<(), Error> {
        let (id, datum) = wire::split(record.payload).map_err(|e| Error::Fatal(e.to_string()))?;
        let writer = self.source.writer(id)?;
        match self.codecs.valid.decode(&writer, datum).map_err(fault)? {
            HopInput::Event(event) => {
                self.seen.add(event.event_id, event.merge_time);
                self.seen.commit();
            }
            // outcomes are the evaluator's
            HopInput::Outcome(_) => {}
        }
        Ok(())
    }

    fn process(&mut self, record: &Record<'_>, now: i64, out: &mut Outputs) -> Result<(), Error> {
        let judged = self.decode(record, now)?.and_then(|row| self.judge(row, record));
        let reason = match judged {
            Ok(event) => match self.accept(event, record, now, out) {
                Ok(()) => return Ok(()),
                // say, an enum symbol that a newer event schema no longer has
                Err(error) => Reason::new(reasons::UNDECODABLE, error.to_string()),
            },
            Err(reason) => reason,
        };
        self.reject(reason, record, now, out)
    }

    fn tick(&mut self, now: i64, out: &mut Outputs) -> Result<(), Error> {
        if let Some(quality) = self.now.minute.close(now, self.partition, self.now.merge_time) {
            let (schema, id) = &self.codecs.quality;
            out.push(QUALITY, self.partition, None, None, |bytes| schema.encode(*id, &quality, bytes)).map_err(fault)?;
        }
        Ok(())
    }

    fn checkpoint(&mut self, delivered: &Delivered) -> Vec<u8> {
        if let Some(offset) = delivered.last(VALID, self.partition) {
            self.now.last_valid = Some(offset);
        }
        self.now.encode()
    }

    fn commit(&mut self, _seq: u64, _lagging: bool) {
        self.committed.clone_from(&self.now);
        self.seen.commit();
    }

    fn abort(&mut self) {
        self.now.clone_from(&self.committed);
        self.seen.abort();
    }
}

#[cfg(test)]
mod tests;
