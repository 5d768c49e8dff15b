//! Where one pipeline's events and labels go.

use crate::intake::{Intake, Shape};
use crate::work::Memory;
use std::sync::Arc;
use tidemill_events::layout::Layout;
use tidemill_events::topics::PerPipeline;
use tidemill_events::{RecordSchema, codec};
use tidemill_features::HopSpec;
use tidemill_pipeline::Pipeline;

/// What metrics call the ways in.
pub(crate) const EVENTS: &str = "ingestor.events";
pub(crate) const LABELS: &str = "ingestor.labels";

/// What the pipeline file says of its source.
#[derive(Debug, Clone)]
pub struct Source<'a> {
    /// The shape of the pipeline's records.
    pub layout: &'a Layout,
    /// Partitions of its topics.
    pub partitions: u32,
    /// Slot of the event id.
    pub id: usize,
    /// Slot of the event time.
    pub time: usize,
    /// The first entity, whose key is the event's.
    pub first: Option<&'a HopSpec>,
}

/// Ids under which the registry knows the schemas of what is written.
#[derive(Debug, Clone, Copy)]
pub struct SchemaIds {
    /// Of `<p>.raw`.
    pub raw: u32,
    /// Of `<p>.labels`.
    pub labels: u32,
}

/// A pipeline that takes events and labels.
pub struct Route {
    /// The pipeline's name.
    pub(crate) pipeline: Arc<str>,
    pub(crate) events: Arc<Lane>,
    pub(crate) labels: Arc<Lane>,
}

/// One of a route's two ways in.
pub(crate) struct Lane {
    /// What metrics call it.
    pub(crate) stage: &'static str,
    pub(crate) intake: Arc<Intake>,
    /// Whether CloudEvents are taken: they are events, not labels.
    pub(crate) cloud_events: bool,
    /// What was seen. Labels have none: whether one more label of an event is a repetition or a
    /// contradiction is the evaluator's to say.
    pub(crate) memory: Option<Arc<Memory>>,
}

impl<'a> From<&'a Pipeline> for Source<'a> {
    fn from(pipeline: &'a Pipeline) -> Self {
        let tidemill_pipeline::SourceSpec { partitions, id, time, .. } = pipeline.source;
        Self { layout: &pipeline.layout, partitions, id, time, first: pipeline.hops.first() }
    }
}

impl Route {
    /// A route for a pipeline with `source`. It remembers what `predecessor`, the route of an earlier
    /// version, has seen; without one, up to `seen_events` events.
    ///
    /// # Errors
    /// When a schema cannot be read.
    pub fn new(source: &Source<'_>, ids: SchemaIds, predecessor: Option<&Self>, seen_events: usize) -> Result<Self, codec::Error> {
        let memory = predecessor.and_then(|p| p.events.memory.clone()).unwrap_or_else(|| Arc::new(Memory::new(seen_events)));
        let lane = |stage, shape, memory| {
            let (intake, cloud_events) = (Arc::new(Intake::new(shape)?), stage == EVENTS);
            Ok::<_, codec::Error>(Lane { stage, intake, cloud_events, memory })
        };
        let events = lane(EVENTS, events_shape(source, ids.raw), Some(memory))?;
        let labels = lane(LABELS, labels_shape(source, ids.labels)?, None)?;
        Ok(Self { pipeline: source.layout.pipeline.as_str().into(), events: Arc::new(events), labels: Arc::new(labels) })
    }
}

/// The shape of the events of `source`, which go to `<p>.raw` under `schema_id`.
#[must_use]
pub fn events_shape(source: &Source<'_>, schema_id: u32) -> Shape {
    let layout = source.layout;
    Shape {
        topic: PerPipeline::Raw.name(&layout.pipeline, &layout.entities),
        partitions: source.partitions,
        schema: layout.event.clone(),
        avro: layout.avro(PerPipeline::Raw),
        schema_id,
        id: source.id,
        time: source.time,
        entity: source.first.cloned(),
    }
}

/// The shape of the labels of `source`, which go to `<p>.labels` under `schema_id`.
///
/// # Errors
/// When their schema cannot be read.
pub fn labels_shape(source: &Source<'_>, schema_id: u32) -> Result<Shape, codec::Error> {
    let layout = source.layout;
    let avro = layout.avro(PerPipeline::Labels);
    let schema = RecordSchema::parse(&avro).map_err(|e| codec::Error::Schema(e.to_string()))?;
    let slot = |name: &str| schema.slot(name).ok_or_else(|| codec::Error::Schema(format!("labels have no `{name}`")));
    let (id, time) = (slot("event_id")?, slot("label_time")?);
    let topic = PerPipeline::Labels.name(&layout.pipeline, &layout.entities);
    Ok(Shape { topic, partitions: source.partitions, schema, avro, schema_id, id, time, entity: None })
}
