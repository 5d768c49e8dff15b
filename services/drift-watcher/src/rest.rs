//! `GET /v1/pipelines/{p}/drift`: the last windows of a pipeline, the oldest first.

use crate::meters::Board;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use tidemill_events::control::{ColumnDrift, Drift};
use tidemill_events::time::format_instant;
use tidemill_service::http::Problem;

/// The endpoint's routes.
pub(crate) fn routes(board: Board) -> Router {
    Router::new().route("/v1/pipelines/{pipeline}/drift", get(drift)).with_state(board)
}

#[derive(Serialize)]
struct Answer {
    pipeline: String,
    windows: Vec<Window>,
}

/// A window; times as text.
#[derive(Serialize)]
struct Window {
    kind: String,
    from: String,
    to: String,
    model_version: i32,
    rows: i64,
    sampled: i64,
    columns: Vec<ColumnDrift>,
    errors: i64,
    outcomes: i64,
    concept_alarm: bool,
}

async fn drift(State(board): State<Board>, Path(pipeline): Path<String>) -> Result<Json<Answer>, Problem> {
    let Some(windows) = board.last(&pipeline) else {
        let detail = format!("this instance does not watch {pipeline:?}: it has no `drift`, or another instance leads");
        return Err(Problem::new(StatusCode::NOT_FOUND, "not_watched", detail));
    };
    Ok(Json(Answer { pipeline, windows: windows.into_iter().map(window).collect() }))
}

fn window(drift: Drift) -> Window {
    let Drift { kind, window, model, rows, sampled, columns, errors, outcomes, concept_alarm } = drift;
    let (from, to) = (format_instant(window.from), format_instant(window.to));
    Window { kind, from, to, model_version: model.version, rows, sampled, columns, errors, outcomes, concept_alarm }
}
