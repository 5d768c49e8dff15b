//! in: `POST /v1/pipelines/{pipeline}/events` and `…/labels` · out: `<p>.raw` (key: first entity), `<p>.labels` (key: event id).

use crate::answer::{self, Tally};
use crate::catalog::Catalog;
use crate::meters::Meters;
use crate::outcome::Outcome;
use crate::route::{self, Lane, Route};
use crate::sample::{Sampler, trace_of};
use crate::sink::Sink;
use crate::split::{Records, form, split};
use crate::work::Work;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use tidemill_kafka::append::Batch;
use tidemill_service::Metrics;
use tidemill_service::http::{Budget, Lease, Limits, Problem, RequestSpans, Token, read};

/// What bounds the handler.
pub struct Settings {
    /// Who may write.
    pub token: Token,
    /// What a body may take.
    pub limits: Limits,
    /// What all bodies may take together.
    pub budget: Budget,
    /// What is followed when the caller does not say.
    pub sampler: Sampler,
}

/// One of the two ways in: what metrics call it, its route, and where it leads.
struct Way(&'static str, &'static str, fn(&Route) -> &Arc<Lane>);

const EVENTS: Way = Way(route::EVENTS, "/v1/pipelines/{pipeline}/events", |route| &route.events);
const LABELS: Way = Way(route::LABELS, "/v1/pipelines/{pipeline}/labels", |route| &route.labels);

/// The handler's state; clones share it.
pub struct App<S>(Arc<Inner<S>>);

struct Inner<S> {
    settings: Settings,
    catalog: Catalog,
    sink: Arc<S>,
    meters: Meters,
    requests: AtomicU64,
}

impl<S> Clone for App<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// A request whose records were looked at.
struct Done {
    topic: String,
    is_batch: bool,
    outcomes: Vec<Outcome>,
    tally: Tally,
}

/// The routes of `app`.
pub fn routes<S: Sink>(app: App<S>) -> Router {
    Router::new().route(EVENTS.1, post(events::<S>)).route(LABELS.1, post(labels::<S>)).with_state(app)
}

async fn events<S: Sink>(State(app): State<App<S>>, Path(name): Path<String>, query: RawQuery, headers: HeaderMap, body: Body) -> Response {
    app.answer(&EVENTS, &name, &query, &headers, body).await
}

async fn labels<S: Sink>(State(app): State<App<S>>, Path(name): Path<String>, query: RawQuery, headers: HeaderMap, body: Body) -> Response {
    app.answer(&LABELS, &name, &query, &headers, body).await
}

impl<S: Sink> App<S> {
    /// A handler that appends to `sink` for the pipelines in `catalog`.
    #[must_use]
    pub fn new(settings: Settings, catalog: Catalog, sink: Arc<S>, metrics: &Metrics) -> Self {
        Self(Arc::new(Inner { settings, catalog, sink, meters: Meters::new(metrics), requests: AtomicU64::new(0) }))
    }

    /// What it counts in.
    pub(crate) fn meters(&self) -> &Meters {
        &self.0.meters
    }

    async fn answer(
        &self,
        Way(stage, path, lane): &Way,
        name: &str,
        RawQuery(query): &RawQuery,
        headers: &HeaderMap,
        body: Body,
    ) -> Response {
        let Inner { settings, catalog, meters, .. } = &*self.0;
        let route = match settings.token.check(headers).and_then(|()| catalog.route(name)) {
            Ok(route) => route,
            Err(problem) => {
                // a stranger leaves no spans
                meters.answered(None, stage, problem.code(), &settings.budget);
                return problem.into_response();
            }
        };
        let mut spans = RequestSpans::begin("POST", path, name, headers);
        let done = self.ingest(&route.pipeline, lane(&route), headers, body, &mut spans).await;
        let outcome = done.as_ref().map_or_else(Problem::code, |d| d.tally.outcome());
        meters.answered(Some(Arc::clone(&route.pipeline)), stage, outcome, &settings.budget);
        let response = match done {
            Ok(done) => done.into_response(is_verbose(query.as_deref())),
            Err(problem) => problem.into_response(),
        };
        spans.end(response.status());
        response
    }

    async fn ingest(
        &self,
        pipeline: &Arc<str>,
        lane: &Arc<Lane>,
        headers: &HeaderMap,
        body: Body,
        spans: &mut RequestSpans<'_>,
    ) -> Result<Done, Problem> {
        let Inner { settings, sink, meters, requests, .. } = &*self.0;
        let form = form(headers, lane.cloud_events)?;
        let (bytes, lease) = read(headers, body, settings.limits, &settings.budget).await?;
        let records = split(form, headers, &bytes)?;
        let (is_batch, records) = match &records {
            Records::One(one) => (false, std::slice::from_ref(one)),
            Records::Batch(many) => (true, many.as_slice()),
        };
        // before anything is reserved: a caller may hang up meanwhile
        sink.turn(records.len()).await;
        let topic = lane.intake.topic();
        let mut batch = Batch::new(topic, spans.traceparent().map(str::to_owned));
        let undecided = spans.is_undecided();
        // an event's own trace comes before that of the request
        let mut follow = |event_id: &str, own: Option<&str>| match own {
            Some(own) => spans.join(own),
            None if undecided && settings.sampler.follows(event_id) => spans.follow(trace_of(topic, event_id)),
            None => None,
        };
        let request = requests.fetch_add(1, Ordering::Relaxed);
        let work = Work::prepare(&lane.intake, lane.memory.as_deref(), request, records, &mut batch, &mut follow);
        let begun = Instant::now();
        let appended = sink.append(&batch);
        drop(batch);
        let outcomes = settle(Arc::clone(lane), work, appended, lease).await?;
        let tally = Tally::of(&outcomes);
        meters.records(pipeline, lane.stage, &tally, bytes.len(), begun.elapsed());
        Ok(Done { topic: topic.to_owned(), is_batch, outcomes, tally })
    }
}

/// Waits for the acknowledgements. In a task of its own: what was reserved and sent must be settled also
/// when the caller hangs up, and this function with it.
async fn settle(
    lane: Arc<Lane>,
    work: Work,
    appended: impl Future<Output = Vec<Result<i64, tidemill_kafka::append::Error>>> + Send + 'static,
    lease: Lease,
) -> Result<Vec<Outcome>, Problem> {
    let settled = tokio::spawn(async move {
        let appended = appended.await;
        let outcomes = work.finish(lane.memory.as_deref(), appended);
        drop(lease);
        outcomes
    });
    settled.await.map_err(|_| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", "the service is stopping").retry_after(1))
}

impl Done {
    fn into_response(self, verbose: bool) -> Response {
        let Self { topic, is_batch, mut outcomes, tally } = self;
        match outcomes.pop() {
            Some(only) if !is_batch => answer::one(only, &topic),
            last => {
                outcomes.extend(last);
                answer::batch(&outcomes, &tally, &topic, verbose)
            }
        }
    }
}

fn is_verbose(query: Option<&str>) -> bool {
    query.is_some_and(|q| q.split('&').any(|part| matches!(part, "verbose=1" | "verbose=true" | "verbose")))
}

#[cfg(test)]
mod tests;
