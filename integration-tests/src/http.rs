//! HTTP for callers that are not asynchronous.

use anyhow::{Context, Result};
use serde_json::Value as Json;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

/// How long a request may take: longer than the ingestor waits for a broker that restarts.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A client; clones share it.
#[derive(Debug, Clone)]
pub struct Http {
    runtime: Arc<Runtime>,
    client: reqwest::Client,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status code.
    pub status: u16,
    /// Its headers; names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: String,
}

impl Answer {
    /// The body as JSON; null when it is none.
    #[must_use]
    pub fn json(&self) -> Json {
        serde_json::from_str(&self.body).unwrap_or(Json::Null)
    }

    /// The value of the header called `name` (lower case).
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

impl Http {
    /// A new client.
    ///
    /// # Errors
    /// When the system gives no threads.
    pub fn new() -> Result<Self> {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().context("cannot start a runtime")?;
        let client = reqwest::Client::builder().timeout(TIMEOUT).build().context("cannot set up an HTTP client")?;
        Ok(Self { runtime: Arc::new(runtime), client })
    }

    /// The runtime behind it.
    #[must_use]
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// The asynchronous client behind it.
    #[must_use]
    pub fn client(&self) -> &reqwest::Client {
        &self.client
    }

    /// GET.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn get(&self, url: &str) -> Result<Answer> {
        self.send(self.client.get(url))
    }

    /// Sends `request`.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn send(&self, request: reqwest::RequestBuilder) -> Result<Answer> {
        self.runtime.block_on(async {
            let response = request.send().await.context("no answer")?;
            let status = response.status().as_u16();
            let headers =
                response.headers().iter().map(|(n, v)| (n.to_string(), String::from_utf8_lossy(v.as_bytes()).into_owned())).collect();
            Ok(Answer { status, headers, body: response.text().await.context("the answer breaks off")? })
        })
    }
}
