//! The W3C trace context of a request.

use axum::http::HeaderMap;

/// The `traceparent` header, if there is one, it is well-formed, and the caller samples its trace.
///
/// Anything else is as good as none: a forged header must not join records to somebody's trace.
#[must_use]
pub fn sampled_traceparent(headers: &HeaderMap) -> Option<&str> {
    let mut sent = headers.get_all("traceparent").iter();
    let (text, None) = (sent.next()?.to_str().ok()?, sent.next()) else { return None };
    is_sampled_traceparent(text).then_some(text)
}

/// Whether `text` is a well-formed `traceparent` of a trace that is sampled, wherever it comes from.
#[must_use]
pub fn is_sampled_traceparent(text: &str) -> bool {
    let mut parts = text.split('-');
    let mut next = || parts.next().unwrap_or_default();
    let (version, trace, span, flags) = (next(), next(), next(), next());
    let is_id = |part: &str, len: usize| is_hex(part, len) && part.bytes().any(|b| b != b'0');
    let sampled = is_hex(flags, 2) && u8::from_str_radix(flags, 16).is_ok_and(|f| f & 1 == 1);
    version == "00" && is_id(trace, 32) && is_id(span, 16) && sampled && parts.next().is_none()
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
        assert_eq!(sampled_traceparent(&headers(&[good])), Some(good));
        for bad in [
            good.replace("-01", "-00"),
            good.replace("-01", ""),
            good.replace("00-4", "ff-4"),
            good.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            good.replace("00f067aa0ba902b7", &"0".repeat(16)),
            good.to_uppercase(),
            format!("{good}-00"),
            good.replace("4bf9", "4bg9"),
        ] {
            assert_eq!(sampled_traceparent(&headers(&[&bad])), None, "{bad}");
        }
        assert_eq!(sampled_traceparent(&headers(&[good, good])), None);
    }
}
