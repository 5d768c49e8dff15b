//! Values for people and for JSON.

use serde_json::{Value as Json, json};
use tidemill_events::Value;
use tidemill_events::time::format_instant;

/// `value` for people.
#[must_use]
pub fn show(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(v) => v.to_string(),
        Value::Long(v) => v.to_string(),
        Value::Double(v) => v.to_string(),
        Value::Decimal(v) => v.to_string(),
        Value::String(v) => v.to_string(),
        Value::Timestamp(v) => format_instant(*v),
    }
}

/// `value` for programs. Decimals are strings, so that no digit is lost; a double that JSON cannot hold is null.
#[must_use]
pub fn to_json(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(v) => json!(v),
        Value::Long(v) => json!(v),
        Value::Double(v) => json!(v),
        Value::Decimal(v) => json!(v.to_string()),
        Value::String(v) => json!(v.as_str()),
        Value::Timestamp(v) => json!(format_instant(*v)),
    }
}
