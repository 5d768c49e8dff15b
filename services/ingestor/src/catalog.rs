//! The pipelines that take events now, kept in step with what is applied.

use crate::route::{Route, SchemaIds, Source};
use crate::wait;
use axum::http::StatusCode;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tidemill_events::Layout;
use tidemill_events::records::Pipeline;
use tidemill_events::topics::{PerPipeline, subject};
use tidemill_kafka::pipelines::Follower;
use tidemill_kafka::registry::{self, Blocking};
use tidemill_service::CancellationToken;
use tidemill_service::health::Check;
use tidemill_service::http::Problem;
use tokio::runtime::Handle;

/// Between two attempts to take a pipeline in.
const PAUSE: Duration = Duration::from_secs(1);

/// The routes by pipeline; clones share them.
#[derive(Clone, Default)]
pub struct Catalog(Arc<RwLock<Routes>>);

#[derive(Default)]
struct Routes {
    /// Whether all that was applied before the start is known.
    complete: bool,
    by_name: HashMap<String, Known>,
}

#[derive(Clone)]
struct Known {
    digest: String,
    route: Arc<Route>,
}

impl Catalog {
    /// A catalog that knows `routes` and no others.
    #[must_use]
    pub fn of(routes: impl IntoIterator<Item = Route>) -> Self {
        let known = |route: Route| (route.pipeline.to_string(), Known { digest: String::new(), route: Arc::new(route) });
        Self(Arc::new(RwLock::new(Routes { complete: true, by_name: routes.into_iter().map(known).collect() })))
    }

    /// The route of `pipeline`.
    ///
    /// # Errors
    /// 404 when there is no such pipeline, 503 when that is not known yet.
    pub(crate) fn route(&self, pipeline: &str) -> Result<Arc<Route>, Problem> {
        let routes = self.0.read().unwrap_or_else(PoisonError::into_inner);
        match routes.by_name.get(pipeline) {
            Some(known) => Ok(Arc::clone(&known.route)),
            None if !routes.complete => {
                let detail = "the applied pipelines are not known yet: send again after the time in Retry-After";
                Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "starting", detail).retry_after(1).closing())
            }
            None => {
                let detail =
                    format!("no pipeline of this name is applied ({} others are): `tidemill apply` it first", routes.by_name.len());
                Err(Problem::new(StatusCode::NOT_FOUND, "unknown_pipeline", detail).closing())
            }
        }
    }

    /// Takes in what is applied, and tells what it could not.
    fn adopt(&self, applied: &BTreeMap<String, Arc<Pipeline>>, registry: &Blocking, seen_events: usize) -> Result<(), String> {
        let old = self.0.read().unwrap_or_else(PoisonError::into_inner).by_name.clone();
        let mut by_name = HashMap::new();
        let mut failed = Vec::new();
        for (name, pipeline) in applied {
            let known = old.get(name);
            if let Some(same) = known.filter(|k| k.digest == pipeline.digest) {
                by_name.insert(name.clone(), same.clone());
                continue;
            }
            match build(pipeline, registry, known.map(|k| &*k.route), seen_events) {
                Ok(route) => {
                    tracing::info!(pipeline = name, version = pipeline.pipeline_version, "takes events");
                    by_name.insert(name.clone(), Known { digest: pipeline.digest.clone(), route: Arc::new(route) });
                }
                Err(error) => {
                    tracing::warn!(pipeline = name, version = pipeline.pipeline_version, "cannot take events yet: {error:#}");
                    failed.push(format!("{name}: {error:#}"));
                    by_name.extend(known.map(|k| (name.clone(), k.clone())));
                }
            }
        }
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Routes { complete: failed.is_empty(), by_name };
        if failed.is_empty() { Ok(()) } else { Err(failed.join("; ")) }
    }
}

fn build(pipeline: &Pipeline, registry: &Blocking, predecessor: Option<&Route>, seen_events: usize) -> anyhow::Result<Route> {
    let compiled = tidemill_pipeline::from_record(pipeline).map_err(|diagnostics| {
        let why: Vec<String> = diagnostics.iter().map(|d| format!("{} {}", d.code, d.message)).collect();
        anyhow::anyhow!("applied by another version of Tidemill: {}", why.join("; "))
    })?;
    let layout = &compiled.layout;
    let raw = schema_id(registry, layout, PerPipeline::Raw)?;
    let labels = schema_id(registry, layout, PerPipeline::Labels)?;
    Ok(Route::new(&Source::from(&compiled), SchemaIds { raw, labels }, predecessor, seen_events)?)
}

fn schema_id(registry: &Blocking, layout: &Layout, topic: PerPipeline) -> Result<u32, registry::Error> {
    let name = topic.name(&layout.pipeline, &layout.entities);
    registry.lookup(&subject(&name), &layout.avro(topic))
}

/// Keeps `catalog` in step with what `follower` sees, until `stop`; blocks. `check` is ready once all that
/// was applied before is taken in; a pipeline that fails later is tried again, and takes nothing from the others.
pub(crate) fn follow(
    catalog: &Catalog,
    follower: &Follower,
    registry: &Blocking,
    seen_events: usize,
    check: &Check,
    stop: &CancellationToken,
    runtime: &Handle,
) {
    let mut applied = follower.applied();
    let mut was_ready = false;
    check.set_not_ready("reading tidemill.pipelines");
    while !stop.is_cancelled() {
        let now = applied.borrow_and_update().clone();
        let mut again = Duration::MAX;
        if now.caught_up {
            match catalog.adopt(&now.pipelines, registry, seen_events) {
                Ok(()) => {
                    was_ready = true;
                    check.set_ready();
                }
                Err(reason) => {
                    again = PAUSE;
                    if !was_ready {
                        check.set_not_ready(reason);
                    }
                }
            }
        }
        runtime.block_on(async {
            tokio::select! {
                // never closed: the follower outlives this loop
                _ = applied.changed() => {}
                () = wait(again, stop) => {}
            }
        });
    }
}
