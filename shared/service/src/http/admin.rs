//! `/health/live`, `/health/ready`, `/metrics`, and the answer to what is not there.

use super::Problem;
use crate::health::Readiness;
use crate::metrics::{self, Metrics};
use axum::Json;
use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;
use tokio_util::sync::CancellationToken;

/// `service`'s own routes with the admin endpoints beside them. Not ready from `stop` on.
pub fn admin(service: Router, readiness: Readiness, metrics: Metrics, stop: CancellationToken) -> Router {
    service
        .route("/health/live", get(async || Json(json!({"live": true}))))
        .route("/health/ready", get(async move || ready(&readiness, &stop)))
        .route("/metrics", get(async move || text(&metrics)))
        .fallback(not_found)
        .method_not_allowed_fallback(async || Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "see the Allow header"))
}

fn ready(readiness: &Readiness, stop: &CancellationToken) -> Response {
    let mut report = readiness.report();
    report.ready &= !stop.is_cancelled();
    let status = if report.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(report)).into_response()
}

fn text(metrics: &Metrics) -> Response {
    match metrics.encode() {
        Ok(text) => ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(_) => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "metrics", "a metric could not be written").into_response(),
    }
}

async fn not_found(uri: Uri) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not_found", format!("there is nothing at {}", uri.path()))
}
