//! What the loops of every service are wired with.

use crate::observer::Seat;
use anyhow::Context as _;
use std::sync::Arc;
use std::time::Duration;
use tidemill_events::Layout;
use tidemill_events::topics::{PerPipeline, group};
use tidemill_kafka::pipelines::Follower;
use tidemill_kafka::registry::{Blocking, Registry};
use tidemill_kafka::transactional::Settings;
use tidemill_service::config::Common;
use tidemill_service::{Clock, Context};
use tidemill_stream::fault::Fault;

/// How long a call to a registry that is down is repeated before it counts as failed: a loop asks again by itself, with its
/// other partitions going on meanwhile.
const REGISTRY_PATIENCE: Duration = Duration::from_secs(2);

/// Where the brokers and the registry are, which instance this is, and what time it is.
#[derive(Clone)]
pub struct Wiring {
    /// `host:port,…` of the brokers.
    pub brokers: String,
    /// Which instance of the service this is.
    pub instance: u32,
    /// The schema registry.
    pub registry: Blocking,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    fault: Option<Fault>,
}

impl Wiring {
    /// As a service is configured.
    ///
    /// # Errors
    /// When the registry's client cannot be set up.
    pub fn new(common: &Common, context: &Context) -> anyhow::Result<Self> {
        Ok(Self {
            brokers: common.kafka.clone(),
            instance: common.instance,
            registry: Registry::new(&common.registry, REGISTRY_PATIENCE)?.blocking(),
            clock: context.clock().clone(),
            fault: None,
        })
    }

    /// The same, breaking the rule that `TIDEMILL_FAULT` names, if it names one.
    ///
    /// # Errors
    /// As [`Fault::from_setting`].
    pub fn with_fault(self, setting: Option<&str>) -> anyhow::Result<Self> {
        Ok(Self { fault: Fault::from_setting(setting).map_err(anyhow::Error::msg)?, ..self })
    }

    /// Follows the applied pipelines.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn follow(&self) -> anyhow::Result<Follower> {
        Follower::start(&self.brokers, self.registry.clone()).context("cannot follow the applied pipelines")
    }

    /// A loop of `service` over topics of a pipeline, as this instance's member of their group.
    #[must_use]
    pub fn settings(&self, service: &str, layout: &Layout, inputs: &[PerPipeline], outputs: &[PerPipeline]) -> Settings {
        let group = group(service, &layout.pipeline);
        Settings {
            brokers: self.brokers.clone(),
            slot: format!("{group}.{}", self.instance),
            group,
            inputs: names(layout, inputs),
            outputs: names(layout, outputs),
            gather: Duration::ZERO,
            fault: self.fault,
        }
    }

    /// The seat of an observer of a pipeline.
    #[must_use]
    pub fn seat(&self, stage: &str, pipeline: &str) -> Seat {
        self.seat_in(group(stage, pipeline))
    }

    /// The seat of an observer in `group`.
    #[must_use]
    pub fn seat_in(&self, group: String) -> Seat {
        Seat { brokers: self.brokers.clone(), instance: self.instance, group }
    }
}

/// The names of a pipeline's topics.
#[must_use]
pub fn names(layout: &Layout, topics: &[PerPipeline]) -> Vec<String> {
    topics.iter().map(|t| t.name(&layout.pipeline, &layout.entities)).collect()
}
