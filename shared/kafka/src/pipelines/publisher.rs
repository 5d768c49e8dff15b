//! Writes an applied pipeline, so that of two applies at the same time one fails.

use super::{Error, applied};
use crate::registry::Blocking;
use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use std::time::{Duration, Instant};
use tidemill_events::codec::AvroSchema;
use tidemill_events::layout::control_avro;
use tidemill_events::records::Pipeline;
use tidemill_events::topics::{Control, subject};

const TIMEOUT: Duration = Duration::from_secs(30);

/// The right to write one pipeline's next version.
///
/// It is a transactional producer whose id belongs to the pipeline: whoever takes the right takes it
/// from the one before, so between [`Publisher::applied`] and [`Publisher::publish`] nobody else has written.
pub struct Publisher {
    producer: BaseProducer,
    brokers: String,
    registry: Blocking,
    pipeline: String,
}

impl Publisher {
    /// Takes the right to write `pipeline`. The control topic must exist.
    ///
    /// # Errors
    /// [`Error::Kafka`].
    pub fn new(brokers: &str, registry: Blocking, pipeline: &str) -> Result<Self, Error> {
        let fault = |source| Error::Kafka { doing: "take the right to apply", source };
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("transactional.id", format!("tidemill.apply.{pipeline}"))
            .set("transaction.timeout.ms", "15000")
            .create()
            .map_err(fault)?;
        producer.init_transactions(TIMEOUT).map_err(fault)?;
        Ok(Self { producer, brokers: brokers.to_owned(), registry, pipeline: pipeline.to_owned() })
    }

    /// What is applied under this name now.
    ///
    /// # Errors
    /// As [`applied`].
    pub fn applied(&self) -> Result<Option<Pipeline>, Error> {
        Ok(applied(&self.brokers, &self.registry)?.remove(&self.pipeline))
    }

    /// Writes `record` and returns when the broker has it for good.
    ///
    /// # Errors
    /// [`Error::Raced`] when another apply took the right: then nothing was written. [`Error::Kafka`]
    /// when it is not known whether it was written: apply again.
    pub fn publish(self, record: &Pipeline) -> Result<(), Error> {
        let topic = Control::Pipelines.name();
        let json = control_avro(Control::Pipelines);
        let id = self.registry.register(&subject(topic), json)?;
        let mut payload = Vec::new();
        AvroSchema::parse(json)?.encode(id, record, &mut payload)?;
        self.producer.begin_transaction().map_err(|e| self.fault(e))?;
        let record = BaseRecord::to(topic).partition(0).key(self.pipeline.as_str()).payload(&payload);
        self.producer.send(record).map_err(|(e, _)| self.fault(e))?;
        let give_up = Instant::now() + TIMEOUT;
        while self.producer.in_flight_count() > 0 && Instant::now() < give_up {
            self.producer.poll(Duration::from_millis(5));
        }
        // a record that was not delivered fails the commit
        self.producer.commit_transaction(TIMEOUT).map_err(|e| self.fault(e))
    }

    fn fault(&self, source: KafkaError) -> Error {
        let fenced = [RDKafkaErrorCode::Fenced, RDKafkaErrorCode::ProducerFenced, RDKafkaErrorCode::InvalidProducerEpoch];
        let root = self.producer.client().fatal_error().map(|(code, _)| code).or(source.rdkafka_error_code());
        if root.is_some_and(|code| fenced.contains(&code)) {
            return Error::Raced(self.pipeline.clone());
        }
        Error::Kafka { doing: "write the pipeline", source }
    }
}
