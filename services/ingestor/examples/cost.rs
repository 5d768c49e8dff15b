//! What an event of a batch costs the ingestor in processor time, by step. Run it with
//! `cargo run --release -p tidemill-ingestor --example cost [BROKER TOPIC]`; with a broker the events are
//! appended to the topic (which must exist, with 4 partitions) and acknowledged.

use axum::body::Body;
use axum::http::Request;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};
use tidemill_events::json::Reader;
use tidemill_events::{Layout, RecordSchema};
use tidemill_features::HopSpec;
use tidemill_ingestor::catalog::Catalog;
use tidemill_ingestor::handler::{App, Settings, routes};
use tidemill_ingestor::route::{Route, SchemaIds, Source};
use tidemill_ingestor::sample::Sampler;
use tidemill_ingestor::sink::Sink;
use tidemill_kafka::append::{self, Appender, Batch, Error};
use tidemill_service::Metrics;
use tidemill_service::config::Secret;
use tidemill_service::http::{Budget, Limits, Token};
use tower::ServiceExt;

const BATCH: usize = 2_000;
const BATCHES: usize = 200;
const TOKEN: &str = "0123456789abcdef";

/// Acknowledges everything at once.
#[derive(Default)]
struct Nowhere(AtomicI64);

impl Sink for Nowhere {
    fn append(&self, batch: &Batch) -> impl Future<Output = Vec<Result<i64, Error>>> + Send + 'static {
        let first = self.0.fetch_add(batch.len() as i64, Ordering::Relaxed);
        let count = batch.len() as i64;
        async move { (first..first + count).map(Ok).collect() }
    }
}

/// Hands batches to Kafka, whatever topic they name, in this one.
struct OneTopic(Appender, String);

impl Sink for OneTopic {
    fn append(&self, batch: &Batch) -> impl Future<Output = Vec<Result<i64, Error>>> + Send + 'static {
        let mut moved = Batch::new(self.1.clone(), None);
        batch.records().for_each(|r| moved.push(r.partition, r.key, r.payload));
        self.0.append(&moved).outcomes()
    }
}

fn main() -> anyhow::Result<()> {
    let bodies: Vec<String> = (0..BATCHES).map(body).collect();
    reading(&bodies)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(handling("handler, nothing appended", Nowhere::default(), &bodies))?;
    let mut args = std::env::args().skip(1);
    if let (Some(brokers), Some(topic)) = (args.next(), args.next()) {
        let settings =
            append::Settings { brokers, client_id: "cost".into(), delivery_timeout: Duration::from_secs(20), queue_bytes: 32 << 20 };
        let sink = OneTopic(Appender::new(&settings)?, topic);
        runtime.block_on(handling("handler, appended to Kafka", sink, &bodies))?;
    }
    Ok(())
}

fn body(batch: usize) -> String {
    let line = |i: usize| {
        let n = batch * BATCH + i;
        let (customer, terminal) = (n * 7919 % 5000, n * 104_729 % 10_000);
        format!(
            r#"{{"transaction_id":"{n}","event_time":{},"customer_id":"{customer}","terminal_id":"{terminal}","amount":"{}.{:02}"}}"#,
            1_522_540_800_000u64 + n as u64 * 977,
            n % 220,
            n % 100
        )
    };
    (0..BATCH).map(line).collect::<Vec<_>>().join("\n")
}

fn layout() -> anyhow::Result<Layout> {
    let event = RecordSchema::parse(include_str!("../../../examples/payments/payment.avsc"))?;
    let entities = vec!["customer".into(), "terminal".into()];
    Ok(Layout { pipeline: "payments-fraud".into(), event, entities, features: vec![], hop_features: vec![0..0, 0..0] })
}

fn reading(bodies: &[String]) -> anyhow::Result<()> {
    let reader = Reader::new(layout()?.event);
    let (begun, clock) = (cpu()?, Instant::now());
    let mut fields = 0;
    for body in bodies {
        for line in body.split('\n') {
            fields += reader.read(line.as_bytes())?.len();
        }
    }
    report("JSON to row", fields / 5, begun, clock)
}

async fn handling<S: Sink>(what: &str, sink: S, bodies: &[String]) -> anyhow::Result<()> {
    let layout = layout()?;
    let first = HopSpec { entity: "customer".into(), key: vec![2], columns: vec![], features: vec![], lateness: 0 };
    let source = Source { layout: &layout, partitions: 4, id: 0, time: 1, first: Some(&first) };
    let route = Route::new(&source, SchemaIds { raw: 1, labels: 2 }, None, 1 << 20)?;
    let settings = Settings {
        token: Token::new(Secret::new(TOKEN)),
        limits: Limits { size: 1 << 20, time: Duration::from_secs(10) },
        budget: Budget::new(64 << 20),
        sampler: Sampler::new(0.001),
    };
    let router = routes(App::new(settings, Catalog::of([route]), Arc::new(sink), &Metrics::new("cost", "0")));
    let (begun, clock) = (cpu()?, Instant::now());
    // four requests at a time, as a publisher keeps under way
    for four in bodies.chunks(4) {
        let sending = four.iter().map(|body| {
            let request = Request::post("/v1/pipelines/payments-fraud/events")
                .header("authorization", format!("Bearer {TOKEN}"))
                .header("content-type", "application/x-ndjson")
                .body(Body::from(body.clone()));
            let router = router.clone();
            tokio::spawn(async move { anyhow::Ok(router.oneshot(request?).await?.status()) })
        });
        for sent in sending.collect::<Vec<_>>() {
            let status = sent.await??;
            anyhow::ensure!(status == 200, "{status}");
        }
    }
    report(what, BATCH * BATCHES, begun, clock)
}

fn report(what: &str, events: usize, begun: f64, clock: Instant) -> anyhow::Result<()> {
    let each = (cpu()? - begun) / events as f64 * 1e6;
    let wall = clock.elapsed().as_secs_f64();
    println!("{what:<28} {each:6.2} µs of processor time per event; {events} events, {:.0} events/s", events as f64 / wall.max(1e-9));
    Ok(())
}

/// Processor time of this process, all threads, in seconds; /proc counts in hundredths.
fn cpu() -> anyhow::Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks: f64 = [11, 12].iter().filter_map(|i| fields.get(*i)?.parse::<f64>().ok()).sum();
    Ok(ticks / 100.0)
}
