//! The figures of `/metrics`, sent to the collector as well: OTLP as JSON, made from the same text.
//!
//! A second set of instruments would be a second truth. Source of the form:
//! <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>.

mod convert;

use super::TIMEOUT;
use crate::clock::{Clock, SystemClock};
use crate::metrics::Metrics;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender as Channel, channel};
use std::time::Duration;

/// Between two exports.
const EVERY: Duration = Duration::from_secs(10);

/// The thread that sends them.
pub(super) struct Sender {
    stop: Channel<()>,
    /// Closed when it has ended.
    ended: Receiver<()>,
}

impl Sender {
    /// Sends `metrics` to `url` from now on, as those of `identity`.
    pub(super) fn start(url: String, identity: &[(&'static str, String)], metrics: Metrics) -> anyhow::Result<Self> {
        let (stop, stopped) = channel();
        let (ending, ended) = channel();
        let identity = identity.to_vec();
        std::thread::Builder::new().name("metrics".into()).spawn(move || {
            run(&url, &identity, &metrics, &stopped);
            drop(ending);
        })?;
        Ok(Self { stop, ended })
    }

    /// Sends them a last time; waits `patience` at most.
    pub(super) fn stop(self, patience: Duration) {
        let _ = self.stop.send(());
        let _ = self.ended.recv_timeout(patience);
    }
}

fn run(url: &str, identity: &[(&'static str, String)], metrics: &Metrics, stopped: &Receiver<()>) {
    let client = match tidemill_http_client::blocking_builder().timeout(TIMEOUT).build() {
        Ok(client) => client,
        Err(error) => return tracing::warn!(%error, "metrics are not sent"),
    };
    let started = SystemClock.now();
    let mut failing = false;
    loop {
        let last = !matches!(stopped.recv_timeout(EVERY), Err(RecvTimeoutError::Timeout));
        let body = convert::request(&metrics.encode().unwrap_or_default(), identity, started, SystemClock.now());
        let sent = client.post(url).json(&body).send().and_then(reqwest::blocking::Response::error_for_status);
        match (&sent, std::mem::replace(&mut failing, sent.is_err())) {
            (Err(error), false) => tracing::warn!(%error, "the collector takes no metrics"),
            (Ok(_), true) => tracing::info!("the collector takes metrics again"),
            _ => {}
        }
        if last {
            return;
        }
    }
}
