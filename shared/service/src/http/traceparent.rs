//! The W3C trace context of a request.

use axum::http::HeaderMap;

/// What a caller says of the trace that its request belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller<'h> {
    /// Its trace is sampled; the `traceparent` is well-formed.
    Follows(&'h str),
    /// Its trace is not sampled, and it is not ours to do so.
    Declines,
    /// Nothing, or what cannot be read: a forged header must not join records to somebody's trace.
    IsSilent,
}

/// What `headers` say.
#[must_use]
pub fn caller(headers: &HeaderMap) -> Caller<'_> {
    let mut sent = headers.get_all("traceparent").iter();
    let (Some(first), None) = (sent.next(), sent.next()) else { return Caller::IsSilent };
    match first.to_str().map(|text| (text, flags(text))) {
        Ok((text, Some(flags))) if flags & 1 == 1 => Caller::Follows(text),
        Ok((_, Some(_))) => Caller::Declines,
        _ => Caller::IsSilent,
    }
}

/// Whether `text` is a well-formed `traceparent` of a trace that is sampled, wherever it comes from.
#[must_use]
pub fn is_sampled_traceparent(text: &str) -> bool {
    flags(text).is_some_and(|flags| flags & 1 == 1)
}

/// The flags of a well-formed `traceparent` of version 00.
fn flags(text: &str) -> Option<u8> {
    let mut parts = text.split('-');
    let mut next = || parts.next().unwrap_or_default();
    let (version, trace, span, flags) = (next(), next(), next(), next());
    let is_id = |part: &str, len: usize| is_hex(part, len) && part.bytes().any(|b| b != b'0');
    let good = version == "00" && is_id(trace, 32) && is_id(span, 16) && is_hex(flags, 2) && parts.next().is_none();
    good.then(|| u8::from_str_radix(flags, 16).ok()).flatten()
}

fn is_hex(part: &str, len: usize) -> bool {
    part.len() == len && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn only_sampled_and_well_formed_ones_count() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let headers = |values: &[&str]| -> HeaderMap {
            values.iter().fold(HeaderMap::new(), |mut h, v| {
                h.append("traceparent", HeaderValue::from_str(v).unwrap());
                h
            })
        };
        assert_eq!(caller(&headers(&[good])), Caller::Follows(good));
        let not_sampled = good.replace("-01", "-00");
        assert_eq!(caller(&headers(&[&not_sampled])), Caller::Declines);
        assert!(is_sampled_traceparent(good) && !is_sampled_traceparent(&not_sampled));
        for bad in [
            good.replace("-01", ""),
            good.replace("00-4", "ff-4"),
            good.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            good.replace("00f067aa0ba902b7", &"0".repeat(16)),
            good.to_uppercase(),
            format!("{good}-00"),
            good.replace("4bf9", "4bg9"),
        ] {
            assert_eq!(caller(&headers(&[&bad])), Caller::IsSilent, "{bad}");
            assert!(!is_sampled_traceparent(&bad), "{bad}");
        }
        assert_eq!(caller(&headers(&[good, good])), Caller::IsSilent);
        assert_eq!(caller(&headers(&[])), Caller::IsSilent);
    }
}
