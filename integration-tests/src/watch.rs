//! A read_committed reader of predictions that runs while things are being killed.

use crate::committed::Committed;
use crate::environment::Environment;
use crate::http::Http;
use crate::pipeline::Pipeline;
use crate::topics::Reader;
use anyhow::{Result, anyhow};
use rdkafka::message::{BorrowedMessage, Message as _};
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tidemill_events::codec::AvroSchema;
use tidemill_events::records::SourceRecord;
use tidemill_events::wire;

const POLL: Duration = Duration::from_millis(50);
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
        let predictions = Committed::new(environment, &topic)?;
        let reader = Reader::new(environment, http);
        let id = reader.schema_id(&topic)?;
        let schema = AvroSchema::parse(&reader.schema_text(id)?)?;
        let watcher = Watcher { reader: predictions, id, schema, raw: pipeline.topic("raw") };
        let (records, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (counted, stopped) = (records.clone(), stop.clone());
        let thread = thread::Builder::new().name("watch".into()).spawn(move || watcher.run(&counted, &stopped))?;
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
    reader: Committed,
    id: u32,
    schema: AvroSchema,
    raw: String,
}

impl Watcher {
    fn run(mut self, records: &AtomicU64, stop: &AtomicBool) -> Result<Sightings> {
        let mut sightings = Sightings::default();
        while !stop.load(Ordering::Relaxed) {
            let Some(record) = self.reader.poll(POLL)? else { continue };
            match decode(&self.schema, self.id, &record) {
                Ok(prediction) => sightings.see(record.partition(), record.offset(), &self.raw, &prediction),
                Err(error) => sightings.fault(format!("{}:{}: {error:#}", record.partition(), record.offset())),
            }
            records.store(sightings.records, Ordering::Relaxed);
        }
        Ok(sightings)
    }
}

fn decode(schema: &AvroSchema, wanted: u32, record: &BorrowedMessage<'_>) -> Result<Watched> {
    let (id, datum) = wire::split(record.payload())?;
    anyhow::ensure!(id == wanted, "schema {id}, not {wanted}");
    Ok(schema.decode(datum)?)
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
