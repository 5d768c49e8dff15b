//! Request bodies, read within limits of size, time and memory, and unpacked.

use super::{Budget, Lease, Problem};
use axum::body::Body;
use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use flate2::read::MultiGzDecoder;
use http_body_util::BodyExt;
use std::io::Read;
use std::time::Duration;

/// What a body may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes, as sent and unpacked.
    pub size: usize,
    /// Time for the whole of it to arrive.
    pub time: Duration,
}

/// How much is unpacked at a time.
const STEP: u64 = 64 << 10;

/// Reads a body and unpacks it if it is gzip. The lease holds its bytes in `budget`: keep it as long as they matter.
///
/// # Errors
/// 400 broken off or not gzip · 408 too slow · 413 too long · 415 packed otherwise · 429 no budget left.
pub async fn read(headers: &HeaderMap, body: Body, limits: Limits, budget: &Budget) -> Result<(Vec<u8>, Lease), Problem> {
    let packed = is_gzip(headers)?;
    let length = headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > limits.size) {
        return Err(too_long(limits.size));
    }
    let mut lease = budget.lease();
    let receiving = receive(body, length.unwrap_or(0), limits.size, &mut lease);
    let bytes = tokio::time::timeout(limits.time, receiving).await.map_err(|_| too_slow(limits.time))??;
    if !packed {
        return Ok((bytes, lease));
    }
    let unpacked = unpack(&bytes, limits.size, &mut lease)?;
    Ok((unpacked, lease))
}

fn is_gzip(headers: &HeaderMap) -> Result<bool, Problem> {
    let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
    match (encodings.next().map(HeaderValue::as_bytes), encodings.next()) {
        (None, _) => Ok(false),
        (Some(one), None) if one.eq_ignore_ascii_case(b"identity") => Ok(false),
        (Some(one), None) if one.eq_ignore_ascii_case(b"gzip") => Ok(true),
        _ => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_encoding",
            "send the body plain or with `Content-Encoding: gzip`",
        )
        .with(ACCEPT_ENCODING, HeaderValue::from_static("gzip"))
        .closing()),
    }
}

async fn receive(mut body: Body, length: usize, limit: usize, lease: &mut Lease) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::with_capacity(length);
    while let Some(frame) = body.frame().await {
        let frame =
            frame.map_err(|e| Problem::new(StatusCode::BAD_REQUEST, "broken_body", format!("the body broke off: {e}")).closing())?;
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > limit {
            return Err(too_long(limit));
        }
        grow(lease, data.len())?;
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

fn unpack(packed: &[u8], limit: usize, lease: &mut Lease) -> Result<Vec<u8>, Problem> {
    let mut source = MultiGzDecoder::new(packed);
    let mut bytes = Vec::new();
    loop {
        let step = source.by_ref().take(STEP).read_to_end(&mut bytes);
        let read =
            step.map_err(|e| Problem::new(StatusCode::BAD_REQUEST, "broken_gzip", format!("the body is not gzip, or is cut off: {e}")))?;
        if read == 0 {
            return Ok(bytes);
        }
        if bytes.len() > limit {
            return Err(too_long(limit));
        }
        grow(lease, read)?;
    }
}

fn grow(lease: &mut Lease, bytes: usize) -> Result<(), Problem> {
    if lease.grow(bytes) {
        return Ok(());
    }
    let detail = "more is under way than fits in memory: send again after the time in Retry-After";
    Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "busy", detail).retry_after(1).closing())
}

fn too_long(limit: usize) -> Problem {
    let detail = format!("the body is longer than {limit} bytes, as sent or unpacked: send smaller batches");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail).closing()
}

fn too_slow(time: Duration) -> Problem {
    Problem::new(StatusCode::REQUEST_TIMEOUT, "too_slow", format!("the body did not arrive within {} s", time.as_secs_f32())).closing()
}

#[cfg(test)]
mod tests;
