//! Records whose shape is the same for every pipeline.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

/// `<p>.labels`: what became known of an event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Label {
    /// The event it is about.
    pub event_id: CompactString,
    /// The label: 0 or 1 where the objective is binary.
    pub label: f64,
    /// When it became known, microseconds since 1970.
    pub label_time: i64,
}

/// `source` of a record, as serde sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceRecord {
    /// Topic of the raw record.
    pub topic: CompactString,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
}

/// `<p>.rejected`: a raw record that is not valid, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reject {
    /// The raw record.
    pub source: SourceRecord,
    /// Reason code, e.g. `duplicate`, `late`, or the expectation's own.
    pub reason: String,
    /// What was wrong, for people.
    pub detail: String,
    /// SHA-256 of the whole raw payload, in hex.
    pub sha256: String,
    /// The first KiB of the raw payload.
    #[serde(with = "bytes")]
    pub original: Vec<u8>,
    /// Wall clock of the rejection, microseconds since 1970.
    pub rejected_at: i64,
}

/// Rejections of one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReasonCount {
    /// Reason code.
    pub reason: String,
    /// How many.
    pub count: i64,
}

/// `<p>.quality`: what the validator saw in one wall-clock minute of one raw partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quality {
    /// Raw partition.
    pub partition: i32,
    /// Start of the minute, microseconds since 1970.
    pub window_start: i64,
    /// End of the minute.
    pub window_end: i64,
    /// Records that were valid.
    pub valid: i64,
    /// Records that were rejected, by reason.
    pub rejected: Vec<ReasonCount>,
    /// Valid records with an event time below the partition's merge time.
    pub out_of_order: i64,
    /// Merge time of the partition at the end; null before the first valid record.
    pub merge_time: Option<i64>,
}

/// How much a feature contributed to a score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reason {
    /// The feature.
    pub feature: CompactString,
    /// Its contribution, in the model's raw score.
    pub contribution: f64,
}

/// The model that made a prediction.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ModelRef {
    /// Its name.
    pub name: CompactString,
    /// Its version; 0 is the bootstrap expression.
    pub version: i32,
    /// Digest of the artefact (or of the bootstrap expression), `sha256:…`.
    pub digest: String,
    /// `bootstrap`, `canary`, `champion` or `shadow`.
    pub stage: CompactString,
}

/// `tidemill.pipelines`: a pipeline file as it was applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pipeline {
    /// The pipeline's name.
    pub pipeline: String,
    /// 1 for the first apply, one more for every change.
    pub pipeline_version: i32,
    /// `sha256:…` of file and event schema.
    pub digest: String,
    /// The pipeline file.
    pub file: String,
    /// The event schema (`source.schema`), Avro JSON.
    pub event_schema: String,
    /// Wall clock of the apply, microseconds since 1970.
    pub applied_at: i64,
}

mod bytes {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(value)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        <&[u8]>::deserialize(deserializer).map(<[u8]>::to_vec)
    }
}
