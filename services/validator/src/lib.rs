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

use std::sync::Arc;
use tidemill_events::codec::AvroSchema;
use tidemill_events::topics::{PerPipeline, subject};
use tidemill_kafka::registry::Blocking;
use tidemill_kafka::transactional::KafkaBroker;
use tidemill_pipeline::Pipeline;
use tidemill_service::{Context, Service};
use tidemill_stream::task::Until;
use tidemill_stream::{Committed, Error, Limits, Linger, Restore, Stage};
use tidemill_task_sets::{Applied, RawSchemas, TaskSet, Wiring, WriterSchemas, lookup, supervise};

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
        let wiring = Wiring::new(config.as_ref(), &context)?.with_fault(config.fault.fault.as_deref())?;
        let follower = wiring.follow()?;
        let make = move |applied: &Applied| {
            let layout = &applied.pipeline.layout;
            let settings = wiring.settings(STAGE, layout, &[PerPipeline::Raw], &handler::OUTPUTS);
            let stage = ValidatorStage::new(applied.pipeline.clone(), &wiring.registry)?;
            let limits = Limits { linger: Linger::Paced(PACE), ..Limits::default() };
            Ok(vec![TaskSet::new(STAGE, KafkaBroker::new(settings), stage, limits, wiring.clock.clone())])
        };
        supervise(&context, follower, Box::new(make))?;
        Ok(axum::Router::new())
    }
}

/// How long a batch gathers at least, microseconds. The stages behind come away sooner, so that each is ready when a transaction of
/// the one before it arrives: at 2,000 events/s that halves the whole line's latency (docs/decisions/transactions.md).
const PACE: i64 = 30_000;

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
