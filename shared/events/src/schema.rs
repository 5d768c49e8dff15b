//! The pipeline's event schema: a flat Avro record, read from `.avsc` or from the registry.

use crate::Value;
use compact_str::CompactString;
use rust_decimal::Decimal;
use serde_json::{Value as Json, json};
use std::fmt;

/// The type of a field, apart from whether it may be null.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Type {
    /// `boolean`
    Bool,
    /// `int`: 32 bits.
    Int,
    /// `long`: 64 bits.
    Long,
    /// `float`: 32 bits on the wire, a double in memory.
    Float,
    /// `double`
    Double,
    /// `bytes` with logical type `decimal`; at most 28 digits.
    Decimal {
        /// Digits in all.
        precision: u32,
        /// Digits after the point.
        scale: u32,
    },
    /// `string`
    String,
    /// `enum`: a string among these symbols.
    Enum(Vec<CompactString>),
    /// `long` with logical type `timestamp-millis`; microseconds in memory.
    TimestampMillis,
    /// `long` with logical type `timestamp-micros`.
    TimestampMicros,
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Bool => f.write_str("boolean"),
            Type::Int => f.write_str("int"),
            Type::Long => f.write_str("long"),
            Type::Float => f.write_str("float"),
            Type::Double => f.write_str("double"),
            Type::Decimal { precision, scale } => write!(f, "decimal({precision}, {scale})"),
            Type::String => f.write_str("string"),
            Type::Enum(symbols) => write!(f, "enum({})", symbols.join(", ")),
            Type::TimestampMillis | Type::TimestampMicros => f.write_str("timestamp"),
        }
    }
}

/// A field of the event schema.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Its name.
    pub name: CompactString,
    /// Its type.
    pub ty: Type,
    /// Whether it may be null.
    pub nullable: bool,
    /// The value where an older writer did not have it.
    pub default: Option<Value>,
}

/// A flat record: what an upstream's event looks like.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordSchema {
    /// The record's name, without namespace.
    pub name: String,
    /// Its fields, in schema order: a field's index is its slot.
    pub fields: Vec<Field>,
}

/// Why an Avro schema cannot be an event schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Error(String);

/// Fields an event may have.
const MAX_FIELDS: usize = 1_000;

impl RecordSchema {
    /// Reads an Avro schema in JSON.
    ///
    /// # Errors
    /// Says which part is not JSON, not a record, or of a type that events cannot have (arrays, maps
    /// and nested records: publish them flat).
    pub fn parse(text: &str) -> Result<Self, Error> {
        let (name, fields) = Self::parse_some(text, |_| true)?;
        Ok(Self { name, fields: fields.into_iter().flatten().collect() })
    }

    /// The record's name, and those of its fields that are `wanted`, each at its place in the record. The others may
    /// be of any type.
    pub(crate) fn parse_some(text: &str, wanted: impl Fn(&str) -> bool) -> Result<(String, Vec<Option<Field>>), Error> {
        let json: Json = serde_json::from_str(text).map_err(|e| Error(format!("not JSON: {e}")))?;
        if json.get("type").and_then(Json::as_str) != Some("record") {
            return Err(Error("the event schema must be an Avro record".into()));
        }
        let name = json.get("name").and_then(Json::as_str).ok_or_else(|| Error("the record has no name".into()))?;
        let fields = json.get("fields").and_then(Json::as_array).ok_or_else(|| Error("the record has no `fields` array".into()))?;
        if fields.is_empty() || fields.len() > MAX_FIELDS {
            return Err(Error(format!("the record has {} fields: between 1 and {MAX_FIELDS} are possible", fields.len())));
        }
        let is_wanted = |json: &Json| json.get("name").and_then(Json::as_str).is_none_or(&wanted);
        let read = |json: &Json| if is_wanted(json) { field(json).map(Some) } else { Ok(None) };
        let fields = fields.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        for (i, f) in fields.iter().enumerate() {
            if let Some(f) = f
                && fields[..i].iter().flatten().any(|g| g.name == f.name)
            {
                return Err(Error(format!("field `{}` is there twice", f.name)));
            }
        }
        Ok((name.rsplit('.').next().unwrap_or(name).to_owned(), fields))
    }

    /// Slot of the field called `name`.
    #[must_use]
    pub fn slot(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|f| f.name == name)
    }

    /// This record as an Avro schema, called `name`.
    #[must_use]
    pub fn to_avro(&self, name: &str, namespace: Option<&str>) -> Json {
        let fields: Vec<Json> = self.fields.iter().map(Field::to_avro).collect();
        let mut record = json!({"type": "record", "name": name, "fields": fields});
        if let Some(namespace) = namespace {
            record["namespace"] = json!(namespace);
        }
        record
    }
}

impl Field {
    fn to_avro(&self) -> Json {
        let ty = match &self.ty {
            Type::Bool => json!("boolean"),
            Type::Int => json!("int"),
            Type::Long => json!("long"),
            Type::Float => json!("float"),
            Type::Double => json!("double"),
            Type::Decimal { precision, scale } => {
                json!({"type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale})
            }
            Type::String => json!("string"),
            Type::Enum(symbols) => json!({"type": "enum", "name": format!("{}_symbols", self.name), "symbols": symbols}),
            Type::TimestampMillis => json!({"type": "long", "logicalType": "timestamp-millis"}),
            Type::TimestampMicros => json!({"type": "long", "logicalType": "timestamp-micros"}),
        };
        let (ty, default) = match (self.nullable, &self.default) {
            (true, None) => (json!(["null", ty]), None),
            (true, Some(Value::Null)) => (json!(["null", ty]), Some(Json::Null)),
            (true, Some(v)) => (json!([ty, "null"]), default_to_json(v, &self.ty)),
            (false, default) => (ty, default.as_ref().and_then(|v| default_to_json(v, &self.ty))),
        };
        let mut field = json!({"name": self.name, "type": ty});
        if let Some(default) = default {
            field["default"] = default;
        }
        field
    }
}

fn field(json: &Json) -> Result<Field, Error> {
    let name = json.get("name").and_then(Json::as_str).ok_or_else(|| Error("a field has no name".into()))?;
    let at = |what: String| Error(format!("field `{name}`: {what}"));
    let ty = json.get("type").ok_or_else(|| at("it has no type".into()))?;
    let (ty, nullable) = match ty {
        Json::Array(branches) => {
            let others: Vec<&Json> = branches.iter().filter(|b| b.as_str() != Some("null")).collect();
            match others[..] {
                [one] if branches.len() == 2 => (one, true),
                [one] if branches.len() == 1 => (one, false),
                _ => return Err(at("a union may only hold null and one other type".into())),
            }
        }
        other => (other, false),
    };
    let ty = type_of(ty).map_err(at)?;
    let default = match json.get("default") {
        None => None,
        Some(Json::Null) if nullable => Some(Value::Null),
        Some(v) => Some(default_from_json(v, &ty).ok_or_else(|| at(format!("the default {v} is not a {ty}")))?),
    };
    Ok(Field { name: name.into(), ty, nullable, default })
}

fn type_of(json: &Json) -> Result<Type, String> {
    let (base, object) = match json {
        Json::String(s) => (s.as_str(), None),
        Json::Object(o) => (o.get("type").and_then(Json::as_str).unwrap_or(""), Some(o)),
        _ => return Err(format!("{json} is not a type")),
    };
    let logical = object.and_then(|o| o.get("logicalType")).and_then(Json::as_str);
    let number = |key: &str| object.and_then(|o| o.get(key)).and_then(Json::as_u64);
    match (base, logical) {
        ("bytes", Some("decimal")) => {
            let precision = number("precision").unwrap_or(0) as u32;
            let scale = number("scale").unwrap_or(0) as u32;
            if precision == 0 || precision > 28 || scale > precision {
                return Err(format!("a decimal has 1 to 28 digits and at most as many after the point, not ({precision}, {scale})"));
            }
            Ok(Type::Decimal { precision, scale })
        }
        ("long", Some("timestamp-millis")) => Ok(Type::TimestampMillis),
        ("long", Some("timestamp-micros")) => Ok(Type::TimestampMicros),
        ("enum", _) => {
            let symbols = object.and_then(|o| o.get("symbols")).and_then(Json::as_array).ok_or("the enum has no symbols")?;
            symbols
                .iter()
                .map(|s| s.as_str().map(Into::into).ok_or_else(|| "an enum symbol is not a string".to_owned()))
                .collect::<Result<_, _>>()
                .map(Type::Enum)
        }
        ("boolean", _) => Ok(Type::Bool),
        ("int", _) => Ok(Type::Int),
        ("long", _) => Ok(Type::Long),
        ("float", _) => Ok(Type::Float),
        ("double", _) => Ok(Type::Double),
        ("string", _) => Ok(Type::String),
        _ => Err(format!(
            "type {json} is not possible in an event: boolean, int, long, float, double, string, enum, decimal (bytes) and timestamp-millis or -micros (long) are, \
             and null with one of them; publish nested records and arrays flat"
        )),
    }
}

fn default_from_json(json: &Json, ty: &Type) -> Option<Value> {
    Some(match ty {
        Type::Bool => Value::Bool(json.as_bool()?),
        Type::Int => Value::Long(i64::from(i32::try_from(json.as_i64()?).ok()?)),
        Type::Long => Value::Long(json.as_i64()?),
        Type::Float | Type::Double => Value::Double(json.as_f64()?),
        Type::String => Value::String(json.as_str()?.into()),
        Type::Enum(symbols) => {
            let text = json.as_str()?;
            Value::String(symbols.iter().find(|s| *s == text)?.clone())
        }
        Type::TimestampMillis => Value::Timestamp(json.as_i64()?.checked_mul(1000)?),
        Type::TimestampMicros => Value::Timestamp(json.as_i64()?),
        // Avro writes the bytes of a decimal default as a string of code points 0 to 255
        Type::Decimal { scale, .. } => {
            let bytes = json.as_str()?.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect::<Option<Vec<u8>>>()?;
            let negative = bytes.first().is_some_and(|b| b & 0x80 != 0);
            let start = if negative { -1i128 } else { 0 };
            if bytes.len() > 12 {
                return None;
            }
            let mantissa = bytes.iter().fold(start, |acc, b| (acc << 8) | i128::from(*b));
            Value::Decimal(Decimal::try_from_i128_with_scale(mantissa, *scale).ok()?)
        }
    })
}

fn default_to_json(value: &Value, ty: &Type) -> Option<Json> {
    Some(match (value, ty) {
        (Value::Bool(v), _) => json!(v),
        (Value::Long(v), _) => json!(v),
        (Value::Double(v), _) => json!(v),
        (Value::String(v), _) => json!(v.as_str()),
        (Value::Timestamp(v), Type::TimestampMillis) => json!(v / 1000),
        (Value::Timestamp(v), _) => json!(v),
        (Value::Decimal(v), _) => json!(v.mantissa().to_be_bytes().iter().map(|b| char::from(*b)).collect::<String>()),
        (Value::Null, _) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_flat_record_and_writes_it_back() {
        let text = r#"{"type":"record","name":"a.Payment","fields":[
            {"name":"id","type":"string"},
            {"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}},
            {"name":"amount","type":{"type":"bytes","logicalType":"decimal","precision":18,"scale":2}},
            {"name":"note","type":["null","string"],"default":null},
            {"name":"kind","type":{"type":"enum","name":"Kind","symbols":["A","B"]},"default":"B"}]}"#;
        let schema = RecordSchema::parse(text).unwrap();
        assert_eq!(schema.name, "Payment");
        assert_eq!(schema.fields[2].ty, Type::Decimal { precision: 18, scale: 2 });
        assert!(schema.fields[3].nullable);
        assert_eq!(schema.fields[4].default, Some(Value::String("B".into())));
        let again = RecordSchema::parse(&schema.to_avro("Payment", Some("x")).to_string()).unwrap();
        assert_eq!(again, schema);
    }

    #[test]
    fn says_which_field_cannot_be() {
        let nested = r#"{"type":"record","name":"E","fields":[{"name":"xs","type":{"type":"array","items":"int"}}]}"#;
        let error = RecordSchema::parse(nested).unwrap_err().to_string();
        assert!(error.starts_with("field `xs`"), "{error}");
        let twice = r#"{"type":"record","name":"E","fields":[{"name":"x","type":"int"},{"name":"x","type":"int"}]}"#;
        assert!(RecordSchema::parse(twice).unwrap_err().to_string().contains("twice"));
    }
}
