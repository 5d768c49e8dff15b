//! CloudEvents 1.0: the event in `data`, an envelope around it. Source: CNCF CloudEvents specification 1.0.2, with its
//! JSON format, HTTP protocol binding and distributed tracing extension.
//!
//! The envelope's `id` and `time` are the event's where `data` leaves those fields out; of the rest only `traceparent`
//! is used. What is no CloudEvent is refused as a record, so that it does not spoil the others of its batch.

use crate::intake::Substitutes;
use crate::outcome::Refusal;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::borrow::Cow;
use tidemill_events::json;
use tidemill_service::http::is_sampled_traceparent;

/// Attributes that every CloudEvent has.
const REQUIRED: [&str; 4] = ["specversion", "id", "source", "type"];
/// Those that are looked at beside them.
const OPTIONAL: [&str; 3] = ["time", "datacontenttype", "traceparent"];

/// What the pipeline takes of a CloudEvent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CloudEvent<'a> {
    /// The JSON text of (what should be) the event.
    pub(crate) data: Cow<'a, [u8]>,
    pub(crate) substitutes: Substitutes<'a>,
    /// The trace it belongs to, if that is sampled.
    pub(crate) traceparent: Option<Cow<'a, str>>,
}

/// The attributes that are looked at.
#[derive(Default)]
struct Attributes<'a>(Vec<(&'static str, Cow<'a, str>)>);

impl<'a> Attributes<'a> {
    fn take(&mut self, name: &str) -> Option<Cow<'a, str>> {
        let at = self.0.iter().position(|(known, _)| *known == name)?;
        Some(self.0.swap_remove(at).1)
    }

    /// The event with `data`, which is looked at once the attributes are right.
    fn around(mut self, data: impl FnOnce() -> Result<Cow<'a, [u8]>, Refusal>) -> Result<CloudEvent<'a>, Refusal> {
        for name in REQUIRED {
            match self.0.iter().find(|(known, _)| *known == name) {
                None => return Err(refuse("missing_attribute", format!("a CloudEvent has the attribute `{name}`, and this one has not"))),
                Some((_, value)) if value.is_empty() => return Err(refuse("bad_attribute", format!("the attribute `{name}` is empty"))),
                Some(_) => {}
            }
        }
        let version = self.take("specversion").unwrap_or_default();
        if version != "1.0" {
            let shown: String = version.chars().take(16).collect();
            return Err(refuse("unknown_specversion", format!("CloudEvents of version 1.0 are taken, not `{}`", shown.escape_debug())));
        }
        if let Some(media_type) = self.take("datacontenttype").filter(|media_type| !is_json(media_type)) {
            let shown: String = media_type.chars().take(64).collect();
            let message = format!("the data of an event is JSON, not `{}`", shown.escape_debug());
            return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_data", message));
        }
        let substitutes = Substitutes { id: self.take("id"), time: self.take("time") };
        let data = data()?;
        Ok(CloudEvent { data, substitutes, traceparent: self.take("traceparent").filter(|t| is_sampled_traceparent(t)) })
    }
}

/// Reads a CloudEvent in the JSON format.
///
/// # Errors
/// [`Refusal`].
pub(crate) fn structured(body: &[u8]) -> Result<CloudEvent<'_>, Refusal> {
    let mut attributes = Attributes::default();
    let (mut data, mut encoded) = (None, None);
    for (name, value) in json::members(body).map_err(|e| Refusal::of_json(&e))? {
        match name.as_ref() {
            // null is as good as nothing
            _ if value == "null" => {}
            "data" => data = Some(value),
            "data_base64" => encoded = Some(text("data_base64", value)?),
            name => {
                if let Some(name) = known(name) {
                    attributes.0.push((name, text(name, value)?));
                }
            }
        }
    }
    attributes.around(|| match (data, encoded) {
        (Some(data), None) => Ok(Cow::Borrowed(data.as_bytes())),
        (None, Some(encoded)) => {
            let decoded = STANDARD.decode(encoded.as_bytes());
            decoded.map(Cow::Owned).map_err(|e| refuse("bad_data", format!("`data_base64` is not base64: {e}")))
        }
        (None, None) => Err(refuse("bad_data", "there is neither `data` nor `data_base64`: the event is there".into())),
        (Some(_), Some(_)) => Err(refuse("bad_data", "there are both `data` and `data_base64`: send one".into())),
    })
}

/// Whether the headers are those of a CloudEvent in binary mode.
pub(crate) fn is_binary(headers: &HeaderMap) -> bool {
    ["ce-specversion", "ce-id", "ce-source", "ce-type"].iter().any(|name| headers.contains_key(*name))
}

/// Reads a CloudEvent in binary mode: its attributes are headers, its data is the body.
///
/// # Errors
/// [`Refusal`].
pub(crate) fn binary<'a>(headers: &'a HeaderMap, body: &'a [u8]) -> Result<CloudEvent<'a>, Refusal> {
    let mut attributes = Attributes::default();
    for name in REQUIRED.into_iter().chain(OPTIONAL) {
        // the media type of the data is that of the body
        let header = if name == "datacontenttype" { CONTENT_TYPE.as_str().to_owned() } else { format!("ce-{name}") };
        let mut values = headers.get_all(&header).iter();
        match (values.next(), values.next()) {
            (None, _) => {}
            (Some(value), None) => {
                let value = value.to_str().ok().and_then(percent_decoded);
                let value = value.ok_or_else(|| refuse("bad_attribute", format!("the header `{header}` is not percent-encoded UTF-8")))?;
                attributes.0.push((name, value));
            }
            (Some(_), Some(_)) => return Err(refuse("bad_attribute", format!("the header `{header}` is there twice"))),
        }
    }
    attributes.around(|| Ok(Cow::Borrowed(body)))
}

/// Whether a media type is that of JSON; parameters do not count.
pub(crate) fn is_json(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let Some((kind, subtype)) = essence.split_once('/') else { return false };
    !kind.is_empty() && (subtype == "json" || subtype.strip_suffix("+json").is_some_and(|s| !s.is_empty()))
}

fn known(name: &str) -> Option<&'static str> {
    REQUIRED.into_iter().chain(OPTIONAL).find(|known| *known == name)
}

fn text<'a>(name: &str, json: &'a str) -> Result<Cow<'a, str>, Refusal> {
    // a Cow is always owned when it is deserialised by itself
    match serde_json::from_str::<&str>(json) {
        Ok(text) => Ok(Cow::Borrowed(text)),
        Err(_) => serde_json::from_str(json).map(Cow::Owned).map_err(|_| refuse("bad_attribute", format!("`{name}` is not a text"))),
    }
}

/// What a header value stands for; `None` when it is no UTF-8 or a `%` has no two digits behind it.
fn percent_decoded(value: &str) -> Option<Cow<'_, str>> {
    if !value.contains('%') {
        return Some(Cow::Borrowed(value));
    }
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (digits, after) = rest.split_first_chunk::<2>()?;
        let digit = |d: u8| char::from(d).to_digit(16);
        bytes.push((digit(digits[0])? * 16 + digit(digits[1])?) as u8);
        rest = after;
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

fn refuse(code: &'static str, message: String) -> Refusal {
    Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, code, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_signs_are_decoded_and_must_be_whole() {
        assert_eq!(percent_decoded("plain").as_deref(), Some("plain"));
        assert_eq!(percent_decoded("Euro%20%E2%82%ac%25").as_deref(), Some("Euro €%"));
        for bad in ["%", "%2", "%zz", "%+1", "%ff", "a%e2%82"] {
            assert_eq!(percent_decoded(bad), None, "{bad}");
        }
    }

    #[test]
    fn json_has_many_media_types() {
        for media_type in ["application/json", "text/json; charset=utf-8", "Application/JSON", "application/vnd.shop.order+json"] {
            assert!(is_json(media_type), "{media_type}");
        }
        for media_type in ["", "json", "/json", "application/xml", "application/+json", "application/jsonp", "text/plain;+json"] {
            assert!(!is_json(media_type), "{media_type}");
        }
    }
}
