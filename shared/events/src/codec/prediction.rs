//! Codec of the predictions: what downstream systems read.

use super::binary::{Reader, write};
use super::row::{NamedSeed, text};
use super::{AvroSchema, Error, with_header};
use crate::records::{ModelRef, Reason};
use crate::topics::PerPipeline;
use crate::views::PredictionView;
use crate::{Layout, Prediction, Type};
use compact_str::CompactString;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use std::fmt;
use std::sync::Arc;

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
        with_header(self.id, out, |out| {
            write::text(&prediction.event_id, out);
            write::long(prediction.event_time, out);
            write::source(&prediction.source, out);
            write::long(prediction.ingested_at, out);
            write::entities(&self.entities, &prediction.entities, out)?;
            write::text(&prediction.route, out);
            write::model(&prediction.model, out);
            write::double(prediction.score, out);
            write::text(&prediction.decision, out);
            reasons(&prediction.reasons, out);
            write::long(prediction.predicted_at, out);
            Ok(())
        })
    }

    /// Decodes a datum that was written under `writer`.
    ///
    /// # Errors
    /// [`Error::Datum`] or [`Error::Trailing`].
    pub fn decode(&self, writer: &AvroSchema, datum: &[u8]) -> Result<Prediction, Error> {
        if !writer.is(&self.own) {
            return writer.decode_seed(datum, PredictionSeed(&self.entities));
        }
        let mut left = Reader::new(datum);
        let prediction = Prediction {
            event_id: left.text()?.into(),
            event_time: left.long()?,
            source: left.source()?,
            ingested_at: left.long()?,
            entities: left.entities(self.entities.len())?,
            route: left.text()?.into(),
            model: Arc::new(left.model()?.to_owned()),
            score: left.double()?,
            decision: left.text()?.into(),
            reasons: left.reasons()?,
            predicted_at: left.long()?,
        };
        left.end().map(|()| prediction)
    }

    /// Decodes what is watched of a datum that was written under `writer`.
    ///
    /// # Errors
    /// [`Error::Datum`] or [`Error::Trailing`].
    pub fn view<'de>(&self, writer: &AvroSchema, datum: &'de [u8]) -> Result<PredictionView<'de>, Error> {
        if !writer.is(&self.own) {
            return writer.decode(datum);
        }
        let mut left = Reader::new(datum);
        let (event_id, event_time) = (left.text()?, left.long()?);
        left.source_partition()?;
        left.long()?;
        left.pass_texts(self.entities.len() + 1)?;
        let (model, score) = (left.model()?, left.double()?);
        left.text()?;
        left.reasons()?;
        left.long()?;
        left.end().map(|()| PredictionView { event_id, event_time, score, model })
    }
}

/// An array: a block of all its items, if there are any, and an empty one.
fn reasons(reasons: &[Reason], out: &mut Vec<u8>) {
    if !reasons.is_empty() {
        write::long(reasons.len() as i64, out);
    }
    for Reason { feature, contribution } in reasons {
        write::text(feature, out);
        write::double(*contribution, out);
    }
    write::long(0, out);
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
