//! One publication: a source, its feed, the lanes, the acknowledgements, and what came of it.

use super::acks::Acks;
use super::client::Client;
use super::encode::{Encoder, Shape};
use super::feed::{Feed, Labelling, Outlet};
use super::http::{self, Endpoint, Http};
use super::kafka::{Kafka, Topics};
use super::labels::Pending;
use super::lane::Lane;
use super::pace::{Pace, Pacer};
use super::report::Report;
use super::source::Source;
use super::tally::Tally;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tidemill_kafka::append::SetUp;
use tokio::sync::mpsc::channel;
use tokio::task::JoinSet;

/// Batches that may wait in a lane behind the one under way: enough to keep the connection busy.
const QUEUE: usize = 1;

/// What to publish, where to and how.
pub struct Job {
    /// Rows whose columns are the schema's fields in schema order, and the label after them if there is one.
    pub source: Box<dyn Source>,
    /// The events' shape.
    pub shape: Shape,
    /// How long after its event a label is sent, microseconds; `None` sends no labels.
    pub labels_delay: Option<i64>,
    /// Where to.
    pub destination: Destination,
    /// How fast.
    pub pace: Pace,
    /// Connections at most; all events of a partition go by one of them.
    pub connections: usize,
    /// Records in a request at most.
    pub max_records: usize,
    /// Events to publish at most.
    pub limit: u64,
    /// File that acknowledged event ids are appended to.
    pub acks: Option<PathBuf>,
    /// How long to go on without an acknowledgement.
    pub give_up_after: Duration,
    /// Set to end early: what was read is still delivered.
    pub stop: Arc<AtomicBool>,
}

/// Where events and labels go.
pub enum Destination {
    /// The ingestor, over HTTP.
    Http(Endpoint),
    /// Topics.
    Kafka(Box<Topics>),
}

/// Why a publication could not start or be completed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No HTTP client.
    #[error(transparent)]
    Client(#[from] http::Error),
    /// No producer.
    #[error(transparent)]
    Producer(#[from] SetUp),
    /// The file of acknowledgements cannot be written.
    #[error("{}: {why}", path.display())]
    Acks {
        /// The file.
        path: PathBuf,
        /// The system's word.
        why: std::io::Error,
    },
    /// A part of the publisher ended by a fault of its own.
    #[error("a part of the publisher failed: {0}")]
    Panic(#[from] tokio::task::JoinError),
}

/// As many lanes as `connections` allows such that each partition has one: events of a partition that come by several arrive
/// out of order, and at a hundred days a minute a moment's delay of one lane makes them late.
fn lanes_for(partitions: u32, connections: usize) -> u32 {
    // by the same hash, so a divisor
    (1..=partitions).rev().find(|lanes| partitions.is_multiple_of(*lanes) && *lanes as usize <= connections).unwrap_or(1)
}

impl Job {
    /// Publishes, counting in `tally` while it goes on.
    ///
    /// # Errors
    /// When it cannot start or the acknowledgements cannot be written down; that not all could be
    /// delivered is told by the report.
    pub async fn run(self, tally: Arc<Tally>) -> Result<Report, Error> {
        let encoder = Encoder::new(&self.shape);
        let partitions = match &self.destination {
            Destination::Http(_) => self.shape.partitions,
            Destination::Kafka(topics) => topics.partitions(),
        };
        let client = Arc::new(match self.destination {
            Destination::Http(endpoint) => Client::Http(Http::new(&endpoint)?),
            Destination::Kafka(topics) => Client::Kafka(Box::new(Kafka::new(*topics)?)),
        });
        let acks_failed = |why| Error::Acks { path: self.acks.clone().unwrap_or_default(), why };
        let (acks, writer) = self.acks.as_deref().map(Acks::open).transpose().map_err(acks_failed)?.unzip();

        let mut lanes = JoinSet::new();
        let mut outlets = Vec::new();
        for _ in 0..lanes_for(partitions, self.connections) {
            let (queue, batches) = channel(QUEUE);
            outlets.push(Outlet::new(queue));
            let (client, tally, acks) = (client.clone(), tally.clone(), acks.clone());
            lanes.spawn(Lane { client, batches, tally, acks, give_up_after: self.give_up_after }.run());
        }
        drop(acks);

        let started = Instant::now();
        let feed = Feed {
            labelling: self.labels_delay.map(|delay| Labelling { column: self.shape.schema.fields.len(), delay }),
            source: self.source,
            encoder,
            pacer: Pacer::new(self.pace),
            lanes: outlets,
            max_records: self.max_records.max(1),
            limit: self.limit,
            stop: self.stop.clone(),
            tally: tally.clone(),
            started,
            pending: Pending::default(),
        };
        let feed = tokio::task::spawn_blocking(move || feed.run());

        let mut failure = None;
        while let Some(ended) = lanes.join_next().await {
            if let Err(e) = ended? {
                // the other lanes finish what they have
                self.stop.store(true, Ordering::Relaxed);
                failure.get_or_insert(e.to_string());
            }
        }
        if let Err(e) = feed.await? {
            failure.get_or_insert(e.to_string());
        }
        let elapsed = started.elapsed();
        if let Some(writer) = writer {
            writer.await?.map_err(|why| Error::Acks { path: self.acks.unwrap_or_default(), why })?;
        }
        Ok(Report::new(&tally, elapsed, failure))
    }
}

#[cfg(test)]
mod tests {
    use super::lanes_for;
    use std::collections::BTreeMap;
    use tidemill_events::partition::partition_of;

    #[test]
    fn a_partition_has_one_lane() {
        for (partitions, connections, lanes) in [(1, 4, 1), (4, 4, 4), (4, 3, 2), (6, 4, 3), (7, 4, 1), (12, 64, 12), (3, 0, 1)] {
            assert_eq!(lanes_for(partitions, connections), lanes);
            let mut lane_of = BTreeMap::new();
            for key in 0..1_000u32 {
                let of = |n| partition_of(key.to_string().as_bytes(), n);
                assert_eq!(*lane_of.entry(of(partitions)).or_insert(of(lanes)), of(lanes));
            }
        }
    }
}
