//! One field's value, as expressions, windows and codecs see it.

use crate::decimal::nearest_double;
use compact_str::CompactString;
use rust_decimal::Decimal;

/// A field, key, feature or expression result.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    /// Absent.
    #[default]
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer (Avro `int` and `long`).
    Long(i64),
    /// A double (Avro `float` and `double`).
    Double(f64),
    /// An exact decimal: money.
    Decimal(Decimal),
    /// Text, an id or an enum symbol.
    String(CompactString),
    /// An instant in microseconds since 1970-01-01T00:00:00Z.
    Timestamp(i64),
}

impl Value {
    /// `true` for [`Value::Null`].
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// The number this value is, as a double; `None` for everything that is not a number.
    ///
    /// A decimal becomes the nearest double.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Value::Long(v) => Some(*v as f64),
            Value::Double(v) => Some(*v),
            Value::Decimal(v) => Some(nearest_double(v.mantissa(), v.scale())),
            Value::Null | Value::Bool(_) | Value::String(_) | Value::Timestamp(_) => None,
        }
    }

    /// The key text of this value: strings as they are, integers as decimal strings; `None` for the
    /// rest, which cannot name an entity or an event.
    #[must_use]
    pub fn to_key(&self) -> Option<CompactString> {
        match self {
            Value::String(v) => Some(v.clone()),
            Value::Long(v) => Some(compact_str::format_compact!("{v}")),
            Value::Null | Value::Bool(_) | Value::Double(_) | Value::Decimal(_) | Value::Timestamp(_) => None,
        }
    }

    /// Equality of representation: like `==`, but NaN equals the same NaN and 0.0 differs from -0.0.
    #[must_use]
    pub fn bit_eq(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Double(a), Value::Double(b)) => a.to_bits() == b.to_bits(),
            (a, b) => a == b,
        }
    }
}
