//! What takes the batches: the ingestor's HTTP interface, as its client sees it, or Kafka.

use super::batch::{Batch, Kind};
use super::kafka::Kafka;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use serde::Deserialize;
use std::error::Error as _;
use std::time::Duration;
use tidemill_ingestor::intake::Refusal;

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

/// Takes batches.
pub(super) enum Client {
    Http(Http),
    Kafka(Box<Kafka>),
}

impl Client {
    pub(super) async fn post(&self, batch: &Batch) -> Answer {
        match self {
            Client::Http(http) => http.post(batch).await,
            Client::Kafka(kafka) => kafka.append(batch).await,
        }
    }
}

/// The ingestor.
pub(super) struct Http {
    http: reqwest::Client,
    events: String,
    labels: String,
}

/// What came of one request.
#[derive(Debug)]
pub(super) enum Answer {
    /// Each record was judged; those not named were taken. Those that may be taken later want this pause first.
    Judged { duplicates: u64, failures: Vec<Failure>, pause: Option<Duration> },
    /// Not taken, but it may be: try again, after the given pause if there is one.
    Later { why: String, pause: Option<Duration> },
    /// The request as a whole cannot be taken, with the code of the reason.
    Unfit { code: String, why: String },
    /// No request like this one will ever be taken.
    Never(String),
}

/// One record that was not taken.
#[derive(Debug, Deserialize)]
pub(super) struct Failure {
    pub(super) index: usize,
    status: u16,
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    pub(super) message: String,
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

impl Failure {
    pub(super) fn new(index: usize, refusal: Refusal) -> Self {
        Self { index, status: refusal.status.as_u16(), code: Some(refusal.code.to_owned()), message: refusal.message }
    }

    /// Whether the record may be taken when it is sent again.
    pub(super) fn is_temporary(&self) -> bool {
        is_temporary(StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
    }

    /// The reason's code, or the status where there is none.
    pub(super) fn code(&self) -> String {
        self.code.clone().unwrap_or_else(|| self.status.to_string())
    }
}

fn is_temporary(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS)
}

impl Http {
    pub(super) fn new(endpoint: &Endpoint) -> Result<Self, Error> {
        let mut token = HeaderValue::try_from(format!("Bearer {}", endpoint.token)).map_err(|_| Error::Token)?;
        token.set_sensitive(true);
        let headers = [(AUTHORIZATION, token), (CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"))];
        let http = reqwest::Client::builder()
            .http1_only()
            .tcp_nodelay(true)
            .timeout(TIMEOUT)
            .default_headers(headers.into_iter().collect())
            .build()?;
        let base = format!("{}/v1/pipelines/{}", endpoint.url.trim_end_matches('/'), endpoint.pipeline);
        Ok(Self { http, events: format!("{base}/events"), labels: format!("{base}/labels") })
    }

    async fn post(&self, batch: &Batch) -> Answer {
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
