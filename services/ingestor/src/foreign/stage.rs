//! The stage around the task: which topics, as whom.

use super::{ForeignTask, OUTPUTS, RegistryReaders, Shared};
use crate::intake::Intake;
use crate::meters::{Counted, Meters};
use crate::route::{Source, events_shape};
use std::sync::Arc;
use tidemill_events::RecordSchema;
use tidemill_events::codec;
use tidemill_events::topics::PerPipeline;
use tidemill_kafka::registry::Blocking;
use tidemill_kafka::transactional::{KafkaBroker, Settings};
use tidemill_pipeline::{Pipeline, Upstream};
use tidemill_stream::{Committed, Error, Limits, Restore, Stage};
use tidemill_task_sets::{TaskSet, Wiring, lookup, topic_schema};

/// The service, as it is in the group.
const SERVICE: &str = "ingestor";
/// What metrics call this way in.
pub(crate) const STAGE: &str = "ingestor.topic";

/// The loop that reads the upstream's topic of `pipeline`, if it has one.
///
/// # Errors
/// [`Error::Unavailable`] while the registry is away; [`Error::Fatal`] when it does not know the pipeline's schemas.
pub(crate) fn task_set(pipeline: &Pipeline, wiring: &Wiring, meters: &Meters) -> Result<Option<TaskSet>, Error> {
    let Some(upstream) = &pipeline.source.upstream else { return Ok(None) };
    let settings = wiring.settings(SERVICE, &pipeline.layout, &[], &OUTPUTS);
    let settings = Settings { inputs: vec![upstream.topic.clone()], ..settings };
    let stage = ForeignStage {
        shared: Arc::new(shared(pipeline, upstream, &wiring.registry)?),
        registry: wiring.registry.clone(),
        event: pipeline.layout.event.clone(),
        pipeline: pipeline.name.as_str().into(),
        meters: meters.clone(),
    };
    Ok(Some(TaskSet::new(STAGE, KafkaBroker::new(settings), stage, Limits::default(), wiring.clock.clone())))
}

fn shared(pipeline: &Pipeline, upstream: &Upstream, registry: &Blocking) -> Result<Shared, Error> {
    let fault = |error: codec::Error| Error::Fatal(error.to_string());
    let layout = &pipeline.layout;
    let shape = events_shape(&Source::from(pipeline), lookup(registry, layout, PerPipeline::Raw)?);
    Ok(Shared {
        upstream: upstream.clone(),
        intake: Arc::new(Intake::new(shape).map_err(fault)?),
        rejected: topic_schema(registry, layout, PerPipeline::Rejected)?,
        partitions: pipeline.source.partitions,
    })
}

/// The ingestor at the upstream's topic of one pipeline.
struct ForeignStage {
    shared: Arc<Shared>,
    registry: Blocking,
    event: RecordSchema,
    pipeline: Arc<str>,
    meters: Meters,
}

impl Stage for ForeignStage {
    type Task = ForeignTask;

    fn open(&mut self, _: i32, _: &[Committed], _: &[u8], _: u64) -> Result<(ForeignTask, Vec<Restore>), Error> {
        let readers = RegistryReaders::new(self.registry.clone(), self.event.clone());
        let counted = Counted::new(self.meters.clone(), self.pipeline.clone(), STAGE);
        Ok((ForeignTask::new(self.shared.clone(), Box::new(readers), counted), Vec::new()))
    }
}
