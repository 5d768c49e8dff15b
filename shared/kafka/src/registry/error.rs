//! What can go wrong with a schema registry, and whether to ask again.

use schema_registry_converter::error::SRCError;
use schema_registry_converter::schema_registry_common::RawError;
use std::error::Error as _;

/// Why the registry did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is down, does not let us in, or has no time (401, 403, 407, 408, 429, 5xx): the same call may succeed later. None of
    /// these says anything of a schema, so no record may be refused for them.
    #[error("the schema registry is not available: could not {what}: {why}")]
    Unavailable {
        /// The call.
        what: String,
        /// What was seen.
        why: String,
    },
    /// It answered, and there is no such thing.
    #[error("the schema registry does not know this: could not {what}: {why}")]
    NotFound {
        /// The call.
        what: String,
        /// The registry's word.
        why: String,
    },
    /// Readers of the subject would break.
    #[error("incompatible schema: could not {what}: {why}")]
    Incompatible {
        /// The call.
        what: String,
        /// The registry's word.
        why: String,
    },
    /// Any other answer: the call itself is wrong.
    #[error("the schema registry refused: could not {what}: {why}")]
    Refused {
        /// The call.
        what: String,
        /// The registry's word.
        why: String,
    },
}

impl Error {
    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        matches!(self, Error::Unavailable { .. })
    }

    /// What an HTTP status and the registry's message mean.
    pub(super) fn of_status(what: &str, status: u16, why: String) -> Self {
        let what = what.to_owned();
        match status {
            404 => Error::NotFound { what, why },
            409 => Error::Incompatible { what, why },
            401 | 403 | 407 | 408 | 429 | 500.. => Error::Unavailable { what, why },
            _ => Error::Refused { what, why },
        }
    }

    /// What an error of the converter crate means: it keeps the registry's answer as its source.
    pub(super) fn of(what: &str, error: &SRCError) -> Self {
        match error.source().and_then(|s| s.downcast_ref::<RawError>()) {
            // codes are an HTTP status, or a status with two digits more
            Some(raw) if raw.error_code >= 100 => {
                let status = if raw.error_code > 999 { raw.error_code / 100 } else { raw.error_code };
                Self::of_status(what, u16::try_from(status).unwrap_or(500), raw.message.clone())
            }
            // an answer that is not the registry's (a proxy's error page), or none
            Some(_) => Error::Unavailable { what: what.to_owned(), why: error.error.clone() },
            None if error.retriable => Error::Unavailable { what: what.to_owned(), why: cause(error) },
            None => Error::Refused { what: what.to_owned(), why: cause(error) },
        }
    }
}

fn cause(error: &SRCError) -> String {
    error.source().map_or_else(|| error.error.clone(), chain)
}

/// The error and what caused it: reqwest's own text leaves out the reason, such as a refused connection.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
