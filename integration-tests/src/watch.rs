//! A read_committed reader of predictions that runs while things are being killed.

use crate::environment::Environment;
use crate::http::Http;
use crate::pipeline::Pipeline;
use crate::topics::Reader;
use anyhow::{Context, Result, anyhow};
use rdkafka::TopicPartitionList;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::topic_partition_list::Offset;
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tidemill_events::codec::AvroSchema;
use tidemill_events::records::SourceRecord;
use tidemill_events::wire;
use tidemill_kafka::admin::Admin;

const POLL: Duration = Duration::from_millis(50);
/// After this long without a record the client may be stuck, and is replaced.
const QUIET: Duration = Duration::from_secs(10);
/// Faults kept word for word.
const EXAMPLES: usize = 10;

/// The part of a prediction that is watched.
#[derive(Debug, Deserialize)]
struct Watched {
    event_id: String,
    source: SourceRecord,
}

/// What was seen.
#[derive(Debug, Default)]
pub struct Sightings {
    /// Records seen.
    pub records: u64,
    /// Records that must not be: seen twice, out of order, of another topic, undecodable.
    pub faults: u64,
    /// The first few of them, in words.
    pub examples: Vec<String>,
    /// Where the prediction of each raw record (partition, offset) was seen.
    seen: HashMap<(i32, i64), (i32, i64)>,
    /// The last offset seen, by partition.
    last: HashMap<i32, i64>,
}

impl Sightings {
    fn fault(&mut self, what: String) {
        self.faults += 1;
        if self.examples.len() < EXAMPLES {
            self.examples.push(what);
        }
    }

    fn see(&mut self, partition: i32, offset: i64, raw: &str, prediction: &Watched) {
        let (source, id) = (&prediction.source, &prediction.event_id);
        self.records += 1;
        if let Some(last) = self.last.insert(partition, offset)
            && offset <= last
        {
            self.fault(format!("offset {offset} of partition {partition} came after {last}"));
        }
        if source.topic != raw {
            self.fault(format!("{partition}:{offset} (event {id}) has its source on {}", source.topic));
        }
        if let Some((p, o)) = self.seen.insert((source.partition, source.offset), (partition, offset)) {
            self.fault(format!(
                "raw {}:{} (event {id}) was predicted twice: at {p}:{o} and at {partition}:{offset}",
                source.partition, source.offset
            ));
        }
    }
}

/// A watch under way.
pub struct Watch {
    records: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<Sightings>>,
}

impl Watch {
    /// Begins to read `pipeline`'s predictions from their beginning.
    ///
    /// # Errors
    /// When the topic is not there.
    pub fn start(environment: &Environment, http: &Http, pipeline: &Pipeline) -> Result<Self> {
        let topic = pipeline.topic("predictions");
        let consumer = consumer(environment, &topic)?;
        let reader = Reader::new(environment, http);
        let id = reader.schema_id(&topic)?;
        let schema = AvroSchema::parse(&reader.schema_text(id)?)?;
        let watcher = Watcher { brokers: environment.kafka.clone(), topic, consumer, id, schema, raw: pipeline.topic("raw") };
        let (records, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (counted, stopped) = (records.clone(), stop.clone());
        let thread = thread::Builder::new().name("watch".into()).spawn(move || Ok(watcher.run(&counted, &stopped)))?;
        Ok(Self { records, stop, thread })
    }

    /// How many records were seen so far.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.records.load(Ordering::Relaxed)
    }

    /// Ends it.
    ///
    /// # Errors
    /// When it ended by itself.
    pub fn finish(self) -> Result<Sightings> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the watch panicked"))?
    }
}

struct Watcher {
    brokers: String,
    topic: String,
    consumer: BaseConsumer,
    id: u32,
    schema: AvroSchema,
    raw: String,
}

impl Watcher {
    fn run(mut self, records: &AtomicU64, stop: &AtomicBool) -> Sightings {
        let mut sightings = Sightings::default();
        let mut heard = Instant::now();
        while !stop.load(Ordering::Relaxed) {
            // an error is a broker that is away; the client goes on by itself, or never (librdkafka #5430)
            let Some(Ok(message)) = self.consumer.poll(POLL) else {
                if heard.elapsed() > QUIET {
                    let next = |partition| sightings.last.get(&partition).map_or(Offset::Beginning, |last| Offset::Offset(last + 1));
                    // a broker that does not answer is asked again
                    if let Ok(consumer) = consumer_from(&self.brokers, &self.topic, next) {
                        self.consumer = consumer;
                    }
                    heard = Instant::now();
                }
                continue;
            };
            heard = Instant::now();
            match self.decode(&message) {
                Ok(prediction) => sightings.see(message.partition(), message.offset(), &self.raw, &prediction),
                Err(error) => sightings.fault(format!("{}:{}: {error:#}", message.partition(), message.offset())),
            }
            records.store(sightings.records, Ordering::Relaxed);
        }
        sightings
    }

    fn decode(&self, message: &BorrowedMessage<'_>) -> Result<Watched> {
        let (id, datum) = wire::split(message.payload())?;
        anyhow::ensure!(id == self.id, "schema {id}, not {}", self.id);
        Ok(self.schema.decode(datum)?)
    }
}

/// A read_committed consumer of all of `topic`, from its beginning, in no group.
///
/// # Errors
/// When the topic is not there.
pub fn consumer(environment: &Environment, topic: &str) -> Result<BaseConsumer> {
    consumer_from(&environment.kafka, topic, |_| Offset::Beginning)
}

fn consumer_from(brokers: &str, topic: &str, from: impl Fn(i32) -> Offset) -> Result<BaseConsumer> {
    let partitions = Admin::new(brokers)?.partitions(topic)?.with_context(|| format!("there is no topic {topic}"))?;
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", brokers)
        // librdkafka assigns only to a consumer that has a group; nothing joins it or commits to it
        .set("group.id", "tidemill.test.watch")
        .set("enable.auto.commit", "false")
        // by default a reader that was told of no leader, by a broker that stalled, stays with that for five minutes
        .set("topic.metadata.refresh.interval.ms", "5000")
        .set("auto.offset.reset", "error")
        .set("isolation.level", "read_committed")
        .set("fetch.queue.backoff.ms", "5")
        .set("queued.min.messages", "100000");
    let consumer: BaseConsumer = config.create().context("cannot set up a consumer")?;
    let mut assignment = TopicPartitionList::new();
    for partition in 0..partitions {
        assignment.add_partition_offset(topic, partition, from(partition))?;
    }
    consumer.assign(&assignment)?;
    Ok(consumer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prediction(topic: &str, partition: i32, offset: i64) -> Watched {
        Watched { event_id: "e".into(), source: SourceRecord { topic: topic.into(), partition, offset } }
    }

    #[test]
    fn what_must_not_be_is_noticed() {
        let mut sightings = Sightings::default();
        sightings.see(0, 5, "p.raw", &prediction("p.raw", 0, 1));
        sightings.see(1, 5, "p.raw", &prediction("p.raw", 1, 1));
        assert_eq!((sightings.records, sightings.faults), (2, 0));
        sightings.see(1, 6, "p.raw", &prediction("p.raw", 0, 1));
        assert_eq!(sightings.examples, ["raw 0:1 (event e) was predicted twice: at 0:5 and at 1:6"]);
        sightings.see(1, 6, "p.raw", &prediction("p.raw", 0, 2));
        sightings.see(1, 7, "p.raw", &prediction("q.raw", 0, 3));
        assert_eq!(sightings.faults, 3);
    }
}
