//! `POST /v1/pipelines/{p}/train`, `…/train/cancel` (bearer token): commands, as records of `tidemill.triggers`.
//! `GET /v1/pipelines/{p}/training`: how trainings go.

use crate::progress::{Board, Line};
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router, body::Bytes};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tidemill_events::codec::AvroSchema;
use tidemill_events::control::Trigger;
use tidemill_events::layout::control_avro;
use tidemill_events::topics::{Control, subject};
use tidemill_kafka::append::{Appender, Batch};
use tidemill_kafka::pipelines::Applied;
use tidemill_kafka::registry::Blocking;
use tidemill_service::Clock;
use tidemill_service::http::{Problem, Token};
use tokio::sync::watch;

/// Bytes of a request, at most.
const MAX_BODY: usize = 16 * 1024;
/// Longest text of a command.
const MAX_TEXT: usize = 1_000;
/// How long Kafka may take to acknowledge a command.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);

/// What the endpoints need.
pub(crate) struct App {
    pub(crate) token: Token,
    pub(crate) board: Arc<Board>,
    pub(crate) applied: watch::Receiver<Applied>,
    pub(crate) registry: Blocking,
    pub(crate) appender: Arc<Appender>,
    pub(crate) clock: Arc<dyn Clock>,
}

/// The endpoints.
pub(crate) fn routes(app: App) -> Router {
    Router::new()
        .route("/v1/pipelines/{pipeline}/train", post(train))
        .route("/v1/pipelines/{pipeline}/train/cancel", post(cancel))
        .route("/v1/pipelines/{pipeline}/training", get(training))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(Arc::new(app))
}

/// What a command may say; a body may be left out.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Command {
    /// Why, for people.
    #[serde(default)]
    detail: String,
    /// Who asks.
    #[serde(default)]
    requested_by: Option<String>,
}

/// Where a command is.
#[derive(Serialize)]
struct Accepted {
    topic: &'static str,
    partition: i32,
    offset: i64,
}

async fn train(State(app): State<Arc<App>>, Path(pipeline): Path<String>, headers: HeaderMap, body: Bytes) -> Result<Response, Problem> {
    let trigger = app.trigger("train", &pipeline, &headers, &body)?;
    app.append(trigger).await
}

async fn cancel(State(app): State<Arc<App>>, Path(pipeline): Path<String>, headers: HeaderMap, body: Bytes) -> Result<Response, Problem> {
    app.token.check(&headers)?;
    // another process may lead, and know better
    let idle = |line: &Line| line.leads && line.running.is_none() && line.waiting.is_empty();
    if app.board.line(&pipeline, app.clock.now()).as_ref().is_some_and(idle) {
        return Err(Problem::new(StatusCode::CONFLICT, "nothing_to_cancel", format!("no training of `{pipeline}` runs or waits")));
    }
    let trigger = app.trigger("cancel", &pipeline, &headers, &body)?;
    app.append(trigger).await
}

async fn training(State(app): State<Arc<App>>, Path(pipeline): Path<String>) -> Result<Response, Problem> {
    app.learns(&pipeline)?;
    let line = app.board.line(&pipeline, app.clock.now()).ok_or_else(|| {
        let detail = format!("this process does not lead the trainings of `{pipeline}`: another one does, or is about to");
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not_leading", detail).retry_after(1)
    })?;
    Ok(Json(line).into_response())
}

impl App {
    fn trigger(&self, action: &str, pipeline: &str, headers: &HeaderMap, body: &[u8]) -> Result<Trigger, Problem> {
        self.token.check(headers)?;
        self.learns(pipeline)?;
        let Command { detail, requested_by } = read(body)?;
        Ok(Trigger {
            pipeline: pipeline.to_owned(),
            action: action.to_owned(),
            detail,
            requested_by: requested_by.unwrap_or_else(|| "rest".to_owned()),
            requested_at: self.clock.now(),
        })
    }

    /// Writes a command; answers when Kafka has it.
    async fn append(&self, trigger: Trigger) -> Result<Response, Problem> {
        let unavailable = |why: String| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", why).retry_after(1);
        let (topic, json) = (Control::Triggers.name(), control_avro(Control::Triggers));
        let registry = self.registry.clone();
        let asked = tokio::task::spawn_blocking(move || registry.lookup(&subject(topic), json)).await;
        let id = asked.map_err(|e| unavailable(e.to_string()))?.map_err(|e| unavailable(e.to_string()))?;
        let mut payload = Vec::new();
        let encoded = AvroSchema::parse(json).and_then(|schema| schema.encode(id, &trigger, &mut payload));
        encoded.map_err(|e| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_command", e.to_string()))?;
        let mut batch = Batch::new(topic, None);
        batch.push(0, trigger.pipeline.as_bytes(), &payload);
        let offset = match self.appender.append(&batch).outcomes().await.as_slice() {
            [Ok(offset)] => *offset,
            [Err(error)] => return Err(unavailable(error.to_string())),
            _ => return Err(unavailable("Kafka gave no answer".to_owned())),
        };
        let Trigger { pipeline, action, detail, requested_by, .. } = &trigger;
        tracing::info!(pipeline, action, detail, by = requested_by, offset, "a command");
        Ok((StatusCode::ACCEPTED, Json(Accepted { topic, partition: 0, offset })).into_response())
    }

    /// Refuses a pipeline that is not applied, or has no trainings.
    fn learns(&self, name: &str) -> Result<(), Problem> {
        let applied = self.applied.borrow();
        if !applied.caught_up {
            let detail = "the applied pipelines have not been read yet";
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", detail).retry_after(1));
        }
        let unknown = || Problem::new(StatusCode::NOT_FOUND, "unknown_pipeline", format!("no pipeline `{name}` is applied"));
        let record = applied.pipelines.get(name).ok_or_else(unknown)?;
        let learns = |p: tidemill_pipeline::Pipeline| p.learning.labels.is_some() && p.learning.model.is_some_and(|m| m.train.is_some());
        if tidemill_pipeline::from_record(record).is_ok_and(learns) {
            return Ok(());
        }
        let detail = format!("pipeline `{name}` is not trained: its file needs `labels` and `model.train`");
        Err(Problem::new(StatusCode::CONFLICT, "not_trained", detail))
    }
}

fn read(body: &[u8]) -> Result<Command, Problem> {
    if body.is_empty() {
        return Ok(Command::default());
    }
    let command: Command = serde_json::from_slice(body)
        .map_err(|e| Problem::new(StatusCode::BAD_REQUEST, "malformed", format!("the command is no JSON of ours: {e}")))?;
    let longest = command.detail.len().max(command.requested_by.as_ref().map_or(0, String::len));
    if longest > MAX_TEXT {
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "too_long", format!("a text has {longest} bytes; {MAX_TEXT} are most")));
    }
    Ok(command)
}

#[cfg(test)]
mod tests;
