//! What became of one record.

use axum::http::StatusCode;
use compact_str::CompactString;
use tidemill_events::json;
use tidemill_kafka::append;
use tidemill_service::http::Problem;

/// Seconds after which a caller may try again what may work then.
pub(crate) const RETRY_AFTER: u32 = 1;

/// A record of a request, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// The event's id, once it was read.
    pub(crate) event_id: Option<CompactString>,
    pub(crate) result: Result<Taken, Refusal>,
}

/// The record is in the topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Now, and here.
    Accepted { partition: i32, offset: i64 },
    /// It was before.
    Duplicate,
}

/// The record was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What an answer over HTTP has as its status.
    pub status: StatusCode,
    /// A code that does not change with the wording.
    pub code: &'static str,
    /// What is wrong, for people.
    pub message: String,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    pub(crate) fn of_json(error: &json::Error) -> Self {
        let status = match error {
            json::Error::Malformed(_) => StatusCode::BAD_REQUEST,
            json::Error::Invalid { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Self::new(status, error.code(), error.to_string())
    }

    /// What it means that the record was not appended.
    #[must_use]
    pub fn of_append(error: append::Error) -> Self {
        match error {
            append::Error::Busy => Self::new(StatusCode::TOO_MANY_REQUESTS, "busy", format!("{error}: send it again a little later")),
            append::Error::TooLarge => Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", error.to_string()),
            append::Error::NotAcknowledged => {
                let message = format!("{error}: it may be in the topic or not; sending it again is safe");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "not_acknowledged", message)
            }
            append::Error::Refused => {
                let message = format!("{error}: the service's log says why; send it again once that is put right");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "kafka_refused", message)
            }
        }
    }

    /// The same id is on its way in another request.
    pub(crate) fn in_flight() -> Self {
        let message = "another request with this event id is under way: send it again once that is answered";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "in_flight", message)
    }

    /// The same id came with another body.
    pub(crate) fn conflict() -> Self {
        let message =
            "an event with this id and other fields was taken before: an event does not change, so send a new one with an id of its own";
        Self::new(StatusCode::CONFLICT, "conflict", message)
    }

    /// Whether the same record may be taken later.
    pub(crate) fn is_retriable(&self) -> bool {
        matches!(self.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
    }

    pub(crate) fn problem(self) -> Problem {
        let retriable = self.is_retriable();
        let problem = Problem::new(self.status, self.code, self.message);
        if retriable { problem.retry_after(RETRY_AFTER) } else { problem }
    }
}
