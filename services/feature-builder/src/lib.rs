//! The feature-builder: one loop per hop; each adds its entity's features to the event and sends it on,
//! the last one sends the finished vector. After each commit the touched keys go to the online store.
//!
//! `handler` is the pure task, `online` the hand-over to the online store; this file wires them to Kafka.

mod config;
mod handler;
mod online;

pub use config::Config;
pub use handler::{HopTask, Next, Shared, Writers};
pub use online::{NoStore, Online};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use std::sync::Arc;
use tidemill_events::codec::{HopCodec, VectorCodec};
use tidemill_events::topics::PerPipeline;
use tidemill_features::Hop;
use tidemill_kafka::registry::Blocking;
use tidemill_kafka::transactional::{KafkaBroker, Settings};
use tidemill_pipeline::Pipeline;
use tidemill_service::metrics::Labels;
use tidemill_service::{Context, Service};
use tidemill_stream::task::Until;
use tidemill_stream::{Committed, Error, Limits, Restore, Stage};
use tidemill_task_sets::{Applied, TaskSet, Wiring, lookup, supervise, writers};

/// The service's name in its consumer groups and stages.
const SERVICE: &str = "feature-builder";

/// The service.
pub struct FeatureBuilder;

impl Service for FeatureBuilder {
    const NAME: &'static str = "tidemill-feature-builder";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const LISTEN: &'static str = "127.0.0.1:8083";
    type Config = Config;

    async fn start(config: Config, context: Context) -> anyhow::Result<axum::Router> {
        let wiring = Wiring::new(config.as_ref(), &context)?.with_fault(config.fault.fault.as_deref())?;
        let follower = wiring.follow()?;
        let store = online::Store::start(&config.redis.redis, &context)?;
        let nulls = Family::<Labels, Counter>::default();
        let help = "Column values and features that are null for being errors, null or not finite";
        context.metrics().register(|r| r.register("null_features", help, nulls.clone()));
        let make = move |applied: &Applied| {
            let hops = 0..applied.pipeline.hops.len();
            hops.map(|position| {
                let labels = Labels { pipeline: applied.pipeline.name.as_str().into(), stage: SERVICE, outcome: "" };
                let stage = HopStage::new(applied, position, &wiring.registry, &store, nulls.get_or_create(&labels).clone())?;
                let settings = settings(&wiring, &applied.pipeline, position);
                let name = stage.shared.stage.to_string();
                Ok(TaskSet::new(&name, KafkaBroker::new(settings), stage, Limits::default(), wiring.clock.clone()))
            })
            .collect()
        };
        supervise(&context, follower, Box::new(make))?;
        Ok(axum::Router::new())
    }
}

/// Every hop has a member of its own in the service's group.
fn settings(wiring: &Wiring, pipeline: &Pipeline, position: usize) -> Settings {
    let layout = &pipeline.layout;
    let output = if position + 1 < pipeline.hops.len() { PerPipeline::Hop(position + 1) } else { PerPipeline::Features };
    let settings = wiring.settings(SERVICE, layout, &[PerPipeline::Hop(position)], &[output]);
    Settings { slot: format!("{}.{}.{}", settings.group, layout.entities[position], wiring.instance), ..settings }
}

/// One hop of one pipeline.
struct HopStage {
    shared: Shared,
    registry: Blocking,
    input: String,
    store: online::Store,
}

impl HopStage {
    fn new(applied: &Applied, position: usize, registry: &Blocking, store: &online::Store, nulls: Counter) -> Result<Self, Error> {
        let pipeline = applied.pipeline.clone();
        let layout = &pipeline.layout;
        let fault = |e: tidemill_events::codec::Error| Error::Fatal(e.to_string());
        let codec = |hop| HopCodec::new(layout, hop, lookup(registry, layout, PerPipeline::Hop(hop))?).map_err(fault);
        let next = if position + 1 < pipeline.hops.len() {
            Next::Hop { position: position + 1, codec: codec(position + 1)? }
        } else {
            Next::Vector(VectorCodec::new(layout, lookup(registry, layout, PerPipeline::Features)?).map_err(fault)?)
        };
        let hop = Hop::new(pipeline.hops[position].clone(), position, &layout.event).map_err(|e| Error::Fatal(e.to_string()))?;
        let shared = Shared {
            version: applied.version,
            hop: Arc::new(hop),
            stage: format!("{SERVICE}.{}", layout.entities[position]).into(),
            input: codec(position)?,
            next,
            nulls: Arc::new(move |n| {
                nulls.inc_by(n);
            }),
            pipeline: pipeline.clone(),
        };
        let input = PerPipeline::Hop(position).name(&layout.pipeline, &layout.entities);
        Ok(Self { shared, registry: registry.clone(), input, store: store.clone() })
    }
}

impl Stage for HopStage {
    type Task = HopTask;

    fn open(&mut self, partition: i32, committed: &[Committed], _: &[u8], seq: u64) -> Result<(HopTask, Vec<Restore>), Error> {
        let online = self.store.open(&self.shared.pipeline.name, &self.shared.hop.spec().entity, partition, seq);
        let task = HopTask::new(self.shared.clone(), partition, writers(&self.registry, []), online);
        let done = committed.iter().filter_map(|c| c.offset);
        let restore = done.map(|offset| Restore { input: 0, topic: self.input.clone(), partition, until: Until::Before(offset) });
        Ok((task, restore.collect()))
    }
}
