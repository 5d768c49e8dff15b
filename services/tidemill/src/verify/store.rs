//! Reads the online store for a comparison.

use super::online::Online;
use crate::connect::Cluster;
use crate::stages::Stand;
use std::time::{Duration, Instant};
use tidemill_features::HopState;
use tidemill_online_store::{FeatureStore, Lookup, Mark, Partition, RedisStore};
use tidemill_pipeline::Pipeline;

/// How long Redis may take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long a partition may take to be complete: owners write after their commits, lagging ones every three seconds.
const PATIENCE: Duration = Duration::from_secs(15);
const LOOK: Duration = Duration::from_millis(100);
/// Bytes of states that are compared at once.
const PART: usize = 1 << 20;

/// The online store, seen from a plain thread.
pub(super) struct Store<'a> {
    cluster: &'a Cluster,
    redis: RedisStore,
}

impl<'a> Store<'a> {
    /// Of the Redis at `address`; the first call finds out whether it is there.
    ///
    /// # Errors
    /// When the address is none.
    pub(super) fn connect(cluster: &'a Cluster, address: &str) -> anyhow::Result<Self> {
        let redis = cluster.block_on(async { RedisStore::new(address, TIMEOUT) })?;
        Ok(Self { cluster, redis })
    }

    /// Compares the fold of hop `hop` at the partition of `stand` with what is stored.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(super) fn compare(
        &self,
        pipeline: &Pipeline,
        hop: usize,
        stand: &Stand,
        state: HopState,
        online: &mut Online,
    ) -> anyhow::Result<()> {
        let partition = Partition::new(pipeline.name.as_str(), &pipeline.layout.entities[hop], stand.partition);
        if let Some(commits) = stand.commits {
            online.mark(&partition, commits, self.settled(&partition, commits)?);
        }
        let mut next = Some(0);
        let mut state = state;
        while let Some(from) = next {
            let Some((part, after)) = state.pack_from(from, PART) else { break };
            let keys: Vec<Lookup<'_>> = part.iter().map(|(key, _)| Lookup { partition: &partition, key }).collect();
            let found = self.cluster.block_on(self.redis.read(&keys))?;
            online.states(&partition, &part, &found);
            next = after;
        }
        Ok(())
    }

    /// Hands the names of all stored states of `pipeline` to `online`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(super) fn scan(&self, pipeline: &Pipeline, online: &mut Online) -> anyhow::Result<()> {
        Ok(self.cluster.block_on(self.redis.each_state(&pipeline.name, |name| online.stored(name)))?)
    }

    /// Where `partition` stands, once it is complete up to `commits` or will not be.
    fn settled(&self, partition: &Partition, commits: u64) -> anyhow::Result<Mark> {
        let give_up = Instant::now() + PATIENCE;
        loop {
            let mark = self.cluster.block_on(self.redis.mark(partition))?;
            if (mark.complete >= Some(commits) && mark.ready) || Instant::now() > give_up {
                return Ok(mark);
            }
            std::thread::sleep(LOOK);
        }
    }
}
