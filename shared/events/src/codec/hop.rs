//! Codecs of the hop inputs and of the finished vectors.

mod branch;

use super::row::{NamedSeed, Row, ValueRef, text};
use super::{AvroSchema, Error};
use crate::layout::{FeatureColumn, FeatureType, Layout};
use crate::schema::{Field, Type};
use crate::topics::PerPipeline;
use crate::{Event, HopInput, Outcome, RecordSchema, Source, Stage, Value, Vector};
use branch::Branch;
use compact_str::CompactString;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, EnumAccess, IgnoredAny, MapAccess, VariantAccess, Visitor};
use serde::ser::{Serialize, SerializeStruct, Serializer};
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
    id: u32,
}

impl HopCodec {
    /// The codec of hop `hop`'s input, whose schema ([`Layout::avro`]) is registered as `id`.
    ///
    /// # Errors
    /// [`Error::Schema`], which would be a fault in `schemas/`.
    pub fn new(layout: &Layout, hop: usize, id: u32) -> Result<Self, Error> {
        let own = AvroSchema::parse(&layout.avro(PerPipeline::Hop(hop)))?;
        let features = layout.features[..layout.features_before(hop)].to_vec();
        Ok(Self { shape: Shape { event: layout.event.clone(), entities: layout.entities.clone(), features }, own, id })
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
        self.own.encode(self.id, &UnionRef::Event(&self.shape, event), out)
    }

    /// Appends header and datum of `outcome` to `out`.
    ///
    /// # Errors
    /// [`Error::Value`] when a value does not fit its field.
    pub fn encode_outcome(&self, outcome: &Outcome, out: &mut Vec<u8>) -> Result<(), Error> {
        self.own.encode(self.id, &UnionRef::Outcome(&self.shape, outcome), out)
    }

    /// Decodes a datum that was written under `writer`.
    ///
    /// # Errors
    /// [`Error::Datum`] or [`Error::Trailing`].
    pub fn decode(&self, writer: &AvroSchema, datum: &[u8]) -> Result<HopInput, Error> {
        writer.decode_seed(datum, HopSeed(&self.shape))
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
        self.own.encode(self.id, &VectorRef(&self.shape, vector), out)
    }

    /// Decodes a datum that was written under `writer`.
    ///
    /// # Errors
    /// [`Error::Datum`] or [`Error::Trailing`].
    pub fn decode(&self, writer: &AvroSchema, datum: &[u8]) -> Result<Vector, Error> {
        writer.decode_seed(datum, VectorSeed(&self.shape))
    }
}

enum UnionRef<'a> {
    Event(&'a Shape, &'a Event),
    Outcome(&'a Shape, &'a Outcome),
}

impl Serialize for UnionRef<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            UnionRef::Event(shape, event) => serializer.serialize_newtype_variant("HopInput", 0, "Event", &EventRef(shape, event)),
            UnionRef::Outcome(shape, outcome) => {
                serializer.serialize_newtype_variant("HopInput", 1, "Outcome", &OutcomeRef(shape, outcome))
            }
        }
    }
}

struct EventRef<'a>(&'a Shape, &'a Event);

impl Serialize for EventRef<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(shape, e) = self;
        let mut s = serializer.serialize_struct("Event", 9)?;
        s.serialize_field("event_id", e.event_id.as_str())?;
        s.serialize_field("event_time", &e.event_time)?;
        s.serialize_field("source", &SourceRef(&e.source))?;
        s.serialize_field("ingested_at", &e.ingested_at)?;
        s.serialize_field("from", &StageRef(&e.from))?;
        s.serialize_field("merge_time", &e.merge_time)?;
        s.serialize_field("entities", &EntitiesRef(&shape.entities, &e.entities))?;
        s.serialize_field("fields", &Row { schema: &shape.event, values: &e.fields })?;
        s.serialize_field("features", &FeaturesRef(&shape.features, &e.features))?;
        s.end()
    }
}

struct OutcomeRef<'a>(&'a Shape, &'a Outcome);

impl Serialize for OutcomeRef<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(shape, o) = self;
        let mut s = serializer.serialize_struct("Outcome", 9)?;
        s.serialize_field("event_id", o.event_id.as_str())?;
        s.serialize_field("event_time", &o.event_time)?;
        s.serialize_field("source", &SourceRef(&o.source))?;
        s.serialize_field("from", &StageRef(&o.from))?;
        s.serialize_field("merge_time", &o.merge_time)?;
        s.serialize_field("entities", &EntitiesRef(&shape.entities, &o.entities))?;
        s.serialize_field("fields", &Row { schema: &shape.event, values: &o.fields })?;
        s.serialize_field("label", &o.label)?;
        s.serialize_field("label_time", &o.label_time)?;
        s.end()
    }
}

struct VectorRef<'a>(&'a Shape, &'a Vector);

impl Serialize for VectorRef<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(shape, v) = self;
        let mut s = serializer.serialize_struct("FeatureVector", 9)?;
        s.serialize_field("event_id", v.event_id.as_str())?;
        s.serialize_field("event_time", &v.event_time)?;
        s.serialize_field("source", &SourceRef(&v.source))?;
        s.serialize_field("ingested_at", &v.ingested_at)?;
        s.serialize_field("from", &StageRef(&v.from))?;
        s.serialize_field("merge_time", &v.merge_time)?;
        s.serialize_field("entities", &EntitiesRef(&shape.entities, &v.entities))?;
        s.serialize_field("features", &FeaturesRef(&shape.features, &v.features))?;
        s.serialize_field("pipeline_version", &v.pipeline_version)?;
        s.end()
    }
}

/// `source` as a nested record; predictions write it as well.
pub(crate) struct SourceRef<'a>(pub(crate) &'a Source);

impl Serialize for SourceRef<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut s = serializer.serialize_struct("Source", 3)?;
        s.serialize_field("topic", self.0.topic.as_str())?;
        s.serialize_field("partition", &self.0.partition)?;
        s.serialize_field("offset", &self.0.offset)?;
        s.end()
    }
}

struct StageRef<'a>(&'a Stage);

impl Serialize for StageRef<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut s = serializer.serialize_struct("Stage", 2)?;
        s.serialize_field("stage", self.0.stage.as_str())?;
        s.serialize_field("partition", &self.0.partition)?;
        s.end()
    }
}

/// Entities as a nested record; predictions write them as well.
pub(crate) struct EntitiesRef<'a>(pub(crate) &'a [CompactString], pub(crate) &'a [CompactString]);

impl Serialize for EntitiesRef<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(CompactString::as_str).zip(self.1.iter().map(CompactString::as_str)))
    }
}

struct FeaturesRef<'a>(&'a [FeatureColumn], &'a [Value]);

impl Serialize for FeaturesRef<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|c| c.name.as_str()).zip(self.1.iter().map(|value| ValueRef { value, millis: false })))
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
