//! The writing task of one partition.

use super::Pace;
use super::seat::{Handed, Seat};
use super::stand::Stand;
use crate::{Batch, Error, FeatureStore, Mark, Outcome, Partition, Stats};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

/// What a partition's writing task works with.
pub(super) struct Task<S> {
    pub(super) store: Arc<S>,
    pub(super) partition: Partition,
    pub(super) seat: Arc<Seat>,
    pub(super) batches: mpsc::Receiver<Handed>,
    pub(super) pace: Pace,
    pub(super) stats: Arc<Stats>,
}

impl<S: FeatureStore> Task<S> {
    /// Writes for an owner whose state is that of `commit`, until it gives the partition up or another
    /// owner has begun a higher commit.
    pub(super) async fn run(mut self, commit: u64) {
        let Some(mark) = self.mark().await else { return };
        let mut stand = Stand::at_first(mark, commit);
        loop {
            if let Stand::Stale { begun } = stand {
                tracing::warn!(partition = %self.partition, begun, "another owner writes this partition to the online store: giving it up");
                Stats::add(&self.stats.stale, 1);
                return self.seat.close();
            }
            let Some(handed) = self.handed(&mut stand).await else { return };
            let Some((batch, then)) = stand.batch(handed) else { continue };
            let Some(outcome) = self.write(&batch).await else { return };
            stand = match outcome {
                Outcome::Applied => self.applied(&batch, stand, then),
                Outcome::Stale { begun } => Stand::Stale { begun },
                Outcome::Unexpected { begun } => self.lost(batch.commit, stand, begun),
            };
        }
    }

    /// What the owner hands over next; `None` once it is gone. Looks at the store now and then.
    async fn handed(&mut self, stand: &mut Stand) -> Option<Handed> {
        if let Some(want) = stand.wants() {
            self.seat.open(want);
        }
        loop {
            if let Ok(handed) = timeout(self.pace.check, self.batches.recv()).await {
                return handed;
            }
            let Stand::Following { after, .. } = *stand else { continue };
            // while the store is away nothing is known; the next look, or the next batch, will tell
            let Ok(mark) = self.store.mark(&self.partition).await else { continue };
            // an owner that is handing over right now learns it from writing that batch
            if mark.begun != Some(after) && self.seat.take(|_| true).is_some() {
                *stand = self.lost(after, *stand, mark.begun);
                if let Some(want) = stand.wants() {
                    self.seat.open(want);
                }
            }
        }
    }

    fn applied(&self, batch: &Batch, before: Stand, then: Stand) -> Stand {
        Stats::add(&self.stats.batches, 1);
        Stats::add(&self.stats.keys, batch.entries.len() as u64);
        Stats::add(&self.stats.bytes, batch.entries.iter().map(|(key, state)| key.len() + state.len()).sum::<usize>() as u64);
        if matches!((before, then), (Stand::Rebuilding { .. }, Stand::Following { .. })) {
            Stats::add(&self.stats.rebuilds, 1);
            tracing::info!(partition = %self.partition, commit = batch.commit, "online store rebuilt");
        }
        then
    }

    fn lost(&self, commit: u64, stand: Stand, found: Option<u64>) -> Stand {
        Stats::add(&self.stats.losses, 1);
        tracing::warn!(partition = %self.partition, commit, ?found, "the online store is not where this owner left it: rebuilding");
        let expected = if let Stand::Following { after, .. } = stand { after } else { commit };
        Stand::unexpected(expected, found)
    }

    /// Asks until the store answers; `None` when the owner is gone.
    async fn mark(&self) -> Option<Mark> {
        let mut pause = self.pace.retry;
        loop {
            match self.store.mark(&self.partition).await {
                Ok(mark) => return Some(mark),
                Err(error) => self.rest(&mut pause, &error).await?,
            }
        }
    }

    /// Writes until the store answers; `None` when the owner is gone.
    async fn write(&self, batch: &Batch) -> Option<Outcome> {
        let mut pause = self.pace.retry;
        loop {
            match self.store.write(&self.partition, batch).await {
                Ok(outcome) => return Some(outcome),
                Err(error) => self.rest(&mut pause, &error).await?,
            }
        }
    }

    /// Waits after a failure, twice as long each time; `None` when the owner is gone.
    async fn rest(&self, pause: &mut Duration, error: &Error) -> Option<()> {
        Stats::add(&self.stats.retries, 1);
        tracing::warn!(partition = %self.partition, %error, "online store not reached, trying again");
        sleep(*pause).await;
        *pause = (*pause * 2).min(self.pace.retry_at_most);
        (!self.batches.is_closed()).then_some(())
    }
}
