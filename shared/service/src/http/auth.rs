//! The bearer token that writes need.

use super::Problem;
use crate::config::Secret;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use subtle::ConstantTimeEq;

/// Checks callers against one token.
#[derive(Debug, Clone)]
pub struct Token(Secret);

impl Token {
    /// A check against `token`.
    #[must_use]
    pub fn new(token: Secret) -> Self {
        Self(token)
    }

    /// Whether `headers` carry the token. How long it takes tells nothing about the token but its length.
    ///
    /// # Errors
    /// 401 when they carry none, more than one, or another.
    pub fn check(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let mut sent = headers.get_all(AUTHORIZATION).iter();
        let (Some(sent), None) = (sent.next(), sent.next()) else {
            return Err(Problem::unauthorized("send the header `Authorization: Bearer TOKEN` once").closing());
        };
        let right = match sent.as_bytes().split_first_chunk::<7>() {
            Some((scheme, token)) => scheme.eq_ignore_ascii_case(b"bearer ") && bool::from(token.ct_eq(self.0.expose().as_bytes())),
            None => false,
        };
        if right { Ok(()) } else { Err(Problem::unauthorized("the bearer token is not the one of this service").closing()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn only_the_token_itself_passes() {
        let token = Token::new(Secret::new("0123456789abcdef"));
        let check = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
            }
            token.check(&headers).is_ok()
        };
        assert!(check(&["Bearer 0123456789abcdef"]));
        assert!(check(&["bearer 0123456789abcdef"]));
        for refused in ["", "Bearer", "Bearer ", "Bearer 0123456789abcdeF", "Basic 0123456789abcdef", "0123456789abcdef"] {
            assert!(!check(&[refused]), "{refused}");
        }
        assert!(!check(&["Bearer eyJhbGciOiJub25lIn0.e30."]), "an unsigned JSON web token");
        assert!(!check(&[]));
        assert!(!check(&["Bearer 0123456789abcdef", "Bearer x"]));
    }
}
