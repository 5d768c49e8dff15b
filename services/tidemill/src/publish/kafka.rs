//! Straight to Kafka: records become what the ingestor would make of them, by the ingestor's own code, and go to the
//! upstream's own topic, else to raw.

use super::answer::{Answer, Failure};
use super::batch::{Batch, Kind};
use crate::connect::Cluster;
use anyhow::Context;
use std::time::Duration;
use tidemill_events::topics::{PerPipeline, subject};
use tidemill_ingestor::intake::{Intake, Refusal};
use tidemill_ingestor::route::{Source, events_shape, labels_shape};
use tidemill_kafka::append::{self, Appender, SetUp};
use tidemill_pipeline::{Format, Pipeline};

/// How long a record may wait for its acknowledgement before it counts as one to send again.
const DELIVERY: Duration = Duration::from_secs(20);
/// Bytes of records that may wait.
const QUEUE_BYTES: usize = 64 << 20;

/// The topics that a publication goes to.
pub struct Topics {
    brokers: String,
    events: Intake,
    /// Events go as they are, in JSON.
    as_json: bool,
    labels: Intake,
}

impl Topics {
    /// Those of `pipeline`: events go to the upstream's own topic where it has one, else to `<p>.raw`, labels to `<p>.labels`.
    ///
    /// # Errors
    /// When the registry does not know their schemas, or the upstream's topic is not there.
    pub fn of(cluster: &Cluster, pipeline: &Pipeline) -> anyhow::Result<Self> {
        let layout = &pipeline.layout;
        let id =
            |topic: PerPipeline| cluster.registry.lookup(&subject(&topic.name(&layout.pipeline, &layout.entities)), &layout.avro(topic));
        let source = Source::from(pipeline);
        let mut events = events_shape(&source, id(PerPipeline::Raw)?);
        if let Some(upstream) = &pipeline.source.upstream {
            let partitions = cluster.admin.partitions(&upstream.topic)?;
            let partitions = partitions.with_context(|| format!("there is no topic `{}`, the upstream's own", upstream.topic))?;
            (events.topic, events.partitions) = (upstream.topic.clone(), u32::try_from(partitions)?);
        }
        Ok(Self {
            brokers: cluster.brokers.clone(),
            events: Intake::new(events)?,
            as_json: pipeline.source.upstream.as_ref().is_some_and(|u| u.format == Format::Json),
            labels: Intake::new(labels_shape(&source, id(PerPipeline::Labels)?)?)?,
        })
    }

    /// Partitions of the topic that events go to.
    pub(super) fn partitions(&self) -> u32 {
        self.events.partitions()
    }
}

pub(super) struct Kafka {
    topics: Topics,
    appender: Appender,
}

impl Kafka {
    pub(super) fn new(topics: Topics) -> Result<Self, SetUp> {
        let appender = Appender::new(&append::Settings {
            brokers: topics.brokers.clone(),
            client_id: "tidemill-publish".into(),
            delivery_timeout: DELIVERY,
            queue_bytes: QUEUE_BYTES,
        })?;
        Ok(Self { topics, appender })
    }

    /// Appends what can be a record, and waits for the acknowledgements. A record that is sent again may be there twice,
    /// which the validator finds.
    pub(super) async fn append(&self, batch: &Batch) -> Answer {
        let (records, sent, mut failures) = self.prepare(batch);
        let outcomes = self.appender.append(&records).outcomes().await;
        let refused = |(index, outcome): (usize, Result<i64, append::Error>)| Some(Failure::new(index, Refusal::of_append(outcome.err()?)));
        failures.extend(sent.into_iter().zip(outcomes).filter_map(refused));
        Answer::Judged { duplicates: 0, failures, pause: None }
    }

    /// The records to append, the place in `batch` of each, and those that are none.
    fn prepare(&self, batch: &Batch) -> (append::Batch, Vec<usize>, Vec<Failure>) {
        let Topics { events, as_json, labels, .. } = &self.topics;
        let (intake, as_json) = match batch.kind {
            Kind::Events => (events, *as_json),
            Kind::Labels => (labels, false),
        };
        let mut records = append::Batch::new(intake.topic(), None);
        let (mut sent, mut failures, mut payload) = (Vec::with_capacity(batch.len()), Vec::new(), Vec::new());
        for (index, line) in batch.lines().enumerate() {
            match intake.prepare(line, &mut payload) {
                Ok(ready) => {
                    records.push(ready.partition, ready.key.as_bytes(), if as_json { line } else { &payload });
                    sent.push(index);
                }
                Err(refusal) => failures.push(Failure::new(index, refusal)),
            }
        }
        (records, sent, failures)
    }
}

#[cfg(test)]
mod tests {
    use super::super::batch::Filling;
    use super::*;
    use tidemill_events::codec::RawReader;
    use tidemill_events::partition::partition_of;
    use tidemill_events::wire;

    const FILE: &str = include_str!("../../../../examples/payments/pipeline.yaml");
    const SCHEMA: &str = include_str!("../../../../examples/payments/payment.avsc");

    fn kafka(topic: &str, as_json: bool) -> (Kafka, Pipeline) {
        let (pipeline, _) = tidemill_pipeline::compile("p.yaml", FILE, |_| Ok(SCHEMA.to_owned())).unwrap();
        let source = Source::from(&pipeline);
        let events = tidemill_ingestor::intake::Shape { topic: topic.into(), partitions: 7, ..events_shape(&source, 3) };
        let labels = Intake::new(labels_shape(&source, 4).unwrap()).unwrap();
        let topics = Topics { brokers: "127.0.0.1:1".into(), events: Intake::new(events).unwrap(), as_json, labels };
        (Kafka::new(topics).unwrap(), pipeline)
    }

    fn batch(kind: Kind, lines: &[&str]) -> Batch {
        let mut filling = Filling::new(kind);
        for line in lines {
            filling.push(|body| {
                body.extend_from_slice(line.as_bytes());
                0..0
            });
        }
        filling.take()
    }

    const GOOD: &str = r#"{"transaction_id":"1","event_time":1532521800000,"customer_id":"c1","terminal_id":"t1","amount":1}"#;
    const BAD: &str = r#"{"transaction_id":"2","event_time":1532521800000,"customer_id":"c1","terminal_id":"t1","amount":0.001}"#;

    #[tokio::test]
    async fn events_become_what_the_ingestor_would_make_of_them() {
        let (kafka, pipeline) = kafka("p.raw", false);
        let (records, sent, failures) = kafka.prepare(&batch(Kind::Events, &[BAD, GOOD]));
        assert_eq!((records.topic(), &sent[..], failures.len()), ("p.raw", &[1][..], 1));
        assert_eq!((failures[0].index, failures[0].code().as_str(), failures[0].is_temporary()), (0, "too_many_digits", false));
        let record = records.records().next().unwrap();
        assert_eq!((record.key, record.partition), (&b"c1"[..], partition_of(b"c1", 7)));
        let (id, datum) = wire::split(Some(record.payload)).unwrap();
        let row = RawReader::new(&pipeline.layout.avro(PerPipeline::Raw), &pipeline.layout.event).unwrap().decode(datum).unwrap();
        assert_eq!((id, row[0].to_key().unwrap().as_str()), (3, "1"));
    }

    #[tokio::test]
    async fn an_upstream_of_json_gets_the_event_as_it_is_and_labels_are_avro() {
        let (kafka, _) = kafka("shop.orders", true);
        let (records, ..) = kafka.prepare(&batch(Kind::Events, &[GOOD]));
        assert_eq!((records.topic(), records.records().next().unwrap().payload), ("shop.orders", GOOD.as_bytes()));
        let label = r#"{"event_id":"1","label":1,"label_time":1533081600000000}"#;
        let (records, ..) = kafka.prepare(&batch(Kind::Labels, &[label]));
        let record = records.records().next().unwrap();
        assert_eq!((records.topic(), record.key, wire::split(Some(record.payload)).unwrap().0), ("payments-fraud.labels", &b"1"[..], 4));
    }
}
