//! Readers of what a stranger wrote, by schema id.

use std::collections::HashMap;
use std::sync::Arc;
use tidemill_events::RecordSchema;
use tidemill_events::codec::RawReader;
use tidemill_kafka::registry::{self, Blocking};
use tidemill_stream::Error;

/// A reader, or why there is none.
pub(crate) type Reader = Result<Arc<RawReader>, String>;

/// Where readers come from.
pub(crate) trait Readers: Send {
    /// The reader of records written under schema `id`, at wall clock `now`.
    ///
    /// # Errors
    /// [`Error::Unavailable`] while it cannot be told.
    fn reader(&mut self, id: u32, now: i64) -> Result<Reader, Error>;
}

/// Asks the registry. What an id stands for never changes, so what it told is kept; that it does not know an id is kept
/// for one turn of the loop only: the schema may be registered next. (A producer registers before it writes, so the
/// answer is final for what is at hand, and a flood of one unknown id costs one question a turn.)
pub(crate) struct RegistryReaders {
    registry: Blocking,
    event: RecordSchema,
    known: HashMap<u32, Reader>,
    unknown: HashMap<u32, String>,
    /// The turn of `unknown`, by its wall clock.
    turn: i64,
}

impl RegistryReaders {
    /// Readers into `event`.
    pub(crate) fn new(registry: Blocking, event: RecordSchema) -> Self {
        Self { registry, event, known: HashMap::new(), unknown: HashMap::new(), turn: i64::MIN }
    }
}

impl Readers for RegistryReaders {
    fn reader(&mut self, id: u32, now: i64) -> Result<Reader, Error> {
        if let Some(known) = self.known.get(&id) {
            return Ok(known.clone());
        }
        if self.turn != now {
            self.turn = now;
            self.unknown.clear();
        }
        if let Some(why) = self.unknown.get(&id) {
            return Ok(Err(why.clone()));
        }
        match self.registry.schema(id) {
            Ok(text) => {
                let reader = RawReader::resolving(&text, &self.event).map(Arc::new);
                let reader = reader.map_err(|e| format!("schema id {id} does not resolve into the pipeline's event schema: {e}"));
                self.known.insert(id, reader.clone());
                Ok(reader)
            }
            Err(error) if error.is_retriable() => Err(Error::Unavailable(error.to_string())),
            Err(error) => {
                let why = match error {
                    registry::Error::NotFound { .. } => format!("the schema registry knows no schema id {id}"),
                    other => format!("schema id {id}: {other}"),
                };
                self.unknown.insert(id, why.clone());
                Ok(Err(why))
            }
        }
    }
}
