//! Files written by the parquet crate's own writer, read back as cells.

use super::*;
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, FixedLenByteArray, FixedLenByteArrayType, Int32Type, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use std::sync::Arc;

const SCHEMA: &str = "message events {
    required int64 id;
    optional int64 at (TIMESTAMP(MICROS,true));
    optional fixed_len_byte_array(8) amount (DECIMAL(18,2));
    optional int32 fee (DECIMAL(9,3));
    optional binary note (UTF8);
    optional int32 kind (INTEGER(8,false));
    optional double ratio;
    optional int32 day (DATE);
}";

/// Writes two row groups; in the second, `id` 3 has nothing but its id.
fn file(path: &Path) {
    let schema = Arc::new(parse_message_type(SCHEMA).unwrap());
    let properties = Arc::new(WriterProperties::builder().set_compression(parquet::basic::Compression::ZSTD(Default::default())).build());
    let mut writer = SerializedFileWriter::new(File::create(path).unwrap(), schema, properties).unwrap();
    let flba = |v: i64| FixedLenByteArray::from(ByteArray::from(v.to_be_bytes().to_vec()));
    for (ids, present) in [(vec![1, 2], vec![1, 1]), (vec![3, 4], vec![0, 1])] {
        let some = present.iter().filter(|p| **p == 1).count();
        let levels = Some(present.as_slice());
        let mut group = writer.next_row_group().unwrap();
        macro_rules! column {
            ($ty:ty, $values:expr, $levels:expr) => {
                let mut column = group.next_column().unwrap().unwrap();
                column.typed::<$ty>().write_batch(&$values, $levels, None).unwrap();
                column.close().unwrap();
            };
        }
        column!(Int64Type, ids, None);
        column!(Int64Type, vec![1_522_540_831_000_001; some], levels);
        column!(FixedLenByteArrayType, [flba(-5), flba(123_456)][..some], levels);
        column!(Int32Type, vec![-1_500; some], levels);
        column!(ByteArrayType, vec![ByteArray::from("né"); some], levels);
        column!(Int32Type, vec![200; some], levels);
        column!(DoubleType, vec![0.25; some], levels);
        column!(Int32Type, vec![17_622; some], levels);
        group.close().unwrap();
    }
    writer.close().unwrap();
}

#[test]
fn reads_every_kind_across_row_groups_with_nulls_in_place() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("events.parquet");
    file(&path);
    let wanted = ["id", "at", "amount", "fee", "note", "kind", "ratio", "missing"];
    let mut rows = Parquet::open(&path, &wanted).unwrap();
    assert_eq!(rows.rows(), Some(4));
    let full = |amount| {
        [
            Cell::Instant(1_522_540_831_000_001),
            Cell::Decimal { unscaled: amount, scale: 2 },
            Cell::Decimal { unscaled: -1_500, scale: 3 },
            Cell::Text("né"),
            Cell::Decimal { unscaled: 200, scale: 0 },
            Cell::Double(0.25),
            Cell::Null,
        ]
    };
    for (id, cells) in [(1, full(-5)), (2, full(123_456)), (3, [Cell::Null; 7]), (4, full(-5))] {
        assert_eq!(rows.advance().unwrap(), Row::Ready);
        assert_eq!(rows.cell(0), Cell::Integer(id));
        assert_eq!(std::array::from_fn(|i| rows.cell(i + 1)), cells, "row {id}");
    }
    assert_eq!(rows.advance().unwrap(), Row::End);
    assert_eq!(rows.advance().unwrap(), Row::End);
}

#[test]
fn a_column_that_no_event_can_have_is_refused_only_when_wanted() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("events.parquet");
    file(&path);
    assert!(Parquet::open(&path, &["id"]).is_ok());
    let error = Parquet::open(&path, &["id", "day"]).err().unwrap().to_string();
    assert!(error.contains("column `day` is a date"), "{error}");
}

#[test]
fn a_damaged_file_is_an_error_not_a_short_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("events.parquet");
    file(&path);
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 9]).unwrap();
    assert!(Parquet::open(&path, &["id"]).is_err());
}
