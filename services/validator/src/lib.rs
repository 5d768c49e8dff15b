//! The validator: every raw record ends on `<p>.valid` or `<p>.rejected`, exactly once.
//!
//! `handler` is the pure task, `verdict` its checks, `seen` the duplicates, `quality` the minute's
//! counts, `checkpoint` what is committed beside the offset; this file wires them to Kafka.

mod checkpoint;
mod config;
mod handler;
mod quality;
mod seen;
mod verdict;

pub use config::Config;
pub use handler::{Codecs, RawSource, Reader, ValidatorTask};
pub use verdict::reasons;

use anyhow::Context as _;
use std::sync::Arc;
use std::time::Duration;
use tidemill_events::codec::AvroSchema;
use tidemill_events::topics::{PerPipeline, group, subject};
use tidemill_kafka::pipelines::Follower;
use tidemill_kafka::registry::{Blocking, Registry};
use tidemill_kafka::transactional::{KafkaBroker, Settings};
use tidemill_pipeline::Pipeline;
use tidemill_service::{Context, Service};
use tidemill_stream::fault::Fault;
use tidemill_stream::task::Until;
use tidemill_stream::{Committed, Error, Limits, Linger, Restore, Stage};
use tidemill_task_sets::{Applied, RawSchemas, TaskSet, WriterSchemas, lookup, supervise};

/// The stage's name, as it is in `from` and in the group.
const STAGE: &str = "validator";

/// The service.
pub struct Validator;

impl Service for Validator {
    const NAME: &'static str = "tidemill-validator";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const LISTEN: &'static str = "127.0.0.1:8082";
    type Config = Config;

    async fn start(config: Config, context: Context) -> anyhow::Result<axum::Router> {
        let common = config.as_ref();
        let registry = Registry::new(&common.registry, Duration::from_secs(2))?.blocking();
        let fault = Fault::from_setting(config.fault.as_deref()).map_err(anyhow::Error::msg)?;
        let follower = Follower::start(&common.kafka, registry.clone()).context("cannot follow the applied pipelines")?;
        let (brokers, instance, clock) = (common.kafka.clone(), common.instance, context.clock().clone());
        let make = move |applied: &Applied| {
            let pipeline = applied.pipeline.clone();
            let settings = settings(&pipeline, &brokers, instance, fault);
            let stage = ValidatorStage::new(pipeline, &registry)?;
            Ok(vec![TaskSet::new(
                STAGE,
                KafkaBroker::new(settings),
                stage,
                Limits { linger: Linger::Fixed(PACE), ..Limits::default() },
                clock.clone(),
            )])
        };
        supervise(&context, follower, Box::new(make))?;
        Ok(axum::Router::new())
    }
}

/// How long a batch gathers, microseconds. The stages behind come away sooner, so that each is ready when a transaction of
/// the one before it arrives: at 2,000 events/s that halves the whole line's latency (docs/decisions/transactions.md).
const PACE: i64 = 30_000;

fn settings(pipeline: &Pipeline, brokers: &str, instance: u32, fault: Option<Fault>) -> Settings {
    let topic = |t: PerPipeline| t.name(&pipeline.name, &pipeline.layout.entities);
    Settings {
        brokers: brokers.to_owned(),
        group: group(STAGE, &pipeline.name),
        slot: format!("{}.{instance}", group(STAGE, &pipeline.name)),
        inputs: vec![topic(PerPipeline::Raw)],
        outputs: handler::OUTPUTS.iter().map(|t| topic(*t)).collect(),
        gather: Duration::ZERO,
        fault,
    }
}

/// The validator of one pipeline.
struct ValidatorStage {
    pipeline: Arc<Pipeline>,
    codecs: Codecs,
    registry: Blocking,
}

impl ValidatorStage {
    fn new(pipeline: Arc<Pipeline>, registry: &Blocking) -> Result<Self, Error> {
        let id = |topic| lookup(registry, &pipeline.layout, topic);
        let codecs = Codecs::new(&pipeline.layout, id(PerPipeline::Valid)?, id(PerPipeline::Rejected)?, id(PerPipeline::Quality)?)?;
        Ok(Self { pipeline, codecs, registry: registry.clone() })
    }
}

impl Stage for ValidatorStage {
    type Task = ValidatorTask;

    fn open(&mut self, partition: i32, _: &[Committed], task_bytes: &[u8], _: u64) -> Result<(ValidatorTask, Vec<Restore>), Error> {
        let layout = &self.pipeline.layout;
        let raw = PerPipeline::Raw.name(&layout.pipeline, &layout.entities);
        let raws = RawSchemas::new(self.registry.clone(), subject(&raw), layout.event.clone());
        let writers = WriterSchemas::new(self.registry.clone(), [(self.codecs.valid.id(), self.codecs.valid.schema().clone())]);
        let source = RegistrySource { raws, writers };
        let task = ValidatorTask::new(self.pipeline.clone(), self.codecs.clone(), Box::new(source), partition, task_bytes)?;
        // ids that are valid already: what this partition's task has written, up to what is committed
        let restore = task.last_valid().map(|offset| Restore {
            input: 0,
            topic: PerPipeline::Valid.name(&layout.pipeline, &layout.entities),
            partition,
            until: Until::Through(offset),
        });
        Ok((task, restore.into_iter().collect()))
    }
}

struct RegistrySource {
    raws: RawSchemas,
    writers: WriterSchemas,
}

impl RawSource for RegistrySource {
    fn raw(&mut self, id: u32, appended_at: i64, now: i64) -> Result<handler::Reader, Error> {
        self.raws.get(id, appended_at, now)
    }

    fn writer(&mut self, id: u32) -> Result<AvroSchema, Error> {
        self.writers.get(id)
    }
}
