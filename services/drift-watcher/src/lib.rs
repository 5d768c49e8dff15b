//! The drift-watcher: holds each window of event time against what the serving model was trained on, watches whether decisions
//! go wrong more often, and raises alerts; some of them ask for a training.
//!
//! `fold` is the pure observer: `data` the windows that fill and close, `measure` how far one has moved, `concept` the errors,
//! `policy` what becomes an alert. `references` fetches what is stored with a model. This file wires them to Kafka.

mod concept;
mod config;
mod data;
mod fold;
mod measure;
mod message;
mod meters;
mod policy;
mod progress;
mod references;
mod rest;
#[cfg(test)]
mod sim;
mod spec;
mod store;
mod window;

pub use config::Config;
pub use fold::{DriftFold, Writers, Written};
pub use measure::Known;
pub use meters::{Board, Meters};
pub use references::{Answer, Fetch, Fetched, Fetching, Library};
pub use spec::Spec;

use anyhow::Context as _;
use std::sync::Arc;
use std::time::Duration;
use tidemill_artefacts::ArtefactStore;
use tidemill_events::codec::{AvroSchema, NumberReader};
use tidemill_events::layout::control_avro;
use tidemill_events::topics::{Control, PerPipeline, subject};
use tidemill_kafka::pipelines::Follower;
use tidemill_kafka::registry::{Blocking, Registry};
use tidemill_service::{Clock, Context, Service};
use tidemill_stream::Error;
use tidemill_task_sets::observer::{Seat, Topics, names, observer};
use tidemill_task_sets::{Applied, TaskSet, WriterSchemas, lookup, supervise};

/// The stage's name, as it is in the group.
const STAGE: &str = "drift-watcher";

/// The service.
pub struct DriftWatcher;

impl Service for DriftWatcher {
    const NAME: &'static str = "tidemill-drift-watcher";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const LISTEN: &'static str = "127.0.0.1:8088";
    type Config = Config;

    async fn start(config: Config, context: Context) -> anyhow::Result<axum::Router> {
        let common = config.as_ref();
        let registry = Registry::new(&common.registry, Duration::from_secs(2))?.blocking();
        let store = ArtefactStore::open(&config.store).context("cannot use the object store")?;
        let follower = Follower::start(&common.kafka, registry.clone()).context("cannot follow the applied pipelines")?;
        let board = Board::register(context.metrics());
        let routes = rest::routes(board.clone());
        let (brokers, instance, clock) = (common.kafka.clone(), common.instance, context.clock().clone());
        let wiring = Wiring { brokers, instance, registry, store, board, clock };
        supervise(&context, follower, Box::new(move |applied: &Applied| wiring.sets(applied)))?;
        Ok(routes)
    }
}

/// What the observers of all pipelines share.
struct Wiring {
    brokers: String,
    instance: u32,
    registry: Blocking,
    store: ArtefactStore,
    board: Board,
    clock: Arc<dyn Clock>,
}

impl Wiring {
    /// The observer of a pipeline; none if its file has no `drift`.
    fn sets(&self, applied: &Applied) -> Result<Vec<TaskSet>, Error> {
        let pipeline = &applied.pipeline;
        let Some(spec) = Spec::of(pipeline) else { return Ok(Vec::new()) };
        let layout = &pipeline.layout;
        let outcomes = spec.watches_errors().then_some(PerPipeline::Outcomes);
        let inputs: Vec<PerPipeline> = [PerPipeline::Features, PerPipeline::Predictions].into_iter().chain(outcomes).collect();
        let mut outputs = names(layout, &[PerPipeline::Drift]);
        outputs.push(Control::Alerts.name().to_owned());
        let topics = Topics { inputs: names(layout, &inputs), outputs };
        let written = self.written(applied)?;
        let seat = Seat::of_pipeline(&self.brokers, self.instance, STAGE, &pipeline.name);
        let (registry, store, board, name) = (self.registry.clone(), self.store.clone(), self.board.clone(), pipeline.name.clone());
        let reader = NumberReader::new(layout);
        let make = move || {
            let mut schemas = WriterSchemas::new(registry.clone(), []);
            let library = Fetching::start(reader.names().to_vec(), store::fetch(store.clone()));
            let library = library.map_err(|e| Error::Fatal(format!("no thread to fetch references: {e}")))?;
            let writers: Writers = Box::new(move |id| schemas.get(id));
            Ok(DriftFold::new(spec.clone(), reader.clone(), writers, written.clone(), Box::new(library), board.of(&name)))
        };
        Ok(vec![observer(STAGE, &seat, topics, self.clock.clone(), make)])
    }

    fn written(&self, applied: &Applied) -> Result<Written, Error> {
        let layout = &applied.pipeline.layout;
        let fault = |e: tidemill_events::codec::Error| Error::Fatal(e.to_string());
        let drift = AvroSchema::parse(&layout.avro(PerPipeline::Drift)).map_err(fault)?;
        let alerts = AvroSchema::parse(control_avro(Control::Alerts)).map_err(fault)?;
        let alerts_id = self.registry.lookup(&subject(Control::Alerts.name()), control_avro(Control::Alerts));
        let alerts_id =
            alerts_id.map_err(|e| if e.is_retriable() { Error::Unavailable(e.to_string()) } else { Error::Fatal(e.to_string()) })?;
        Ok(Written { drift: (drift, lookup(&self.registry, layout, PerPipeline::Drift)?), alerts: (alerts, alerts_id) })
    }
}
