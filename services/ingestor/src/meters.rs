//! The ingestor's metrics.

use crate::answer::Tally;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tidemill_service::Metrics;
use tidemill_service::http::Budget;
use tidemill_service::metrics::Labels;

/// 1 ms to 16 s, and one beyond the usual time to give up.
fn ack_buckets() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 15).chain([30.0]))
}

/// Counters and gauges; `outcome` is `accepted`, `duplicate`, or the code of a refusal.
#[derive(Clone)]
pub(crate) struct Meters {
    requests: Family<Labels, Counter>,
    records: Family<Labels, Counter>,
    bytes: Family<Labels, Counter>,
    ack_seconds: Family<Labels, Histogram, fn() -> Histogram>,
    in_flight_bytes: Gauge,
}

impl Meters {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let this = Self {
            requests: Family::default(),
            records: Family::default(),
            bytes: Family::default(),
            ack_seconds: Family::new_with_constructor(ack_buckets),
            in_flight_bytes: Gauge::default(),
        };
        metrics.register(|r| {
            r.register("ingest_requests", "Requests, by what came of them", this.requests.clone());
            r.register("ingest_records", "Records, by what came of them", this.records.clone());
            r.register("ingest_bytes", "Bytes of request bodies that were taken, unpacked", this.bytes.clone());
            r.register(
                "ingest_ack_seconds",
                "Time from a batch's hand-over to Kafka to its last acknowledgement",
                this.ack_seconds.clone(),
            );
            r.register("ingest_in_flight_bytes", "Bytes of request bodies under way", this.in_flight_bytes.clone());
        });
        this
    }

    /// A request was answered. Requests for pipelines that do not exist share an empty name: callers must
    /// not be able to make up time series.
    pub(crate) fn answered(&self, pipeline: Option<Arc<str>>, stage: &'static str, outcome: &'static str, budget: &Budget) {
        self.requests.get_or_create(&Labels { pipeline: pipeline.unwrap_or_default(), stage, outcome }).inc();
        self.in_flight_bytes.set(i64::try_from(budget.used()).unwrap_or(i64::MAX));
    }

    /// The records of a request came to `tally`.
    pub(crate) fn records(&self, pipeline: &Arc<str>, stage: &'static str, tally: &Tally, bytes: usize, ack: Duration) {
        let labels = |outcome| Labels { pipeline: Arc::clone(pipeline), stage, outcome };
        let counts = [("accepted", tally.accepted), ("duplicate", tally.duplicates)].into_iter();
        for (outcome, count) in counts.chain(tally.refused.iter().map(|(code, n)| (*code, *n))).filter(|(_, n)| *n > 0) {
            self.records.get_or_create(&labels(outcome)).inc_by(count as u64);
        }
        self.bytes.get_or_create(&labels("")).inc_by(bytes as u64);
        self.ack_seconds.get_or_create(&labels("")).observe(ack.as_secs_f64());
    }
}

/// Records of a loop, counted once they are committed.
pub(crate) struct Counted {
    meters: Meters,
    pipeline: Arc<str>,
    stage: &'static str,
    open: BTreeMap<&'static str, u64>,
}

impl Counted {
    pub(crate) fn new(meters: Meters, pipeline: Arc<str>, stage: &'static str) -> Self {
        Self { meters, pipeline, stage, open: BTreeMap::new() }
    }

    /// One more came to `outcome`.
    pub(crate) fn add(&mut self, outcome: &'static str) {
        *self.open.entry(outcome).or_default() += 1;
    }

    pub(crate) fn commit(&mut self) {
        for (outcome, count) in std::mem::take(&mut self.open) {
            let labels = Labels { pipeline: Arc::clone(&self.pipeline), stage: self.stage, outcome };
            self.meters.records.get_or_create(&labels).inc_by(count);
        }
    }

    pub(crate) fn abort(&mut self) {
        self.open.clear();
    }
}
