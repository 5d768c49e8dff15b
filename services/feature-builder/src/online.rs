//! The hand-over of committed states to the online store.

use anyhow::Context as _;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::{collector::Collector, encoding::DescriptorEncoder, encoding::EncodeMetric, metrics::MetricType};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tidemill_features::HopState;
use tidemill_online_store::{Entry, Pace, Partition, PartitionWriter, RedisStore, Source, Stats, Writer};
use tidemill_service::Context;

/// How long Redis may take to answer.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Takes committed states.
pub trait Online: Send {
    /// `state` is that of commit `commit`; while `lagging`, more commits follow soon.
    fn committed(&mut self, state: &mut HopState, commit: u64, lagging: bool);

    /// Called about every 100 ms, maybe with uncommitted changes in `state`.
    fn tick(&mut self, state: &mut HopState);
}

/// Takes nothing: for tests of the task alone.
pub struct NoStore;

impl Online for NoStore {
    fn committed(&mut self, _state: &mut HopState, _commit: u64, _lagging: bool) {}
    fn tick(&mut self, _state: &mut HopState) {}
}

/// The online store of this process.
#[derive(Clone)]
pub(crate) struct Store(Arc<Writer<RedisStore>>);

impl Store {
    /// Writes into the Redis at `address`.
    pub(crate) fn start(address: &str, context: &Context) -> anyhow::Result<Self> {
        let store = RedisStore::new(address, TIMEOUT).context("cannot use Redis")?;
        let stats = Arc::new(Stats::default());
        context.metrics().register(|registry| registry.register_collector(Box::new(Counters(stats.clone()))));
        Ok(Self(Arc::new(Writer::new(Arc::new(store), tokio::runtime::Handle::current(), Pace::default(), stats))))
    }

    /// Takes over one partition of an entity, whose state is (about to be) that of commit `commit`.
    pub(crate) fn open(&self, pipeline: &str, entity: &str, partition: i32, commit: u64) -> Box<dyn Online> {
        let partition = Partition::new(pipeline, entity, partition);
        Box::new(Owner { writer: self.0.assign(partition, commit), commit, lagging: false })
    }
}

struct Owner {
    writer: PartitionWriter,
    commit: u64,
    /// Whether it lagged at its last commit; a pause ends it, by the writer's own clock.
    lagging: bool,
}

impl Online for Owner {
    fn committed(&mut self, state: &mut HopState, commit: u64, lagging: bool) {
        (self.commit, self.lagging) = (commit, lagging);
        self.writer.offer(commit, lagging, &mut States(state));
    }

    fn tick(&mut self, state: &mut HopState) {
        self.writer.offer(self.commit, self.lagging, &mut States(state));
    }
}

struct States<'a>(&'a mut HopState);

impl Source for States<'_> {
    fn touched(&mut self, bytes: usize) -> Option<(Vec<Entry>, bool)> {
        self.0.pack_touched(bytes)
    }

    fn all(&mut self, from: usize, bytes: usize) -> Option<(Vec<Entry>, Option<usize>)> {
        self.0.pack_from(from, bytes)
    }
}

/// The writer's counters on `/metrics`.
#[derive(Debug)]
struct Counters(Arc<Stats>);

/// Name, help and value of a counter.
type Counter = (&'static str, &'static str, fn(&Stats) -> &AtomicU64);

const COUNTERS: [Counter; 7] = [
    ("online_batches", "Batches written to the online store", |s| &s.batches),
    ("online_keys", "States written to the online store", |s| &s.keys),
    ("online_bytes", "Bytes of keys and states written to the online store", |s| &s.bytes),
    ("online_retries", "Attempts to write to the online store that failed", |s| &s.retries),
    ("online_losses", "Times that the online store was found emptied", |s| &s.losses),
    ("online_rebuilds", "Times that a partition was written anew", |s| &s.rebuilds),
    ("online_stale", "Partitions given up because another owner was ahead", |s| &s.stale),
];

impl Collector for Counters {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        for (name, help, value) in COUNTERS {
            let counter = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            ConstCounter::new(value(&self.0).load(Relaxed)).encode(counter)?;
        }
        Ok(())
    }
}
