//! What the validator commits beside an offset: its clock, how far its own output goes, the open minute.

use crate::quality::Minute;
use compact_str::CompactString;
use tidemill_stream::metadata::{put_varint, take_varint};

/// The validator's part of the offset metadata.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Checkpoint {
    /// Largest event time of a valid event, microseconds since 1970: the merge time of the next.
    pub(crate) merge_time: Option<i64>,
    /// Offset of the last record written to this partition of `<p>.valid`.
    pub(crate) last_valid: Option<i64>,
    /// The minute that is being counted.
    pub(crate) minute: Minute,
}

impl Checkpoint {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for value in [self.merge_time, self.last_valid, self.minute.start] {
            put_varint(&mut out, value.map_or(0, |v| v as u64 + 1));
        }
        put_varint(&mut out, self.minute.valid);
        put_varint(&mut out, self.minute.out_of_order);
        for (reason, count) in &self.minute.rejected {
            put_varint(&mut out, reason.len() as u64);
            out.extend_from_slice(reason.as_bytes());
            put_varint(&mut out, *count);
        }
        out
    }

    /// `None` when the bytes are not a checkpoint.
    pub(crate) fn decode(mut bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() {
            return Some(Self::default());
        }
        let bytes = &mut bytes;
        let mut optional = || take_varint(bytes).map(|v| v.checked_sub(1).map(|v| v as i64));
        let (merge_time, last_valid, start) = (optional()?, optional()?, optional()?);
        let mut minute = Minute { start, valid: take_varint(bytes)?, out_of_order: take_varint(bytes)?, rejected: Vec::new() };
        while !bytes.is_empty() {
            let length = usize::try_from(take_varint(bytes)?).ok()?;
            let (reason, rest) = bytes.split_at_checked(length)?;
            *bytes = rest;
            minute.rejected.push((CompactString::from_utf8(reason).ok()?, take_varint(bytes)?));
        }
        Some(Self { merge_time, last_valid, minute })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn instant() -> impl Strategy<Value = Option<i64>> {
        prop::option::of(0..i64::MAX / 2)
    }

    proptest! {
        #[test]
        fn round_trips(
            (merge_time, last_valid, start) in (instant(), instant(), instant()),
            valid: u64, out_of_order: u64,
            rejected in prop::collection::vec(("[a-z_]{1,63}", any::<u64>()), 0..5),
        ) {
            let rejected = rejected.into_iter().map(|(r, n)| (r.into(), n)).collect();
            let checkpoint = Checkpoint { merge_time, last_valid, minute: Minute { start, valid, out_of_order, rejected } };
            prop_assert_eq!(Checkpoint::decode(&checkpoint.encode()), Some(checkpoint));
        }

        #[test]
        fn never_panics(bytes: Vec<u8>) {
            let _ = Checkpoint::decode(&bytes);
        }
    }
}
