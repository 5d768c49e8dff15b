//! Codec of the predictions: what downstream systems read.

use super::hop::{EntitiesRef, SourceRef};
use super::row::{NamedSeed, text};
use super::{AvroSchema, Error};
use crate::records::{ModelRef, Reason};
use crate::topics::PerPipeline;
use crate::{Layout, Prediction, Type};
use compact_str::CompactString;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeStruct, Serializer};
use std::fmt;

/// Reads and writes the records of `<p>.predictions`.
#[derive(Clone)]
pub struct PredictionCodec {
    entities: Vec<CompactString>,
    own: AvroSchema,
    id: u32,
}

impl PredictionCodec {
    /// The codec of the layout's predictions, whose schema is registered as `id`.
    ///
    /// # Errors
    /// [`Error::Schema`], which would be a fault in `schemas/`.
    pub fn new(layout: &Layout, id: u32) -> Result<Self, Error> {
        Ok(Self { entities: layout.entities.clone(), own: AvroSchema::parse(&layout.avro(PerPipeline::Predictions))?, id })
    }

    /// The registered id that this codec writes.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The schema that this codec writes.
    #[must_use]
    pub fn schema(&self) -> &AvroSchema {
        &self.own
    }

    /// Appends header and datum of `prediction` to `out`.
    ///
    /// # Errors
    /// [`Error::Value`] when a value does not fit its field.
    pub fn encode(&self, prediction: &Prediction, out: &mut Vec<u8>) -> Result<(), Error> {
        self.own.encode(self.id, &PredictionRef(&self.entities, prediction), out)
    }

    /// Decodes a datum that was written under `writer`.
    ///
    /// # Errors
    /// [`Error::Datum`] or [`Error::Trailing`].
    pub fn decode(&self, writer: &AvroSchema, datum: &[u8]) -> Result<Prediction, Error> {
        writer.decode_seed(datum, PredictionSeed(&self.entities))
    }
}

struct PredictionRef<'a>(&'a [CompactString], &'a Prediction);

impl Serialize for PredictionRef<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(names, p) = self;
        let mut s = serializer.serialize_struct("Prediction", 11)?;
        s.serialize_field("event_id", p.event_id.as_str())?;
        s.serialize_field("event_time", &p.event_time)?;
        s.serialize_field("source", &SourceRef(&p.source))?;
        s.serialize_field("ingested_at", &p.ingested_at)?;
        s.serialize_field("entities", &EntitiesRef(names, &p.entities))?;
        s.serialize_field("route", p.route.as_str())?;
        s.serialize_field("model", &*p.model)?;
        s.serialize_field("score", &p.score)?;
        s.serialize_field("decision", p.decision.as_str())?;
        s.serialize_field("reasons", &p.reasons)?;
        s.serialize_field("predicted_at", &p.predicted_at)?;
        s.end()
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Part {
    EventId,
    EventTime,
    Source,
    IngestedAt,
    Entities,
    Route,
    Model,
    Score,
    Decision,
    Reasons,
    PredictedAt,
    #[serde(other)]
    Unknown,
}

struct PredictionSeed<'a>(&'a [CompactString]);

impl<'de> DeserializeSeed<'de> for PredictionSeed<'_> {
    type Value = Prediction;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Prediction, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for PredictionSeed<'_> {
    type Value = Prediction;
    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a prediction")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Prediction, A::Error> {
        let mut p = Prediction::default();
        while let Some(part) = map.next_key()? {
            match part {
                Part::EventId => p.event_id = map.next_value()?,
                Part::EventTime => p.event_time = map.next_value()?,
                Part::Source => p.source = map.next_value()?,
                Part::IngestedAt => p.ingested_at = map.next_value()?,
                Part::Entities => {
                    let names = self.0;
                    let absent = |_: &CompactString| CompactString::default();
                    p.entities =
                        map.next_value_seed(NamedSeed { names, name_of: |n| n, type_of: |_| &Type::String, finish: text, absent })?;
                }
                Part::Route => p.route = map.next_value()?,
                Part::Model => p.model = map.next_value::<ModelRef>()?.into(),
                Part::Score => p.score = map.next_value()?,
                Part::Decision => p.decision = map.next_value()?,
                Part::Reasons => p.reasons = map.next_value::<Vec<Reason>>()?,
                Part::PredictedAt => p.predicted_at = map.next_value()?,
                Part::Unknown => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(p)
    }
}
