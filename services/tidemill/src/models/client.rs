//! The deployer's HTTP interface, as its client sees it.

use anyhow::{Context, anyhow, bail};
use reqwest::{RequestBuilder, StatusCode, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// Longer than the deployer lets an order take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Where the deployer is.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Connection")]
pub(super) struct Flags {
    /// The deployer
    #[arg(long, env = "TIDEMILL_DEPLOYER_URL", value_name = "URL")]
    deployer: String,
}

pub(super) struct Client {
    base: Url,
    http: reqwest::Client,
    runtime: Runtime,
}

/// RFC 9457, as far as it is shown.
#[derive(Default, Deserialize)]
struct Problem {
    #[serde(default)]
    code: String,
    #[serde(default)]
    detail: String,
}

impl Client {
    pub(super) fn new(flags: &Flags) -> anyhow::Result<Self> {
        let base = Url::parse(&flags.deployer).ok().filter(|url| !url.cannot_be_a_base());
        Ok(Self {
            base: base.ok_or_else(|| anyhow!("`{}` is no address: TIDEMILL_DEPLOYER_URL must be the deployer's", flags.deployer))?,
            http: tidemill_http_client::builder().timeout(TIMEOUT).build()?,
            runtime: Builder::new_current_thread().enable_all().build().context("cannot start the runtime")?,
        })
    }

    /// What the deployer answers to `GET /v1/<path>`.
    pub(super) fn get<T: DeserializeOwned>(&self, path: &[&str]) -> anyhow::Result<T> {
        self.answer(self.http.get(self.url(path)))
    }

    /// What it answers to `POST /v1/<path>`.
    pub(super) fn post<T: DeserializeOwned>(&self, path: &[&str], token: &str, body: &Json) -> anyhow::Result<T> {
        self.answer(self.http.post(self.url(path)).bearer_auth(token).json(body))
    }

    fn url(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("v1").extend(path);
        }
        url
    }

    fn answer<T: DeserializeOwned>(&self, request: RequestBuilder) -> anyhow::Result<T> {
        let base = self.base.as_str();
        self.runtime.block_on(async {
            let response = request.send().await.map_err(|e| anyhow!(e.without_url()));
            let response = response.with_context(|| format!("the deployer at {base} does not answer"))?;
            let status = response.status();
            let body = response.bytes().await.with_context(|| format!("the answer of the deployer at {base} broke off"))?;
            if status.is_success() {
                return serde_json::from_slice(&body).with_context(|| format!("{base} answered what no deployer does"));
            }
            let Problem { code, detail } = serde_json::from_slice(&body).unwrap_or_default();
            match status {
                StatusCode::UNAUTHORIZED => bail!("the deployer does not let us in: {detail}; TIDEMILL_TOKEN must be the deployer's"),
                _ if code.is_empty() => bail!("{base} answered {status}, is it the deployer?"),
                _ => bail!("{detail} ({code})"),
            }
        })
    }
}
