//! `tidemill.pipelines`: what is applied, read once, followed, and written by `tidemill apply`.

mod follower;
mod publisher;

pub use follower::{Applied, Follower};
pub use publisher::Publisher;

use crate::admin::Admin;
use crate::reader::{self, Isolation, Scan};
use crate::registry::{self, Blocking};
use std::collections::{BTreeMap, HashMap};
use tidemill_events::codec::{self, AvroSchema};
use tidemill_events::records::Pipeline;
use tidemill_events::topics::Control;
use tidemill_events::wire;

/// Why the control topic could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It could not be read.
    #[error(transparent)]
    Read(#[from] reader::Error),
    /// The registry did not tell a schema.
    #[error(transparent)]
    Registry(#[from] registry::Error),
    /// A record on it is not what it must be.
    #[error("offset {offset} of {topic} is not a pipeline: {why}", topic = Control::Pipelines.name())]
    Record {
        /// Its offset.
        offset: i64,
        /// What is wrong.
        why: String,
    },
    /// The record could not be encoded.
    #[error(transparent)]
    Encode(#[from] codec::Error),
    /// The client refused, or the broker did.
    #[error("could not {doing}: {source}")]
    Kafka {
        /// What was under way.
        doing: &'static str,
        /// The client's word.
        source: rdkafka::error::KafkaError,
    },
    /// Another apply of the same pipeline took over.
    #[error(
        "pipeline {0} was applied by someone else at the same time, and nothing of this apply was written: look at what is applied now, then apply again"
    )]
    Raced(String),
}

/// The pipelines that are applied now, by name; none where nothing was ever applied.
///
/// # Errors
/// [`Error::Read`], [`Error::Registry`], [`Error::Record`].
pub fn applied(brokers: &str, registry: &Blocking) -> Result<BTreeMap<String, Pipeline>, Error> {
    let mut decoder = Decoder::new(registry.clone());
    let mut applied = BTreeMap::new();
    if Admin::new(brokers).and_then(|admin| admin.partitions(Control::Pipelines.name())).map_err(reader::Error::from)?.is_none() {
        return Ok(applied);
    }
    let mut scan = Scan::new(brokers, Control::Pipelines.name(), &[(0, 0)], Isolation::ReadCommitted)?;
    while let Some(record) = scan.next()? {
        match decoder.decode(record.offset(), record.key(), record.payload())? {
            Change::Applied(pipeline) => applied.insert(pipeline.pipeline.clone(), pipeline),
            Change::Removed(name) => applied.remove(&name),
        };
    }
    Ok(applied)
}

/// What a record of the control topic says.
enum Change {
    Applied(Pipeline),
    Removed(String),
}

/// Decodes records by the schema they were written under, which the registry knows.
struct Decoder {
    registry: Blocking,
    writers: HashMap<u32, AvroSchema>,
}

impl Decoder {
    fn new(registry: Blocking) -> Self {
        Self { registry, writers: HashMap::new() }
    }

    fn decode(&mut self, offset: i64, key: Option<&[u8]>, payload: Option<&[u8]>) -> Result<Change, Error> {
        let fault = |why: String| Error::Record { offset, why };
        if payload.is_none() {
            let key = key.and_then(|k| std::str::from_utf8(k).ok()).ok_or_else(|| fault("neither key nor value".into()))?;
            return Ok(Change::Removed(key.to_owned()));
        }
        let (id, datum) = wire::split(payload).map_err(|e| fault(e.to_string()))?;
        if !self.writers.contains_key(&id) {
            let schema = self.registry.schema(id)?;
            self.writers.insert(id, AvroSchema::parse(&schema).map_err(|e| fault(e.to_string()))?);
        }
        let pipeline: Pipeline = self.writers[&id].decode(datum).map_err(|e| fault(e.to_string()))?;
        if key != Some(pipeline.pipeline.as_bytes()) {
            return Err(fault(format!("its key is not its pipeline's name `{}`", pipeline.pipeline)));
        }
        Ok(Change::Applied(pipeline))
    }
}

#[cfg(test)]
mod tests;
