//! `GET /v1/models`, `GET /v1/pipelines/{p}/models[/{version}]`, `POST …/approve`, `…/reject`, `/v1/pipelines/{p}/rollback`.
//!
//! The instance that leads answers; another one says so with 503. A write is answered once it is on its topics.

mod answers;

use crate::desk::{Closed, Desk, View};
use crate::registry::{Action, Order, Refusal, SERVICE};
use answers::{Done, Models, One};
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use tidemill_service::http::{Problem, Token};

/// Bytes of a request, at most.
const MAX_BODY: usize = 16 * 1024;
/// Characters of a name and of a reason, at most.
const MAX_ACTOR: usize = 200;
const MAX_DETAIL: usize = 2_000;
/// How long an order may take before its caller is told that nothing is known of it yet.
const PATIENCE: Duration = Duration::from_secs(20);

struct Rest {
    desk: Arc<Desk>,
    token: Token,
}

type Shared = State<Arc<Rest>>;

/// The endpoints' routes.
pub(crate) fn routes(desk: Arc<Desk>, token: Token) -> Router {
    Router::new()
        .route("/v1/models", get(all))
        .route("/v1/pipelines/{pipeline}/models", get(of_pipeline))
        .route("/v1/pipelines/{pipeline}/models/{version}", get(one))
        .route("/v1/pipelines/{pipeline}/models/{version}/approve", post(approve))
        .route("/v1/pipelines/{pipeline}/models/{version}/reject", post(reject))
        .route("/v1/pipelines/{pipeline}/rollback", post(rollback))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(Arc::new(Rest { desk, token }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    pipeline: Option<String>,
}

async fn all(State(rest): Shared, Query(filter): Query<Filter>) -> Result<Json<Models>, Problem> {
    let view = rest.view()?;
    let lines = view.registry.lines().filter(|(name, _)| filter.pipeline.as_deref().is_none_or(|wanted| wanted == *name));
    Ok(Json(Models::of(lines, &view)))
}

async fn of_pipeline(State(rest): Shared, Path(pipeline): Path<String>) -> Result<Json<Models>, Problem> {
    let view = rest.view()?;
    let line = view.registry.line(&pipeline).map(|line| (pipeline.as_str(), line));
    Ok(Json(Models::of(line.into_iter(), &view)))
}

async fn one(State(rest): Shared, Path((pipeline, version)): Path<(String, String)>) -> Result<Json<One>, Problem> {
    let version = number(&version)?;
    let view = rest.view()?;
    let found = view.registry.line(&pipeline).and_then(|line| answers::one(&pipeline, version, line, &view));
    found.map(Json).ok_or_else(|| refused(&Refusal::UnknownModel { pipeline, version }))
}

async fn approve(
    State(rest): Shared,
    Path((pipeline, version)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Done>, Problem> {
    rest.token.check(&headers)?;
    let (version, body) = (number(&version)?, Body::read(&body, false)?);
    rest.order(pipeline, Action::Approve(version), body).await
}

async fn reject(
    State(rest): Shared,
    Path((pipeline, version)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Done>, Problem> {
    rest.token.check(&headers)?;
    let (version, body) = (number(&version)?, Body::read(&body, false)?);
    rest.order(pipeline, Action::Reject(version), body).await
}

async fn rollback(State(rest): Shared, Path(pipeline): Path<String>, headers: HeaderMap, body: Bytes) -> Result<Json<Done>, Problem> {
    rest.token.check(&headers)?;
    let body = Body::read(&body, true)?;
    rest.order(pipeline, Action::RollBack(body.to), body).await
}

/// What a write says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    actor: String,
    #[serde(default)]
    detail: String,
    expected_champion: Option<i32>,
    /// For a roll-back.
    to: Option<i32>,
}

impl Body {
    fn read(bytes: &[u8], may_name_a_version: bool) -> Result<Self, Problem> {
        let invalid = |detail: &str| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_order", detail);
        let body: Self = serde_json::from_slice(bytes).map_err(|e| match e.classify() {
            serde_json::error::Category::Data => invalid(&e.to_string()),
            _ => Problem::new(StatusCode::BAD_REQUEST, "not_json", e.to_string()),
        })?;
        let actor = body.actor.trim();
        if actor.is_empty() || actor.chars().count() > MAX_ACTOR || actor.chars().any(char::is_control) {
            return Err(invalid("`actor` says who orders it, in 1 to 200 characters"));
        }
        let service = [SERVICE, "tidemill", "policy"];
        if service.iter().any(|s| actor.eq_ignore_ascii_case(s)) || actor.to_ascii_lowercase().starts_with("policy ") {
            return Err(invalid("`actor` is a person: the service decides by its policy"));
        }
        if body.detail.chars().count() > MAX_DETAIL {
            return Err(invalid("`detail` has at most 2000 characters"));
        }
        if body.to.is_some() && !may_name_a_version {
            return Err(invalid("`to` is for a roll-back"));
        }
        Ok(Self { actor: actor.to_owned(), ..body })
    }
}

impl Rest {
    fn view(&self) -> Result<View, Problem> {
        self.desk.view().map_err(closed)
    }

    async fn order(&self, pipeline: String, action: Action, body: Body) -> Result<Json<Done>, Problem> {
        let Body { actor, detail, expected_champion, .. } = body;
        let answer = self.desk.ask(Order { pipeline, action, actor, detail, expected_champion }).map_err(closed)?;
        match tokio::time::timeout(PATIENCE, answer).await {
            Ok(Ok(Ok(written))) => Ok(Json(answers::done(&written))),
            Ok(Ok(Err(refusal))) => Err(refused(&refusal)),
            Ok(Err(_)) => Err(not_known("this instance stopped leading meanwhile")),
            Err(_) => Err(not_known("Kafka has not confirmed it in time")),
        }
    }
}

fn number(text: &str) -> Result<i32, Problem> {
    let illegal = || Problem::new(StatusCode::NOT_FOUND, "unknown_model", format!("{text:?} is not a version: they are whole numbers"));
    text.parse::<u32>().ok().and_then(|v| i32::try_from(v).ok()).ok_or_else(illegal)
}

fn refused(refusal: &Refusal) -> Problem {
    let status = if matches!(refusal, Refusal::UnknownModel { .. }) { StatusCode::NOT_FOUND } else { StatusCode::CONFLICT };
    Problem::new(status, refusal.code(), refusal.to_string())
}

fn closed(why: Closed) -> Problem {
    let (code, detail) = match why {
        Closed::Standby => {
            ("standby", "this instance does not keep the registry: another one does, or the first pipeline is not applied yet")
        }
        Closed::Reading => ("not_ready", "the registry is still being read"),
        Closed::Full => ("busy", "too many orders wait"),
    };
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, detail).retry_after(1)
}

fn not_known(why: &str) -> Problem {
    let detail = format!("{why}: whether the order was carried out is not known, so look at the model before you send it again");
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "outcome_unknown", detail)
}

#[cfg(test)]
mod tests;
