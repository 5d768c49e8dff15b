//! Spans and metrics to an OpenTelemetry collector, by OTLP over HTTP; nothing at all without one.
//!
//! Whatever the collector does, the service goes on: spans wait in a bounded queue and are dropped beyond it, metrics are
//! sent again soon anyway, and both leave from threads of their own. What was dropped is on `/metrics`.

mod ids;
mod metrics;
mod spans;

pub(crate) use ids::under;

use crate::config::Common;
use crate::metrics::Metrics;
use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use std::time::Duration;

/// The conventions that attribute names follow.
pub(crate) const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.45.0";
/// How long one export may take.
const TIMEOUT: Duration = Duration::from_secs(3);
/// How long a service that ends waits for its last spans and metrics to leave.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// What a running service has told to send; [`Telemetry::stop`] sends the rest.
pub struct Telemetry {
    spans: SdkTracerProvider,
    metrics: metrics::Sender,
}

impl Telemetry {
    /// Sets up the export of `service`, if `common` names a collector.
    ///
    /// # Errors
    /// When the system gives no thread, or the address is none.
    pub fn start(common: &Common, service: &str, version: &str, metrics: &Metrics) -> anyhow::Result<Option<Self>> {
        let Some(collector) = &common.otlp else { return Ok(None) };
        let identity = [
            ("service.name", service.to_owned()),
            ("service.version", version.to_owned()),
            ("service.instance.id", common.instance.to_string()),
        ];
        let attributes = identity.iter().map(|(name, value)| KeyValue::new(*name, value.clone()));
        let resource = Resource::builder().with_schema_url([], SCHEMA_URL).with_attributes(attributes).build();
        let spans = spans::provider(&format!("{collector}/v1/traces"), resource, metrics)?;
        opentelemetry::global::set_tracer_provider(spans.clone());
        let metrics = metrics::Sender::start(format!("{collector}/v1/metrics"), &identity, metrics.clone())?;
        tracing::info!(collector, "sending spans and metrics");
        Ok(Some(Self { spans, metrics }))
    }

    /// Sends what has not left yet, for two seconds at most each. Blocks.
    pub fn stop(self) {
        if let Err(error) = self.spans.shutdown_with_timeout(LAST_WORDS) {
            tracing::info!(%error, "the last spans were not sent");
        }
        self.metrics.stop(LAST_WORDS);
    }
}
