//! What is committed beside an offset: the partition's commit number and the task's own bytes.
//!
//! Kafka wants metadata to be UTF-8 and bounds its length (`offset.metadata.max.bytes`, 4,096 by
//! default), so it is a version byte, varints and the task's bytes, in base64.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

const VERSION: u8 = 1;

/// Metadata of an offset commit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Metadata {
    /// How many transactions have been committed for this partition: fences the online store.
    pub seq: u64,
    /// The task's own bytes ([`crate::Task::checkpoint`]).
    pub task: Vec<u8>,
}

/// Metadata that this version cannot read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the offset metadata `{0}` was not written by Tidemill, or by a newer version of it")]
pub struct Unreadable(String);

impl Metadata {
    /// As it is committed.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut bytes = vec![VERSION];
        put_varint(&mut bytes, self.seq);
        bytes.extend_from_slice(&self.task);
        STANDARD_NO_PAD.encode(bytes)
    }

    /// Reads what [`Metadata::encode`] wrote.
    ///
    /// # Errors
    /// [`Unreadable`] when it is something else: an offset that another program committed to our group.
    pub fn decode(text: &str) -> Result<Self, Unreadable> {
        let unreadable = || Unreadable(text.chars().take(64).collect());
        let bytes = STANDARD_NO_PAD.decode(text).map_err(|_| unreadable())?;
        let Some((&VERSION, mut rest)) = bytes.split_first() else { return Err(unreadable()) };
        let seq = take_varint(&mut rest).ok_or_else(unreadable)?;
        Ok(Self { seq, task: rest.to_vec() })
    }
}

/// Appends `value` as an LEB128 varint.
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Takes a varint off the front; `None` when there is none.
#[must_use]
pub fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let part = u64::from(byte & 0x7f);
        if shift == 63 && part > 1 {
            return None;
        }
        value |= part << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn round_trips(seq: u64, task: Vec<u8>) {
            let metadata = Metadata { seq, task };
            prop_assert_eq!(Metadata::decode(&metadata.encode()), Ok(metadata));
        }

        #[test]
        fn never_panics(text in ".{0,40}") {
            let _ = Metadata::decode(&text);
        }
    }

    #[test]
    fn refuses_what_others_committed() {
        for text in ["", "hello", "AgA"] {
            assert!(Metadata::decode(text).is_err(), "{text}");
        }
    }
}
