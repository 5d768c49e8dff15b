//! What the evaluator commits beside an offset, how far its own outputs go, and what it reads back of them.

use compact_str::CompactString;
use serde::Deserialize;
use tidemill_events::records::SourceRecord;
use tidemill_stream::metadata::{put_varint, take_varint};

/// Offsets of the last records that the task wrote to its partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Last {
    pub(crate) outcome: Option<i64>,
    pub(crate) reject: Option<i64>,
}

impl Last {
    pub(crate) fn encode(self) -> Vec<u8> {
        let mut out = Vec::new();
        for offset in [self.outcome, self.reject] {
            put_varint(&mut out, offset.map_or(0, |offset| offset as u64 + 1));
        }
        out
    }

    /// `None` when the bytes are not a checkpoint.
    pub(crate) fn decode(mut bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() {
            return Some(Self::default());
        }
        let bytes = &mut bytes;
        let mut offset = || take_varint(bytes).map(|v| v.checked_sub(1).map(|v| v as i64));
        Some(Self { outcome: offset()?, reject: offset()? })
    }
}

/// What a restore needs of an outcome.
#[derive(Deserialize)]
pub(crate) struct WrittenOutcome {
    pub(crate) event_id: CompactString,
    pub(crate) event_time: i64,
    pub(crate) label: f64,
    pub(crate) label_time: i64,
    pub(crate) source: SourceRecord,
}

/// What a restore needs of a reject.
#[derive(Deserialize)]
pub(crate) struct WrittenReject {
    pub(crate) source: SourceRecord,
}

#[cfg(test)]
mod tests {
    use super::Last;

    #[test]
    fn round_trips() {
        for last in [Last::default(), Last { outcome: Some(0), reject: None }, Last { outcome: Some(i64::MAX - 1), reject: Some(7) }] {
            assert_eq!(Last::decode(&last.encode()), Some(last));
        }
        assert_eq!(Last::decode(&[]), Some(Last::default()));
        assert_eq!(Last::decode(&[1]), None, "the second number is missing");
    }
}
