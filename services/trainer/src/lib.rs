//! The trainer: learns from what was served and what came true, and puts models up as candidates.
//!
//! `schedule` says when, `fold` leads, `training` does it on a thread: `collect` and `dataset` read the labelled
//! vectors (from where `time_index` says), `split` cuts them by time, `files` keeps them, `learner` fits, `artefact` puts everything into the store.
//! `rest` takes commands and shows `progress`; this file wires them.

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
mod rest;
pub mod schedule;
pub mod split;
mod time_index;
mod training;

pub use config::Config;
pub use interrupted::Interrupted;

use crate::artefact::{Setup, learner_of};
use crate::fold::TrainerFold;
use crate::progress::Board;
use crate::schedule::{Rules, Schedule};
use crate::split::Lengths;
use crate::training::{Trainings, Turns};
use anyhow::Context as _;
use std::sync::Arc;
use std::time::Duration;
use tidemill_artefacts::ArtefactStore;
use tidemill_events::codec::AvroSchema;
use tidemill_events::layout::control_avro;
use tidemill_events::time::DAY;
use tidemill_events::topics::{Control, PerPipeline, subject};
use tidemill_kafka::append::{self, Appender};
use tidemill_kafka::pipelines::Follower;
use tidemill_kafka::registry::{Blocking, Registry};
use tidemill_pipeline::learning::{Train, Trigger};
use tidemill_service::{Clock, Context, Service};
use tidemill_stream::Error;
use tidemill_task_sets::observer::{Seat, Topics, names, observer};
use tidemill_task_sets::{Applied, TaskSet, WriterSchemas, supervise};

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
        let registry = Registry::new(&common.registry, Duration::from_secs(2))?.blocking();
        let follower = Follower::start(&common.kafka, registry.clone()).context("cannot follow the applied pipelines")?;
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
            registry: registry.clone(),
            appender: Arc::new(appender),
            clock: context.clock().clone(),
        });
        // last: it must not be dropped here, where nothing may block
        let store = ArtefactStore::open(&config.store)?;
        let pipelines = Pipelines {
            brokers: common.kafka.clone(),
            instance: common.instance,
            registry,
            store,
            clock: context.clock().clone(),
            board,
            turns: Turns::default(),
        };
        supervise(&context, follower, Box::new(move |applied: &Applied| pipelines.sets(applied)))?;
        Ok(routes)
    }
}

/// What the trainers of all pipelines share.
struct Pipelines {
    brokers: String,
    instance: u32,
    registry: Blocking,
    store: ArtefactStore,
    clock: Arc<dyn Clock>,
    board: Arc<Board>,
    turns: Turns,
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
        let candidates = control_schema(&self.registry, Control::Candidates)?;
        let mut inputs = names(layout, &[PerPipeline::Outcomes]);
        inputs.extend([Control::Triggers, Control::Alerts].map(|t| t.name().to_owned()));
        let topics = Topics { inputs, outputs: vec![Control::Candidates.name().to_owned()] };
        let seat = Seat::of_pipeline(&self.brokers, self.instance, STAGE, &layout.pipeline);
        let (registry, board) = (self.registry.clone(), self.board.clone());
        let make = move || {
            let mut schemas = WriterSchemas::new(registry.clone(), []);
            let schedule = Schedule::new(rules.clone());
            Ok(TrainerFold::new(schedule, trainings.clone(), candidates.clone(), Box::new(move |id| schemas.get(id)), board.clone()))
        };
        Ok(vec![observer(STAGE, &seat, topics, self.clock.clone(), make)])
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
            brokers: self.brokers.clone(),
            registry: self.registry.clone(),
            store: self.store.clone(),
            pipeline: pipeline.clone(),
            setup,
            lengths: Lengths { history: *history, validation: *validation, window },
            turns: self.turns.clone(),
            read: Arc::default(),
        };
        Some((rules, trainings))
    }
}

/// The schema of a control topic's records, and the id under which `apply` registered it.
fn control_schema(registry: &Blocking, topic: Control) -> Result<(AvroSchema, u32), Error> {
    let json = control_avro(topic);
    let id = registry.lookup(&subject(topic.name()), json).map_err(|e| Error::Unavailable(e.to_string()))?;
    Ok((AvroSchema::parse(json).map_err(|e| Error::Fatal(e.to_string()))?, id))
}
