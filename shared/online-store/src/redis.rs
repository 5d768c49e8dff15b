//! The store in Redis.

mod batch;
mod scan;

use crate::{Batch, Error, FeatureStore, Lookup, Mark, Outcome, Partition, Read};
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::io::tcp::TcpSettings;
use redis::{Client, ConnectionInfo, ErrorKind, IntoConnectionInfo, Pipeline, RedisError, Script, ServerErrorKind};
use std::time::Duration;

/// State, readiness and watermark of a key.
type Found = (Option<Vec<u8>>, Option<u64>, Option<u64>);

/// States in Redis, over one multiplexed connection that is made again when it breaks.
///
/// Cheap to clone. While Redis is away every call fails at once or after the timeout; none waits for its return.
#[derive(Clone)]
pub struct RedisStore {
    connection: ConnectionManager,
    script: Script,
    address: String,
}

impl RedisStore {
    /// A store at `address`, `host:port` or a `redis://` URL, that gives up on a connection attempt or an
    /// answer after `timeout`. Connects with the first call; must be made inside a tokio runtime.
    ///
    /// # Errors
    /// [`Error::Address`].
    pub fn new(address: &str, timeout: Duration) -> Result<Self, Error> {
        let invalid = |e: RedisError| Error::Address { address: address.to_owned(), why: e.to_string() };
        let url = if address.contains("://") { address.to_owned() } else { format!("redis://{address}") };
        let info: ConnectionInfo = url.into_connection_info().map_err(invalid)?;
        // without it small requests wait for the acknowledgement of the one before
        let info = info.set_tcp_settings(TcpSettings::default().set_nodelay(true));
        let address_shown = info.addr().to_string();
        let client = Client::open(info).map_err(invalid)?;
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(timeout))
            .set_response_timeout(Some(timeout))
            .set_number_of_retries(0);
        let connection = ConnectionManager::new_lazy_with_config(client, config).map_err(invalid)?;
        Ok(Self { connection, script: Script::new(batch::SCRIPT), address: address_shown })
    }

    /// Runs `pipeline`, once more if the connection turns out to have been closed.
    async fn run<T: redis::FromRedisValue>(&self, pipeline: &Pipeline) -> Result<T, RedisError> {
        let mut connection = self.connection.clone();
        match pipeline.query_async(&mut connection).await {
            Err(e) if e.is_connection_dropped() => pipeline.query_async(&mut connection).await,
            other => other,
        }
    }

    /// Runs chunks of a batch; a server that has lost the script is given it again.
    async fn apply(&self, chunks: &Pipeline) -> Result<Outcome, RedisError> {
        let replies: Vec<batch::Reply> = match self.run(chunks).await {
            Err(e) if e.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                self.script.load_async(&mut self.connection.clone()).await?;
                self.run(chunks).await?
            }
            other => other?,
        };
        Ok(batch::outcome(&replies))
    }

    fn unavailable(&self, error: &RedisError) -> Error {
        Error::Unavailable { address: self.address.clone(), why: error.to_string() }
    }
}

impl FeatureStore for RedisStore {
    async fn mark(&self, partition: &Partition) -> Result<Mark, Error> {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("MGET").arg(partition.begun_key()).arg(partition.watermark_key()).arg(partition.ready_key());
        let [begun, complete, ready] = self.run::<[[Option<u64>; 3]; 1]>(&pipeline).await.map_err(|e| self.unavailable(&e))?[0];
        Ok(Mark { begun, complete, ready: ready.is_some() })
    }

    async fn write(&self, partition: &Partition, batch: &Batch) -> Result<Outcome, Error> {
        for chunks in batch::pipelines(partition, batch, self.script.get_hash()) {
            let outcome = self.apply(&chunks).await.map_err(|e| self.unavailable(&e))?;
            if outcome != Outcome::Applied {
                return Ok(outcome);
            }
        }
        Ok(Outcome::Applied)
    }

    /// One pipelined `MGET` per key, each within one hash slot, so that a cluster client may send each to its node.
    async fn read(&self, keys: &[Lookup<'_>]) -> Result<Vec<Read>, Error> {
        let mut pipeline = Pipeline::with_capacity(keys.len());
        for Lookup { partition, key } in keys {
            pipeline.cmd("MGET").arg(partition.state_key(key)).arg(partition.ready_key()).arg(partition.watermark_key());
        }
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let found: Vec<Found> = self.run(&pipeline).await.map_err(|e| self.unavailable(&e))?;
        Ok(found.into_iter().map(|(state, ready, commit)| Read { state, ready: ready.is_some(), commit }).collect())
    }
}
