//! The evaluator: joins each label to the prediction of its event, once, in whatever order they come; the outcome goes to
//! `<p>.outcomes` and to every hop with a feature on the label. What is no label, or not the first, is rejected.
//!
//! `handler` is the task of the join, `join` what waits for what (on disk, when memory has no room), `checkpoint` what is committed beside the offsets.
//! `performance` measures what came of the decisions, `judge` compares candidates with the champion, by the models of
//! `vault`; `observers` wires both to Kafka, this file the join.

mod checkpoint;
mod config;
mod handler;
mod join;
mod judge;
mod lanes;
mod observers;
mod performance;
mod ranges;
pub mod reasons;
mod vault;

pub use config::Config;
pub use handler::{EvaluatorTask, Schemas, Shared};
pub use join::Room;

use anyhow::Context as _;
use observers::Observers;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use std::sync::Arc;
use std::time::Duration;
use tidemill_artefacts::ArtefactStore;
use tidemill_events::codec::{AvroSchema, HopCodec, OutcomeCodec, PredictionCodec, RawReader};
use tidemill_events::topics::{PerPipeline, subject};
use tidemill_events::{Layout, RecordSchema};
use tidemill_kafka::registry::Blocking;
use tidemill_kafka::transactional::{KafkaBroker, Settings};
use tidemill_pipeline::learning;
use tidemill_service::metrics::Labels;
use tidemill_service::{Context, Service};
use tidemill_stream::task::Until;
use tidemill_stream::{Committed, Error, Limits, Linger, Restore, Stage};
use tidemill_task_sets::{Applied, RawSchemas, TaskSet, Wiring, WriterSchemas, lookup, supervise, topic_schema};
use vault::Artefacts;

/// The stage's name, as it is in `from` and in the group.
const STAGE: &str = "evaluator";

/// The service.
pub struct Evaluator;

impl Service for Evaluator {
    const NAME: &'static str = "tidemill-evaluator";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const LISTEN: &'static str = "127.0.0.1:8085";
    type Config = Config;

    async fn start(config: Config, context: Context) -> anyhow::Result<axum::Router> {
        let common = config.as_ref();
        let wiring = Wiring::new(common, &context)?.with_fault(config.fault.fault.as_deref())?;
        let follower = wiring.follow()?;
        let labels = Family::<Labels, Counter>::default();
        context.metrics().register(|r| r.register("labels", "What became of labels", labels.clone()));
        let late = Family::<Labels, Counter>::default();
        context.metrics().register(|r| r.register("outcomes", "Outcomes that came when their window was closed", late.clone()));
        let store = ArtefactStore::open(&config.store.store).context("cannot open the object store")?;
        let observers = Observers { wiring: wiring.clone(), vault: Artefacts(store), late };
        // nobody else has the address, so nobody else has the folder
        let scratch = config.scratch.join(format!("evaluator-{}", common.listen).replace([':', '[', ']'], "-"));
        let room = Room::new(config.join_memory.saturating_mul(1 << 20), &scratch);
        let room = Arc::new(room.with_context(|| format!("cannot empty the scratch folder {}", scratch.display()))?);
        let make = move |applied: &Applied| {
            // a pipeline without `labels` learns nothing
            let Some(counting) = applied.pipeline.learning.labels.clone() else { return Ok(Vec::new()) };
            let stage = EvaluatorStage::new(applied, counting, &wiring.registry, room.clone(), labels.clone())?;
            let limits = Limits { linger: Linger::Paced(PATIENCE), ..Limits::default() };
            let join = TaskSet::new(STAGE, KafkaBroker::new(stage.settings(&wiring)), stage, limits, wiring.clock.clone());
            Ok([join].into_iter().chain(observers.of(&applied.pipeline)?).collect())
        };
        supervise(&context, follower, Box::new(make))?;
        Ok(axum::Router::new())
    }
}

/// How long a batch of the join gathers at least, microseconds: labels are days late, and fewer transactions leave the
/// broker more time for the line.
const PATIENCE: i64 = 100_000;

/// The evaluator of one pipeline.
struct EvaluatorStage {
    shared: Shared,
    labels: RecordSchema,
    registry: Blocking,
}

impl EvaluatorStage {
    fn new(
        applied: &Applied,
        labels: learning::Labels,
        registry: &Blocking,
        room: Arc<Room>,
        told: Family<Labels, Counter>,
    ) -> Result<Self, Error> {
        let pipeline = applied.pipeline.clone();
        let layout = &pipeline.layout;
        let fault = |e: tidemill_events::codec::Error| Error::Fatal(e.to_string());
        let id = |topic| lookup(registry, layout, topic);
        let hop = |position| Ok((position, HopCodec::new(layout, position, id(PerPipeline::Hop(position))?).map_err(fault)?));
        let name = pipeline.name.clone();
        let shared = Shared {
            labels,
            topic: topic(layout, PerPipeline::Labels).into(),
            predictions_topic: topic(layout, PerPipeline::Predictions).into(),
            predictions: PredictionCodec::new(layout, id(PerPipeline::Predictions)?).map_err(fault)?,
            outcomes: OutcomeCodec::new(layout, id(PerPipeline::Outcomes)?).map_err(fault)?,
            rejected: topic_schema(registry, layout, PerPipeline::Rejected)?,
            hops: pipeline.label_hops().into_iter().map(hop).collect::<Result<_, Error>>()?,
            room,
            told: Arc::new(move |outcome| {
                told.get_or_create(&Labels { pipeline: name.as_str().into(), stage: STAGE, outcome }).inc();
            }),
            pipeline: pipeline.clone(),
        };
        let labels = RecordSchema::parse(&layout.avro(PerPipeline::Labels)).map_err(|e| Error::Fatal(e.to_string()))?;
        Ok(Self { shared, labels, registry: registry.clone() })
    }

    fn settings(&self, wiring: &Wiring) -> Settings {
        let hops = self.shared.hops.iter().map(|(position, _)| PerPipeline::Hop(*position));
        let outputs: Vec<PerPipeline> = [PerPipeline::Outcomes, PerPipeline::Rejected].into_iter().chain(hops).collect();
        let settings = wiring.settings(STAGE, &self.shared.pipeline.layout, &INPUTS, &outputs);
        Settings { gather: Duration::from_micros(PATIENCE.unsigned_abs()), ..settings }
    }
}

/// The input topics, in the order of `handler`'s indices.
const INPUTS: [PerPipeline; 2] = [PerPipeline::Predictions, PerPipeline::Labels];

fn topic(layout: &Layout, topic: PerPipeline) -> String {
    topic.name(&layout.pipeline, &layout.entities)
}

impl Stage for EvaluatorStage {
    type Task = EvaluatorTask;

    fn open(&mut self, partition: i32, committed: &[Committed], task_bytes: &[u8], _: u64) -> Result<(EvaluatorTask, Vec<Restore>), Error> {
        let layout = &self.shared.pipeline.layout;
        let labels = RawSchemas::new(self.registry.clone(), subject(&self.shared.topic), self.labels.clone());
        let schemas = RegistrySchemas { labels, writers: WriterSchemas::new(self.registry.clone(), []) };
        let task = EvaluatorTask::new(self.shared.clone(), Box::new(schemas), partition, task_bytes)?;
        let written = task.written();
        let written = [
            (handler::WRITTEN_OUTCOMES, PerPipeline::Outcomes, written.outcome),
            (handler::WRITTEN_REJECTS, PerPipeline::Rejected, written.reject),
        ];
        let written = written.into_iter().filter_map(|(input, of, last)| Some((input, of, Until::Through(last?))));
        let done = committed.iter().enumerate().filter_map(|(input, c)| Some((input, INPUTS[input], Until::Before(c.offset?))));
        let restore = |(input, of, until)| Restore { input, topic: topic(layout, of), partition, until };
        Ok((task, written.chain(done).map(restore).collect()))
    }
}

struct RegistrySchemas {
    labels: RawSchemas,
    writers: WriterSchemas,
}

impl Schemas for RegistrySchemas {
    fn label(&mut self, id: u32, appended_at: i64, now: i64) -> Result<Result<Arc<RawReader>, String>, Error> {
        self.labels.get(id, appended_at, now)
    }

    fn writer(&mut self, id: u32) -> Result<AvroSchema, Error> {
        self.writers.get(id)
    }
}
