//! Publishing against an ingestor that fails in every way it may.

mod ingestor;

use super::{Cell, Destination, Endpoint, Job, Pace, Report, Row, Shape, Source, Tally, source};
use ingestor::{Fault, Ingestor};
use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tidemill_events::json::Reader;
use tidemill_events::{RecordSchema, Value};

const SCHEMA: &str = r#"{"type":"record","name":"Payment","fields":[
    {"name":"transaction_id","type":"string"},
    {"name":"event_time","type":{"type":"long","logicalType":"timestamp-millis"}},
    {"name":"customer_id","type":"string"},
    {"name":"amount","type":{"type":"bytes","logicalType":"decimal","precision":18,"scale":2}}]}"#;
const START: i64 = 1_522_540_800_000_000;
const SECOND: i64 = 1_000_000;
const CUSTOMERS: i64 = 13;

/// `count` payments, a second apart, of 13 customers in turn; every tenth is fraudulent.
struct Payments {
    next: i64,
    count: i64,
}

impl Source for Payments {
    fn rows(&self) -> Option<u64> {
        None
    }

    fn advance(&mut self) -> Result<Row, source::Error> {
        self.next += 1;
        Ok(if self.next > self.count { Row::End } else { Row::Ready })
    }

    fn cell(&self, column: usize) -> Cell<'_> {
        let i = self.next - 1;
        match column {
            0 => Cell::Integer(i),
            1 => Cell::Instant(START + i * SECOND),
            2 => Cell::Integer(i % CUSTOMERS),
            3 => Cell::Decimal { unscaled: i.into(), scale: 2 },
            _ => Cell::Bool(i % 10 == 0),
        }
    }
}

fn job(url: &str, count: i64) -> Job {
    let schema = RecordSchema::parse(SCHEMA).unwrap();
    Job {
        source: Box::new(Payments { next: 0, count }),
        shape: Shape { schema, id: 0, time: 1, key: vec![2], partitions: 3 },
        labels_delay: None,
        destination: Destination::Http(Endpoint { url: url.into(), token: ingestor::TOKEN.into(), pipeline: "payments".into() }),
        pace: Pace::Max,
        connections: 3,
        max_records: 50,
        limit: u64::MAX,
        acks: None,
        give_up_after: Duration::from_secs(20),
        stop: Arc::default(),
    }
}

async fn publish(job: Job) -> Report {
    job.run(Arc::new(Tally::default())).await.unwrap()
}

fn acked(path: &Path) -> BTreeSet<i64> {
    let text = std::fs::read_to_string(path).unwrap();
    let ids: Vec<i64> = text
        .lines()
        .map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap()["event_id"].as_str().unwrap().parse().unwrap())
        .collect();
    let unique: BTreeSet<i64> = ids.iter().copied().collect();
    assert_eq!(unique.len(), ids.len(), "an id was acknowledged twice");
    unique
}

#[tokio::test(flavor = "multi_thread")]
async fn sends_exactly_what_the_schema_names() {
    let ingestor = Ingestor::start(|_| Fault::None).await;
    let report = publish(job(&ingestor.url, 120)).await;
    assert_eq!((report.sent, report.acknowledged, report.refused), (120, 120, 0), "{report:?}");
    let reader = Reader::new(RecordSchema::parse(SCHEMA).unwrap());
    let mut rows: Vec<Vec<Value>> = ingestor.events().iter().map(|line| reader.read(line.as_bytes()).unwrap()).collect();
    rows.sort_by_key(|row| row[0].to_key().unwrap().parse::<i64>().unwrap());
    for (i, row) in (0..).zip(rows) {
        let wanted = [
            Value::String(i.to_string().into()),
            Value::Timestamp(START + i * SECOND),
            Value::String((i % CUSTOMERS).to_string().into()),
            Value::Decimal(rust_decimal::Decimal::new(i, 2)),
        ];
        assert_eq!(row, wanted);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_fails_all_arrives_once_and_in_order_per_key() {
    let faults = [Fault::None, Fault::Unavailable, Fault::Drop, Fault::SomeUnavailable, Fault::TooMany, Fault::None, Fault::TooLarge];
    let ingestor = Ingestor::start(move |n| faults[n % faults.len()]).await;
    let dir = tempfile::tempdir().unwrap();
    let acks = dir.path().join("acks.ndjson");
    let report = publish(Job { acks: Some(acks.clone()), ..job(&ingestor.url, 2_000) }).await;
    assert!(report.is_complete() && report.acknowledged == 2_000 && report.retries > 0, "{report:?}");
    assert_eq!(acked(&acks), (0..2_000).collect());
    let mut last = HashMap::new();
    for id in ingestor.event_ids() {
        let before = last.insert(id % CUSTOMERS, id);
        assert!(before.is_none_or(|before| before < id), "event {id} of its customer came after {before:?}");
    }
    assert_eq!(ingestor.event_ids().len(), 2_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_records_are_counted_named_and_never_acknowledged() {
    let ingestor = Ingestor::start(|_| Fault::RefuseSevens).await;
    let dir = tempfile::tempdir().unwrap();
    let acks = dir.path().join("acks.ndjson");
    let report = publish(Job { acks: Some(acks.clone()), ..job(&ingestor.url, 200) }).await;
    let sevens: BTreeSet<i64> = (0..200).filter(|i| i % 7 == 0).collect();
    assert!(report.is_complete(), "{report:?}");
    assert_eq!((report.refused, report.undelivered), (sevens.len() as u64, 0));
    let reason = &report.reasons["is_a_seven"];
    assert_eq!((reason.count, reason.examples.len()), (sevens.len() as u64, 3));
    assert!(reason.examples[0].contains("divides by seven"), "{reason:?}");
    assert!(acked(&acks).is_disjoint(&sevens));
}

#[tokio::test(flavor = "multi_thread")]
async fn waits_for_an_ingestor_that_is_not_there_yet() {
    let port = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let tally = Arc::new(Tally::default());
    let running = tokio::spawn(job(&format!("http://127.0.0.1:{port}"), 100).run(tally.clone()));
    while tally.trouble().is_none() {
        tokio::task::yield_now().await;
    }
    let ingestor = Ingestor::start_on(port, |_| Fault::None).await;
    let report = running.await.unwrap().unwrap();
    assert!(report.is_complete() && report.retries > 0, "{report:?}");
    assert_eq!(ingestor.event_ids().len(), 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn gives_up_when_nothing_is_taken_and_says_what_was_not_delivered() {
    let ingestor = Ingestor::start(|_| Fault::Unavailable).await;
    let report = publish(Job { give_up_after: Duration::from_millis(300), ..job(&ingestor.url, 1_000) }).await;
    assert!(!report.is_complete());
    assert_eq!(report.acknowledged, 0);
    assert!(report.undelivered > 0 && report.failure.as_ref().is_some_and(|f| f.contains("503")), "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_ends_it_at_once() {
    let ingestor = Ingestor::start(|_| Fault::None).await;
    let mut job = job(&ingestor.url, 1_000);
    let Destination::Http(endpoint) = &mut job.destination else { panic!("over HTTP") };
    endpoint.token = "guess".into();
    let started = Instant::now();
    let report = publish(job).await;
    assert!(report.failure.as_ref().is_some_and(|f| f.contains("TIDEMILL_TOKEN")), "{report:?}");
    assert!(started.elapsed() < Duration::from_secs(10) && ingestor.events().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_follow_their_events_when_they_are_due() {
    let ingestor = Ingestor::start(|_| Fault::None).await;
    let delay = 60 * SECOND;
    let report = publish(Job { labels_delay: Some(delay), connections: 1, max_records: 10, ..job(&ingestor.url, 300) }).await;
    assert!(report.is_complete(), "{report:?}");
    assert_eq!((report.labels.sent, report.labels.acknowledged), (300, 300));
    let labels = ingestor.labels();
    assert!(labels.is_sorted_by_key(|l| l["label_time"].as_i64()));
    for label in &labels {
        let id: i64 = label["event_id"].as_str().unwrap().parse().unwrap();
        assert_eq!(label["label_time"].as_i64(), Some(START + id * SECOND + delay));
        assert_eq!(label["label"].as_f64(), Some(if id % 10 == 0 { 1.0 } else { 0.0 }));
    }
    // when the label of event 100 came, events up to about 160 had come, and no label came before its event
    for (id, events_before) in ingestor.labels_with_events_before() {
        assert!(events_before > id, "the label of event {id} came after {events_before} events");
        assert!(id + 60 + 20 > events_before as i64 as usize || events_before == 300, "label {id}: {events_before}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_is_kept_in_many_small_requests() {
    let ingestor = Ingestor::start(|_| Fault::None).await;
    let report = publish(Job { pace: Pace::Rate(1_000.0), connections: 1, max_records: 2_000, ..job(&ingestor.url, 400) }).await;
    assert!(report.is_complete(), "{report:?}");
    assert!(report.elapsed >= 0.399, "400 events at 1,000/s took {} s", report.elapsed);
    assert!(ingestor.requests() >= 10, "{} requests", ingestor.requests());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_delivers_what_was_read() {
    let ingestor = Ingestor::start(|_| Fault::None).await;
    let job = Job { pace: Pace::Rate(200.0), ..job(&ingestor.url, 1_000_000) };
    let (stop, tally) = (job.stop.clone(), Arc::new(Tally::default()));
    let running = tokio::spawn(job.run(tally.clone()));
    while tally.acknowledged.get() == 0 {
        tokio::task::yield_now().await;
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let report = running.await.unwrap().unwrap();
    assert!(report.is_complete() && report.sent < 1_000_000, "{report:?}");
    assert_eq!(ingestor.events().len() as u64, report.sent);
}
