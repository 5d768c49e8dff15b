//! Decodes the records of a pipeline's topics, each by the schema it was written under.

use anyhow::{Context, anyhow};
use serde::de::DeserializeOwned;
use std::collections::{BTreeSet, HashMap};
use tidemill_events::codec::{AvroSchema, HopCodec, PredictionCodec, RawReader, VectorCodec};
use tidemill_events::records::{Label, Reject, SourceRecord};
use tidemill_events::topics::{PerPipeline, subject};
use tidemill_events::{HopInput, Layout, Prediction, RecordSchema, Value, Vector, wire};
use tidemill_kafka::registry::Blocking;

/// The writer's schema id is not needed to read.
const NO_ID: u32 = 0;

/// What the command line looks at of an outcome.
#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
pub struct Outcome {
    /// The event's id.
    pub event_id: String,
    /// The label.
    pub label: f64,
    /// When it became known, microseconds since 1970.
    pub label_time: i64,
    /// The label's record; the prediction's, if it is the default label.
    pub source: SourceRecord,
}

/// Decoders of one pipeline's records.
pub struct Decoder {
    registry: Blocking,
    writers: HashMap<u32, AvroSchema>,
    event: RecordSchema,
    /// Schema ids that raw records may have.
    raw_ids: BTreeSet<u32>,
    /// Schema ids that labels may have.
    label_ids: BTreeSet<u32>,
    /// `None` where a schema does not fit the event schema.
    raw: HashMap<u32, Option<RawReader>>,
    hops: Vec<HopCodec>,
    vectors: VectorCodec,
    predictions: PredictionCodec,
}

impl Decoder {
    /// Of the pipeline with this layout.
    ///
    /// # Errors
    /// When the registry does not know the schemas of raw events or labels.
    pub fn new(registry: Blocking, layout: &Layout) -> anyhow::Result<Self> {
        let ids = |topic: PerPipeline| registry.fetch_ids_of(&subject(&topic.name(&layout.pipeline, &layout.entities)));
        Ok(Self {
            raw_ids: ids(PerPipeline::Raw)?,
            label_ids: ids(PerPipeline::Labels)?,
            registry,
            writers: HashMap::new(),
            event: layout.event.clone(),
            raw: HashMap::new(),
            hops: (0..layout.entities.len()).map(|hop| HopCodec::new(layout, hop, NO_ID)).collect::<Result<_, _>>()?,
            vectors: VectorCodec::new(layout, NO_ID)?,
            predictions: PredictionCodec::new(layout, NO_ID)?,
        })
    }

    /// The fields of a raw record; `None` where it is no event of the pipeline.
    ///
    /// # Errors
    /// When the registry does not answer.
    pub fn raw(&mut self, payload: Option<&[u8]>) -> anyhow::Result<Option<Vec<Value>>> {
        let Ok((id, datum)) = wire::split(payload) else { return Ok(None) };
        if !self.raw_ids.contains(&id) {
            return Ok(None);
        }
        if !self.raw.contains_key(&id) {
            let text = self.registry.schema(id)?;
            self.raw.insert(id, RawReader::new(&text, &self.event).ok());
        }
        Ok(self.raw[&id].as_ref().and_then(|reader| reader.decode(datum).ok()))
    }

    /// A record of the input of hop `hop`.
    ///
    /// # Errors
    /// When it is none, or the registry does not answer.
    pub fn hop(&mut self, hop: usize, payload: Option<&[u8]>) -> anyhow::Result<HopInput> {
        let (writer, datum) = self.writer(payload)?;
        Ok(self.hops[hop].decode(&writer, datum)?)
    }

    /// A record of `<p>.features`.
    ///
    /// # Errors
    /// As [`Decoder::hop`].
    pub fn vector(&mut self, payload: Option<&[u8]>) -> anyhow::Result<Vector> {
        let (writer, datum) = self.writer(payload)?;
        Ok(self.vectors.decode(&writer, datum)?)
    }

    /// A record of `<p>.predictions`.
    ///
    /// # Errors
    /// As [`Decoder::hop`].
    pub fn prediction(&mut self, payload: Option<&[u8]>) -> anyhow::Result<Prediction> {
        let (writer, datum) = self.writer(payload)?;
        Ok(self.predictions.decode(&writer, datum)?)
    }

    /// A record of `<p>.rejected`.
    ///
    /// # Errors
    /// As [`Decoder::hop`].
    pub fn reject(&mut self, payload: Option<&[u8]>) -> anyhow::Result<Reject> {
        let (writer, datum) = self.writer(payload)?;
        Ok(writer.decode(datum)?)
    }

    /// A record of `<p>.labels`; `None` where it is no label.
    ///
    /// # Errors
    /// When the registry does not answer.
    pub fn label(&mut self, payload: Option<&[u8]>) -> anyhow::Result<Option<Label>> {
        if !wire::split(payload).is_ok_and(|(id, _)| self.label_ids.contains(&id)) {
            return Ok(None);
        }
        let (writer, datum) = self.writer(payload)?;
        Ok(writer.decode(datum).ok())
    }

    /// A record of `<p>.outcomes`.
    ///
    /// # Errors
    /// As [`Decoder::hop`].
    pub fn outcome(&mut self, payload: Option<&[u8]>) -> anyhow::Result<Outcome> {
        let (writer, datum) = self.writer(payload)?;
        Ok(writer.decode(datum)?)
    }

    /// A record of the control plane, or of a window.
    ///
    /// # Errors
    /// As [`Decoder::hop`].
    pub fn control<T: DeserializeOwned>(&mut self, payload: Option<&[u8]>) -> anyhow::Result<T> {
        let (writer, datum) = self.writer(payload)?;
        Ok(writer.decode(datum)?)
    }

    fn writer<'a>(&mut self, payload: Option<&'a [u8]>) -> anyhow::Result<(AvroSchema, &'a [u8])> {
        let (id, datum) = wire::split(payload).map_err(|e| anyhow!("not written by Tidemill: {e}"))?;
        if let Some(known) = self.writers.get(&id) {
            return Ok((known.clone(), datum));
        }
        let schema = AvroSchema::parse(&self.registry.schema(id)?).with_context(|| format!("schema id {id}"))?;
        self.writers.insert(id, schema.clone());
        Ok((schema, datum))
    }
}
