//! Is this row a valid event? Everything that does not need the past.

use compact_str::CompactString;
use tidemill_events::{Value, time};
use tidemill_expr::Program;
use tidemill_pipeline::Pipeline;

/// Reason codes that are not an expectation's own.
pub mod reasons {
    /// The record has no payload.
    pub const NULL_PAYLOAD: &str = "null_payload";
    /// The payload does not start as a schema registry record does.
    pub const NOT_AVRO: &str = "not_avro";
    /// The schema id is not one of the raw topic's subject, or cannot be read as the event schema.
    pub const UNKNOWN_SCHEMA: &str = "unknown_schema";
    /// The bytes are not a record of their schema.
    pub const UNDECODABLE: &str = "undecodable";
    /// The event has no id.
    pub const MISSING_ID: &str = "missing_id";
    /// The event has no time, or one beyond the calendar.
    pub const INVALID_TIME: &str = "invalid_time";
    /// The event's time is further ahead of its append time than `max_future`.
    pub const FUTURE: &str = "future";
    /// The event is older than the partition's merge time by more than `lateness`.
    pub const LATE: &str = "late";
    /// The id is already valid, within `dedupe`.
    pub const DUPLICATE: &str = "duplicate";
}

/// Why a record is rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reason {
    pub(crate) code: CompactString,
    pub(crate) detail: String,
}

impl Reason {
    pub(crate) fn new(code: &str, detail: impl Into<String>) -> Self {
        Self { code: code.into(), detail: detail.into() }
    }
}

/// Id and time of a row that is valid by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) id: CompactString,
    pub(crate) time: i64,
}

/// Checks a row that was appended at `appended_at` (microseconds since 1970).
pub(crate) fn check(pipeline: &Pipeline, row: &[Value], appended_at: i64) -> Result<Stamp, Reason> {
    let id = row.get(pipeline.source.id).and_then(Value::to_key).filter(|id| !id.is_empty());
    let id = id.ok_or_else(|| Reason::new(reasons::MISSING_ID, "the id is null or empty"))?;
    let Some(Value::Timestamp(event_time)) = row.get(pipeline.source.time) else {
        return Err(Reason::new(reasons::INVALID_TIME, "the event time is null"));
    };
    let event_time = *event_time;
    // half a calendar on either side leaves room for windows without overflow
    if !(0..i64::MAX / 4).contains(&event_time) {
        return Err(Reason::new(reasons::INVALID_TIME, format!("event time {event_time} µs is before 1970 or beyond the calendar")));
    }
    for expectation in &pipeline.expectations {
        violation(&expectation.check, row).map_or(Ok(()), |detail| Err(Reason::new(&expectation.reason, detail)))?;
    }
    let ahead = event_time - appended_at;
    if ahead > pipeline.source.max_future {
        let (by, limit) = (time::format_instant(event_time), time::format_duration(pipeline.source.max_future));
        return Err(Reason::new(reasons::FUTURE, format!("event time {by} is more than {limit} ahead of its arrival")));
    }
    Ok(Stamp { id, time: event_time })
}

/// What is wrong with `row` by `check`: it does not hold, or is null or an error, or looks at an infinite
/// number, of which every bound on one side holds.
fn violation(check: &Program, row: &[Value]) -> Option<String> {
    let infinite = |slot: &usize| matches!(row.get(*slot), Some(Value::Double(v)) if v.is_infinite());
    let source = check.source();
    match check.eval(row) {
        Ok(Value::Bool(true)) if check.slots().iter().any(infinite) => Some(format!("`{source}` looks at an infinite number")),
        Ok(Value::Bool(true)) => None,
        Ok(Value::Bool(false)) => Some(format!("`{source}` does not hold")),
        Ok(_) => Some(format!("`{source}` is null")),
        Err(error) => Some(format!("`{source}`: {error}")),
    }
}
