//! What following traces costs the loop per record: nobody listens, nothing is followed, one in a thousand, everything.
//! Run it with `cargo run --release -p tidemill-kafka --example span_cost`. No broker is needed: records come from memory,
//! finished spans go to a queue that throws them away.

use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{BatchSpanProcessor, SdkTracerProvider, SpanData, SpanExporter};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tidemill_kafka::transactional::{KafkaBroker, Settings};
use tidemill_stream::{
    Broker, Committed, Delivered, Error, Input, Limits, Outputs, Polled, Record, Restore, Runner, Spans, Stage, Stats, Task,
};

const BATCH: usize = 2_000;
const BATCHES: usize = 500;
const HEADER: &[u8] = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Throws spans away.
#[derive(Debug)]
struct Nowhere;

impl SpanExporter for Nowhere {
    async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
        Ok(())
    }
}

/// Gives a batch at each poll; every `sampled`th record carries a header.
struct Feed {
    spans: bool,
    sampled: usize,
    next: usize,
    joined: bool,
}

impl Broker for Feed {
    fn poll(&mut self, _: Duration, each: &mut dyn FnMut(&Record<'_>) -> bool) -> Result<Polled, Error> {
        if !std::mem::replace(&mut self.joined, true) {
            return Ok(Polled { rebalanced: true });
        }
        for _ in 0..BATCH {
            self.next += 1;
            let traceparent = (self.sampled > 0 && self.next.is_multiple_of(self.sampled)).then_some(HEADER);
            let offset = self.next as i64;
            each(&Record {
                topic: 0,
                partition: 0,
                offset,
                timestamp: 0,
                key: Some(b"customer-17"),
                payload: Some(&[7; 110]),
                traceparent,
            });
        }
        Ok(Polled::default())
    }

    fn spans(&self) -> Option<Box<dyn Spans>> {
        let names = |name: &str| vec![name.to_owned()];
        let settings = Settings {
            brokers: String::new(),
            group: "group".into(),
            slot: "group.1".into(),
            inputs: names("p.features"),
            outputs: names("p.predictions"),
            gather: Duration::ZERO,
            fault: None,
        };
        self.spans.then(|| KafkaBroker::new(settings).spans()).flatten()
    }

    fn topics(&self) -> usize {
        1
    }

    fn assignment(&self) -> Vec<Input> {
        vec![Input { partition: 0, topic: 0 }]
    }

    fn committed(&mut self, _: &[Input]) -> Result<BTreeMap<Input, Committed>, Error> {
        Ok(BTreeMap::new())
    }

    fn resume(&mut self, _: &BTreeMap<Input, i64>) -> Result<(), Error> {
        Ok(())
    }

    fn hold(&mut self, _: &BTreeSet<Input>) -> Result<(), Error> {
        Ok(())
    }

    fn fold(&mut self, _: &Restore, _: &mut dyn FnMut(&Record<'_>) -> Result<(), Error>) -> Result<(), Error> {
        Ok(())
    }

    fn produce(&mut self, _: &Outputs) -> Result<Delivered, Error> {
        Ok(Delivered::default())
    }

    fn commit(&mut self, _: &Outputs, _: &BTreeMap<Input, (i64, String)>) -> Result<(), Error> {
        Ok(())
    }

    fn connect(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

/// Copies records.
struct Copies;

impl Stage for Copies {
    type Task = Self;

    fn open(&mut self, _: i32, _: &[Committed], _: &[u8], _: u64) -> Result<(Self, Vec<Restore>), Error> {
        Ok((Self, Vec::new()))
    }
}

impl Task for Copies {
    fn restore(&mut self, _: &Record<'_>) -> Result<(), Error> {
        Ok(())
    }

    fn process(&mut self, record: &Record<'_>, _: i64, out: &mut Outputs) -> Result<(), Error> {
        out.push(0, 0, record.key, record.traceparent, |bytes| {
            bytes.extend_from_slice(record.payload.unwrap_or_default());
            Ok(())
        })
    }

    fn tick(&mut self, _: i64, _: &mut Outputs) -> Result<(), Error> {
        Ok(())
    }

    fn checkpoint(&mut self, _: &Delivered) -> Vec<u8> {
        Vec::new()
    }

    fn commit(&mut self, _: u64, _: bool) {}

    fn abort(&mut self) {}
}

/// Nanoseconds that a record takes.
fn run(spans: bool, sampled: usize) -> Result<f64, Error> {
    let feed = Feed { spans, sampled, next: 0, joined: false };
    let limits = Limits { records: BATCH, ..Limits::default() };
    let started = Instant::now();
    let clock = Box::new(move || started.elapsed().as_micros() as i64);
    let mut runner = Runner::new(feed, Copies, limits, clock, Arc::new(Stats::default()));
    runner.step()?;
    let begun = Instant::now();
    for _ in 0..BATCHES {
        runner.step()?;
    }
    Ok(begun.elapsed().as_nanos() as f64 / (BATCH * BATCHES) as f64)
}

fn main() -> Result<(), Error> {
    let processor = BatchSpanProcessor::builder(Nowhere).build();
    let provider = SdkTracerProvider::builder().with_span_processor(processor).build();
    opentelemetry::global::set_tracer_provider(provider.clone());
    let cases = [
        ("nobody listens", false, 0),
        ("nothing is followed", true, 0),
        ("1 in 1,000", true, 1_000),
        ("1 in 10", true, 10),
        ("all", true, 1),
    ];
    run(false, 0)?;
    for (what, spans, sampled) in cases {
        let mut runs = [run(spans, sampled)?, run(spans, sampled)?, run(spans, sampled)?, run(spans, sampled)?, run(spans, sampled)?];
        runs.sort_by(f64::total_cmp);
        println!(
            "{what:<20} {:8.1} ns a record (median of 5 runs of {} records, {:.1} to {:.1})",
            runs[2],
            BATCH * BATCHES,
            runs[0],
            runs[4]
        );
    }
    // what the queue did not take is dropped, here as there
    let _ = provider.shutdown();
    Ok(())
}
