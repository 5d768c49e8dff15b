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
pub use fold::{DriftFold, Readers, Writers, Written};
pub use measure::Known;
pub use meters::{Board, Meters};
pub use references::{Answer, Fetch, Fetched, Fetching, Library};
pub use spec::Spec;

use anyhow::Context as _;
use tidemill_artefacts::ArtefactStore;
use tidemill_events::Layout;
use tidemill_events::codec::{AvroSchema, NumberReader, OutcomeCodec, PredictionCodec};
use tidemill_events::topics::{Control, PerPipeline};
use tidemill_service::{Context, Service};
use tidemill_stream::Error;
use tidemill_task_sets::observer::{Topics, observer};
use tidemill_task_sets::{Applied, TaskSet, Wiring, control_schema, lookup, names, supervise, topic_schema, writers};

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
        let wiring = Wiring::new(config.as_ref(), &context)?;
        let store = ArtefactStore::open(&config.store.store).context("cannot use the object store")?;
        let follower = wiring.follow()?;
        let board = Board::register(context.metrics());
        let routes = rest::routes(board.clone());
        let pipelines = Pipelines { wiring, store, board };
        supervise(&context, follower, Box::new(move |applied: &Applied| pipelines.sets(applied)))?;
        Ok(routes)
    }
}

/// What the observers of all pipelines share.
struct Pipelines {
    wiring: Wiring,
    store: ArtefactStore,
    board: Board,
}

impl Pipelines {
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
        let seat = self.wiring.seat(STAGE, &pipeline.name);
        let (registry, store, board, name) = (self.wiring.registry.clone(), self.store.clone(), self.board.clone(), pipeline.name.clone());
        let (readers, own) = self.readers(layout)?;
        let make = move || {
            let library = Fetching::start(readers.numbers.names().to_vec(), store::fetch(store.clone()));
            let library = library.map_err(|e| Error::Fatal(format!("no thread to fetch references: {e}")))?;
            Ok(DriftFold::new(
                spec.clone(),
                readers.clone(),
                writers(&registry, own.clone()),
                written.clone(),
                Box::new(library),
                board.of(&name),
            ))
        };
        Ok(vec![observer(STAGE, &seat, topics, self.wiring.clock.clone(), make)])
    }

    /// The readers of its inputs, and the schemas that they know as their own.
    fn readers(&self, layout: &Layout) -> Result<(Readers, [(u32, AvroSchema); 3]), Error> {
        let fault = |e: tidemill_events::codec::Error| Error::Fatal(e.to_string());
        let id = |topic| lookup(&self.wiring.registry, layout, topic);
        let numbers = NumberReader::new(layout, id(PerPipeline::Features)?).map_err(fault)?;
        let predictions = PredictionCodec::new(layout, id(PerPipeline::Predictions)?).map_err(fault)?;
        let outcomes = OutcomeCodec::new(layout, id(PerPipeline::Outcomes)?).map_err(fault)?;
        let own = [
            (numbers.id(), numbers.schema().clone()),
            (predictions.id(), predictions.schema().clone()),
            (outcomes.id(), outcomes.schema().clone()),
        ];
        Ok((Readers { numbers, predictions, outcomes }, own))
    }

    fn written(&self, applied: &Applied) -> Result<Written, Error> {
        let drift = topic_schema(&self.wiring.registry, &applied.pipeline.layout, PerPipeline::Drift)?;
        Ok(Written { drift, alerts: control_schema(&self.wiring.registry, Control::Alerts)? })
    }
}
