//! A store in memory with the semantics of the one in Redis, for tests and for running without Redis.

use crate::{Batch, End, Error, FeatureStore, Lookup, Mark, Outcome, Partition, Read, Start};
use compact_str::CompactString;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// States in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    partitions: HashMap<Partition, Shelf>,
    away: bool,
}

#[derive(Debug, Default)]
struct Shelf {
    mark: Mark,
    states: HashMap<CompactString, Vec<u8>>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets everything, as `FLUSHALL` does.
    pub fn clear(&self) {
        self.lock().partitions.clear();
    }

    /// From here on every call fails (`true`), or works again (`false`).
    pub fn set_away(&self, away: bool) {
        self.lock().away = away;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn present(&self) -> Result<MutexGuard<'_, Inner>, Error> {
        let inner = self.lock();
        if inner.away {
            return Err(Error::Unavailable { address: "memory".into(), why: "set away".into() });
        }
        Ok(inner)
    }
}

impl FeatureStore for MemoryStore {
    async fn mark(&self, partition: &Partition) -> Result<Mark, Error> {
        Ok(self.present()?.partitions.get(partition).map_or_else(Mark::default, |shelf| shelf.mark))
    }

    async fn write(&self, partition: &Partition, batch: &Batch) -> Result<Outcome, Error> {
        let mut inner = self.present()?;
        let shelf = inner.partitions.entry(partition.clone()).or_default();
        match (shelf.mark.begun, batch.start) {
            (Some(begun), _) if begun > batch.commit => return Ok(Outcome::Stale { begun }),
            (begun, Start::After(after)) if begun != Some(after) && begun != Some(batch.commit) => {
                return Ok(Outcome::Unexpected { begun });
            }
            (_, Start::Afresh { serve: false }) => shelf.mark.ready = false,
            _ => {}
        }
        shelf.mark.begun = Some(batch.commit);
        shelf.states.extend(batch.entries.iter().cloned());
        if batch.end != End::More {
            shelf.mark.complete = Some(batch.commit);
        }
        if batch.end == End::Ready {
            shelf.mark.ready = true;
        }
        Ok(Outcome::Applied)
    }

    async fn read(&self, keys: &[Lookup<'_>]) -> Result<Vec<Read>, Error> {
        let inner = self.present()?;
        let read = |lookup: &Lookup<'_>| {
            inner.partitions.get(lookup.partition).map_or_else(Read::default, |shelf| Read {
                state: shelf.states.get(lookup.key).cloned(),
                ready: shelf.mark.ready,
                commit: shelf.mark.complete,
            })
        };
        Ok(keys.iter().map(read).collect())
    }
}
