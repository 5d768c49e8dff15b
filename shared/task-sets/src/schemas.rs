//! Writer schemas by id, from the registry, as the stages ask for them.

use std::collections::HashMap;
use std::sync::Arc;
use tidemill_events::codec::{AvroSchema, RawReader};
use tidemill_events::layout::control_avro;
use tidemill_events::topics::{Control, PerPipeline, subject};
use tidemill_events::{Layout, RecordSchema};
use tidemill_kafka::registry::{self, Blocking};
use tidemill_stream::Error;

/// Schemas of the topics that only Tidemill writes.
pub struct WriterSchemas {
    registry: Blocking,
    known: HashMap<u32, AvroSchema>,
}

impl WriterSchemas {
    /// Starts with what this process knows itself; asks `registry` for the rest.
    #[must_use]
    pub fn new(registry: Blocking, own: impl IntoIterator<Item = (u32, AvroSchema)>) -> Self {
        Self { registry, known: own.into_iter().collect() }
    }

    /// The schema with this id.
    ///
    /// # Errors
    /// [`Error::Unavailable`] while the registry is away; [`Error::Fatal`] for an id that it does not
    /// know: somebody else writes to this topic.
    pub fn get(&mut self, id: u32) -> Result<AvroSchema, Error> {
        if let Some(known) = self.known.get(&id) {
            return Ok(known.clone());
        }
        let text = self.registry.schema(id).map_err(|e| error(&e))?;
        let schema = AvroSchema::parse(&text).map_err(|e| Error::Fatal(format!("schema id {id}: {e}")))?;
        self.known.insert(id, schema.clone());
        Ok(schema)
    }
}

/// A writer schema by id.
pub type Writers = Box<dyn FnMut(u32) -> Result<AvroSchema, Error> + Send>;

/// [`WriterSchemas::get`], starting with what this process knows itself: a codec reads faster what has the schema that it
/// gave out.
#[must_use]
pub fn writers(registry: &Blocking, own: impl IntoIterator<Item = (u32, AvroSchema)>) -> Writers {
    let mut schemas = WriterSchemas::new(registry.clone(), own);
    Box::new(move |id| schemas.get(id))
}

/// Readers of a raw topic, to which anybody may write.
pub struct RawSchemas {
    registry: Blocking,
    subject: String,
    event: RecordSchema,
    known: HashMap<u32, Arc<RawReader>>,
    /// Append time up to which the registry's list is known to be complete, microseconds since 1970.
    listed_at: i64,
}

impl RawSchemas {
    /// Readers into `event` of what is written under the schemas of `subject`.
    #[must_use]
    pub fn new(registry: Blocking, subject: String, event: RecordSchema) -> Self {
        Self { registry, subject, event, known: HashMap::new(), listed_at: i64::MIN }
    }

    /// The reader of records written under schema `id`; `Ok(Err(why))` when such a record can only be
    /// rejected. An id is judged by a list that is newer than the record (a producer registers first), so
    /// a flood of unknown ids costs one question to the registry per batch. Both clocks are taken to
    /// agree to within the time between registering and producing.
    ///
    /// # Errors
    /// [`Error::Unavailable`] while the registry is away.
    pub fn get(&mut self, id: u32, appended_at: i64, now: i64) -> Result<Result<Arc<RawReader>, String>, Error> {
        if let Some(reader) = self.known.get(&id) {
            return Ok(Ok(reader.clone()));
        }
        let ids = if appended_at < self.listed_at {
            self.registry.ids_of(&self.subject).map_err(|e| error(&e))?
        } else {
            let fresh = self.registry.fetch_ids_of(&self.subject).map_err(|e| error(&e))?;
            self.listed_at = now;
            fresh
        };
        if !ids.contains(&id) {
            return Ok(Err(format!("schema id {id} is not one of subject {}", self.subject)));
        }
        let text = self.registry.schema(id).map_err(|e| error(&e))?;
        match RawReader::new(&text, &self.event) {
            Ok(reader) => {
                let reader = Arc::new(reader);
                self.known.insert(id, reader.clone());
                Ok(Ok(reader))
            }
            Err(e) => Ok(Err(format!("schema id {id} does not fit the pipeline's event schema: {e}"))),
        }
    }
}

fn error(error: &registry::Error) -> Error {
    if error.is_retriable() { Error::Unavailable(error.to_string()) } else { Error::Fatal(error.to_string()) }
}

/// The id under which `apply` registered the schema of a pipeline's topic.
///
/// # Errors
/// [`Error::Unavailable`] while the registry is away; [`Error::Fatal`] when it is not registered.
pub fn lookup(registry: &Blocking, layout: &Layout, topic: PerPipeline) -> Result<u32, Error> {
    registry.lookup(&subject(&topic.name(&layout.pipeline, &layout.entities)), &layout.avro(topic)).map_err(|e| error(&e))
}

/// The schema of the records of a pipeline's topic, and the id under which `apply` registered it.
///
/// # Errors
/// As [`lookup`].
pub fn topic_schema(registry: &Blocking, layout: &Layout, topic: PerPipeline) -> Result<(AvroSchema, u32), Error> {
    let schema = AvroSchema::parse(&layout.avro(topic)).map_err(|e| Error::Fatal(e.to_string()))?;
    Ok((schema, lookup(registry, layout, topic)?))
}

/// The schema of a control topic's records, and the id under which `apply` registered it.
///
/// # Errors
/// [`Error::Unavailable`] while the registry is away, or does not know it yet: the first apply is under way, or was made by
/// an older version.
pub fn control_schema(registry: &Blocking, topic: Control) -> Result<(AvroSchema, u32), Error> {
    let text = control_avro(topic);
    let id = registry.lookup(&subject(topic.name()), text).map_err(|e| Error::Unavailable(e.to_string()))?;
    Ok((AvroSchema::parse(text).map_err(|e| Error::Fatal(e.to_string()))?, id))
}
