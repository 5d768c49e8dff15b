//! Rows of slots: the upstream's own record, and the nested records of a pipeline's layout.

use super::{AvroSchema, Error};
use crate::schema::{Field, RecordSchema, Type};
use crate::{Value, wire};
use compact_str::CompactString;
use rust_decimal::Decimal;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::fmt;

/// Reads records that were written under one registered schema into slots of the pipeline's current event schema.
#[derive(Clone)]
pub struct RawReader {
    avro: AvroSchema,
    /// For each writer field, where it goes; `None` where it is not wanted.
    columns: Vec<Option<Column>>,
    defaults: Vec<Value>,
}

/// A field of the writer that goes to a slot.
#[derive(Clone)]
struct Column {
    slot: usize,
    ty: Type,
    /// The writer's whole number is a double here.
    to_double: bool,
}

impl RawReader {
    /// A reader of records written under `writer_json` for a pipeline with event schema `reader`.
    ///
    /// # Errors
    /// [`Error::Schema`] when the writer's schema is not one of ours, or lacks a field that has no default.
    pub fn new(writer_json: &str, reader: &RecordSchema) -> Result<Self, Error> {
        let writer = RecordSchema::parse(writer_json).map_err(|e| Error::Schema(e.to_string()))?;
        let column = |f: Field| reader.slot(&f.name).map(|slot| Column { slot, ty: f.ty, to_double: false });
        Self::with(writer_json, reader, writer.fields.into_iter().map(column).collect())
    }

    /// A reader of records that a stranger writes under `writer_json`, for a pipeline with event schema `reader`: fields
    /// that events do not have may be of any type and are skipped, the others must be of the event's type, or of one
    /// that Avro promotes to it (Avro 1.12, schema resolution); timestamps may be in either unit.
    ///
    /// # Errors
    /// [`Error::Schema`] when a field that has no default is not there, or one is of another type.
    pub fn resolving(writer_json: &str, reader: &RecordSchema) -> Result<Self, Error> {
        let wanted = |name: &str| reader.slot(name).is_some();
        let (_, fields) = RecordSchema::parse_some(writer_json, wanted).map_err(|e| Error::Schema(e.to_string()))?;
        let column = |field: Option<Field>| {
            let Some((slot, field)) = field.and_then(|f| Some((reader.slot(&f.name)?, f))) else { return Ok(None) };
            let wanted = &reader.fields[slot].ty;
            if !resolves(&field.ty, wanted) {
                return Err(Error::Schema(format!("its field `{}` is a {}, and the event's a {wanted}", field.name, field.ty)));
            }
            let to_double = matches!((&field.ty, wanted), (Type::Int | Type::Long, Type::Float | Type::Double));
            Ok(Some(Column { slot, ty: field.ty, to_double }))
        };
        let columns = fields.into_iter().map(column).collect::<Result<Vec<_>, _>>()?;
        Self::with(writer_json, reader, columns)
    }

    fn with(writer_json: &str, reader: &RecordSchema, columns: Vec<Option<Column>>) -> Result<Self, Error> {
        let avro = AvroSchema::parse(writer_json)?;
        let mut defaults = Vec::with_capacity(reader.fields.len());
        for (slot, field) in reader.fields.iter().enumerate() {
            if field.default.is_none() && !columns.iter().flatten().any(|c| c.slot == slot) {
                return Err(Error::Schema(format!("the writer's schema has no field `{}`, and it has no default", field.name)));
            }
            defaults.push(field.default.clone().unwrap_or_default());
        }
        Ok(Self { avro, columns, defaults })
    }

    /// Decodes a datum (without header).
    ///
    /// # Errors
    /// [`Error::Datum`] or [`Error::Trailing`].
    pub fn decode(&self, datum: &[u8]) -> Result<Vec<Value>, Error> {
        self.avro.decode_seed(datum, RawSeed(self))
    }

    /// Decodes what `bytes` begin with; the rest is left.
    pub(super) fn decode_first<'de>(&self, bytes: &'de [u8]) -> Result<(Vec<Value>, &'de [u8]), Error> {
        self.avro.decode_first(bytes, RawSeed(self))
    }

    /// The schema that it reads.
    pub(super) fn schema(&self) -> &AvroSchema {
        &self.avro
    }
}

/// Whether every value that a writer's field of type `writer` may hold is one of type `reader`, as far as types tell.
fn resolves(writer: &Type, reader: &Type) -> bool {
    use Type::{Decimal, Double, Enum, Float, Int, Long, TimestampMicros, TimestampMillis};
    match (writer, reader) {
        (Int, Long) | (Int | Long, Float | Double) | (Float, Double) => true,
        (TimestampMillis | TimestampMicros, TimestampMillis | TimestampMicros) | (Enum(_), Enum(_)) => true,
        (Decimal { precision: p, scale: s }, Decimal { precision, scale }) => s <= scale && p - s <= precision - scale,
        (writer, reader) => writer == reader,
    }
}

struct RawSeed<'a>(&'a RawReader);

impl<'de> DeserializeSeed<'de> for RawSeed<'_> {
    type Value = Vec<Value>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for RawSeed<'_> {
    type Value = Vec<Value>;
    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an event record")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut row = self.0.defaults.clone();
        let mut columns = self.0.columns.iter();
        while map.next_key::<IgnoredAny>()?.is_some() {
            let Some(column) = columns.next().and_then(Option::as_ref) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            row[column.slot] = match map.next_value_seed(ValueSeed(&column.ty))? {
                Value::Long(v) if column.to_double => Value::Double(v as f64),
                value => value,
            };
        }
        Ok(row)
    }
}

/// Writes records of `<p>.raw`.
pub struct RawWriter {
    avro: AvroSchema,
    schema: RecordSchema,
    id: u32,
}

impl RawWriter {
    /// A writer of rows of `schema`, whose Avro form `json` is registered as `id`.
    ///
    /// # Errors
    /// [`Error::Schema`] when the Avro form cannot be read.
    pub fn new(schema: RecordSchema, json: &str, id: u32) -> Result<Self, Error> {
        Ok(Self { avro: AvroSchema::parse(json)?, schema, id })
    }

    /// Appends header and datum of `row` to `out`.
    ///
    /// # Errors
    /// [`Error::Value`] when a value does not fit its field.
    pub fn encode(&self, row: &[Value], out: &mut Vec<u8>) -> Result<(), Error> {
        out.reserve(wire::HEADER_LEN + 16 * row.len());
        self.avro.encode(self.id, &Row { schema: &self.schema, values: row }, out)
    }
}

/// Serialises values as the record that `schema` says.
pub(super) struct Row<'a> {
    pub(super) schema: &'a RecordSchema,
    pub(super) values: &'a [Value],
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.values.len()))?;
        for (field, value) in self.schema.fields.iter().zip(self.values) {
            let millis = field.ty == Type::TimestampMillis;
            map.serialize_entry(field.name.as_str(), &ValueRef { value, millis })?;
        }
        map.end()
    }
}

struct ValueRef<'a> {
    value: &'a Value,
    millis: bool,
}

impl Serialize for ValueRef<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.value {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(v) => serializer.serialize_bool(*v),
            Value::Long(v) => serializer.serialize_i64(*v),
            Value::Double(v) => serializer.serialize_f64(*v),
            Value::Decimal(v) => Serialize::serialize(v, serializer),
            Value::String(v) => serializer.serialize_str(v),
            Value::Timestamp(v) if self.millis => serializer.serialize_i64(v.div_euclid(1000)),
            Value::Timestamp(v) => serializer.serialize_i64(*v),
        }
    }
}

/// Deserialises one value of type `.0` (which tells timestamps and decimals from numbers and text).
pub(super) struct ValueSeed<'a>(pub(super) &'a Type);

impl<'de> DeserializeSeed<'de> for ValueSeed<'_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueSeed<'_> {
    type Value = Value;
    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "a {}", self.0)
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Bool(v))
    }
    fn visit_i32<E>(self, v: i32) -> Result<Value, E> {
        Ok(Value::Long(i64::from(v)))
    }
    fn visit_i64<E: serde::de::Error>(self, v: i64) -> Result<Value, E> {
        match self.0 {
            Type::TimestampMicros => Ok(Value::Timestamp(v)),
            Type::TimestampMillis => {
                v.checked_mul(1000).map(Value::Timestamp).ok_or_else(|| E::custom(format!("{v} ms is beyond the calendar")))
            }
            _ => Ok(Value::Long(v)),
        }
    }
    fn visit_f32<E>(self, v: f32) -> Result<Value, E> {
        Ok(Value::Double(f64::from(v)))
    }
    fn visit_f64<E>(self, v: f64) -> Result<Value, E> {
        Ok(Value::Double(v))
    }
    fn visit_str<E: serde::de::Error>(self, v: &str) -> Result<Value, E> {
        match self.0 {
            Type::Decimal { .. } => Decimal::from_str_exact(v).map(Value::Decimal).map_err(E::custom),
            _ => Ok(Value::String(v.into())),
        }
    }
}

/// Deserialises a nested record by field name into as many slots as there are names.
pub(super) struct NamedSeed<'a, N, T> {
    /// The names, and what to read under each.
    pub(super) names: &'a [N],
    pub(super) name_of: fn(&N) -> &str,
    pub(super) type_of: fn(&N) -> &Type,
    pub(super) finish: fn(Value) -> Option<T>,
    pub(super) absent: fn(&N) -> T,
}

impl<'de, N, T> DeserializeSeed<'de> for NamedSeed<'_, N, T> {
    type Value = Vec<T>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<T>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, N, T> Visitor<'de> for NamedSeed<'_, N, T> {
    type Value = Vec<T>;
    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a nested record")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<T>, A::Error> {
        let mut out = Vec::with_capacity(self.names.len());
        let mut early: Vec<(usize, T)> = Vec::new();
        // the writer's order is ours unless it wrote another version: then names are looked up
        while let Some(slot) = map.next_key_seed(SlotSeed { names: self.names, name_of: self.name_of, hint: out.len() })? {
            let Some(slot) = slot else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let name = &self.names[slot];
            let value = map.next_value_seed(ValueSeed((self.type_of)(name)))?;
            let value =
                (self.finish)(value).ok_or_else(|| A::Error::custom(format_args!("field `{}` has another type", (self.name_of)(name))))?;
            if slot == out.len() {
                out.push(value);
            } else {
                early.push((slot, value));
            }
        }
        while out.len() < self.names.len() {
            out.push((self.absent)(&self.names[out.len()]));
        }
        for (slot, value) in early {
            out[slot] = value;
        }
        Ok(out)
    }
}

struct SlotSeed<'a, N> {
    names: &'a [N],
    name_of: fn(&N) -> &str,
    hint: usize,
}

impl<'de, N> DeserializeSeed<'de> for SlotSeed<'_, N> {
    type Value = Option<usize>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl<N> Visitor<'_> for SlotSeed<'_, N> {
    type Value = Option<usize>;
    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a field name")
    }
    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        if self.names.get(self.hint).is_some_and(|n| (self.name_of)(n) == name) {
            return Ok(Some(self.hint));
        }
        Ok(self.names.iter().position(|n| (self.name_of)(n) == name))
    }
}

/// The text in a value; keys and ids are strings.
pub(super) fn text(value: Value) -> Option<CompactString> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}
