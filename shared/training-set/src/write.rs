//! Rows into the bytes of a Parquet file.

use crate::{Error, Rows, schema};
use compact_str::CompactString;
use parquet::basic::{Compression, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use std::ops::Range;
use std::sync::Arc;

/// Rows of a row group, at most.
const GROUP: usize = 262_144;
/// Compression that costs little beside the training itself.
const ZSTD: i32 = 3;

/// The rows of `range` as a Parquet file: always the same bytes for the same rows and version of Tidemill.
///
/// # Errors
/// [`Error::Parquet`], which the rows themselves never cause.
pub fn write(rows: &Rows, range: Range<usize>) -> Result<Vec<u8>, Error> {
    let properties = WriterProperties::builder()
        .set_created_by("tidemill".to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD)?))
        .set_key_value_metadata(Some(schema::metadata(&rows.columns)?))
        .build();
    let mut writer = SerializedFileWriter::new(Vec::new(), schema::schema(&rows.columns)?, Arc::new(properties))?;
    for start in range.clone().step_by(GROUP) {
        let part = start..range.end.min(start + GROUP);
        let mut group = writer.next_row_group()?;
        text(&mut group, &rows.event_id[part.clone()])?;
        column::<Int64Type>(&mut group, &rows.event_time[part.clone()], None)?;
        column::<DoubleType>(&mut group, &rows.label[part.clone()], None)?;
        column::<Int64Type>(&mut group, &rows.label_time[part.clone()], None)?;
        for entity in &rows.entities {
            text(&mut group, &entity[part.clone()])?;
        }
        for feature in &rows.features {
            optional(&mut group, &feature[part.clone()])?;
        }
        group.close()?;
    }
    Ok(writer.into_inner()?)
}

type Group<'a> = SerializedRowGroupWriter<'a, Vec<u8>>;

fn text(group: &mut Group<'_>, values: &[CompactString]) -> Result<(), ParquetError> {
    let values: Vec<ByteArray> = values.iter().map(|v| ByteArray::from(v.as_str())).collect();
    column::<ByteArrayType>(group, &values, None)
}

/// NaN is null.
fn optional(group: &mut Group<'_>, values: &[f64]) -> Result<(), ParquetError> {
    let levels: Vec<i16> = values.iter().map(|v| i16::from(!v.is_nan())).collect();
    let present: Vec<f64> = values.iter().copied().filter(|v| !v.is_nan()).collect();
    column::<DoubleType>(group, &present, Some(&levels))
}

fn column<T: DataType>(group: &mut Group<'_>, values: &[T::T], levels: Option<&[i16]>) -> Result<(), ParquetError> {
    let mut writer = group.next_column()?.ok_or_else(|| ParquetError::General("the schema has fewer columns".into()))?;
    writer.typed::<T>().write_batch(values, levels, None)?;
    writer.close()
}
