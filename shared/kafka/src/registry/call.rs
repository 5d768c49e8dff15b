//! The registry's calls that the converter crate does not make: levels and compatibility with the reason.

use super::error::chain;
use super::{Error, Registry};
use serde::Deserialize;
use serde_json::{Value as Json, json};

const CONTENT_TYPE: &str = "application/vnd.schemaregistry.v1+json";

#[derive(Deserialize)]
struct Verdict {
    is_compatible: bool,
    #[serde(default)]
    messages: Vec<String>,
}

#[derive(Deserialize)]
struct Problem {
    message: String,
}

impl Registry {
    /// Puts `subject` under `BACKWARD_TRANSITIVE`: a new version must read what any older one wrote.
    ///
    /// # Errors
    /// [`Error::Unavailable`]; [`Error::Refused`].
    pub async fn require_backward_transitive(&self, subject: &str) -> Result<(), Error> {
        let what = format!("set the compatibility level of {subject}");
        let url = format!("{}/config/{subject}", self.inner.url);
        let body = json!({"compatibility": "BACKWARD_TRANSITIVE"});
        self.patiently(async || self.send(&what, self.inner.http.put(&url), &body).await.map(|_| ())).await
    }

    /// Whether `schema` may become the next version of `subject` under its level; a subject that does
    /// not exist takes anything.
    ///
    /// # Errors
    /// [`Error::Incompatible`] with the registry's reasons; [`Error::Unavailable`]; [`Error::Refused`].
    pub async fn check_compatible(&self, subject: &str, schema: &str) -> Result<(), Error> {
        let what = format!("add a version to {subject}");
        let url = format!("{}/compatibility/subjects/{subject}/versions?verbose=true", self.inner.url);
        let body = json!({"schema": schema, "schemaType": "AVRO"});
        let answer = self.patiently(async || self.send(&what, self.inner.http.post(&url), &body).await).await;
        let verdict: Verdict = match answer {
            Err(Error::NotFound { .. }) => return Ok(()),
            other => serde_json::from_value(other?).map_err(|e| Error::Refused { what: what.clone(), why: e.to_string() })?,
        };
        if verdict.is_compatible {
            return Ok(());
        }
        Err(Error::Incompatible { what, why: verdict.messages.join("; ") })
    }

    async fn send(&self, what: &str, request: reqwest::RequestBuilder, body: &Json) -> Result<Json, Error> {
        let down = |e: reqwest::Error| Error::Unavailable { what: what.to_owned(), why: chain(&e) };
        let request = request.header("content-type", CONTENT_TYPE).header("accept", CONTENT_TYPE);
        let response = request.body(body.to_string()).send().await.map_err(down)?;
        let status = response.status();
        let text = response.text().await.map_err(down)?;
        if status.is_success() {
            return serde_json::from_str(&text)
                .map_err(|e| Error::Refused { what: what.to_owned(), why: format!("answered `{text}`: {e}") });
        }
        let why = serde_json::from_str::<Problem>(&text).map_or_else(|_| format!("HTTP status {status}"), |p| p.message);
        Err(Error::of_status(what, status.as_u16(), why))
    }
}
