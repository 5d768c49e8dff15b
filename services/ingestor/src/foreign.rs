//! The pure task at an upstream's own topic. in: `source.topic` · out: `<p>.raw` (key: first entity), `<p>.rejected`.
//!
//! Every record of the upstream's becomes one raw record, or one reject if it cannot be one; which, and how far the
//! topic is done, is one transaction. The raw record says in a header where it came from. Whether the event is valid,
//! or was there before, is the validator's to say.

mod schemas;
mod stage;

pub(crate) use schemas::{Readers, RegistryReaders};
pub(crate) use stage::task_set;

use crate::intake::{Intake, Ready, Refusal};
use crate::meters::Counted;
use axum::http::StatusCode;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use tidemill_events::codec::AvroSchema;
use tidemill_events::origin::Origin;
use tidemill_events::records::{Reject, SourceRecord};
use tidemill_events::topics::PerPipeline;
use tidemill_events::wire;
use tidemill_pipeline::{Format, Upstream};
use tidemill_service::http::is_sampled_traceparent;
use tidemill_stream::{Delivered, Error, Outputs, Record, Task};

/// The output topics, in the order of the indices below.
const OUTPUTS: [PerPipeline; 2] = [PerPipeline::Raw, PerPipeline::Rejected];
const RAW: usize = 0;
const REJECTED: usize = 1;

/// How much of a rejected record is kept, bytes.
const ORIGINAL: usize = 1024;
/// Longest key of the upstream's that its reject keeps, bytes.
const LONGEST_KEY: usize = 1024;
/// Largest raw record, key and value, bytes: what a producer may send (1,000,000), and room for the envelope that the
/// next topics put around it. An upstream's broker may take larger ones, and one that cannot be sent would stop the rest.
const LARGEST: usize = 900 << 10;

/// What all partitions' tasks share.
pub(crate) struct Shared {
    pub(crate) upstream: Upstream,
    pub(crate) intake: Arc<Intake>,
    /// Of `<p>.rejected`, and its id.
    pub(crate) rejected: (AvroSchema, u32),
    /// Partitions of the pipeline's topics.
    pub(crate) partitions: u32,
}

/// The task at one partition of the upstream's topic.
pub(crate) struct ForeignTask {
    shared: Arc<Shared>,
    readers: Box<dyn Readers>,
    counted: Counted,
    payload: Vec<u8>,
    origin: String,
}

impl ForeignTask {
    pub(crate) fn new(shared: Arc<Shared>, readers: Box<dyn Readers>, counted: Counted) -> Self {
        Self { shared, readers, counted, payload: Vec::new(), origin: String::new() }
    }

    /// Puts the raw record that `record` becomes into the payload, or says why it becomes none.
    fn read(&mut self, record: &Record<'_>, now: i64) -> Result<Result<Ready, Refusal>, Error> {
        let Shared { upstream, intake, .. } = &*self.shared;
        let read = match upstream.format {
            Format::Json => match record.payload {
                None => Err(refuse("null_payload", wire::Error::Null.to_string())),
                Some(json) => intake.prepare(json, &mut self.payload),
            },
            Format::Avro => match wire::split(record.payload) {
                Err(error @ wire::Error::Null) => Err(refuse("null_payload", error.to_string())),
                Err(error) => Err(refuse("not_avro", error.to_string())),
                Ok((id, datum)) => match self.readers.reader(id, now)? {
                    Err(why) => Err(refuse("unknown_schema", why)),
                    Ok(reader) => match reader.decode(datum) {
                        Err(error) => Err(refuse("undecodable", error.to_string())),
                        Ok(row) => intake.admit(&row, &mut self.payload),
                    },
                },
            },
        };
        Ok(read.and_then(|ready| {
            let size = self.payload.len() + ready.key.len();
            let message = || format!("{size} bytes as a raw record: {LARGEST} are possible");
            if size > LARGEST { Err(refuse("too_large", message())) } else { Ok(ready) }
        }))
    }

    fn reject(&mut self, refusal: Refusal, record: &Record<'_>, now: i64, out: &mut Outputs) -> Result<(), Error> {
        let Shared { upstream, rejected: (schema, id), partitions, .. } = &*self.shared;
        let payload = record.payload.unwrap_or_default();
        let reject = Reject {
            source: SourceRecord { topic: upstream.topic.as_str().into(), partition: record.partition, offset: record.offset },
            reason: refusal.code.to_owned(),
            detail: refusal.message,
            sha256: hex::encode(Sha256::digest(payload)),
            original: payload[..payload.len().min(ORIGINAL)].to_vec(),
            rejected_at: now,
        };
        // one partition of the upstream's goes to one of ours, in its order
        let partition = record.partition % i32::try_from(*partitions).unwrap_or(i32::MAX).max(1);
        let key = record.key.filter(|key| key.len() <= LONGEST_KEY);
        let written = out.push(REJECTED, partition, key, trace(record), |bytes| schema.encode(*id, &reject, bytes));
        self.counted.add(refusal.code);
        written.map_err(|error| Error::Fatal(error.to_string()))
    }
}

/// The trace to go on with; the upstream's header may be anything.
fn trace<'a>(record: &Record<'a>) -> Option<&'a [u8]> {
    record.traceparent.filter(|text| str::from_utf8(text).is_ok_and(is_sampled_traceparent))
}

/// A refusal as the intake has them; nobody sees the status.
fn refuse(code: &'static str, message: String) -> Refusal {
    Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, code, message)
}

impl Task for ForeignTask {
    /// There is no state: what is done is told by the offset.
    fn restore(&mut self, _record: &Record<'_>) -> Result<(), Error> {
        Ok(())
    }

    fn process(&mut self, record: &Record<'_>, now: i64, out: &mut Outputs) -> Result<(), Error> {
        let ready = match self.read(record, now)? {
            Ok(ready) => ready,
            Err(refusal) => return self.reject(refusal, record, now, out),
        };
        let pushed = out.push(RAW, ready.partition, Some(ready.key.as_bytes()), trace(record), |bytes| {
            bytes.extend_from_slice(&self.payload);
            Ok::<(), Error>(())
        });
        Origin { topic: &self.shared.upstream.topic, partition: record.partition, offset: record.offset }.write(&mut self.origin);
        out.set_origin(self.origin.as_bytes());
        self.counted.add("accepted");
        pushed
    }

    fn tick(&mut self, _now: i64, _out: &mut Outputs) -> Result<(), Error> {
        Ok(())
    }

    fn checkpoint(&mut self, _delivered: &Delivered) -> Vec<u8> {
        Vec::new()
    }

    fn commit(&mut self, _seq: u64, _lagging: bool) {
        self.counted.commit();
    }

    fn abort(&mut self) {
        self.counted.abort();
    }
}

#[cfg(test)]
mod tests;
