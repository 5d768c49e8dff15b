//! One column of a row group: typed values, one per row.

use crate::publish::cell::Cell;
use parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type as Physical};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, DataType};
use parquet::errors::{ParquetError, Result};
use parquet::schema::types::ColumnDescriptor;

/// What a column's values mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    Integer,
    Unsigned,
    Double,
    Decimal {
        scale: u32,
    },
    /// Instants, in this many nanoseconds.
    Instant {
        unit: i64,
    },
    Text,
}

impl Kind {
    /// The kind of a column, or why its values cannot be in an event.
    pub(super) fn of(column: &ColumnDescriptor) -> std::result::Result<Self, String> {
        let refuse = |what: &str| Err(format!("column `{}` is {what}, which an event cannot have", column.path().string()));
        if column.max_rep_level() > 0 {
            return refuse("repeated");
        }
        let converted = column.converted_type();
        Ok(match (column.physical_type(), column.logical_type_ref()) {
            (_, Some(LogicalType::Decimal(decimal))) => Kind::Decimal { scale: u32::try_from(decimal.scale).unwrap_or(0) },
            (_, None) if converted == ConvertedType::DECIMAL => Kind::Decimal { scale: u32::try_from(column.type_scale()).unwrap_or(0) },
            (_, Some(LogicalType::Timestamp(timestamp))) => match timestamp.unit {
                TimeUnit::MILLIS => Kind::Instant { unit: 1_000_000 },
                TimeUnit::MICROS => Kind::Instant { unit: 1_000 },
                TimeUnit::NANOS => Kind::Instant { unit: 1 },
            },
            (_, None) if converted == ConvertedType::TIMESTAMP_MILLIS => Kind::Instant { unit: 1_000_000 },
            (_, None) if converted == ConvertedType::TIMESTAMP_MICROS => Kind::Instant { unit: 1_000 },
            (_, Some(LogicalType::Integer(integer))) if !integer.is_signed => Kind::Unsigned,
            (_, Some(LogicalType::Date | LogicalType::Time(_))) => return refuse("a date or a time of day"),
            (Physical::BOOLEAN, _) => Kind::Bool,
            (Physical::INT32 | Physical::INT64, _) => Kind::Integer,
            (Physical::FLOAT | Physical::DOUBLE, _) => Kind::Double,
            (Physical::BYTE_ARRAY, _) => Kind::Text,
            (Physical::INT96 | Physical::FIXED_LEN_BYTE_ARRAY, _) => return refuse("of bytes"),
        })
    }
}

/// One value per row of the chunk; whatever stands in a null's place is not looked at.
enum Values {
    Bools(Vec<bool>),
    Integers(Vec<i64>),
    Doubles(Vec<f64>),
    Decimals(Vec<i128>),
    Texts(Vec<ByteArray>),
}

pub(super) struct Column {
    kind: Kind,
    reader: ColumnReader,
    spread: Spread,
    values: Values,
}

/// Gives each row its place among the values that are there.
struct Spread {
    /// Definition level of a value that is there.
    present: i16,
    /// Which rows are null; empty when none is.
    nulls: Vec<bool>,
}

impl Column {
    /// A column whose values are there at definition level `present`.
    pub(super) fn new(kind: Kind, present: i16, reader: ColumnReader) -> Self {
        Self { kind, reader, spread: Spread { present, nulls: Vec::new() }, values: Values::Integers(Vec::new()) }
    }

    /// Reads the next `rows` values.
    pub(super) fn read(&mut self, rows: usize) -> Result<()> {
        let spread = &mut self.spread;
        self.values = match (&mut self.reader, self.kind) {
            (ColumnReader::BoolColumnReader(r), _) => Values::Bools(spread.read(r, rows, |v| v)?),
            (ColumnReader::FloatColumnReader(r), _) => Values::Doubles(spread.read(r, rows, f64::from)?),
            (ColumnReader::DoubleColumnReader(r), _) => Values::Doubles(spread.read(r, rows, |v| v)?),
            (ColumnReader::Int32ColumnReader(r), Kind::Decimal { .. }) => Values::Decimals(spread.read(r, rows, i128::from)?),
            (ColumnReader::Int64ColumnReader(r), Kind::Decimal { .. }) => Values::Decimals(spread.read(r, rows, i128::from)?),
            (ColumnReader::Int32ColumnReader(r), Kind::Unsigned) => Values::Decimals(spread.read(r, rows, |v| i128::from(v as u32))?),
            (ColumnReader::Int64ColumnReader(r), Kind::Unsigned) => Values::Decimals(spread.read(r, rows, |v| i128::from(v as u64))?),
            (ColumnReader::Int32ColumnReader(r), _) => Values::Integers(spread.read(r, rows, i64::from)?),
            (ColumnReader::Int64ColumnReader(r), _) => Values::Integers(spread.read(r, rows, |v| v)?),
            (ColumnReader::ByteArrayColumnReader(r), Kind::Decimal { .. }) => {
                Values::Decimals(spread.read(r, rows, |v| unscaled(v.data()))?)
            }
            (ColumnReader::ByteArrayColumnReader(r), _) => Values::Texts(spread.read(r, rows, |v| v)?),
            (ColumnReader::FixedLenByteArrayColumnReader(r), _) => Values::Decimals(spread.read(r, rows, |v| unscaled(v.data()))?),
            (ColumnReader::Int96ColumnReader(_), _) => return Err(ParquetError::NYI("INT96".into())),
        };
        self.check_text()
    }

    fn check_text(&self) -> Result<()> {
        let Values::Texts(texts) = &self.values else { return Ok(()) };
        for (row, text) in texts.iter().enumerate() {
            if !self.spread.is_null(row) {
                text.as_utf8()?;
            }
        }
        Ok(())
    }

    pub(super) fn cell(&self, row: usize) -> Cell<'_> {
        if self.spread.is_null(row) {
            return Cell::Null;
        }
        match (&self.values, self.kind) {
            (Values::Bools(values), _) => Cell::Bool(values[row]),
            (Values::Integers(values), Kind::Instant { unit }) => Cell::Instant(micros(values[row], unit)),
            (Values::Integers(values), _) => Cell::Integer(values[row]),
            (Values::Doubles(values), _) => Cell::Double(values[row]),
            (Values::Decimals(values), Kind::Decimal { scale }) => Cell::Decimal { unscaled: values[row], scale },
            (Values::Decimals(values), _) => Cell::Decimal { unscaled: values[row], scale: 0 },
            // checked when the chunk was read
            (Values::Texts(values), _) => values[row].as_utf8().map_or(Cell::Null, Cell::Text),
        }
    }
}

impl Spread {
    fn read<T: DataType, U: Default>(&mut self, reader: &mut ColumnReaderImpl<T>, rows: usize, f: impl Fn(T::T) -> U) -> Result<Vec<U>> {
        let (mut values, mut levels) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
        let mut read = 0;
        while read < rows {
            let (records, _, _) = reader.read_records(rows - read, Some(&mut levels), None, &mut values)?;
            if records == 0 {
                return Err(ParquetError::EOF(format!("a column ends {} rows before its row group", rows - read)));
            }
            read += records;
        }
        self.nulls.clear();
        let mut present = values.into_iter().map(f);
        if present.len() == rows {
            return Ok(present.collect());
        }
        self.nulls.extend(levels.iter().map(|level| *level < self.present));
        Ok(self.nulls.iter().map(|null| if *null { None } else { present.next() }.unwrap_or_default()).collect())
    }

    fn is_null(&self, row: usize) -> bool {
        self.nulls.get(row) == Some(&true)
    }
}

/// Big-endian two's complement, as Parquet writes decimals.
fn unscaled(bytes: &[u8]) -> i128 {
    let start = if bytes.first().is_some_and(|b| b & 0x80 != 0) { -1 } else { 0 };
    bytes.iter().fold(start, |value: i128, byte| value << 8 | i128::from(*byte))
}

fn micros(value: i64, unit: i64) -> i64 {
    if unit >= 1_000 { value.saturating_mul(unit / 1_000) } else { value.div_euclid(1_000 / unit) }
}
