//! What the caller is told about its records.

use crate::outcome::{Outcome, RETRY_AFTER, Refusal, Taken};
use axum::Json;
use axum::http::header::RETRY_AFTER as RETRY_AFTER_HEADER;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Serialize)]
struct One<'a> {
    event_id: &'a str,
    status: &'static str,
    topic: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    partition: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<i64>,
}

#[derive(Serialize)]
struct Batch<'a> {
    accepted: usize,
    duplicates: usize,
    refused: usize,
    topic: &'a str,
    failures: Vec<Failure<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    results: Option<Vec<One<'a>>>,
}

#[derive(Serialize)]
struct Failure<'a> {
    index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<&'a str>,
    status: u16,
    code: &'static str,
    message: &'a str,
}

/// How many records came to what, for the metrics.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) accepted: usize,
    pub(crate) duplicates: usize,
    /// By code.
    pub(crate) refused: BTreeMap<&'static str, usize>,
}

impl Tally {
    pub(crate) fn of(outcomes: &[Outcome]) -> Self {
        let mut tally = Self::default();
        for outcome in outcomes {
            match &outcome.result {
                Ok(Taken::Accepted { .. }) => tally.accepted += 1,
                Ok(Taken::Duplicate) => tally.duplicates += 1,
                Err(refusal) => *tally.refused.entry(refusal.code).or_default() += 1,
            }
        }
        tally
    }

    /// One word for the whole request.
    pub(crate) fn outcome(&self) -> &'static str {
        match (self.accepted + self.duplicates, self.refused.is_empty()) {
            (_, true) => "accepted",
            (0, false) => "refused",
            (_, false) => "partial",
        }
    }
}

/// The answer to a request whose body was one object.
pub(crate) fn one(outcome: Outcome, topic: &str) -> Response {
    match outcome.result {
        Ok(taken) => Json(result(outcome.event_id.as_deref(), taken, topic)).into_response(),
        Err(refusal) => refusal.problem().into_response(),
    }
}

/// The answer to a batch: counts and what failed; with `verbose` every record in `results`, in order.
pub(crate) fn batch<'a>(outcomes: &'a [Outcome], tally: &Tally, topic: &'a str, verbose: bool) -> Response {
    let failures: Vec<Failure<'_>> = outcomes.iter().enumerate().filter_map(failure).collect();
    let results = verbose.then(|| {
        let refused = |event_id| One { event_id, status: "refused", topic, partition: None, offset: None };
        let each = |o: &'a Outcome| match &o.result {
            Ok(taken) => result(o.event_id.as_deref(), *taken, topic),
            Err(_) => refused(o.event_id.as_deref().unwrap_or_default()),
        };
        outcomes.iter().map(each).collect()
    });
    let body = Batch { accepted: tally.accepted, duplicates: tally.duplicates, refused: failures.len(), topic, failures, results };
    let mut response = (status(outcomes), Json(body)).into_response();
    if refusals(outcomes).any(Refusal::is_retriable) {
        response.headers_mut().insert(RETRY_AFTER_HEADER, HeaderValue::from(RETRY_AFTER));
    }
    response
}

/// 200 when all was taken; 207 when some was; else what all refusals have in common, 503 when another try
/// may help some, 422.
fn status(outcomes: &[Outcome]) -> StatusCode {
    let Some(first) = refusals(outcomes).next() else { return StatusCode::OK };
    if outcomes.iter().any(|o| o.result.is_ok()) {
        StatusCode::MULTI_STATUS
    } else if refusals(outcomes).all(|r| r.status == first.status) {
        first.status
    } else if refusals(outcomes).any(Refusal::is_retriable) {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::UNPROCESSABLE_ENTITY
    }
}

fn refusals(outcomes: &[Outcome]) -> impl Iterator<Item = &Refusal> {
    outcomes.iter().filter_map(|o| o.result.as_ref().err())
}

fn failure((index, outcome): (usize, &Outcome)) -> Option<Failure<'_>> {
    let refusal = outcome.result.as_ref().err()?;
    let event_id = outcome.event_id.as_deref();
    Some(Failure { index, event_id, status: refusal.status.as_u16(), code: refusal.code, message: &refusal.message })
}

fn result<'a>(event_id: Option<&'a str>, taken: Taken, topic: &'a str) -> One<'a> {
    let (partition, offset) = match taken {
        Taken::Accepted { partition, offset } => (Some(partition), Some(offset)),
        Taken::Duplicate => (None, None),
    };
    One { event_id: event_id.unwrap_or_default(), status: word(taken), topic, partition, offset }
}

fn word(taken: Taken) -> &'static str {
    match taken {
        Taken::Accepted { .. } => "accepted",
        Taken::Duplicate => "duplicate",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16) -> Outcome {
        Outcome { event_id: None, result: Err(Refusal::new(StatusCode::from_u16(status).unwrap(), "code", "")) }
    }

    #[test]
    fn a_batch_has_the_status_that_says_most() {
        let taken = || Outcome { event_id: None, result: Ok(Taken::Duplicate) };
        assert_eq!(status(&[taken(), taken()]), 200);
        assert_eq!(status(&[taken(), refused(422)]), 207);
        assert_eq!(status(&[refused(400), refused(400)]), 400);
        assert_eq!(status(&[refused(400), refused(409)]), 422);
        assert_eq!(status(&[refused(429), refused(429)]), 429);
        assert_eq!(status(&[refused(422), refused(429)]), 503);
    }
}
