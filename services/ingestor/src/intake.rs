//! One kind of record: read from JSON, checked, written as Avro, given its key and partition.

pub use crate::outcome::Refusal;
use axum::http::StatusCode;
use compact_str::CompactString;
use std::borrow::Cow;
use tidemill_events::codec::{self, RawWriter};
use tidemill_events::json::Reader;
use tidemill_events::partition::partition_of;
use tidemill_events::time::{DAY, format_instant};
use tidemill_events::{RecordSchema, Type, Value};
use tidemill_features::HopSpec;

/// 1971-01-01: what lies before is a clock that was never set, or seconds taken for a finer unit.
const EARLIEST: i64 = 365 * DAY;
/// 2200-01-01: what lies behind is a placeholder, or a unit mistaken.
const LATEST: i64 = 84_006 * DAY;

/// What [`Intake`] needs to know of its records.
#[derive(Debug, Clone)]
pub struct Shape {
    /// The topic they go to.
    pub topic: String,
    /// Its partitions.
    pub partitions: u32,
    /// Their schema.
    pub schema: RecordSchema,
    /// The same as Avro, as it is registered.
    pub avro: String,
    /// The id it is registered as.
    pub schema_id: u32,
    /// Slot of the event id.
    pub id: usize,
    /// Slot of the time.
    pub time: usize,
    /// The entity whose key is the record's; the event id is where there is none.
    pub entity: Option<HopSpec>,
}

/// Takes records of one [`Shape`].
pub struct Intake {
    reader: Reader,
    writer: RawWriter,
    shape: Shape,
}

/// A record that may go to its topic; its payload is where the caller wanted it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    /// The event's id.
    pub event_id: CompactString,
    /// The record's key.
    pub key: CompactString,
    /// Its partition: murmur2 of the key.
    pub partition: i32,
}

/// Stands in for an event's id and time where the event itself leaves them out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Substitutes<'a> {
    /// For the id.
    pub id: Option<Cow<'a, str>>,
    /// For the time, as RFC 3339.
    pub time: Option<Cow<'a, str>>,
}

impl Intake {
    /// An intake for records of `shape`.
    ///
    /// # Errors
    /// When the Avro form cannot be read.
    pub fn new(shape: Shape) -> Result<Self, codec::Error> {
        let writer = RawWriter::new(shape.schema.clone(), &shape.avro, shape.schema_id)?;
        Ok(Self { reader: Reader::new(shape.schema.clone()), writer, shape })
    }

    /// Partitions of the topic that the records go to.
    #[must_use]
    pub fn partitions(&self) -> u32 {
        self.shape.partitions
    }

    /// The topic that the records go to.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.shape.topic
    }

    /// Reads one record and puts its payload into `payload`, in place of what was there.
    ///
    /// # Errors
    /// [`Refusal`] when it is no such record.
    pub fn prepare(&self, json: &[u8], payload: &mut Vec<u8>) -> Result<Ready, Refusal> {
        self.prepare_or(json, &Substitutes::default(), payload)
    }

    /// As [`Intake::prepare`], with `substitutes` for what the record leaves out.
    pub(crate) fn prepare_or(&self, json: &[u8], substitutes: &Substitutes<'_>, payload: &mut Vec<u8>) -> Result<Ready, Refusal> {
        let id = substitutes.id.as_ref().map(|id| (self.shape.id, self.id_json(id)));
        let time = substitutes.time.as_ref().map(|time| (self.shape.time, quoted(time)));
        let otherwise: Vec<(usize, &str)> = id.iter().chain(&time).map(|(slot, json)| (*slot, json.as_str())).collect();
        let row = self.reader.read_or(json, &otherwise).map_err(|e| Refusal::of_json(&e))?;
        self.admit(&row, payload)
    }

    /// Takes a row of the schema, and puts its payload into `payload`, in place of what was there.
    pub(crate) fn admit(&self, row: &[Value], payload: &mut Vec<u8>) -> Result<Ready, Refusal> {
        let event_id = row.get(self.shape.id).and_then(Value::to_key).filter(|id| !id.is_empty());
        let event_id = event_id.ok_or_else(|| self.invalid("empty_id", self.shape.id, "empty: every event has an id"))?;
        self.check_time(row)?;
        let entity = self.shape.entity.as_ref().map(|entity| entity.key_of(row));
        let key = entity.filter(|key| !key.is_empty()).unwrap_or_else(|| event_id.clone());
        payload.clear();
        self.writer.encode(row, payload).map_err(|e| Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", e.to_string()))?;
        let partition = partition_of(key.as_bytes(), self.shape.partitions);
        Ok(Ready { event_id, key, partition })
    }

    /// An id as the schema's type has it in JSON.
    fn id_json(&self, id: &str) -> String {
        let ty = self.reader.schema().fields.get(self.shape.id).map(|f| &f.ty);
        let whole = matches!(ty, Some(Type::Int | Type::Long)) && id.parse::<i64>().is_ok_and(|n| n.to_string() == id);
        if whole { id.to_owned() } else { quoted(id) }
    }

    fn check_time(&self, row: &[Value]) -> Result<(), Refusal> {
        let slot = self.shape.time;
        match row.get(slot) {
            Some(Value::Timestamp(time)) if (EARLIEST..LATEST).contains(time) => Ok(()),
            Some(Value::Timestamp(time)) => {
                let why = format!("{} is not between 1971 and 2200: is the unit right?", format_instant(*time));
                Err(self.invalid("time_out_of_range", slot, &why))
            }
            _ => Err(self.invalid("null_field", slot, "null: every event has a time")),
        }
    }

    fn invalid(&self, code: &'static str, slot: usize, why: &str) -> Refusal {
        let name = self.reader.schema().fields.get(slot).map_or("", |f| f.name.as_str());
        Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, code, format!("field `{name}`: {why}"))
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests;
