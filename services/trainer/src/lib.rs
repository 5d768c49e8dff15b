//! The trainer: learns from what was served and what came true, and puts models up as candidates.
//!
//! `schedule` says when, `fold` leads, `training` does it on a thread: `collect` and `dataset` read the labelled
//! vectors (from where `time_index` says), `split` cuts them by time, `files` keeps them, `learner` fits, `artefact` puts everything into the store.
//! `rest` takes commands and shows `progress`; this file wires them. `reproduce` makes a model again from what its manifest
//! names, for the command line.

pub mod artefact;
mod collect;
mod config;
pub mod dataset;
mod files;
pub mod fold;
mod golden;
mod interrupted;
pub mod learner;
pub mod progress;
mod references;
mod reproduce;
mod rest;
pub mod schedule;
pub mod split;
mod time_index;
mod training;

pub use config::Config;
pub use interrupted::Interrupted;
pub use reproduce::{Reproduced, reproduce};

use crate::artefact::{Setup, learner_of};
use crate::fold::TrainerFold;
use crate::progress::Board;
use crate::schedule::{Rules, Schedule};
use crate::split::Lengths;
use crate::training::{Trainings, Turns};
use std::sync::Arc;
use tidemill_artefacts::ArtefactStore;
use tidemill_events::codec::OutcomeCodec;
use tidemill_events::time::DAY;
use tidemill_events::topics::{Control, PerPipeline};
use tidemill_kafka::append::{self, Appender};
use tidemill_pipeline::learning::{Train, Trigger};
use tidemill_service::{Context, Service};
use tidemill_stream::Error;
use tidemill_task_sets::observer::{Topics, observer};
use tidemill_task_sets::{Applied, TaskSet, Wiring, control_schema, lookup, names, supervise, writers};

/// The stage's name, as it is in the group.
pub(crate) const STAGE: &str = "trainer";
/// Event time of a performance window where the file names none.
const WINDOW: i64 = DAY;
/// Bytes of commands that may wait for Kafka.
const QUEUE: usize = 1 << 20;

/// The service.
pub struct Trainer;

impl Service for Trainer {
    const NAME: &'static str = "tidemill-trainer";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const LISTEN: &'static str = "127.0.0.1:8086";
    type Config = Config;

    async fn start(config: Config, context: Context) -> anyhow::Result<axum::Router> {
        let common = config.as_ref();
        let wiring = Wiring::new(common, &context)?;
        let follower = wiring.follow()?;
        let appender = Appender::new(&append::Settings {
            brokers: common.kafka.clone(),
            client_id: format!("{}-{}", Self::NAME, common.instance),
            delivery_timeout: rest::TIMEOUT,
            queue_bytes: QUEUE,
        })?;
        let board = Arc::new(Board::new(context.metrics()));
        let routes = rest::routes(rest::App {
            token: tidemill_service::http::Token::new(config.write.token.clone()),
            board: board.clone(),
            applied: follower.applied(),
            registry: wiring.registry.clone(),
            appender: Arc::new(appender),
            clock: wiring.clock.clone(),
        });
        // last: it must not be dropped here, where nothing may block
        let store = ArtefactStore::open(&config.store.store)?;
        let pipelines = Pipelines { wiring, store, board, turns: Turns::default(), most_rows: config.training_rows };
        supervise(&context, follower, Box::new(move |applied: &Applied| pipelines.sets(applied)))?;
        Ok(routes)
    }
}

/// What the trainers of all pipelines share.
struct Pipelines {
    wiring: Wiring,
    store: ArtefactStore,
    board: Arc<Board>,
    turns: Turns,
    most_rows: usize,
}

impl Pipelines {
    /// The trainer of one pipeline; none where its file does not say what to train, or when.
    fn sets(&self, applied: &Applied) -> Result<Vec<TaskSet>, Error> {
        let Some((rules, trainings)) = self.trainings(applied) else { return Ok(Vec::new()) };
        let layout = &applied.pipeline.layout;
        let (_, text) = dataset::columns(layout);
        if !text.is_empty() {
            let names: Vec<&str> = text.iter().map(|name| name.as_str()).collect();
            tracing::warn!(
                pipeline = layout.pipeline,
                features = names.join(", "),
                "text is not learned from: these are left out of models"
            );
        }
        let candidates = control_schema(&self.wiring.registry, Control::Candidates)?;
        let mut inputs = names(layout, &[PerPipeline::Outcomes]);
        inputs.extend([Control::Triggers, Control::Alerts].map(|t| t.name().to_owned()));
        let topics = Topics { inputs, outputs: vec![Control::Candidates.name().to_owned()] };
        let seat = self.wiring.seat(STAGE, &layout.pipeline);
        let (registry, board) = (self.wiring.registry.clone(), self.board.clone());
        let id = lookup(&registry, layout, PerPipeline::Outcomes)?;
        let outcomes = OutcomeCodec::new(layout, id).map_err(|e| Error::Fatal(e.to_string()))?;
        let make = move || {
            let schedule = Schedule::new(rules.clone());
            let writers = writers(&registry, [(id, outcomes.schema().clone())]);
            Ok(TrainerFold::new(schedule, trainings.clone(), candidates.clone(), outcomes.clone(), writers, board.clone()))
        };
        Ok(vec![observer(STAGE, &seat, topics, self.wiring.clock.clone(), make)])
    }

    fn trainings(&self, applied: &Applied) -> Option<(Rules, Trainings)> {
        let pipeline = &applied.pipeline;
        let learning = &pipeline.learning;
        let (model, labels) = (learning.model.as_ref()?, learning.labels.as_ref()?);
        let Train { every, on, history, validation } = model.train.as_ref()?;
        let window = learning.performance.as_ref().map_or(WINDOW, |p| p.window);
        let rules = Rules {
            pipeline: pipeline.name.clone(),
            version: applied.version,
            horizon: labels.horizon,
            window,
            history: *history,
            every: *every,
            on_drift: on.contains(&Trigger::Drift),
            on_spec_change: on.contains(&Trigger::SpecChange),
        };
        let setup = Setup {
            pipeline: pipeline.name.clone(),
            pipeline_version: applied.version,
            pipeline_digest: pipeline.digest.clone(),
            learner: learner_of(model),
            search: model.search.clone(),
            horizon: labels.horizon,
            // who adds `drift` to the file later gets references for days until the next training
            drift_window: pipeline.learning.drift.as_ref().map_or(DAY, |drift| drift.window),
        };
        let trainings = Trainings {
            brokers: self.wiring.brokers.clone(),
            registry: self.wiring.registry.clone(),
            store: self.store.clone(),
            pipeline: pipeline.clone(),
            setup,
            lengths: Lengths { history: *history, validation: *validation, window },
            turns: self.turns.clone(),
            most_rows: self.most_rows,
            read: Arc::default(),
        };
        Some((rules, trainings))
    }
}
