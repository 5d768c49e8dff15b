//! Codecs of the hop inputs and of the finished vectors.

mod branch;

use super::binary::{Reader, write};
use super::row::{NamedSeed, RawReader, Row, text};
use super::{AvroSchema, Error, with_header};
use crate::layout::{FeatureColumn, FeatureType, Layout};
use crate::schema::{Field, Type};
use crate::topics::PerPipeline;
use crate::{Event, HopInput, Outcome, RecordSchema, Source, Stage, Value, Vector};
use branch::Branch;
use compact_str::CompactString;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, EnumAccess, IgnoredAny, MapAccess, VariantAccess, Visitor};
use std::fmt;

/// What decoding needs of a layout.
#[derive(Clone)]
struct Shape {
    event: RecordSchema,
    entities: Vec<CompactString>,
    features: Vec<FeatureColumn>,
}

impl Shape {
    fn entities(&self) -> NamedSeed<'_, CompactString, CompactString> {
        NamedSeed { names: &self.entities, name_of: |n| n, type_of: |_| &Type::String, finish: text, absent: |_| CompactString::default() }
    }

    fn fields(&self) -> NamedSeed<'_, Field, Value> {
        NamedSeed {
            names: &self.event.fields,
            name_of: |f| &f.name,
            type_of: |f| &f.ty,
            finish: Some,
            absent: |f| f.default.clone().unwrap_or_default(),
        }
    }

    fn features(&self) -> NamedSeed<'_, FeatureColumn, Value> {
        NamedSeed {
            names: &self.features,
            name_of: |c| &c.name,
            type_of: |c| match c.ty {
                FeatureType::Double => &Type::Double,
                FeatureType::String => &Type::String,
            },
            finish: Some,
            absent: |_| Value::Null,
        }
    }
}

/// Reads and writes the records of one hop-input topic (`<p>.valid` or `<p>.hop.<entity>`).
#[derive(Clone)]
pub struct HopCodec {
    shape: Shape,
    own: AvroSchema,
    /// Of the upstream's fields in an event, and in an outcome.
    fields: RawReader,
    outcome_fields: RawReader,
    id: u32,
}

/// The branches of the union that a hop reads.
const EVENT: i64 = 0;
const OUTCOME: i64 = 1;

impl HopCodec {
    /// The codec of hop `hop`'s input, whose schema ([`Layout::avro`]) is registered as `id`.
    ///
    /// # Errors
    /// [`Error::Schema`], which would be a fault in `schemas/`.
    pub fn new(layout: &Layout, hop: usize, id: u32) -> Result<Self, Error> {
        let own = AvroSchema::parse(&layout.avro(PerPipeline::Hop(hop)))?;
        let [fields, outcome_fields] = layout.fields_avro().map(|json| RawReader::new(&json, &layout.event));
        let features = layout.features[..layout.features_before(hop)].to_vec();
        let shape = Shape { event: layout.event.clone(), entities: layout.entities.clone(), features };
        Ok(Self { shape, own, fields: fields?, outcome_fields: outcome_fields?, id })
    }

    /// The registered id that it writes.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The schema that this codec writes.
    #[must_use]
    pub fn schema(&self) -> &AvroSchema {
        &self.own
    }

    /// Appends header and datum of `event` to `out`.
    ///
    /// # Errors
    /// [`Error::Value`] when a value does not fit its field.
    pub fn encode_event(&self, event: &Event, out: &mut Vec<u8>) -> Result<(), Error> {
        with_header(self.id, out, |out| {
            write::long(EVENT, out);
            write::text(&event.event_id, out);
            write::long(event.event_time, out);
            write::source(&event.source, out);
            write::long(event.ingested_at, out);
            write::stage(&event.from, out);
            write::long(event.merge_time, out);
            write::entities(&self.shape.entities, &event.entities, out)?;
            self.fields.schema().append(&Row { schema: &self.shape.event, values: &event.fields }, out)?;
            write::features(&self.shape.features, &event.features, out)
        })
    }

    /// Appends header and datum of `outcome` to `out`.
    ///
    /// # Errors
    /// [`Error::Value`] when a value does not fit its field.
    pub fn encode_outcome(&self, outcome: &Outcome, out: &mut Vec<u8>) -> Result<(), Error> {
        with_header(self.id, out, |out| {
            write::long(OUTCOME, out);
            write::text(&outcome.event_id, out);
            write::long(outcome.event_time, out);
            write::source(&outcome.source, out);
            write::stage(&outcome.from, out);
            write::long(outcome.merge_time, out);
            write::entities(&self.shape.entities, &outcome.entities, out)?;
            self.outcome_fields.schema().append(&Row { schema: &self.shape.event, values: &outcome.fields }, out)?;
            write::double(outcome.label, out);
            write::long(outcome.label_time, out);
            Ok(())
        })
    }

    /// Decodes a datum that was written under `writer`.
    ///
    /// # Errors
    /// [`Error::Datum`] or [`Error::Trailing`].
    pub fn decode(&self, writer: &AvroSchema, datum: &[u8]) -> Result<HopInput, Error> {
        if !writer.is(&self.own) {
            return writer.decode_seed(datum, HopSeed(&self.shape));
        }
        let mut left = Reader::new(datum);
        let input = match left.long()? {
            EVENT => HopInput::Event(self.event(&mut left)?),
            OUTCOME => HopInput::Outcome(self.outcome(&mut left)?),
            other => return Err(Error::Datum(format!("the input of a hop has no branch {other}"))),
        };
        left.end().map(|()| input)
    }

    fn event(&self, left: &mut Reader<'_>) -> Result<Event, Error> {
        Ok(Event {
            event_id: left.text()?.into(),
            event_time: left.long()?,
            source: left.source()?,
            ingested_at: left.long()?,
            from: left.stage()?,
            merge_time: left.long()?,
            entities: left.entities(self.shape.entities.len())?,
            fields: left.with(|bytes| self.fields.decode_first(bytes))?,
            features: left.features(&self.shape.features)?,
        })
    }

    fn outcome(&self, left: &mut Reader<'_>) -> Result<Outcome, Error> {
        Ok(Outcome {
            event_id: left.text()?.into(),
            event_time: left.long()?,
            source: left.source()?,
            from: left.stage()?,
            merge_time: left.long()?,
            entities: left.entities(self.shape.entities.len())?,
            fields: left.with(|bytes| self.outcome_fields.decode_first(bytes))?,
            label: left.double()?,
            label_time: left.long()?,
        })
    }
}

/// Reads and writes the vectors of `<p>.features`.
#[derive(Clone)]
pub struct VectorCodec {
    shape: Shape,
    own: AvroSchema,
    id: u32,
}

impl VectorCodec {
    /// The codec of the layout's vectors, whose schema is registered as `id`.
    ///
    /// # Errors
    /// [`Error::Schema`], which would be a fault in `schemas/`.
    pub fn new(layout: &Layout, id: u32) -> Result<Self, Error> {
        let own = AvroSchema::parse(&layout.avro(PerPipeline::Features))?;
        Ok(Self {
            shape: Shape { event: layout.event.clone(), entities: layout.entities.clone(), features: layout.features.clone() },
            own,
            id,
        })
    }

    /// The registered id that it writes.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The schema that this codec writes.
    #[must_use]
    pub fn schema(&self) -> &AvroSchema {
        &self.own
    }

    /// Appends header and datum of `vector` to `out`.
    ///
    /// # Errors
    /// [`Error::Value`] when a value does not fit its field.
    pub fn encode(&self, vector: &Vector, out: &mut Vec<u8>) -> Result<(), Error> {
        with_header(self.id, out, |out| {
            write::text(&vector.event_id, out);
            write::long(vector.event_time, out);
            write::source(&vector.source, out);
            write::long(vector.ingested_at, out);
            write::stage(&vector.from, out);
            write::long(vector.merge_time, out);
            write::entities(&self.shape.entities, &vector.entities, out)?;
            write::features(&self.shape.features, &vector.features, out)?;
            write::long(vector.pipeline_version.into(), out);
            Ok(())
        })
    }

    /// Decodes a datum that was written under `writer`.
    ///
    /// # Errors
    /// [`Error::Datum`] or [`Error::Trailing`].
    pub fn decode(&self, writer: &AvroSchema, datum: &[u8]) -> Result<Vector, Error> {
        if !writer.is(&self.own) {
            return writer.decode_seed(datum, VectorSeed(&self.shape));
        }
        let mut left = Reader::new(datum);
        let vector = Vector {
            event_id: left.text()?.into(),
            event_time: left.long()?,
            source: left.source()?,
            ingested_at: left.long()?,
            from: left.stage()?,
            merge_time: left.long()?,
            entities: left.entities(self.shape.entities.len())?,
            features: left.features(&self.shape.features)?,
            pipeline_version: left.int()?,
        };
        left.end().map(|()| vector)
    }
}

struct HopSeed<'a>(&'a Shape);

impl<'de> DeserializeSeed<'de> for HopSeed<'_> {
    type Value = HopInput;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<HopInput, D::Error> {
        deserializer.deserialize_enum("HopInput", &["Event", "Outcome"], self)
    }
}

impl<'de> Visitor<'de> for HopSeed<'_> {
    type Value = HopInput;
    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an Event or an Outcome")
    }
    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<HopInput, A::Error> {
        let (which, variant) = access.variant()?;
        let parts = variant.newtype_variant_seed(PartsSeed(self.0))?;
        Ok(match which {
            Branch::Event => HopInput::Event(parts.event()),
            Branch::Outcome => HopInput::Outcome(parts.outcome()),
        })
    }
}

struct VectorSeed<'a>(&'a Shape);

impl<'de> DeserializeSeed<'de> for VectorSeed<'_> {
    type Value = Vector;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vector, D::Error> {
        PartsSeed(self.0).deserialize(deserializer).map(Parts::vector)
    }
}

/// The fields that any of the three records may have.
#[derive(Default)]
struct Parts {
    event_id: CompactString,
    event_time: i64,
    source: Source,
    ingested_at: i64,
    from: Stage,
    merge_time: i64,
    entities: Vec<CompactString>,
    fields: Vec<Value>,
    features: Vec<Value>,
    label: f64,
    label_time: i64,
    pipeline_version: i32,
}

impl Parts {
    fn event(self) -> Event {
        let Self { event_id, event_time, source, ingested_at, from, merge_time, entities, fields, features, .. } = self;
        Event { event_id, event_time, source, ingested_at, from, merge_time, entities, fields, features }
    }

    fn outcome(self) -> Outcome {
        let Self { event_id, event_time, source, from, merge_time, entities, fields, label, label_time, .. } = self;
        Outcome { event_id, event_time, source, from, merge_time, entities, fields, label, label_time }
    }

    fn vector(self) -> Vector {
        let Self { event_id, event_time, source, ingested_at, from, merge_time, entities, features, pipeline_version, .. } = self;
        Vector { event_id, event_time, source, ingested_at, from, merge_time, entities, features, pipeline_version }
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Part {
    EventId,
    EventTime,
    Source,
    IngestedAt,
    From,
    MergeTime,
    Entities,
    Fields,
    Features,
    Label,
    LabelTime,
    PipelineVersion,
    #[serde(other)]
    Unknown,
}

struct PartsSeed<'a>(&'a Shape);

impl<'de> DeserializeSeed<'de> for PartsSeed<'_> {
    type Value = Parts;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Parts, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for PartsSeed<'_> {
    type Value = Parts;
    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a record")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Parts, A::Error> {
        let mut parts = Parts::default();
        while let Some(part) = map.next_key()? {
            match part {
                Part::EventId => parts.event_id = map.next_value()?,
                Part::EventTime => parts.event_time = map.next_value()?,
                Part::Source => parts.source = map.next_value()?,
                Part::IngestedAt => parts.ingested_at = map.next_value()?,
                Part::From => parts.from = map.next_value()?,
                Part::MergeTime => parts.merge_time = map.next_value()?,
                Part::Entities => parts.entities = map.next_value_seed(self.0.entities())?,
                Part::Fields => parts.fields = map.next_value_seed(self.0.fields())?,
                Part::Features => parts.features = map.next_value_seed(self.0.features())?,
                Part::Label => parts.label = map.next_value()?,
                Part::LabelTime => parts.label_time = map.next_value()?,
                Part::PipelineVersion => parts.pipeline_version = map.next_value()?,
                Part::Unknown => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(parts)
    }
}
