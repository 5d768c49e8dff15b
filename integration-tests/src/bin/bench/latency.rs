//! How long an event takes from its append in raw until a read_committed reader has its prediction, at a steady rate.

use crate::spent::Spent;
use crate::table::{count, millis, table};
use anyhow::{Context, Result, ensure};
use rdkafka::message::Message as _;
use serde::Deserialize;
use std::collections::HashMap;
use std::time::{Duration, Instant};
use tidemill_events::codec::AvroSchema;
use tidemill_events::wire;
use tidemill_integration_tests::committed::Committed;
use tidemill_integration_tests::report::percentile;
use tidemill_integration_tests::{Pipeline, Stack, payments};
use tidemill_kafka::reader::{Isolation, Scan};
use tidemill_service::{Clock, SystemClock};

/// Left out at the beginning: connections are made, caches are cold.
const WARM_UP: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(100);
/// The line is stuck when nothing was predicted for this long.
const STUCK: Duration = Duration::from_secs(60);
/// Topics that a record passes after raw.
const HOPS: [&str; 4] = ["valid", "hop.terminal", "features", "predictions"];

#[derive(Deserialize)]
struct Prediction {
    ingested_at: i64,
}

/// Publishes at `rate` for `seconds` and tells what was measured; then `after` is done with the same services.
pub(crate) fn run(stack: &mut Stack, rate: u64, seconds: u64, after: impl FnOnce(&Stack, &Pipeline) -> Result<String>) -> Result<String> {
    let pipeline = stack.apply("payments")?;
    stack.start_all()?;
    let file = payments::file(&stack.environment, &stack.tidemill(), pipeline.folder())?;
    let events = rate * seconds;
    let before = Spent::until_now(stack)?;
    let begin = Instant::now();
    let mut latencies = measure(stack, &pipeline, &file.to_string_lossy(), rate, events)?;
    let (elapsed, spent) = (begin.elapsed(), Spent::until_now(stack)?.since(&before));
    latencies.sort_unstable();
    let hops = hops(stack, &pipeline)?;
    stack.tidemill().succeed(&["wait", &pipeline.name])?;
    stack.tidemill().succeed(&["verify", &pipeline.name])?;
    // now: what follows may fail
    println!("{}\n{}", report(&latencies, rate, events, &hops), spent.report(elapsed, events));
    let rest = after(stack, &pipeline)?;
    stack.services.stop_all()?;
    Ok(rest)
}

/// Microseconds from `ingested_at` to the moment the reader had the prediction, of every event after the warm-up.
fn measure(stack: &Stack, pipeline: &Pipeline, file: &str, rate: u64, events: u64) -> Result<Vec<i64>> {
    let topic = pipeline.topic("predictions");
    let reader = stack.reader();
    let schema = AvroSchema::parse(&reader.schema_text(reader.schema_id(&topic)?)?)?;
    let mut predictions = Committed::new(&stack.environment, &topic)?;
    let (rate, limit) = (format!("{rate}/s"), events.to_string());
    let args = ["publish", &pipeline.name, "--events", file, "--rate", &rate, "--limit", &limit];
    let mut publisher = stack.tidemill().start(&args, &pipeline.folder().join("publish.log"))?;
    let mut latencies = Vec::new();
    let (mut seen, mut warm) = (0, None);
    let mut progress = Instant::now();
    while seen < events {
        let polled = predictions.poll(POLL)?;
        let now = SystemClock.now();
        if let Some(record) = polled {
            let prediction: Prediction = schema.decode(wire::split(record.payload())?.1)?;
            seen += 1;
            progress = Instant::now();
            if warm.get_or_insert_with(Instant::now).elapsed() > WARM_UP {
                latencies.push(now - prediction.ingested_at);
            }
        }
        ensure!(progress.elapsed() < STUCK, "nothing was predicted for {STUCK:?} after {seen} events\n{}", publisher.log());
    }
    let status = publisher.wait(STUCK)?;
    ensure!(status.success(), "tidemill publish: {status}\n{}", publisher.log());
    Ok(latencies)
}

/// For each topic after raw, the median of microseconds between an event's append there and in the topic before.
fn hops(stack: &Stack, pipeline: &Pipeline) -> Result<Vec<(&'static str, i64)>> {
    let mut before: HashMap<(i64, i64), i64> = HashMap::new();
    let raw = pipeline.topic("raw");
    let mut scan = Scan::all(&stack.environment.kafka, &raw, Isolation::ReadCommitted)?;
    while let Some(record) = scan.next()? {
        before.insert((record.partition().into(), record.offset()), record.appended_at());
    }
    let reader = stack.reader();
    let mut medians = Vec::new();
    for topic in HOPS {
        let mut now = HashMap::new();
        let mut scan = Scan::all(&stack.environment.kafka, &pipeline.topic(topic), Isolation::ReadCommitted)?;
        while let Some(record) = scan.next()? {
            let source = reader.decode(record.payload())?["source"].take();
            if source["topic"] != raw.as_str() {
                // an outcome, which derives from a label
                continue;
            }
            let at = (source["partition"].as_i64().context("no partition")?, source["offset"].as_i64().context("no offset")?);
            now.insert(at, record.appended_at());
        }
        let mut times: Vec<i64> = now.iter().filter_map(|(at, time)| Some(time - before.get(at)?)).collect();
        times.sort_unstable();
        medians.push((topic, percentile(&times, 0.5)));
        before = now;
    }
    Ok(medians)
}

fn report(latencies: &[i64], rate: u64, events: u64, hops: &[(&'static str, i64)]) -> String {
    let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|share| millis(percentile(latencies, share)));
    let row = vec![
        format!("append in raw → received by a read_committed reader, {} events at {}/s, p50 / p99 / p99.9", count(events), count(rate)),
        format!("**{p50} / {p99}** / {p999}"),
        "120 / 250 ms".into(),
        "65 / 100 ms".into(),
    ];
    let figures = table(&["what", "measured", "at least", "aim"], &[row]);
    let rows: Vec<Vec<String>> = hops.iter().map(|(topic, time)| vec![format!("`<p>.{topic}`"), millis(*time)]).collect();
    let spent = table(&["appended to", "median after the topic before"], &rows);
    format!("{figures}\n{spent}")
}
