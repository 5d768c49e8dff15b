//! Writing: each function appends to `out`.

use super::super::Error;
use super::{NULL, SOME};
use crate::layout::{FeatureColumn, FeatureType};
use crate::records::ModelRef;
use crate::{Source, Stage, Value};
use compact_str::CompactString;

/// An `int` or a `long`; also the position of a union's branch.
pub(in super::super) fn long(value: i64, out: &mut Vec<u8>) {
    let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// A `string`.
pub(in super::super) fn text(value: &str, out: &mut Vec<u8>) {
    long(value.len() as i64, out);
    out.extend_from_slice(value.as_bytes());
}

/// A `double`.
pub(in super::super) fn double(value: f64, out: &mut Vec<u8>) {
    out.extend_from_slice(&value.to_le_bytes());
}

/// Record `Source`.
pub(in super::super) fn source(source: &Source, out: &mut Vec<u8>) {
    text(&source.topic, out);
    long(source.partition.into(), out);
    long(source.offset, out);
}

/// Record `Stage`.
pub(in super::super) fn stage(stage: &Stage, out: &mut Vec<u8>) {
    text(&stage.stage, out);
    long(stage.partition.into(), out);
}

/// Record `Model`.
pub(in super::super) fn model(model: &ModelRef, out: &mut Vec<u8>) {
    text(&model.name, out);
    long(model.version.into(), out);
    text(&model.digest, out);
    text(&model.stage, out);
}

/// Record `Entities`, which has a string for each of `names`.
pub(in super::super) fn entities(names: &[CompactString], keys: &[CompactString], out: &mut Vec<u8>) -> Result<(), Error> {
    if names.len() != keys.len() {
        return Err(Error::Value(format!("{} keys for {} entities", keys.len(), names.len())));
    }
    keys.iter().for_each(|key| text(key, out));
    Ok(())
}

/// Record `Features`, which has a nullable value for each of `columns`.
pub(in super::super) fn features(columns: &[FeatureColumn], values: &[Value], out: &mut Vec<u8>) -> Result<(), Error> {
    if columns.len() != values.len() {
        return Err(Error::Value(format!("{} values for {} features", values.len(), columns.len())));
    }
    for (column, value) in columns.iter().zip(values) {
        match (column.ty, value) {
            (_, Value::Null) => long(NULL, out),
            (FeatureType::Double, Value::Double(value)) => {
                long(SOME, out);
                double(*value, out);
            }
            (FeatureType::String, Value::String(value)) => {
                long(SOME, out);
                text(value, out);
            }
            (ty, value) => return Err(Error::Value(format!("feature `{}` is {ty:?}, not {value:?}", column.name))),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_specification() {
        let encoded = |value| {
            let mut out = Vec::new();
            long(value, &mut out);
            out
        };
        let table = [(0, &[0x00][..]), (-1, &[0x01]), (1, &[0x02]), (-64, &[0x7f]), (64, &[0x80, 0x01]), (8_192, &[0x80, 0x80, 0x01])];
        for (value, bytes) in table {
            assert_eq!(encoded(value), bytes, "{value}");
        }
        assert_eq!(encoded(i64::MAX), [&[0xfe][..], &[0xff; 8], &[0x01]].concat());
        assert_eq!(encoded(i64::MIN), [&[0xff][..], &[0xff; 8], &[0x01]].concat());
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let columns = [FeatureColumn { name: "f".into(), ty: FeatureType::Double }];
        let mut out = Vec::new();
        let refused = features(&columns, &[Value::Long(1)], &mut out).unwrap_err().to_string();
        assert_eq!(refused, "feature `f` is Double, not Long(1)");
        assert!(features(&columns, &[], &mut out).is_err());
        assert!(entities(&["customer".into()], &[], &mut out).is_err());
    }
}
