//! The numbers of vectors: what statistics need of very many of them.

use super::binary::Reader;
use super::{AvroSchema, Error};
use crate::layout::{FeatureType, Layout};
use crate::topics::PerPipeline;
use compact_str::CompactString;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use std::fmt;

/// Reads the numeric features of `<p>.features` into rows of doubles, and nothing that needs an allocation.
#[derive(Clone)]
pub struct NumberReader {
    names: Vec<CompactString>,
    entities: usize,
    types: Vec<FeatureType>,
    own: AvroSchema,
    id: u32,
}

/// Which vector a row is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VectorHead<'a> {
    /// The event's id.
    pub event_id: &'a str,
    /// When it happened, microseconds since 1970.
    pub event_time: i64,
    /// Running maximum of event time in its raw partition, microseconds since 1970.
    pub merge_time: i64,
    /// The raw partition.
    pub raw_partition: i32,
    /// The input partition of the hop that wrote it.
    pub hop_partition: i32,
}

impl NumberReader {
    /// The reader of the layout's numeric features, whose vectors' schema is registered as `id`.
    ///
    /// # Errors
    /// [`Error::Schema`], which would be a fault in `schemas/`.
    pub fn new(layout: &Layout, id: u32) -> Result<Self, Error> {
        let numbers = layout.features.iter().filter(|column| column.ty == FeatureType::Double);
        let names = numbers.map(|column| column.name.clone()).collect();
        let types = layout.features.iter().map(|column| column.ty).collect();
        let own = AvroSchema::parse(&layout.avro(PerPipeline::Features))?;
        Ok(Self { names, entities: layout.entities.len(), types, own, id })
    }

    /// The registered id of [`NumberReader::schema`].
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The schema of the layout's vectors.
    #[must_use]
    pub fn schema(&self) -> &AvroSchema {
        &self.own
    }

    /// The names of a row's columns.
    #[must_use]
    pub fn names(&self) -> &[CompactString] {
        &self.names
    }

    /// Decodes a datum that was written under `writer`: `row` becomes its numbers in the order of
    /// [`NumberReader::names`], NaN where there is none.
    ///
    /// # Errors
    /// [`Error::Datum`] or [`Error::Trailing`].
    pub fn read<'de>(&self, writer: &AvroSchema, datum: &'de [u8], row: &mut Vec<f64>) -> Result<VectorHead<'de>, Error> {
        row.clear();
        if !writer.is(&self.own) {
            row.resize(self.names.len(), f64::NAN);
            return writer.decode_seed(datum, VectorSeed { names: &self.names, row });
        }
        let mut left = Reader::new(datum);
        let (event_id, event_time, raw_partition) = (left.text()?, left.long()?, left.source_partition()?);
        left.long()?;
        let (hop_partition, merge_time) = (left.stage_partition()?, left.long()?);
        left.pass_texts(self.entities)?;
        left.numbers(&self.types, row)?;
        left.long()?;
        left.end().map(|()| VectorHead { event_id, event_time, merge_time, raw_partition, hop_partition })
    }
}

struct VectorSeed<'a> {
    names: &'a [CompactString],
    row: &'a mut [f64],
}

impl<'de> DeserializeSeed<'de> for VectorSeed<'_> {
    type Value = VectorHead<'de>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Part {
    EventId,
    EventTime,
    Source,
    From,
    MergeTime,
    Features,
    #[serde(other)]
    Unknown,
}

/// `source` and `from` have a partition.
#[derive(Deserialize)]
struct Place {
    partition: i32,
}

impl<'de> Visitor<'de> for VectorSeed<'_> {
    type Value = VectorHead<'de>;
    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a vector")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut head = VectorHead::default();
        while let Some(part) = map.next_key()? {
            match part {
                Part::EventId => head.event_id = map.next_value()?,
                Part::EventTime => head.event_time = map.next_value()?,
                Part::Source => head.raw_partition = map.next_value::<Place>()?.partition,
                Part::From => head.hop_partition = map.next_value::<Place>()?.partition,
                Part::MergeTime => head.merge_time = map.next_value()?,
                Part::Features => map.next_value_seed(NumbersSeed { names: self.names, row: self.row })?,
                Part::Unknown => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(head)
    }
}

struct NumbersSeed<'a> {
    names: &'a [CompactString],
    row: &'a mut [f64],
}

impl<'de> DeserializeSeed<'de> for NumbersSeed<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for NumbersSeed<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a record of features")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        // the writer's order is ours unless it wrote another version, or a category stands between
        let mut hint = 0;
        while let Some(slot) = map.next_key_seed(SlotSeed { names: self.names, hint })? {
            if let Some(slot) = slot {
                self.row[slot] = map.next_value_seed(NumberSeed)?;
                hint = slot + 1;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

struct SlotSeed<'a> {
    names: &'a [CompactString],
    hint: usize,
}

impl<'de> DeserializeSeed<'de> for SlotSeed<'_> {
    type Value = Option<usize>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for SlotSeed<'_> {
    type Value = Option<usize>;
    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a feature's name")
    }
    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        if self.names.get(self.hint).is_some_and(|n| n == name) {
            return Ok(Some(self.hint));
        }
        Ok(self.names.iter().position(|n| n == name))
    }
}

struct NumberSeed;

impl<'de> DeserializeSeed<'de> for NumberSeed {
    type Value = f64;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<f64, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for NumberSeed {
    type Value = f64;
    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a number or null")
    }
    fn visit_unit<E>(self) -> Result<f64, E> {
        Ok(f64::NAN)
    }
    fn visit_f64<E>(self, v: f64) -> Result<f64, E> {
        Ok(v)
    }
    /// A category in another version of the pipeline: as a number it is missing.
    fn visit_str<E>(self, _: &str) -> Result<f64, E> {
        Ok(f64::NAN)
    }
}
