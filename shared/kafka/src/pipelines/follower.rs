//! Follows the applied pipelines for as long as a service lives.

use super::{Change, Decoder, Error};
use crate::reader::{self, Follow, Record};
use crate::registry::Blocking;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tidemill_events::records::Pipeline;
use tidemill_events::topics::Control;
use tokio::sync::watch;

const POLL: Duration = Duration::from_millis(100);
/// Between two attempts when the broker or the registry is not there.
const PAUSE: Duration = Duration::from_millis(500);

/// What is applied, as far as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Applied {
    /// Whether all there was at the start has been read; before that, `pipelines` is empty.
    pub caught_up: bool,
    /// The pipelines by name.
    pub pipelines: BTreeMap<String, Arc<Pipeline>>,
}

/// A thread that reads `tidemill.pipelines` from its beginning and keeps on reading.
///
/// It waits for a broker, a registry or a topic that is not there yet, and outlives their restarts.
/// Dropping it stops the thread.
pub struct Follower {
    state: watch::Receiver<Applied>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Follower {
    /// Starts to follow.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(brokers: &str, registry: Blocking) -> std::io::Result<Self> {
        let (sender, state) = watch::channel(Applied::default());
        let stop = Arc::new(AtomicBool::new(false));
        let reader = Reader { brokers: brokers.to_owned(), decoder: Decoder::new(registry), sender, stop: stop.clone() };
        let thread = thread::Builder::new().name("pipelines".into()).spawn(move || reader.run())?;
        Ok(Self { state, stop, thread: Some(thread) })
    }

    /// What is applied; changes as it changes.
    #[must_use]
    pub fn applied(&self) -> watch::Receiver<Applied> {
        self.state.clone()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // the thread ends within POLL, or when the broker has answered; a panic in it was reported when it happened
            let _ = thread.join();
        }
    }
}

struct Reader {
    brokers: String,
    decoder: Decoder,
    sender: watch::Sender<Applied>,
    stop: Arc<AtomicBool>,
}

impl Reader {
    fn run(mut self) {
        while let Some(follow) = Follow::when_there(&self.brokers, Control::Pipelines.name(), || self.stopped()) {
            if let Err(error) = self.follow(follow) {
                tracing::warn!(%error, "reading the applied pipelines anew");
                self.pause();
            }
        }
    }

    /// Reads until told to stop.
    fn follow(&mut self, mut follow: Follow) -> Result<(), reader::Error> {
        // built anew, so that what was removed while nobody looked is gone
        let mut applied = Applied::default();
        while !self.stopped() {
            let record = follow.next(POLL)?;
            let came = record.is_some();
            if let Some(record) = record {
                self.take(&record, &mut applied);
            }
            if follow.has_caught_up() && (came || !applied.caught_up) {
                applied.caught_up = true;
                self.sender.send_if_modified(|state| {
                    let changed = *state != applied;
                    state.clone_from(&applied);
                    changed
                });
            }
        }
        Ok(())
    }

    fn take(&mut self, record: &Record<'_>, applied: &mut Applied) {
        while !self.stopped() {
            match self.decoder.decode(record.offset(), record.key(), record.payload()) {
                Ok(Change::Applied(pipeline)) => {
                    applied.pipelines.insert(pipeline.pipeline.clone(), Arc::new(pipeline));
                }
                Ok(Change::Removed(name)) => {
                    applied.pipelines.remove(&name);
                }
                Err(Error::Registry(error)) if error.is_retriable() => {
                    tracing::warn!(%error, "a pipeline cannot be read for now");
                    self.pause();
                    continue;
                }
                Err(error) => tracing::error!(%error, "left out"),
            }
            return;
        }
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn pause(&self) {
        if !self.stopped() {
            thread::park_timeout(PAUSE);
        }
    }
}
