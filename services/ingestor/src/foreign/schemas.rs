//! Readers of what a stranger wrote, by schema id.

use std::collections::HashMap;
use std::sync::Arc;
use tidemill_events::RecordSchema;
use tidemill_events::codec::RawReader;
use tidemill_kafka::registry::{self, Blocking};
use tidemill_stream::Error;

/// A reader, or why there is none.
pub(crate) type Reader = Result<Arc<RawReader>, String>;

/// Ids are Java's positive ints in every registry of this interface.
const LARGEST_ID: u32 = i32::MAX as u32;

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
        if id > LARGEST_ID {
            // not to be asked: what a registry says to a number that it cannot read may be anything
            return Ok(Err(format!("no schema registry gives a schema the id {id}")));
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

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::extract::{Path, State};
    use axum::http::StatusCode;
    use axum::response::{IntoResponse, Response};
    use axum::routing::get;
    use std::sync::Mutex;
    use std::time::Duration;
    use tidemill_kafka::registry::Registry;

    const EVENT: &str = r#"{"type":"record","name":"E","fields":[{"name":"id","type":"string"}]}"#;
    const MORE: &str = r#"{"type":"record","name":"M","fields":[{"name":"x","type":"bytes"},{"name":"id","type":"string"}]}"#;
    const OTHER: &str = r#"{"type":"record","name":"O","fields":[{"name":"id","type":"int"}]}"#;

    /// What the registry has, by id, and which ids it was asked for.
    #[derive(Default)]
    struct Has {
        schemas: Mutex<HashMap<u32, &'static str>>,
        asked: Mutex<Vec<u32>>,
        down: Mutex<bool>,
    }

    async fn answer(State(has): State<Arc<Has>>, Path(id): Path<u32>) -> Response {
        has.asked.lock().unwrap().push(id);
        if *has.down.lock().unwrap() {
            return (StatusCode::INTERNAL_SERVER_ERROR, r#"{"error_code":50001,"message":"down"}"#).into_response();
        }
        match has.schemas.lock().unwrap().get(&id) {
            Some(schema) => serde_json::json!({ "schema": schema }).to_string().into_response(),
            None => (StatusCode::NOT_FOUND, r#"{"error_code":40403,"message":"no such schema"}"#).into_response(),
        }
    }

    async fn readers(has: &Arc<Has>) -> RegistryReaders {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().route("/schemas/ids/{id}", get(answer)).with_state(has.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        RegistryReaders::new(Registry::new(&url, Duration::ZERO).unwrap().blocking(), RecordSchema::parse(EVENT).unwrap())
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_was_told_is_kept_and_what_was_not_is_asked_again() {
        let has = Arc::new(Has::default());
        has.schemas.lock().unwrap().extend([(1, MORE), (2, OTHER)]);
        let mut readers = readers(&has).await;
        let shared = has.clone();
        let asked = move || std::mem::take(&mut *shared.asked.lock().unwrap());
        tokio::task::spawn_blocking(move || {
            for turn in 0..3 {
                assert!(readers.reader(1, turn).unwrap().is_ok());
                assert!(readers.reader(2, turn).unwrap().err().unwrap().contains("`id` is a int"));
            }
            assert_eq!(asked(), [1, 2], "an id stands for the same for ever");
            for (id, turn) in [(3, 7), (3, 7), (3, 8), (u32::MAX, 8), (1 << 31, 8)] {
                assert!(readers.reader(id, turn).unwrap().is_err());
            }
            assert_eq!(asked(), [3, 3], "once a turn, and nothing that no registry reads");
            has.schemas.lock().unwrap().insert(3, EVENT);
            assert!(readers.reader(3, 9).unwrap().is_ok(), "it was registered meanwhile");
            *has.down.lock().unwrap() = true;
            assert!(matches!(readers.reader(4, 10), Err(Error::Unavailable(_))));
            assert!(readers.reader(3, 10).unwrap().is_ok(), "what is known flows");
            *has.down.lock().unwrap() = false;
            has.schemas.lock().unwrap().insert(4, EVENT);
            assert!(readers.reader(4, 10).unwrap().is_ok(), "a failure is not kept");
        })
        .await
        .unwrap();
    }
}
