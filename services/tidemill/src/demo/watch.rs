//! A downstream reader: read_committed on predictions, rejects, outcomes and what the learning loop says, while the demo runs.

use super::news::{self, News};
use super::seen::Seen;
use crate::connect::Cluster;
use crate::decode::Decoder;
use anyhow::anyhow;
use serde::de::DeserializeOwned;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tidemill_events::control::{Alert, Candidate, Deployment, Evaluation};
use tidemill_events::topics::{Control, PerPipeline};
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
        let topic = |topic: PerPipeline| topic.name(&pipeline.name, &pipeline.layout.entities);
        watch.read(cluster, pipeline, &topic(PerPipeline::Predictions), |record, decoder, seen| {
            let received = SystemClock.now();
            let prediction = decoder.prediction(record.payload())?;
            lock(seen).prediction(&prediction, received);
            Ok(())
        })?;
        watch.read(cluster, pipeline, &topic(PerPipeline::Rejected), |record, decoder, seen| {
            let reject = decoder.reject(record.payload())?;
            lock(seen).reject(reject);
            Ok(())
        })?;
        watch.read(cluster, pipeline, &topic(PerPipeline::Outcomes), |_, _, seen| {
            lock(seen).outcome();
            Ok(())
        })?;
        watch.read(cluster, pipeline, &topic(PerPipeline::Performance), |record, decoder, seen| {
            let window = decoder.control(record.payload())?;
            lock(seen).window(window);
            Ok(())
        })?;
        let name = pipeline.name.clone();
        watch.news(cluster, pipeline, Control::Candidates, &name, |c: &Candidate| (c.pipeline.as_str(), news::trained(c)))?;
        watch.news(cluster, pipeline, Control::Evaluations, &name, |e: &Evaluation| (e.pipeline.as_str(), news::judged(e)))?;
        watch.news(cluster, pipeline, Control::Deployments, &name, |d: &Deployment| (d.pipeline.as_str(), news::deployed(d)))?;
        watch.news(cluster, pipeline, Control::Alerts, &name, |a: &Alert| (a.pipeline.as_str(), news::alerted(a)))?;
        Ok(watch)
    }

    /// Tells what is said of pipeline `name` on a control topic; `news` gives a record's pipeline and what to say of it.
    fn news<T: DeserializeOwned + 'static>(
        &mut self,
        cluster: &Cluster,
        pipeline: &Pipeline,
        topic: Control,
        name: &str,
        news: fn(&T) -> (&str, News),
    ) -> anyhow::Result<()> {
        let name = name.to_owned();
        self.read(cluster, pipeline, topic.name(), move |record, decoder, seen| {
            let told: T = decoder.control(record.payload())?;
            let (of, news) = news(&told);
            if of == name {
                lock(seen).news(news);
            }
            Ok(())
        })
    }

    fn read(
        &mut self,
        cluster: &Cluster,
        pipeline: &Pipeline,
        topic: &str,
        take: impl Fn(&Record<'_>, &mut Decoder, &Mutex<Seen>) -> anyhow::Result<()> + Send + 'static,
    ) -> anyhow::Result<()> {
        let mut tail = Tail::new(&cluster.brokers, topic)?;
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
