//! The deployer's metrics.

use crate::registry::{Order, Refusal, Registry, State, Written};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use std::sync::Arc;
use tidemill_service::Metrics;
use tidemill_service::metrics::Labels;

/// What metrics call the service's loop.
pub(crate) const STAGE: &str = "deployer";

/// Gauges of the registry, and what became of orders.
pub struct Meters {
    models: Family<Labels, Gauge>,
    deployments: Family<Labels, Gauge>,
    champion: Family<Labels, Gauge>,
    orders: Family<Labels, Counter>,
}

impl Meters {
    /// Registers them.
    #[must_use]
    pub fn new(metrics: &Metrics) -> Self {
        let this =
            Self { models: Family::default(), deployments: Family::default(), champion: Family::default(), orders: Family::default() };
        metrics.register(|r| {
            r.register("registry_models", "Models, by how far they have come", this.models.clone());
            r.register("registry_deployments", "Number of the newest deployment", this.deployments.clone());
            r.register("registry_champion", "Version that serves; 0 is the bootstrap", this.champion.clone());
            r.register("registry_orders", "Orders of people, by what became of them", this.orders.clone());
        });
        this
    }

    pub(crate) fn show(&self, registry: &Registry) {
        for (name, line) in registry.lines() {
            let pipeline: Arc<str> = name.into();
            let labels = |outcome| Labels { pipeline: pipeline.clone(), stage: STAGE, outcome };
            for state in State::ALL {
                let models = line.models.values().filter(|m| m.state == state).count();
                self.models.get_or_create(&labels(state.name())).set(i64::try_from(models).unwrap_or(i64::MAX));
            }
            self.deployments.get_or_create(&labels("")).set(line.deployments());
            self.champion.get_or_create(&labels("")).set(line.champion().into());
        }
    }

    /// Orders for pipelines that the registry does not know share an empty name: callers must not be able to make up
    /// time series.
    pub(crate) fn carried_out(&self, registry: &Registry, order: &Order, done: &Result<Written, Refusal>) {
        let pipeline = registry.line(&order.pipeline).map_or("", |_| order.pipeline.as_str()).into();
        let outcome = done.as_ref().map_or_else(Refusal::code, |_| "done");
        self.orders.get_or_create(&Labels { pipeline, stage: STAGE, outcome }).inc();
    }
}
