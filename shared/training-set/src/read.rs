//! The bytes of a Parquet file into rows.

use crate::{Error, Rows, schema};
use bytes::Bytes;
use compact_str::CompactString;
use parquet::column::reader::get_typed_column_reader;
use parquet::data_type::{ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};

/// The rows of a file that [`crate::write`] wrote.
///
/// # Errors
/// [`Error::Parquet`] for what is no Parquet file, [`Error::NotOurs`] for one with other columns.
pub fn read(bytes: Bytes) -> Result<Rows, Error> {
    let file = SerializedFileReader::new(bytes)?;
    let metadata = file.metadata().file_metadata();
    let mut rows = Rows::new(schema::columns(metadata.key_value_metadata())?);
    if *metadata.schema_descr().root_schema() != *schema::schema(&rows.columns)? {
        return Err(Error::NotOurs("its columns are not those that its metadata names".into()));
    }
    for index in 0..file.num_row_groups() {
        let group = file.get_row_group(index)?;
        let group = Group { reader: &*group, rows: usize::try_from(group.metadata().num_rows()).unwrap_or(0) };
        rows.event_id.extend(group.text(0)?);
        rows.event_time.extend(group.required::<Int64Type>(1)?);
        rows.label.extend(group.required::<DoubleType>(2)?);
        rows.label_time.extend(group.required::<Int64Type>(3)?);
        let mut leaf = schema::FIXED.len();
        for entity in &mut rows.entities {
            entity.extend(group.text(leaf)?);
            leaf += 1;
        }
        for feature in &mut rows.features {
            feature.extend(group.optional(leaf)?);
            leaf += 1;
        }
    }
    Ok(rows)
}

/// A row group, and how many rows it says it has.
struct Group<'a> {
    reader: &'a dyn RowGroupReader,
    rows: usize,
}

impl Group<'_> {
    fn text(&self, leaf: usize) -> Result<Vec<CompactString>, Error> {
        let values = self.required::<ByteArrayType>(leaf)?;
        values.iter().map(|v| CompactString::from_utf8(v.data()).map_err(|e| Error::NotOurs(e.to_string()))).collect()
    }

    fn required<T: DataType>(&self, leaf: usize) -> Result<Vec<T::T>, Error> {
        let (values, _) = self.column::<T>(leaf)?;
        if values.len() != self.rows {
            return Err(Error::NotOurs(format!("column {leaf} has {} values for {} rows", values.len(), self.rows)));
        }
        Ok(values)
    }

    fn optional(&self, leaf: usize) -> Result<Vec<f64>, Error> {
        let (values, levels) = self.column::<DoubleType>(leaf)?;
        let mut values = values.into_iter();
        let column: Vec<f64> = levels.iter().map(|level| if *level > 0 { values.next().unwrap_or(f64::NAN) } else { f64::NAN }).collect();
        if column.len() != self.rows || values.next().is_some() {
            return Err(Error::NotOurs(format!("column {leaf} has {} values for {} rows", column.len(), self.rows)));
        }
        Ok(column)
    }

    /// All values of a column, and their definition levels if it is optional.
    fn column<T: DataType>(&self, leaf: usize) -> Result<(Vec<T::T>, Vec<i16>), Error> {
        let mut reader = get_typed_column_reader::<T>(self.reader.get_column_reader(leaf)?);
        let (mut values, mut levels) = (Vec::new(), Vec::new());
        loop {
            let (records, ..) = reader.read_records(self.rows.max(1), Some(&mut levels), None, &mut values)?;
            if records == 0 {
                return Ok((values, levels));
            }
        }
    }
}
