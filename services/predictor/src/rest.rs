//! `POST /v1/pipelines/{p}/predict`: the score of one event that has not been published, from the online
//! store, in one round trip.

use crate::handler::ROUTE;
use crate::newest::Newest;
use crate::serving::{Entity, Found, Serving};
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router, body::Bytes};
use prometheus_client::metrics::histogram::Histogram;
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Serialize, Serializer};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tidemill_events::layout::FeatureColumn;
use tidemill_events::records::{ModelRef, Reason};
use tidemill_events::{Event, Value, json as events_json, time};
use tidemill_kafka::pipelines::Applied;
use tidemill_online_store::{FeatureStore, Lookup, Read, RedisStore};
use tidemill_service::http::Problem;
use tidemill_service::{Clock, Metrics};
use tokio::sync::watch;

/// Bytes of a request, at most.
const MAX_BODY: usize = 64 * 1024;
/// What the store is given to be rebuilt, seconds, before a client should ask again.
const REBUILD: u32 = 1;

struct Rest {
    applied: watch::Receiver<Applied>,
    newest: watch::Receiver<Newest>,
    store: RedisStore,
    clock: Arc<dyn Clock>,
    /// Compiled pipelines by name, each for one digest, version, deployment and reason to withhold one.
    compiled: Mutex<BTreeMap<String, (String, Arc<Serving>)>>,
    seconds: Histogram,
}

/// The endpoint's routes.
pub(crate) fn routes(
    applied: watch::Receiver<Applied>,
    newest: watch::Receiver<Newest>,
    store: RedisStore,
    clock: Arc<dyn Clock>,
    metrics: &Metrics,
) -> Router {
    let seconds = Histogram::new([0.000_1, 0.000_25, 0.000_5, 0.001, 0.002, 0.003, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0]);
    let help = "Time to answer a REST prediction";
    metrics.register(|r| r.register_with_unit("predict", help, prometheus_client::registry::Unit::Seconds, seconds.clone()));
    let rest = Arc::new(Rest { applied, newest, store, clock, compiled: Mutex::default(), seconds });
    Router::new().route("/v1/pipelines/{pipeline}/predict", post(predict)).layer(DefaultBodyLimit::max(MAX_BODY)).with_state(rest)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    #[serde(default)]
    unknown: Unknown,
}

/// What to do about an entity that was never seen.
#[derive(Deserialize, Default, PartialEq, Eq, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Unknown {
    /// Score it as the stream would, and say so.
    #[default]
    Flag,
    /// Answer 404.
    Refuse,
}

async fn predict(
    State(rest): State<Arc<Rest>>,
    Path(pipeline): Path<String>,
    Query(options): Query<Options>,
    body: Bytes,
) -> Result<Response, Problem> {
    let started = Instant::now();
    let serving = rest.serving(&pipeline)?;
    let now = rest.clock.now();
    let event = serving.event(&body, now).map_err(|e| refused(&e))?;
    let entities = serving.entities(&event);
    let keys: Vec<Lookup<'_>> = entities.iter().map(|e| Lookup { partition: &e.partition, key: &e.key }).collect();
    let reads = rest.store.read(&keys).await.map_err(|e| unavailable(format!("the online store does not answer: {e}")))?;
    if let Some((entity, _)) = entities.iter().zip(&reads).find(|(_, read)| !read.ready) {
        return Err(unavailable(format!("the online store of {} is being rebuilt", entity.partition)));
    }
    let (states, commits): (Vec<_>, Vec<_>) = reads.into_iter().map(|Read { state, commit, .. }| (state, commit)).unzip();
    let (features, found) = serving.vector(&event, &states).map_err(unavailable)?;
    if options.unknown == Unknown::Refuse
        && let Some((entity, _)) = entities.iter().zip(&found).find(|(_, found)| found.last_event.is_none())
    {
        let detail = format!("{} {:?} was never seen", entity.partition.entity, entity.key);
        return Err(Problem::new(StatusCode::NOT_FOUND, "unknown_entity", detail));
    }
    let answer = answer(&serving, &event, &entities, &found, &commits, &features);
    rest.seconds.observe(started.elapsed().as_secs_f64());
    Ok(Json(answer).into_response())
}

impl Rest {
    fn serving(&self, name: &str) -> Result<Arc<Serving>, Problem> {
        let applied = self.applied.borrow();
        let newest = self.newest.borrow();
        if !applied.caught_up || !newest.caught_up {
            return Err(unavailable("the applied pipelines and their deployments have not been read yet".into()));
        }
        let (deployed, withheld) = (newest.deployed.get(name), newest.withheld.get(name));
        if let (None, Some(why)) = (deployed, withheld) {
            return Err(unavailable(why.clone()));
        }
        let unknown = || Problem::new(StatusCode::NOT_FOUND, "unknown_pipeline", format!("no pipeline {name:?} is applied"));
        let record = applied.pipelines.get(name).ok_or_else(unknown)?;
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((digest, serving)) = compiled.get(name)
            && *digest == record.digest
            && serving.version == record.pipeline_version
            && serving.deployment == deployed.map_or(0, |d| d.number)
            && serving.withheld.as_ref() == withheld
        {
            return Ok(serving.clone());
        }
        let serving = Serving::new(record, deployed, withheld).map(Arc::new);
        let serving = serving.map_err(|why| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "pipeline_not_served", why))?;
        compiled.insert(name.to_owned(), (record.digest.clone(), serving.clone()));
        Ok(serving)
    }
}

fn refused(error: &events_json::Error) -> Problem {
    let status = match error {
        events_json::Error::Malformed(_) => StatusCode::BAD_REQUEST,
        events_json::Error::Invalid { .. } => StatusCode::UNPROCESSABLE_ENTITY,
    };
    Problem::new(status, error.code(), error.to_string())
}

fn unavailable(detail: String) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", detail).retry_after(REBUILD)
}

/// The answer: the decision, who made it, from which features, and how old what it knows is.
#[derive(Serialize)]
struct Answer<'a> {
    pipeline: &'a str,
    pipeline_version: i32,
    event_id: &'a str,
    event_time: String,
    score: Option<f64>,
    decision: String,
    route: &'static str,
    model: &'a ModelRef,
    deployment: i64,
    reasons: Vec<Reason>,
    features: Features<'a>,
    entities: BTreeMap<&'a str, EntityAnswer<'a>>,
    warnings: Vec<String>,
}

/// What is known of an entity.
#[derive(Serialize)]
struct EntityAnswer<'a> {
    key: &'a str,
    known: bool,
    /// Its newest event, and how long before this one that was.
    last_event_time: Option<String>,
    age_seconds: Option<f64>,
    /// The state is that of this commit of its partition, or a later one.
    commit: Option<u64>,
}

fn answer<'a>(
    serving: &'a Serving,
    event: &'a Event,
    entities: &'a [Entity],
    found: &[Found],
    commits: &[Option<u64>],
    features: &'a [Value],
) -> Answer<'a> {
    let scored = serving.scorer.score(features);
    let mut warnings = serving.warnings();
    if scored.score.is_nan() {
        warnings.push("the model could not score these features: decided as if above the threshold".to_owned());
    }
    let mut told = BTreeMap::new();
    for ((entity, found), commit) in entities.iter().zip(found).zip(commits) {
        let name = entity.partition.entity.as_str();
        if found.last_event.is_none() {
            warnings.push(format!("{name} {:?} is unknown: its features are those of no history", entity.key));
        }
        let age = found.last_event.map(|t| Duration::from_micros((event.event_time - t).max(0).unsigned_abs()).as_secs_f64());
        let last_event_time = found.last_event.map(time::format_instant);
        let known = found.last_event.is_some();
        told.insert(name, EntityAnswer { key: &entity.key, known, last_event_time, age_seconds: age, commit: *commit });
    }
    Answer {
        pipeline: &serving.pipeline.name,
        pipeline_version: serving.version,
        event_id: &event.event_id,
        event_time: time::format_instant(event.event_time),
        score: (!scored.score.is_nan()).then_some(scored.score),
        decision: scored.decision.to_string(),
        route: ROUTE,
        model: serving.scorer.model(),
        deployment: serving.deployment,
        reasons: scored.reasons,
        features: Features { columns: &serving.pipeline.layout.features, values: features },
        entities: told,
        warnings,
    }
}

/// Features by name, in the order of the vector: numbers, text or null.
struct Features<'a> {
    columns: &'a [FeatureColumn],
    values: &'a [Value],
}

impl Serialize for Features<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.values.len()))?;
        for (column, value) in self.columns.iter().zip(self.values) {
            match value {
                Value::Double(v) => map.serialize_entry(column.name.as_str(), v)?,
                Value::String(v) => map.serialize_entry(column.name.as_str(), v.as_str())?,
                _ => map.serialize_entry(column.name.as_str(), &())?,
            }
        }
        map.end()
    }
}
