//! Reason codes of rejected labels.

/// The record has no payload.
pub const NULL_PAYLOAD: &str = "null_payload";
/// The payload does not start as a schema registry record does.
pub const NOT_AVRO: &str = "not_avro";
/// The schema id is not one of the labels' subject, or cannot be read as a label.
pub const UNKNOWN_SCHEMA: &str = "unknown_schema";
/// The bytes are not a record of their schema, or a field is null.
pub const UNDECODABLE: &str = "undecodable";
/// The event has this label already.
pub const DUPLICATE: &str = "label_duplicate";
/// The event has another label: which of both is right, nobody but its source can tell.
pub const CONFLICT: &str = "label_conflict";
/// The label became known later than `labels.horizon` after its event.
pub const LATE: &str = "label_late";
/// No event of this id was predicted within `labels.horizon` of the label's time.
pub const UNKNOWN_EVENT: &str = "label_unknown_event";
/// The label is not between 0 and 1.
pub const OUT_OF_RANGE: &str = "label_out_of_range";
/// The label's time is further ahead of its append time than `source.max_future`: it would make everything that
/// still waits too old.
pub const FUTURE: &str = "label_future";
