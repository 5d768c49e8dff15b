//! The loops' counters on `/metrics`.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tidemill_service::Metrics;
use tidemill_stream::Stats;

/// What each loop counts, by pipeline and stage.
type ByStage = BTreeMap<(String, String), Arc<Stats>>;

/// The loops of this process.
#[derive(Debug, Clone, Default)]
pub(super) struct Loops(Arc<Mutex<ByStage>>);

/// Name, help and value of a counter.
type Counter = (&'static str, &'static str, fn(&Stats) -> &AtomicU64);

const COUNTERS: [Counter; 9] = [
    ("loop_records", "Input records done", |s| &s.records),
    ("loop_outputs", "Output records written", |s| &s.outputs),
    ("loop_commits", "Transactions committed", |s| &s.commits),
    ("loop_commit_micros", "Microseconds spent in writing and committing", |s| &s.commit_micros),
    ("loop_process_micros", "Microseconds spent in polling and processing", |s| &s.process_micros),
    ("loop_aborts", "Transactions aborted", |s| &s.aborts),
    ("loop_rebuilds", "Times that the Kafka clients were made anew", |s| &s.rebuilds),
    ("loop_restored_records", "Records folded to restore state", |s| &s.restored),
    ("loop_waits", "Records that had to wait for something that was away", |s| &s.waits),
];

impl Loops {
    pub(super) fn register(metrics: &Metrics) -> Self {
        let loops = Self::default();
        let collector = Box::new(loops.clone());
        metrics.register(|registry| registry.register_collector(collector));
        loops
    }

    pub(super) fn add(&self, pipeline: &str, stage: &str, stats: Arc<Stats>) {
        self.lock().insert((pipeline.to_owned(), stage.to_owned()), stats);
    }

    pub(super) fn remove(&self, pipeline: &str, stage: &str) {
        self.lock().remove(&(pipeline.to_owned(), stage.to_owned()));
    }

    fn lock(&self) -> MutexGuard<'_, ByStage> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Collector for Loops {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let loops = self.lock();
        for (name, help, value) in COUNTERS {
            let mut counter = encoder.encode_descriptor(name, help, None, prometheus_client::metrics::MetricType::Counter)?;
            for ((pipeline, stage), stats) in loops.iter() {
                let labels = [("pipeline", pipeline.as_str()), ("stage", stage.as_str())];
                ConstCounter::new(value(stats).load(Relaxed)).encode(counter.encode_family(&labels)?)?;
            }
        }
        let help = "Partitions owned";
        let mut gauge = encoder.encode_descriptor("loop_partitions", help, None, prometheus_client::metrics::MetricType::Gauge)?;
        for ((pipeline, stage), stats) in loops.iter() {
            let labels = [("pipeline", pipeline.as_str()), ("stage", stage.as_str())];
            ConstGauge::new(stats.partitions.load(Relaxed) as i64).encode(gauge.encode_family(&labels)?)?;
        }
        Ok(())
    }
}
