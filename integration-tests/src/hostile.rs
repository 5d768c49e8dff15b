//! Hostile records for a raw topic, each with the reason it must be rejected with.

use crate::producer::Outgoing;
use std::collections::BTreeMap;

/// Bytes of Confluent's header.
const HEADER: usize = 5;

/// A record that is no event.
#[derive(Debug, Clone)]
pub struct Hostile {
    /// What is wrong with it.
    pub what: String,
    /// Its value; `None` is a tombstone.
    pub payload: Option<Vec<u8>>,
    /// The reason code it must be rejected with.
    pub reason: &'static str,
}

impl Hostile {
    /// A record with this value.
    #[must_use]
    pub fn new(what: impl Into<String>, payload: impl Into<Option<Vec<u8>>>, reason: &'static str) -> Self {
        Self { what: what.into(), payload: payload.into(), reason }
    }

    /// The record, to be written to `partition`.
    #[must_use]
    pub fn outgoing(&self, partition: i32) -> Outgoing {
        Outgoing { partition, key: Some(b"hostile".to_vec()), payload: self.payload.clone(), headers: Vec::new() }
    }
}

/// What can be done to any record: `good` is one whose first field is a string, `foreign` a schema id of
/// another subject, `unknown` one that nobody registered.
#[must_use]
pub fn corruptions(good: &[u8], foreign: u32, unknown: u32) -> Vec<Hostile> {
    let under = |id: u32| [&[0], id.to_be_bytes().as_slice(), &good[HEADER..]].concat();
    let with_datum = |datum: &[u8]| [&good[..HEADER], datum].concat();
    let with_first_string = |length: i64| with_datum(&[long(length), b"abc".to_vec()].concat());
    let mut all = vec![
        Hostile::new("no payload", None, "null_payload"),
        Hostile::new("another magic byte", [&[1], &good[1..]].concat(), "not_avro"),
        Hostile::new("JSON", br#"{"transaction_id":"1"}"#.to_vec(), "not_avro"),
        Hostile::new("an unknown schema id", under(unknown), "unknown_schema"),
        Hostile::new("the largest schema id", under(u32::MAX), "unknown_schema"),
        Hostile::new("the id of another subject", under(foreign), "unknown_schema"),
        Hostile::new("a trailing byte", [good, &[0]].concat(), "undecodable"),
        Hostile::new("the record twice", [good, &good[HEADER..]].concat(), "undecodable"),
        Hostile::new("a string of 2^62 bytes", with_first_string(1 << 62), "undecodable"),
        Hostile::new("a string of -1 bytes", with_first_string(-1), "undecodable"),
        Hostile::new("a string of 2^31 bytes", with_first_string(1 << 31), "undecodable"),
        Hostile::new("a string that is not UTF-8", with_datum(&[long(2), vec![0xc3, 0x28]].concat()), "undecodable"),
        Hostile::new("a length that never ends", with_datum(&[0xff; 64]), "undecodable"),
        Hostile::new("half a megabyte of zeros", with_datum(&vec![0; 500_000]), "undecodable"),
    ];
    all.extend((0..HEADER).map(|n| Hostile::new(format!("{n} bytes"), good[..n].to_vec(), "not_avro")));
    all.extend((HEADER..good.len()).map(|n| Hostile::new(format!("cut after {n} bytes"), good[..n].to_vec(), "undecodable")));
    all
}

/// How often each reason is wanted.
#[must_use]
pub fn reasons(all: &[Hostile]) -> BTreeMap<&'static str, u64> {
    all.iter().fold(BTreeMap::new(), |mut counts, hostile| {
        *counts.entry(hostile.reason).or_default() += 1;
        counts
    })
}

/// An Avro long: zigzag, seven bits a byte.
#[must_use]
pub fn long(value: i64) -> Vec<u8> {
    let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
    let mut bytes = Vec::new();
    while rest >= 0x80 {
        bytes.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    bytes
}

/// An Avro string.
#[must_use]
pub fn string(text: &str) -> Vec<u8> {
    [long(text.len() as i64), text.as_bytes().to_vec()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longs_are_as_avro_says() {
        for (value, bytes) in [(0, vec![0]), (-1, vec![1]), (1, vec![2]), (-64, vec![0x7f]), (64, vec![0x80, 0x01])] {
            assert_eq!(long(value), bytes, "{value}");
        }
    }
}
