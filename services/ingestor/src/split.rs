//! A request body as records.

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
}

/// The records of a request, each the JSON text of (what should be) an object.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Records<'a> {
    /// The body is one record: the answer is about it alone.
    One(&'a [u8]),
    /// A batch: the answer has one result per record.
    Batch(Vec<&'a [u8]>),
}

/// The form that the content type names.
///
/// # Errors
/// 415.
pub(crate) fn form(headers: &HeaderMap) -> Result<Form, Problem> {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let essence = match (types.next(), types.next()) {
        (Some(one), None) => one.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim(),
        _ => "",
    };
    if essence.eq_ignore_ascii_case("application/json") {
        Ok(Form::Json)
    } else if essence.eq_ignore_ascii_case("application/x-ndjson") {
        Ok(Form::Ndjson)
    } else {
        let detail = "send application/json (an object, or an array of objects) or application/x-ndjson (an object per line)";
        Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail).closing())
    }
}

/// Cuts `body` into records; white space between them does not count.
///
/// # Errors
/// 400 when there is no record, or an array is broken · 413 when there are too many · 422 for NaN in an array.
pub(crate) fn split(form: Form, body: &[u8]) -> Result<Records<'_>, Problem> {
    let body = body.trim_ascii();
    let records: Vec<&[u8]> = match form {
        Form::Json if !body.starts_with(b"[") => return Ok(Records::One(body)),
        Form::Json => json::elements(body).map_err(|e| Refusal::of_json(&e).problem())?,
        Form::Ndjson => body.split(|b| *b == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty()).collect(),
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
        let lines = split(Form::Ndjson, b"\n{\"a\":1}\r\n\n  {\"a\":2}  \nnot json\n").unwrap();
        assert_eq!(lines, Records::Batch(vec![b"{\"a\":1}", b"{\"a\":2}", b"not json"]));
        assert_eq!(split(Form::Json, b" [{},{}] ").unwrap(), Records::Batch(vec![b"{}", b"{}"]));
        assert_eq!(split(Form::Json, b" {} ").unwrap(), Records::One(b"{}"));
        assert_eq!(split(Form::Ndjson, b"{}").unwrap(), Records::Batch(vec![b"{}"]));
        let many = "{}\n".repeat(MAX_RECORDS + 1);
        assert_eq!(split(Form::Ndjson, many.as_bytes()).unwrap_err().status(), 413);
    }
}
