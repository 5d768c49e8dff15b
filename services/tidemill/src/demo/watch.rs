//! A downstream reader: read_committed on predictions, rejects and outcomes while the demo runs.

use super::seen::Seen;
use crate::connect::Cluster;
use crate::decode::Decoder;
use anyhow::anyhow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tidemill_events::topics::PerPipeline;
use tidemill_kafka::reader::{Record, Tail};
use tidemill_pipeline::Pipeline;
use tidemill_service::{Clock, SystemClock};

/// How soon a reader notices that it is to stop.
const POLL: Duration = Duration::from_millis(100);

/// Readers at work.
pub(super) struct Watch {
    seen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
    readers: Vec<JoinHandle<anyhow::Result<()>>>,
}

impl Watch {
    /// Reads from the present ends of `pipeline`'s topics on.
    ///
    /// # Errors
    /// When a topic or the registry is not there.
    pub(super) fn start(cluster: &Cluster, pipeline: &Pipeline, seen: Seen) -> anyhow::Result<Self> {
        let mut watch = Self { seen: Arc::new(Mutex::new(seen)), stop: Arc::default(), readers: Vec::new() };
        watch.read(cluster, pipeline, PerPipeline::Predictions, |record, decoder, seen| {
            let received = SystemClock.now();
            let prediction = decoder.prediction(record.payload())?;
            lock(seen).prediction(&prediction, received);
            Ok(())
        })?;
        watch.read(cluster, pipeline, PerPipeline::Rejected, |record, decoder, seen| {
            let reject = decoder.reject(record.payload())?;
            lock(seen).reject(reject);
            Ok(())
        })?;
        watch.read(cluster, pipeline, PerPipeline::Outcomes, |_, _, seen| {
            lock(seen).outcome();
            Ok(())
        })?;
        Ok(watch)
    }

    fn read(
        &mut self,
        cluster: &Cluster,
        pipeline: &Pipeline,
        topic: PerPipeline,
        take: fn(&Record<'_>, &mut Decoder, &Mutex<Seen>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let tail = Tail::new(&cluster.brokers, &topic.name(&pipeline.name, &pipeline.layout.entities))?;
        let mut decoder = Decoder::new(cluster.registry.clone(), &pipeline.layout)?;
        let (seen, stop) = (self.seen.clone(), self.stop.clone());
        let reader = move || {
            while !stop.load(Ordering::Relaxed) {
                if let Some(record) = tail.next(POLL)? {
                    take(&record, &mut decoder, &seen)?;
                }
            }
            Ok(())
        };
        self.readers.push(thread::Builder::new().name("watch".into()).spawn(reader)?);
        Ok(())
    }

    /// What was seen so far.
    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        lock(&self.seen)
    }

    /// Stops reading.
    ///
    /// # Errors
    /// When a reader failed: then not all was seen.
    pub(super) fn finish(&mut self) -> anyhow::Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        for reader in self.readers.drain(..) {
            reader.join().map_err(|_| anyhow!("a reader of the demo panicked"))??;
        }
        Ok(())
    }

    /// Whether a reader has ended, which it does only when it fails.
    pub(super) fn has_failed(&self) -> bool {
        self.readers.iter().any(JoinHandle::is_finished)
    }
}

/// The data are counts: still right after a panic elsewhere.
fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}
