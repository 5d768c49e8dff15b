//! A collector that fails, one that never answers.

use super::*;
use opentelemetry::trace::{Tracer, TracerProvider};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

/// Answers as it is told to, and only when it is told.
#[derive(Debug)]
struct Told(Mutex<Receiver<bool>>);

impl SpanExporter for Told {
    async fn export(&self, _: Vec<SpanData>) -> OTelSdkResult {
        let good = self.0.lock().unwrap().recv().unwrap_or(false);
        if good { Ok(()) } else { Err(opentelemetry_sdk::error::OTelSdkError::InternalFailure("503".into())) }
    }
}

fn provider() -> (SdkTracerProvider, Metrics, Sender<bool>) {
    let metrics = Metrics::new("test", "0");
    let (tell, told) = channel();
    (queued(Told(Mutex::new(told)), Resource::builder_empty().build(), &metrics), metrics, tell)
}

fn count(metrics: &Metrics, outcome: &str) -> usize {
    let name = format!("tidemill_spans_total{{outcome=\"{outcome}\"}} ");
    let text = metrics.encode().unwrap();
    text.lines().find_map(|l| l.strip_prefix(&name)).unwrap_or_else(|| panic!("{name} is not in\n{text}")).parse().unwrap()
}

#[test]
fn a_collector_that_never_answers_costs_a_bounded_queue_and_the_rest_is_counted() {
    let (provider, metrics, tell) = provider();
    let tracer = provider.tracer("test");
    for _ in 0..QUEUE + 100 {
        drop(tracer.start("span"));
    }
    assert_eq!(count(&metrics, "dropped"), 100);
    for _ in 0..=QUEUE / BATCH {
        tell.send(true).unwrap();
    }
    provider.force_flush().unwrap();
    assert_eq!((count(&metrics, "sent"), count(&metrics, "failed")), (QUEUE, 0));
    drop(tracer.start("room again"));
    tell.send(true).unwrap();
    provider.force_flush().unwrap();
    assert_eq!((count(&metrics, "sent"), count(&metrics, "dropped")), (QUEUE + 1, 100));
}

#[test]
fn what_a_collector_refuses_is_counted() {
    let (provider, metrics, tell) = provider();
    drop(provider.tracer("test").start("span"));
    tell.send(false).unwrap();
    let _ = provider.force_flush();
    assert_eq!((count(&metrics, "sent"), count(&metrics, "failed")), (0, 1));
}

#[test]
fn an_end_does_not_wait_for_a_collector_that_hangs() {
    let (provider, _, _tell) = provider();
    drop(provider.tracer("test").start("span"));
    let begun = std::time::Instant::now();
    assert!(provider.shutdown_with_timeout(Duration::from_millis(100)).is_err());
    assert!(begun.elapsed() < Duration::from_secs(2));
}
