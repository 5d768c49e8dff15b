//! The ingestor's HTTP interface, as its client sees it.

use super::answer::{Answer, Failure, is_temporary};
use super::batch::{Batch, Kind};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use serde::Deserialize;
use std::error::Error as _;
use std::time::Duration;

/// How long one request may take: the broker's patience and some.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Longest pause that an answer may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Where the ingestor is and how it lets us in.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Base address, e.g. `http://127.0.0.1:8080`.
    pub url: String,
    /// Bearer token.
    pub token: String,
    /// The pipeline's name.
    pub pipeline: String,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The token has bytes that no header may have.
    #[error("the token (TIDEMILL_TOKEN) has characters that cannot be sent")]
    Token,
    /// The HTTP client could not be made.
    #[error("no HTTP client: {0}")]
    Client(#[from] reqwest::Error),
}

/// The ingestor.
pub(super) struct Http {
    http: reqwest::Client,
    events: String,
    labels: String,
}

#[derive(Deserialize)]
struct Judged {
    #[serde(default)]
    duplicates: u64,
    failures: Vec<Failure>,
}

/// RFC 9457, as far as it is shown.
#[derive(Default, Deserialize)]
struct Problem {
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    detail: Option<String>,
}

impl Http {
    pub(super) fn new(endpoint: &Endpoint) -> Result<Self, Error> {
        let mut token = HeaderValue::try_from(format!("Bearer {}", endpoint.token)).map_err(|_| Error::Token)?;
        token.set_sensitive(true);
        let headers = [(AUTHORIZATION, token), (CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"))];
        let http = tidemill_http_client::builder()
            .http1_only()
            .tcp_nodelay(true)
            .timeout(TIMEOUT)
            .default_headers(headers.into_iter().collect())
            .build()?;
        let base = format!("{}/v1/pipelines/{}", endpoint.url.trim_end_matches('/'), endpoint.pipeline);
        Ok(Self { http, events: format!("{base}/events"), labels: format!("{base}/labels") })
    }

    pub(super) async fn post(&self, batch: &Batch) -> Answer {
        let url = match batch.kind {
            Kind::Events => &self.events,
            Kind::Labels => &self.labels,
        };
        match self.http.post(url).body(batch.body.clone()).send().await {
            Err(e) if e.is_builder() => Answer::Never(format!("{url} is no address: {}", causes(&e))),
            Err(e) => Answer::Later { why: causes(&e), pause: None },
            Ok(response) => answer(response).await,
        }
    }
}

async fn answer(response: Response) -> Answer {
    let status = response.status();
    let pause = pause(&response);
    let url = response.url().to_string();
    let body = match response.bytes().await {
        Ok(body) => body,
        Err(e) => return Answer::Later { why: format!("the answer broke off: {}", causes(&e)), pause: None },
    };
    if let Ok(judged) = serde_json::from_slice::<Judged>(&body) {
        return Answer::Judged { duplicates: judged.duplicates, failures: judged.failures, pause };
    }
    let problem: Problem = serde_json::from_slice(&body).unwrap_or_default();
    let why = problem.detail.or(problem.title).unwrap_or_else(|| String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned());
    let why = format!("{status}: {why}");
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            Answer::Never(format!("{url} does not let us in: {why}; TIDEMILL_TOKEN must be the ingestor's"))
        }
        // the ingestor hears of a new pipeline a moment after it was applied
        StatusCode::NOT_FOUND => Answer::Later { why: format!("{url}: {why}"), pause },
        _ if is_temporary(status) => Answer::Later { why, pause },
        StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNPROCESSABLE_ENTITY => {
            Answer::Unfit { code: problem.code.unwrap_or_else(|| status.as_u16().to_string()), why }
        }
        _ => Answer::Never(format!("{url} answered {why}, which no ingestor does: TIDEMILL_INGESTOR_URL must be its address")),
    }
}

fn pause(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_PAUSE))
}

/// The innermost cause says it best: reqwest's own words are "error sending request".
fn causes(error: &reqwest::Error) -> String {
    let mut cause = error.source();
    let mut text = error.to_string();
    while let Some(inner) = cause {
        text = inner.to_string();
        cause = inner.source();
    }
    text
}
