//! `/metrics`: one registry per process, in the OpenMetrics text format.

mod process;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use std::sync::{Arc, Mutex, PoisonError};

/// The media type of [`Metrics::encode`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The labels that metrics have. Never an entity or event id: each value is a time series.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Labels {
    /// The pipeline's name; empty where there is none.
    pub pipeline: Arc<str>,
    /// The stage, e.g. `ingestor.events`.
    pub stage: &'static str,
    /// What came of it, e.g. `accepted`; empty where nothing is decided.
    pub outcome: &'static str,
}

/// The metrics of one process; clones share them.
#[derive(Debug, Clone)]
pub struct Metrics(Arc<Mutex<Registry>>);

impl Metrics {
    /// A registry with the process's own figures and which build of `service` this is.
    #[must_use]
    pub fn new(service: &str, version: &str) -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(process::Process));
        let build = Info::new(vec![("service".to_owned(), service.to_owned()), ("version".to_owned(), version.to_owned())]);
        registry.sub_registry_with_prefix("tidemill").register("build", "Which build this is", build);
        Self(Arc::new(Mutex::new(registry)))
    }

    /// Registers metrics; their names get the prefix `tidemill_`.
    pub fn register<T>(&self, register: impl FnOnce(&mut Registry) -> T) -> T {
        register(self.lock().sub_registry_with_prefix("tidemill"))
    }

    /// All of them as text.
    ///
    /// # Errors
    /// When a metric cannot be written, which is a mistake in its code.
    pub fn encode(&self) -> Result<String, std::fmt::Error> {
        let mut out = String::new();
        text::encode(&mut out, &self.lock())?;
        Ok(out)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Registry> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::metrics::counter::Counter;
    use prometheus_client::metrics::family::Family;

    #[test]
    fn shows_the_service_and_the_process() {
        let metrics = Metrics::new("tidemill-test", "1.2.3");
        let records: Family<Labels, Counter> = metrics.register(|r| {
            let family = Family::default();
            r.register("records", "Records", Family::clone(&family));
            family
        });
        records.get_or_create(&Labels { pipeline: "p".into(), stage: "s", outcome: "accepted" }).inc_by(3);
        let text = metrics.encode().unwrap();
        for line in [
            r#"tidemill_build_info{service="tidemill-test",version="1.2.3"} 1"#,
            r#"tidemill_records_total{pipeline="p",stage="s",outcome="accepted"} 3"#,
            "# TYPE process_cpu_seconds counter",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
        }
        let resident = text.lines().find_map(|l| l.strip_prefix("process_resident_memory_bytes ")).unwrap();
        assert!(resident.parse::<u64>().unwrap() > 100_000, "{resident}");
    }
}
