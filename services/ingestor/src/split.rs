//! A request body as records.

use crate::cloudevents::{self, CloudEvent};
use crate::outcome::Refusal;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use tidemill_events::json;
use tidemill_service::http::Problem;

/// Records that one request may bring.
const MAX_RECORDS: usize = 10_000;

/// How the records are written in the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// One object, or an array of objects.
    Json,
    /// One object per line.
    Ndjson,
    /// A CloudEvent that is the body.
    Structured,
    /// An array of CloudEvents.
    StructuredBatch,
    /// A CloudEvent whose attributes are headers and whose data is the body.
    Binary,
}

/// A record of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Incoming<'a> {
    /// The JSON text of (what should be) an object.
    Plain(&'a [u8]),
    /// The data of a CloudEvent.
    Cloud(CloudEvent<'a>),
    /// A CloudEvent that is none.
    Refused(Refusal),
}

impl Incoming<'_> {
    /// The trace that the record brings along.
    pub(crate) fn traceparent(&self) -> Option<&str> {
        if let Incoming::Cloud(event) = self { event.traceparent.as_deref() } else { None }
    }
}

/// The records of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Records<'a> {
    /// The body is one record: the answer is about it alone.
    One(Incoming<'a>),
    /// A batch: the answer has one result per record.
    Batch(Vec<Incoming<'a>>),
}

/// The form that the content type names; CloudEvents only where they are wanted.
///
/// # Errors
/// 415.
pub(crate) fn form(headers: &HeaderMap, cloud_events: bool) -> Result<Form, Problem> {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let essence = match (types.next(), types.next()) {
        (Some(one), None) => one.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim(),
        _ => "",
    };
    if cloud_events && essence.eq_ignore_ascii_case("application/cloudevents+json") {
        Ok(Form::Structured)
    } else if cloud_events && essence.eq_ignore_ascii_case("application/cloudevents-batch+json") {
        Ok(Form::StructuredBatch)
    } else if cloud_events && cloudevents::is_binary(headers) && cloudevents::is_json(essence) {
        Ok(Form::Binary)
    } else if essence.eq_ignore_ascii_case("application/json") {
        Ok(Form::Json)
    } else if essence.eq_ignore_ascii_case("application/x-ndjson") {
        Ok(Form::Ndjson)
    } else {
        let detail = if cloud_events {
            "send application/json (an object, or an array of objects), application/x-ndjson (an object per line), or CloudEvents: \
             application/cloudevents+json, application/cloudevents-batch+json, or `ce-` headers with JSON"
        } else {
            "send application/json (an object, or an array of objects) or application/x-ndjson (an object per line)"
        };
        Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail).closing())
    }
}

/// Cuts `body` into records; white space between them does not count.
///
/// # Errors
/// 400 when there is no record, or an array is broken · 413 when there are too many · 422 for NaN in an array.
pub(crate) fn split<'a>(form: Form, headers: &'a HeaderMap, body: &'a [u8]) -> Result<Records<'a>, Problem> {
    let body = body.trim_ascii();
    let elements = || json::elements(body).map_err(|e| Refusal::of_json(&e).problem());
    let cloud = |event: Result<CloudEvent<'a>, Refusal>| event.map_or_else(Incoming::Refused, Incoming::Cloud);
    let records: Vec<Incoming<'_>> = match form {
        Form::Structured => return Ok(Records::One(cloud(cloudevents::structured(body)))),
        Form::Binary => return Ok(Records::One(cloud(cloudevents::binary(headers, body)))),
        Form::StructuredBatch => elements()?.into_iter().map(|e| cloud(cloudevents::structured(e))).collect(),
        Form::Json if !body.starts_with(b"[") => return Ok(Records::One(Incoming::Plain(body))),
        Form::Json => elements()?.into_iter().map(Incoming::Plain).collect(),
        Form::Ndjson => body.split(|b| *b == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty()).map(Incoming::Plain).collect(),
    };
    match records.len() {
        0 => Err(Problem::new(StatusCode::BAD_REQUEST, "empty", "there is no record in the body")),
        1..=MAX_RECORDS => Ok(Records::Batch(records)),
        n => {
            let detail = format!("{n} records in one request: send {MAX_RECORDS} at most");
            Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_many_records", detail))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_arrays_become_records() {
        let headers = HeaderMap::new();
        let batch = |records: &[&'static str]| Records::Batch(records.iter().map(|r| Incoming::Plain(r.as_bytes())).collect());
        let lines = split(Form::Ndjson, &headers, b"\n{\"a\":1}\r\n\n  {\"a\":2}  \nnot json\n").unwrap();
        assert_eq!(lines, batch(&["{\"a\":1}", "{\"a\":2}", "not json"]));
        assert_eq!(split(Form::Json, &headers, b" [{},{}] ").unwrap(), batch(&["{}", "{}"]));
        assert_eq!(split(Form::Json, &headers, b" {} ").unwrap(), Records::One(Incoming::Plain(b"{}")));
        assert_eq!(split(Form::Ndjson, &headers, b"{}").unwrap(), batch(&["{}"]));
        let many = "{}\n".repeat(MAX_RECORDS + 1);
        assert_eq!(split(Form::Ndjson, &headers, many.as_bytes()).unwrap_err().status(), 413);
    }
}
