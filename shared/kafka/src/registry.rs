//! Client of a Confluent-compatible schema registry: registers schemas, resolves ids, remembers what it learnt.
//!
//! Only answers are remembered, never failures: a registry that was down for a minute, or a schema
//! registered a moment after it was asked for, must not poison what comes later. An id, a subject's
//! versions and a schema's text never change once known, so nothing remembered goes stale; the set of a
//! subject's ids only grows ([`Registry::fetch_ids_of`] asks again).

mod blocking;
mod call;
mod error;
#[cfg(test)]
pub(crate) mod mock;

pub use blocking::Blocking;
pub use error::Error;

use schema_registry_converter::async_impl::schema_registry::{
    SrSettings, get_all_versions, get_schema_by_id, get_schema_by_subject_and_version, perform_sr_call, post_schema,
};
use schema_registry_converter::schema_registry_common::{SchemaType, SrCall, SuppliedSchema};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long one request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// A schema registry; cheap to clone, clones share what they remember.
#[derive(Clone)]
pub struct Registry {
    inner: Arc<Inner>,
}

struct Inner {
    settings: SrSettings,
    http: reqwest::Client,
    url: String,
    patience: Duration,
    memory: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    schemas: HashMap<u32, Arc<str>>,
    ids: HashMap<(String, String), u32>,
    /// Subject → version → id.
    versions: HashMap<String, BTreeMap<u32, u32>>,
}

impl Registry {
    /// A client of the registry at `url`, e.g. `http://127.0.0.1:8081`. A call to a registry that is down
    /// is repeated, with growing pauses, for as long as `patience` before it fails.
    ///
    /// # Errors
    /// [`Error::Refused`] when the HTTP client cannot be set up.
    pub fn new(url: &str, patience: Duration) -> Result<Self, Error> {
        let url = url.trim_end_matches('/').to_owned();
        let settings = SrSettings::new_builder(url.clone()).set_timeout(REQUEST_TIMEOUT).build_with(tidemill_http_client::builder());
        let settings = settings.map_err(|e| Error::of("set up a client", &e))?;
        let http = tidemill_http_client::builder()
            .timeout(REQUEST_TIMEOUT)
            .build()
            .map_err(|e| Error::Refused { what: "set up a client".into(), why: e.to_string() })?;
        Ok(Self { inner: Arc::new(Inner { settings, http, url, patience, memory: Mutex::default() }) })
    }

    /// The same registry for threads that are not part of an async runtime.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn blocking(&self) -> Blocking {
        Blocking::new(self.clone(), tokio::runtime::Handle::current())
    }

    /// Registers `schema` (Avro JSON) under `subject` if it is not yet, and gives its id.
    ///
    /// # Errors
    /// [`Error::Incompatible`] with the registry's word when readers of `subject` would break;
    /// [`Error::Unavailable`]; [`Error::Refused`] when it is no Avro schema.
    pub async fn register(&self, subject: &str, schema: &str) -> Result<u32, Error> {
        if let Some(id) = self.remembered_id(subject, schema) {
            return Ok(id);
        }
        let what = format!("register {subject}");
        let id = self
            .patiently(async || {
                let supplied = SuppliedSchema::new(None, SchemaType::Avro, schema.to_owned());
                post_schema(&self.inner.settings, subject.to_owned(), supplied).await.map(|r| r.id).map_err(|e| Error::of(&what, &e))
            })
            .await?;
        self.remember(|m| m.ids.insert((subject.to_owned(), schema.to_owned()), id));
        Ok(id)
    }

    /// The id of `schema` under `subject`, which must have been registered.
    ///
    /// # Errors
    /// [`Error::NotFound`] when it is not registered there; [`Error::Unavailable`]; [`Error::Refused`].
    pub async fn lookup(&self, subject: &str, schema: &str) -> Result<u32, Error> {
        if let Some(id) = self.remembered_id(subject, schema) {
            return Ok(id);
        }
        let what = format!("look up the schema of {subject}");
        let body = json!({"schema": schema, "schemaType": "AVRO"}).to_string();
        let found = self
            .patiently(async || {
                perform_sr_call(&self.inner.settings, SrCall::PostForVersion(subject, &body)).await.map_err(|e| Error::of(&what, &e))
            })
            .await?;
        let id = found.id.ok_or_else(|| Error::Refused { what, why: "the answer names no id".into() })?;
        self.remember(|m| m.ids.insert((subject.to_owned(), schema.to_owned()), id));
        Ok(id)
    }

    /// The Avro schema registered as `id`, as JSON text.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is none; [`Error::Unavailable`]; [`Error::Refused`] when it is a
    /// schema of another kind.
    pub async fn schema(&self, id: u32) -> Result<Arc<str>, Error> {
        if let Some(schema) = self.memory(|m| m.schemas.get(&id).cloned()) {
            return Ok(schema);
        }
        let what = format!("fetch schema {id}");
        let found = self.patiently(async || get_schema_by_id(id, &self.inner.settings).await.map_err(|e| Error::of(&what, &e))).await?;
        if found.schema_type != SchemaType::Avro || !found.references.is_empty() {
            return Err(Error::Refused { what, why: "it is not an Avro schema that stands alone".into() });
        }
        let schema: Arc<str> = found.schema.into();
        self.remember(|m| m.schemas.insert(id, schema.clone()));
        Ok(schema)
    }

    /// The ids registered under `subject` as far as known: asks the registry only if none is.
    ///
    /// An id that is not among them may be new. Before a record is refused for its id, ask
    /// [`Registry::fetch_ids_of`] once per batch: a producer registers a schema before its first record,
    /// so an answer that is younger than the batch is final for all of it.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the subject does not exist; [`Error::Unavailable`]; [`Error::Refused`].
    pub async fn ids_of(&self, subject: &str) -> Result<BTreeSet<u32>, Error> {
        match self.memory(|m| m.versions.get(subject).map(|v| v.values().copied().collect())) {
            Some(ids) => Ok(ids),
            None => self.fetch_ids_of(subject).await,
        }
    }

    /// The ids registered under `subject` now.
    ///
    /// # Errors
    /// As [`Registry::ids_of`].
    pub async fn fetch_ids_of(&self, subject: &str) -> Result<BTreeSet<u32>, Error> {
        let what = format!("list the versions of {subject}");
        let settings = &self.inner.settings;
        let versions =
            self.patiently(async || get_all_versions(settings, subject.to_owned()).await.map_err(|e| Error::of(&what, &e))).await?;
        let mut known = self.memory(|m| m.versions.get(subject).cloned()).unwrap_or_default();
        for version in versions {
            if known.contains_key(&version) {
                continue;
            }
            let found = self
                .patiently(async || {
                    get_schema_by_subject_and_version(settings, subject, Some(version)).await.map_err(|e| Error::of(&what, &e))
                })
                .await?;
            known.insert(version, found.id);
        }
        let ids = known.values().copied().collect();
        self.remember(|m| m.versions.insert(subject.to_owned(), known));
        Ok(ids)
    }

    fn remembered_id(&self, subject: &str, schema: &str) -> Option<u32> {
        self.memory(|m| m.ids.get(&(subject.to_owned(), schema.to_owned())).copied())
    }

    fn memory<T>(&self, read: impl FnOnce(&Memory) -> T) -> T {
        read(&self.inner.memory.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn remember<T>(&self, write: impl FnOnce(&mut Memory) -> T) {
        write(&mut self.inner.memory.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Repeats `call` while the registry is down and patience lasts.
    async fn patiently<T>(&self, call: impl AsyncFn() -> Result<T, Error>) -> Result<T, Error> {
        let give_up = tokio::time::Instant::now() + self.inner.patience;
        let mut pause = FIRST_PAUSE;
        loop {
            match call().await {
                Err(error) if error.is_retriable() && tokio::time::Instant::now() + pause <= give_up => {
                    tracing::debug!(%error, "the schema registry is asked again");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                answer => return answer,
            }
        }
    }
}

#[cfg(test)]
mod tests;
