//! The handler with a table in place of Kafka: what goes in, what comes out, what is refused.

use super::*;
use crate::route::{SchemaIds, Source};
use axum::http::Request;
use http_body_util::BodyExt;
use serde_json::{Value as Json, json};
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;
use tidemill_events::codec::RawReader;
use tidemill_events::topics::PerPipeline;
use tidemill_events::{Layout, RecordSchema, Value, wire};
use tidemill_features::HopSpec;
use tidemill_kafka::append::Error;
use tidemill_service::config::Secret;
use tokio::sync::Semaphore;
use tower::ServiceExt;

mod batches;
mod cloud;
mod hostile;
mod memory;

const TOKEN: &str = "0123456789abcdef";

/// A topic in memory.
#[derive(Default)]
struct Table {
    appended: Mutex<Vec<Appended>>,
    /// Errors for the next records, in order.
    errors: Mutex<Vec<Error>>,
    /// Where set, acknowledgements wait for a permit each.
    gate: Option<Arc<Semaphore>>,
}

#[derive(Debug, Clone, PartialEq)]
struct Appended {
    topic: String,
    partition: i32,
    key: String,
    payload: Vec<u8>,
    traceparent: Option<String>,
}

impl Sink for Table {
    fn append(&self, batch: &Batch) -> impl Future<Output = Vec<Result<i64, Error>>> + Send + 'static {
        let mut appended = self.appended.lock().unwrap();
        let mut errors = self.errors.lock().unwrap();
        let mut take = |record: tidemill_kafka::append::Record<'_>| {
            if !errors.is_empty() {
                return Err(errors.remove(0));
            }
            let offset = appended.iter().filter(|a| a.topic == batch.topic() && a.partition == record.partition).count();
            appended.push(Appended {
                topic: batch.topic().into(),
                partition: record.partition,
                key: str::from_utf8(record.key).unwrap().into(),
                payload: record.payload.to_vec(),
                traceparent: record.traceparent.or(batch.traceparent()).map(str::to_owned),
            });
            Ok(offset as i64)
        };
        let outcomes: Vec<_> = batch.records().map(&mut take).collect();
        let gate = self.gate.clone();
        async move {
            if let Some(gate) = gate.filter(|_| !outcomes.is_empty()) {
                gate.acquire().await.unwrap().forget();
            }
            outcomes
        }
    }
}

fn layout() -> Layout {
    let event = RecordSchema::parse(include_str!("../../../../examples/payments/payment.avsc")).unwrap();
    let entities = vec!["customer".into(), "terminal".into()];
    Layout { pipeline: "payments-fraud".into(), event, entities, features: vec![], hop_features: vec![0..0, 0..0] }
}

fn route(key: &[usize]) -> Route {
    let layout = layout();
    let first = HopSpec { entity: "customer".into(), key: key.to_vec(), columns: vec![], features: vec![], lateness: 0 };
    let source = Source { layout: &layout, partitions: 4, id: 0, time: 1, first: Some(&first) };
    Route::new(&source, SchemaIds { raw: 7, labels: 8 }, None, 1024).unwrap()
}

struct Harness {
    table: Arc<Table>,
    router: Router,
    metrics: Metrics,
}

impl Harness {
    fn new() -> Self {
        Self::with(Table::default(), 4 << 20)
    }

    fn with(table: Table, budget: usize) -> Self {
        let limits = Limits { size: 1 << 20, time: Duration::from_millis(200) };
        let settings = Settings { token: Token::new(Secret::new(TOKEN)), limits, budget: Budget::new(budget), sampler: Sampler::new(0.0) };
        let (table, metrics) = (Arc::new(table), Metrics::new("test", "0"));
        let app = App::new(settings, Catalog::of([route(&[2])]), Arc::clone(&table), &metrics);
        Self { table, router: routes(app), metrics }
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: parts.status.as_u16(), headers: parts.headers, body: serde_json::from_slice(&body).unwrap_or(Json::Null) }
    }

    async fn post(&self, path: &str, media_type: &str, body: impl Into<Body>) -> Answer {
        self.send(request(path, media_type).body(body.into()).unwrap()).await
    }

    async fn event(&self, body: impl Into<Body>) -> Answer {
        self.post("events", "application/json", body).await
    }

    async fn ndjson(&self, body: impl Into<Body>) -> Answer {
        self.post("events", "application/x-ndjson", body).await
    }

    fn appended(&self) -> Vec<Appended> {
        self.table.appended.lock().unwrap().clone()
    }
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Json,
}

impl Answer {
    fn is(&self, status: u16, code: &str) -> bool {
        self.status == status && self.body["code"] == code
    }
}

fn request(path: &str, media_type: &str) -> axum::http::request::Builder {
    Request::post(format!("/v1/pipelines/payments-fraud/{path}"))
        .header("authorization", format!("Bearer {TOKEN}"))
        .header("content-type", media_type)
}

fn payment(id: &str, amount: &str) -> String {
    format!(r#"{{"transaction_id":"{id}","event_time":1532521800000,"customer_id":"c1","terminal_id":"t9","amount":{amount}}}"#)
}

#[tokio::test]
async fn an_event_is_in_its_topic_when_it_is_accepted() {
    let harness = Harness::new();
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let sent = request("events", "application/json; charset=utf-8").header("traceparent", trace);
    let answer = harness.send(sent.body(payment("a1", "12.5").into()).unwrap()).await;
    let partition = tidemill_events::partition::partition_of(b"c1", 4);
    let expected = json!({"event_id": "a1", "status": "accepted", "topic": "payments-fraud.raw", "partition": partition, "offset": 0});
    assert_eq!((answer.status, answer.body), (200, expected));

    let [record] = &harness.appended()[..] else { panic!("one record") };
    assert_eq!((record.topic.as_str(), record.partition, record.key.as_str()), ("payments-fraud.raw", partition, "c1"));
    assert_eq!(record.traceparent.as_deref(), Some(trace));
    let (id, datum) = wire::split(Some(&record.payload)).unwrap();
    let layout = layout();
    let row = RawReader::new(&layout.avro(PerPipeline::Raw), &layout.event).unwrap().decode(datum).unwrap();
    assert_eq!(id, 7);
    assert_eq!(row[0], Value::String("a1".into()));
    assert_eq!(row[1], Value::Timestamp(1_532_521_800_000_000));
    assert_eq!(row[4].as_f64(), Some(12.5));
}

#[tokio::test]
async fn a_label_goes_to_its_own_topic_under_the_event_id() {
    let harness = Harness::new();
    let label = r#"{"event_id":"a1","label":1,"label_time":"2018-08-01T00:00:00Z"}"#;
    let answer = harness.post("labels", "application/json", label).await;
    assert_eq!((answer.status, &answer.body["status"], &answer.body["event_id"]), (200, &json!("accepted"), &json!("a1")));
    let [record] = &harness.appended()[..] else { panic!("one record") };
    assert_eq!((record.topic.as_str(), record.key.as_str()), ("payments-fraud.labels", "a1"));
    let (id, datum) = wire::split(Some(&record.payload)).unwrap();
    let avro = tidemill_events::codec::AvroSchema::parse(&layout().avro(PerPipeline::Labels)).unwrap();
    let decoded: tidemill_events::records::Label = avro.decode(datum).unwrap();
    assert_eq!((id, decoded.label, decoded.label_time), (8, 1.0, 1_533_081_600_000_000));
    // whether a second one repeats or contradicts it is not decided here
    assert_eq!(harness.post("labels", "application/json", label.replace(":1,", ":0,")).await.status, 200);
    assert_eq!(harness.appended().len(), 2);
}

#[tokio::test]
async fn what_happened_is_counted() {
    let harness = Harness::new();
    harness.event(payment("a1", "1")).await;
    harness.event(payment("a1", "1")).await;
    harness.ndjson([payment("a2", "1"), "nonsense".into(), payment("a3", "0.001")].join("\n")).await;
    harness
        .send(Request::post("/v1/pipelines/nobody/events").header("authorization", format!("Bearer {TOKEN}")).body(Body::empty()).unwrap())
        .await;
    let text = harness.metrics.encode().unwrap();
    let lane = r#"pipeline="payments-fraud",stage="ingestor.events""#;
    for line in [
        format!(r#"tidemill_ingest_records_total{{{lane},outcome="accepted"}} 2"#),
        format!(r#"tidemill_ingest_records_total{{{lane},outcome="duplicate"}} 1"#),
        format!(r#"tidemill_ingest_records_total{{{lane},outcome="malformed_json"}} 1"#),
        format!(r#"tidemill_ingest_records_total{{{lane},outcome="too_many_digits"}} 1"#),
        format!(r#"tidemill_ingest_requests_total{{{lane},outcome="accepted"}} 2"#),
        format!(r#"tidemill_ingest_requests_total{{{lane},outcome="partial"}} 1"#),
        r#"tidemill_ingest_requests_total{pipeline="",stage="ingestor.events",outcome="unknown_pipeline"} 1"#.into(),
        format!(r#"tidemill_ingest_ack_seconds_count{{{lane},outcome=""}} 3"#),
        "tidemill_ingest_in_flight_bytes 0".into(),
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }
}
