//! What a running service has at hand: stop flag, readiness, metrics, clock, and a way to start components.

use crate::clock::{Clock, SystemClock};
use crate::health::Readiness;
use crate::metrics::Metrics;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio_util::sync::CancellationToken;

/// Handed to a service at start; clones share everything.
#[derive(Clone)]
pub struct Context {
    stop: CancellationToken,
    readiness: Readiness,
    metrics: Metrics,
    clock: Arc<dyn Clock>,
    running: Arc<Mutex<Vec<String>>>,
    ended: UnboundedSender<Ended>,
}

/// A component that is no longer running.
pub(super) struct Ended {
    pub(super) name: String,
    pub(super) result: anyhow::Result<()>,
}

impl Context {
    pub(super) fn new(metrics: Metrics) -> (Self, UnboundedReceiver<Ended>) {
        let (ended, receiver) = mpsc::unbounded_channel();
        let context = Self {
            stop: CancellationToken::new(),
            readiness: Readiness::default(),
            metrics,
            clock: Arc::new(SystemClock),
            running: Arc::default(),
            ended,
        };
        (context, receiver)
    }

    /// Cancelled when the service is to stop: components finish what they have begun, and return.
    #[must_use]
    pub fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// The checks behind `/health/ready`.
    #[must_use]
    pub fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    /// The metrics behind `/metrics`.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Runs `component` beside the others. Its error ends the service, with exit code 1; `Ok` ends only itself.
    pub fn spawn(&self, name: impl Into<String>, component: impl Future<Output = anyhow::Result<()>> + Send + 'static) {
        let (this, name) = (self.clone(), self.begin(name.into()));
        tokio::spawn(async move { this.end(name, component.await) });
    }

    /// Runs `component` on a thread of its own, for what blocks. Its error ends the service, with exit code 1.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn spawn_thread(
        &self,
        name: impl Into<String>,
        component: impl FnOnce() -> anyhow::Result<()> + Send + 'static,
    ) -> std::io::Result<()> {
        let (this, name) = (self.clone(), self.begin(name.into()));
        let thread = std::thread::Builder::new().name(name.clone());
        thread.spawn(move || this.end(name, component())).map(|_| ())
    }

    /// Names of the components that run.
    pub(super) fn running(&self) -> Vec<String> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn begin(&self, name: String) -> String {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).push(name.clone());
        name
    }

    fn end(self, name: String, result: anyhow::Result<()>) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = running.iter().position(|n| *n == name) {
            running.swap_remove(at);
        }
        drop(running);
        // the runner no longer listens when it has given up waiting
        let _ = self.ended.send(Ended { name, result });
    }
}
