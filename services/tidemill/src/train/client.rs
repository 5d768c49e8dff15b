//! The trainer's HTTP interface, as its client sees it.

use anyhow::{Context, bail};
use reqwest::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::time::Duration;
use tidemill_events::records::SourceRecord;

/// How long one request may take: the trainer waits for Kafka.
const TIMEOUT: Duration = Duration::from_secs(15);

/// Where a command is on `tidemill.triggers`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Accepted {
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) offset: i64,
}

impl Accepted {
    pub(super) fn is(&self, record: &SourceRecord) -> bool {
        record.topic == self.topic && record.partition == self.partition && record.offset == self.offset
    }
}

/// How trainings go, as far as it is shown.
#[derive(Debug, Deserialize)]
pub(super) struct Progress {
    next_due: Option<String>,
    running: Option<Running>,
    trouble: Option<String>,
    #[serde(default)]
    waiting: Vec<Waiting>,
}

#[derive(Debug, Deserialize)]
struct Running {
    phase: String,
    #[serde(default)]
    waiting_for: String,
    done: u64,
    points: u64,
    rows: u64,
    elapsed_seconds: f64,
}

#[derive(Debug, Deserialize)]
struct Waiting {}

impl Progress {
    /// One line, for people.
    pub(super) fn line(&self) -> String {
        let mut line = match (&self.running, &self.trouble, &self.next_due) {
            (Some(running), ..) => running.line(),
            (None, Some(trouble), _) => format!("cannot start: {trouble}"),
            (None, None, Some(due)) => format!("nothing runs; the next is due when labels have come to {due}"),
            (None, None, None) => "nothing runs".to_owned(),
        };
        if !self.waiting.is_empty() {
            line += &format!(" · {} waiting", self.waiting.len());
        }
        line
    }
}

impl Running {
    fn line(&self) -> String {
        let rows = crate::output::count(self.rows);
        let at = match self.phase.as_str() {
            "waiting" if !self.waiting_for.is_empty() => format!("waits: {}", self.waiting_for),
            "outcomes" => "reads labels".to_owned(),
            "features" => format!("reads vectors · {rows} rows"),
            "files" => format!("writes the training set · {rows} rows"),
            "search" => format!("searches · {} of {} done · {rows} rows", self.done, self.points),
            "store" => "stores the model".to_owned(),
            other => other.to_owned(),
        };
        format!("{at} · {:.0} s", self.elapsed_seconds)
    }
}

/// RFC 9457, as far as it is shown.
#[derive(Default, Deserialize)]
struct Problem {
    #[serde(default)]
    detail: Option<String>,
}

pub(super) struct Client {
    http: reqwest::Client,
    base: String,
    token: String,
}

impl Client {
    pub(super) fn new(url: &str, token: &str, pipeline: &str) -> reqwest::Result<Self> {
        let http = tidemill_http_client::builder().timeout(TIMEOUT).build()?;
        Ok(Self { http, base: format!("{}/v1/pipelines/{pipeline}", url.trim_end_matches('/')), token: token.to_owned() })
    }

    /// Asks for a training, or calls it off.
    pub(super) async fn command(&self, cancel: bool, reason: &str) -> anyhow::Result<Accepted> {
        let url = format!("{}/train{}", self.base, if cancel { "/cancel" } else { "" });
        let who = std::env::var("USER").unwrap_or_else(|_| "tidemill train".to_owned());
        let body = json!({"detail": reason, "requested_by": who});
        let request = self.http.post(&url).bearer_auth(&self.token).json(&body);
        let response = request.send().await.with_context(|| format!("cannot reach the trainer at {url}"))?;
        match response.status() {
            StatusCode::ACCEPTED => Ok(response.json().await.with_context(|| format!("{url} answered what no trainer does"))?),
            status => {
                let problem: Problem = response.json().await.unwrap_or_default();
                bail!("the trainer refused: {status}: {}", problem.detail.unwrap_or_else(|| format!("{url} gave no reason")))
            }
        }
    }

    /// How trainings go.
    pub(super) async fn progress(&self) -> anyhow::Result<Progress> {
        let url = format!("{}/training", self.base);
        let response = self.http.get(&url).send().await?;
        let status = response.status();
        if !status.is_success() {
            let problem: Problem = response.json().await.unwrap_or_default();
            bail!("{status}: {}", problem.detail.unwrap_or_default());
        }
        Ok(response.json().await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_one_line() {
        let line = |json: serde_json::Value| serde_json::from_value::<Progress>(json).unwrap().line();
        let running = json!({"phase": "search", "done": 2, "points": 6, "rows": 65432, "elapsed_seconds": 3.4});
        assert_eq!(
            line(json!({"running": running, "waiting": [{"reason": "command"}]})),
            "searches · 2 of 6 done · 65,432 rows · 3 s · 1 waiting"
        );
        assert_eq!(line(json!({"waiting": []})), "nothing runs");
    }
}
