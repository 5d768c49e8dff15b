//! The queue of finished spans, bounded and counted.

use super::{TIMEOUT, ids::Ids};
use crate::metrics::Metrics;
use opentelemetry::Context;
use opentelemetry_otlp::{Protocol, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider, Span, SpanData, SpanExporter, SpanProcessor,
};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

/// Spans that may wait: some megabytes, and seconds at a full rate with the usual sampling.
const QUEUE: usize = 8192;
/// Spans in one export.
const BATCH: usize = 512;
/// How long a lone span waits.
const DELAY: Duration = Duration::from_millis(500);

/// What became of spans.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Fate {
    outcome: &'static str,
}

/// Counts finished spans.
#[derive(Debug)]
struct Counts {
    waiting: AtomicUsize,
    /// The last export failed.
    failing: AtomicBool,
    sent: Counter,
    failed: Counter,
    dropped: Counter,
}

/// A provider whose spans go to `url`. Whether a trace is followed is decided before its spans are made, so all are kept.
pub(super) fn provider(url: &str, resource: Resource, metrics: &Metrics) -> anyhow::Result<SdkTracerProvider> {
    // a runtime is inside, which must not be made where another one waits
    let client = thread::spawn(|| tidemill_http_client::blocking_builder().timeout(TIMEOUT).build());
    let client = client.join().map_err(|_| anyhow::anyhow!("the thread that makes the HTTP client panicked"))??;
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_http_client(client)
        .with_endpoint(url)
        .with_protocol(Protocol::HttpBinary)
        .with_timeout(TIMEOUT)
        .build()?;
    Ok(queued(exporter, resource, metrics))
}

fn queued<E: SpanExporter + 'static>(exporter: E, resource: Resource, metrics: &Metrics) -> SdkTracerProvider {
    let spans: Family<Fate, Counter> = Family::default();
    metrics.register(|r| {
        r.register("spans", "Finished spans: sent to the collector, not taken by it, or dropped as too many waited", spans.clone())
    });
    let count = |outcome| spans.get_or_create_owned(&Fate { outcome });
    let counts = Arc::new(Counts {
        waiting: AtomicUsize::new(0),
        failing: AtomicBool::new(false),
        sent: count("sent"),
        failed: count("failed"),
        dropped: count("dropped"),
    });
    let limits = BatchConfigBuilder::default()
        // ours is the smaller bound, so that this one drops nothing uncounted
        .with_max_queue_size(QUEUE + 1)
        .with_max_export_batch_size(BATCH)
        .with_scheduled_delay(DELAY)
        .build();
    let exporter = Counted { inner: exporter, counts: counts.clone() };
    let queue = Bounded { inner: BatchSpanProcessor::builder(exporter).with_batch_config(limits).build(), counts };
    let provider = SdkTracerProvider::builder().with_resource(resource).with_sampler(Sampler::AlwaysOn).with_id_generator(Ids::default());
    provider.with_span_processor(queue).build()
}

/// Drops spans while too many wait.
#[derive(Debug)]
struct Bounded<P> {
    inner: P,
    counts: Arc<Counts>,
}

impl<P: SpanProcessor> SpanProcessor for Bounded<P> {
    fn on_start(&self, span: &mut Span, cx: &Context) {
        self.inner.on_start(span, cx);
    }

    fn on_end(&self, span: SpanData) {
        let room = |waiting: usize| (waiting < QUEUE).then_some(waiting + 1);
        match self.counts.waiting.fetch_update(Relaxed, Relaxed, room) {
            Ok(_) => self.inner.on_end(span),
            Err(_) => {
                self.counts.dropped.inc();
            }
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

/// Counts what leaves; tells once when the collector goes away, and once when it is back.
#[derive(Debug)]
struct Counted<E> {
    inner: E,
    counts: Arc<Counts>,
}

impl<E: SpanExporter> SpanExporter for Counted<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let result = self.inner.export(batch).await;
        let Counts { waiting, failing, sent, failed, .. } = &*self.counts;
        waiting.fetch_sub(spans, Relaxed);
        let counter = if result.is_ok() { sent } else { failed };
        counter.inc_by(spans as u64);
        match (&result, failing.swap(result.is_err(), Relaxed)) {
            (Err(error), false) => tracing::warn!(%error, "the collector takes no spans; they are counted as failed until it does"),
            (Ok(()), true) => tracing::info!("the collector takes spans again"),
            _ => {}
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

#[cfg(test)]
mod tests;
