//! Doubles as text, so that they come back bit for bit.
//!
//! `serde_json` without `float_roundtrip` reads some numbers one unit in the last place off. In a column
//! with ties that would move a whole group of values across an edge.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serializer};

pub(crate) fn serialize<S: Serializer>(values: &[f64], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(values.iter().map(|v| format!("{v:?}")))
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts.iter().map(|text| text.parse().map_err(|_| D::Error::custom(format!("`{text}` is not a number")))).collect()
}
