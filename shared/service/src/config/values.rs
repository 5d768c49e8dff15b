//! Value parsers for flags: what is wrong is said when the service starts, not when it connects.

use super::Secret;
use axum::http::Uri;
use std::net::SocketAddr;
use std::time::Duration;

/// `host:port`.
///
/// # Errors
/// Says what is missing.
pub fn host_port(text: &str) -> Result<String, String> {
    let (host, port) = text.rsplit_once(':').ok_or_else(|| format!("`{text}` has no port: write host:port, such as 127.0.0.1:9092"))?;
    if host.is_empty() || host.contains(['/', ' ', '@', ',']) || (host.contains(':') && !host.starts_with('[')) {
        return Err(format!("`{host}` is not a host: write host:port without a scheme, such as 127.0.0.1:9092"));
    }
    match port.parse::<u16>() {
        Ok(1..) => Ok(text.to_owned()),
        _ => Err(format!("`{port}` is not a port: a number from 1 to 65535")),
    }
}

/// One or more `host:port`, comma-separated.
///
/// # Errors
/// Says which is wrong.
pub fn brokers(text: &str) -> Result<String, String> {
    text.split(',').map(|broker| host_port(broker.trim())).collect::<Result<Vec<_>, _>>().map(|brokers| brokers.join(","))
}

/// A URL with scheme http or https, without the slash at its end.
///
/// # Errors
/// Says what it is not.
pub fn http_url(text: &str) -> Result<String, String> {
    let good = text
        .parse::<Uri>()
        .is_ok_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|h| !h.is_empty()));
    if good { Ok(text.trim_end_matches('/').to_owned()) } else { Err(format!("`{text}` is not a URL such as http://127.0.0.1:8081")) }
}

/// The URL of an object store: a folder, `file:///…`, percent-encoded where need be, or `s3://bucket/…`.
///
/// # Errors
/// Says what it is not.
pub fn store_url(text: &str) -> Result<String, String> {
    let folder = text.strip_prefix("file://").is_some_and(|path| path.starts_with('/'));
    let bucket = text.strip_prefix("s3://").is_some_and(|bucket| !bucket.is_empty());
    let good = (folder || bucket) && !text.contains([' ', '?', '#']);
    if good { Ok(text.to_owned()) } else { Err(format!("`{text}` is not an object store such as file:///var/lib/tidemill")) }
}

/// An address to listen on.
///
/// # Errors
/// Says what it is not.
pub fn listen(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("`{text}` is not an address and port such as 127.0.0.1:7101 or 0.0.0.0:7101"))
}

/// Levels for the log.
///
/// # Errors
/// With the word of tracing-subscriber.
pub fn log_filter(text: &str) -> Result<String, String> {
    tracing_subscriber::EnvFilter::try_new(text).map(|_| text.to_owned()).map_err(|e| e.to_string())
}

/// A bearer token: as long as one must be not to be guessed, in the characters that a header carries.
///
/// # Errors
/// Says what is wrong with it without repeating it.
pub fn token(text: &str) -> Result<Secret, String> {
    if text.len() < 16 {
        return Err("a token has at least 16 characters".into());
    }
    if !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err("a token has visible ASCII characters only, no space".into());
    }
    Ok(Secret::new(text))
}

/// A whole number and `ms`, `s` or `m`, more than nothing.
///
/// # Errors
/// Says what it is not.
pub fn duration(text: &str) -> Result<Duration, String> {
    let bad = || format!("`{text}` is not a duration: write a whole number and ms, s or m, such as 20s");
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let number: u64 = digits.parse().map_err(|_| bad())?;
    let millis = match &text[digits.len()..] {
        "ms" => Some(number),
        "s" => number.checked_mul(1000),
        "m" => number.checked_mul(60_000),
        _ => None,
    };
    millis.filter(|ms| *ms > 0).map(Duration::from_millis).ok_or_else(bad)
}
