//! What is written is read, and always in the same bytes.

use crate::{Columns, Error, Row, Rows, read, write};
use bytes::Bytes;
use proptest::prelude::*;
use tidemill_events::time::DAY;

fn columns(entities: &[&str], features: &[&str]) -> Columns {
    let names = |names: &[&str]| names.iter().map(|name| (*name).into()).collect();
    Columns { entities: names(entities), features: names(features) }
}

fn rows(columns: Columns, values: &[(String, i64, f64, Vec<f64>)]) -> Rows {
    let mut rows = Rows::new(columns);
    for (id, time, label, features) in values {
        let entities = [format!("c{}", id.len()).into(), "".into()];
        let (event_id, label_time) = (&id.into(), time.saturating_add(7 * DAY));
        rows.push(&Row { event_id, event_time: *time, label: *label, label_time, entities: &entities, features });
    }
    rows
}

/// Bit for bit, except that there is one NaN.
fn same(a: &Rows, b: &Rows) -> bool {
    let bits = |rows: &Rows| -> Vec<Vec<u64>> {
        let one = |v: &f64| if v.is_nan() { f64::NAN.to_bits() } else { v.to_bits() };
        rows.features.iter().chain([&rows.label]).map(|c| c.iter().map(one).collect()).collect()
    };
    let rest = |rows: &Rows| (rows.columns.clone(), rows.event_id.clone(), rows.event_time.clone(), rows.entities.clone());
    rest(a) == rest(b) && a.label_time == b.label_time && bits(a) == bits(b)
}

proptest! {
    #[test]
    fn what_is_written_is_read(values in prop::collection::vec(
        ("\\PC{0,20}", any::<i64>(), prop::sample::select(vec![0.0, 1.0]), prop::collection::vec(any::<f64>(), 3)), 0..200), part in any::<prop::sample::Index>())
    {
        let rows = rows(columns(&["customer", "terminal"], &["a", "b", "c"]), &values);
        let start = part.index(rows.len() + 1);
        let bytes = write(&rows, start..rows.len()).unwrap();
        prop_assert_eq!(&bytes, &write(&rows.clone(), start..rows.len()).unwrap());
        let part: Vec<usize> = (start..rows.len()).collect();
        prop_assert!(same(&read(Bytes::from(bytes)).unwrap(), &rows.select(&part)));
    }
}

#[test]
fn names_that_meet_are_told_apart() {
    let columns = columns(&["card", "label"], &["label", "card", "x"]);
    let rows = rows(columns.clone(), &[("e".into(), 1, 1.0, vec![1.5, f64::NAN, -2.0])]);
    let read = read(Bytes::from(write(&rows, 0..1).unwrap())).unwrap();
    assert_eq!(read.columns, columns);
    assert!(same(&read, &rows));
}

#[test]
fn more_rows_than_a_row_group_holds() {
    let mut many = Rows::new(columns(&[], &["x"]));
    for i in 0..300_000i64 {
        let missing = if i % 3 == 0 { f64::NAN } else { i as f64 };
        let event_id = &format!("{i}").into();
        many.push(&Row { event_id, event_time: i, label: (i % 2) as f64, label_time: i, entities: &[], features: &[missing] });
    }
    assert!(same(&read(Bytes::from(write(&many, 0..many.len()).unwrap())).unwrap(), &many));
}

#[test]
fn a_damaged_file_is_refused() {
    let rows = rows(columns(&["a", "b"], &["x"]), &[("e".into(), 1, 1.0, vec![1.5])]);
    let bytes = write(&rows, 0..1).unwrap();
    assert!(matches!(read(Bytes::copy_from_slice(&bytes[..bytes.len() - 1])), Err(Error::Parquet(_))));
    assert!(read(Bytes::new()).is_err());
}

#[test]
fn days_and_spans_follow_event_time() {
    let at = |time| (time_id(time), time, 0.0, vec![]);
    let rows = rows(columns(&[], &[]), &[at(-1), at(0), at(DAY - 1), at(DAY), at(3 * DAY)]);
    assert_eq!(rows.days(0..5), [(-1, 0..1), (0, 1..3), (1, 3..4), (3, 4..5)]);
    assert_eq!(rows.days(2..4), [(0, 2..3), (1, 3..4)]);
    assert_eq!(rows.between(0, DAY), 1..3);
    assert_eq!(rows.between(DAY, 0), 3..3);
}

fn time_id(time: i64) -> String {
    format!("e{time}")
}

#[test]
fn sets_with_other_columns_are_not_mixed() {
    let mut one = Rows::new(columns(&["a"], &["x"]));
    one.append(Rows::new(columns(&["a"], &["x"]))).unwrap();
    assert!(matches!(one.append(Rows::new(columns(&["a"], &["y"]))), Err(Error::Columns { .. })));
}
