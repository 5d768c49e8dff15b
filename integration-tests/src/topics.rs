//! Topics read as a stranger reads them: generic Avro, schemas from the registry, nothing of Tidemill's own.

use crate::environment::Environment;
use crate::http::Http;
use anyhow::{Context, Result, bail, ensure};
use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message as _};
use serde_json::Value as Json;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tidemill_kafka::reader::{Isolation, Scan};

/// Reads topics and asks the registry.
pub struct Reader {
    brokers: String,
    registry: String,
    http: Http,
    schemas: RefCell<HashMap<u32, Rc<Schema>>>,
}

/// A record with its value as JSON.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Its key, as text.
    pub key: Option<String>,
    /// Its value.
    pub value: Json,
    /// Its `traceparent` header.
    pub traceparent: Option<String>,
}

impl Reader {
    /// A reader of `environment`'s topics.
    #[must_use]
    pub fn new(environment: &Environment, http: &Http) -> Self {
        Self { brokers: environment.kafka.clone(), registry: environment.registry.clone(), http: http.clone(), schemas: RefCell::default() }
    }

    /// All committed records of `topic`, by partition and offset.
    ///
    /// # Errors
    /// When one is not Avro under a registered schema.
    pub fn read(&self, topic: &str) -> Result<Vec<Message>> {
        let mut scan = Scan::all(&self.brokers, topic, Isolation::ReadCommitted)?;
        let mut messages = Vec::new();
        while let Some(record) = scan.next()? {
            messages.push(Message {
                partition: record.partition(),
                offset: record.offset(),
                key: text(record.key()),
                value: self.decode(record.payload()).with_context(|| format!("{topic} {}:{}", record.partition(), record.offset()))?,
                traceparent: text(record.header("traceparent")),
            });
        }
        messages.sort_by_key(|m| (m.partition, m.offset));
        Ok(messages)
    }

    /// How many committed records `topic` holds.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn count(&self, topic: &str) -> Result<u64> {
        let mut scan = Scan::all(&self.brokers, topic, Isolation::ReadCommitted)?;
        let mut count = 0;
        while scan.next()?.is_some() {
            count += 1;
        }
        Ok(count)
    }

    /// Subscribes to `topic` as a consumer group of its own, from the beginning.
    ///
    /// # Errors
    /// When the client cannot be set up.
    pub fn subscribe(&self, topic: &str, group: &str) -> Result<Subscription<'_>> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers).set("group.id", group);
        config.set("auto.offset.reset", "earliest").set("isolation.level", "read_committed").set("enable.auto.commit", "false");
        let consumer: BaseConsumer = config.create().context("cannot set up a consumer")?;
        consumer.subscribe(&[topic]).with_context(|| format!("cannot subscribe to {topic}"))?;
        Ok(Subscription { consumer, reader: self })
    }

    /// Decodes a value in Confluent's framing.
    ///
    /// # Errors
    /// When it is not one, or not of its schema to the last byte.
    pub fn decode(&self, payload: Option<&[u8]>) -> Result<Json> {
        let payload = payload.context("no payload")?;
        let (header, mut datum) = payload.split_first_chunk::<5>().context("fewer than five bytes")?;
        let [magic, id @ ..] = *header;
        ensure!(magic == 0, "the first byte is {magic}");
        let schema = self.schema(u32::from_be_bytes(id))?;
        let value: Value = GenericDatumReader::builder(&schema).build()?.read_value(&mut datum)?;
        ensure!(datum.is_empty(), "{} bytes follow the record", datum.len());
        Ok(Json::try_from(value)?)
    }

    /// The id of the latest schema of `<topic>-value`.
    ///
    /// # Errors
    /// When it is not registered.
    pub fn schema_id(&self, topic: &str) -> Result<u32> {
        let id = self.ask(&format!("/subjects/{topic}-value/versions/latest"))?["id"].as_u64();
        u32::try_from(id.context("the registry tells no id")?).context("the id is no id")
    }

    /// The schema with `id`, as the registry tells it.
    ///
    /// # Errors
    /// When there is none.
    pub fn schema_text(&self, id: u32) -> Result<String> {
        let answer = self.ask(&format!("/schemas/ids/{id}"))?;
        answer["schema"].as_str().map(str::to_owned).context("the registry tells no schema")
    }

    /// Registers `schema` under `<topic>-value` as anybody might, and gives its id.
    ///
    /// # Errors
    /// When it is refused.
    pub fn register(&self, topic: &str, schema: &Json) -> Result<u32> {
        let request = self.http.client().post(format!("{}/subjects/{topic}-value/versions", self.registry));
        let answer = self.http.send(request.json(&serde_json::json!({"schema": schema.to_string()})))?;
        let id = answer.json()["id"].as_u64();
        u32::try_from(id.with_context(|| format!("the registry answers {}", answer.body))?).context("the id is no id")
    }

    fn schema(&self, id: u32) -> Result<Rc<Schema>> {
        if let Some(schema) = self.schemas.borrow().get(&id) {
            return Ok(schema.clone());
        }
        let schema = Rc::new(Schema::parse_str(&self.schema_text(id)?)?);
        self.schemas.borrow_mut().insert(id, schema.clone());
        Ok(schema)
    }

    fn ask(&self, path: &str) -> Result<Json> {
        let answer = self.http.get(&format!("{}{path}", self.registry))?;
        ensure!(answer.status == 200, "the registry answers {} to {path}: {}", answer.status, answer.body);
        Ok(answer.json())
    }
}

/// A subscription to one topic.
pub struct Subscription<'a> {
    consumer: BaseConsumer,
    reader: &'a Reader,
}

impl Subscription<'_> {
    /// The next record.
    ///
    /// # Errors
    /// When none comes within `patience`, or it cannot be decoded.
    pub fn next(&self, patience: Duration) -> Result<Message> {
        let give_up = Instant::now() + patience;
        while Instant::now() < give_up {
            // an error is a broker that is away: the client reconnects by itself
            let Some(Ok(message)) = self.consumer.poll(Duration::from_millis(100)) else { continue };
            let headers = message.headers();
            let traceparent = headers.and_then(|hs| hs.iter().find(|h| h.key == "traceparent")).and_then(|h| h.value);
            return Ok(Message {
                partition: message.partition(),
                offset: message.offset(),
                key: text(message.key()),
                value: self.reader.decode(message.payload())?,
                traceparent: text(traceparent),
            });
        }
        bail!("no record came within {patience:?}")
    }
}

fn text(bytes: Option<&[u8]>) -> Option<String> {
    bytes.map(|b| String::from_utf8_lossy(b).into_owned())
}
