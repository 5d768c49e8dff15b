//! The Parquet schema of a training set.
//!
//! Columns stand in a fixed order, and their names are also in the file's metadata: a feature may be called as an
//! entity is, or as a fixed column, and then its column has another name.

use crate::{Columns, Error};
use parquet::basic::{LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::schema::types::Type;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Columns that every training set has.
pub(crate) const FIXED: [&str; 4] = ["event_id", "event_time", "label", "label_time"];
/// Key of the metadata that holds [`Columns`] as JSON.
const KEY: &str = "tidemill.columns";

pub(crate) fn schema(columns: &Columns) -> Result<Arc<Type>, ParquetError> {
    let mut fields = vec![text("event_id")?, time("event_time")?, double("label", Repetition::REQUIRED)?, time("label_time")?];
    let mut taken: BTreeSet<String> = FIXED.iter().map(ToString::to_string).collect();
    for entity in &columns.entities {
        fields.push(text(&free(&mut taken, entity, "entity_"))?);
    }
    for feature in &columns.features {
        fields.push(double(&free(&mut taken, feature, "feature_"), Repetition::OPTIONAL)?);
    }
    Type::group_type_builder("training_set").with_fields(fields).build().map(Arc::new)
}

/// `name`, or with as many prefixes as make it another than those taken.
fn free(taken: &mut BTreeSet<String>, name: &str, prefix: &str) -> String {
    let mut free = name.to_owned();
    while !taken.insert(free.clone()) {
        free.insert_str(0, prefix);
    }
    free
}

fn text(name: &str) -> Result<Arc<Type>, ParquetError> {
    let builder = Type::primitive_type_builder(name, Physical::BYTE_ARRAY).with_repetition(Repetition::REQUIRED);
    builder.with_logical_type(Some(LogicalType::String)).build().map(Arc::new)
}

fn time(name: &str) -> Result<Arc<Type>, ParquetError> {
    let micros = LogicalType::timestamp(true, TimeUnit::MICROS);
    let builder = Type::primitive_type_builder(name, Physical::INT64).with_repetition(Repetition::REQUIRED);
    builder.with_logical_type(Some(micros)).build().map(Arc::new)
}

fn double(name: &str, repetition: Repetition) -> Result<Arc<Type>, ParquetError> {
    Type::primitive_type_builder(name, Physical::DOUBLE).with_repetition(repetition).build().map(Arc::new)
}

pub(crate) fn metadata(columns: &Columns) -> Result<Vec<KeyValue>, Error> {
    let json = serde_json::to_string(columns).map_err(|e| Error::NotOurs(e.to_string()))?;
    Ok(vec![KeyValue::new(KEY.to_owned(), json)])
}

pub(crate) fn columns(metadata: Option<&Vec<KeyValue>>) -> Result<Columns, Error> {
    let json = metadata.into_iter().flatten().find(|pair| pair.key == KEY).and_then(|pair| pair.value.as_deref());
    let json = json.ok_or_else(|| Error::NotOurs(format!("its metadata has no `{KEY}`")))?;
    serde_json::from_str(json).map_err(|e| Error::NotOurs(format!("`{KEY}`: {e}")))
}
