//! What became of a request, whoever took it.

use reqwest::StatusCode;
use serde::Deserialize;
use std::time::Duration;
use tidemill_ingestor::intake::Refusal;

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

/// Whether the same may be taken later.
pub(super) fn is_temporary(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS)
}
