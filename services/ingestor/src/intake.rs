//! One kind of record: read from JSON, checked, written as Avro, given its key and partition.

use crate::outcome::Refusal;
use axum::http::StatusCode;
use compact_str::CompactString;
use tidemill_events::codec::{self, RawWriter};
use tidemill_events::json::Reader;
use tidemill_events::partition::partition_of;
use tidemill_events::time::{DAY, format_instant};
use tidemill_events::{RecordSchema, Value};
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
pub(crate) struct Ready {
    pub(crate) event_id: CompactString,
    pub(crate) key: CompactString,
    pub(crate) partition: i32,
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

    /// The topic that the records go to.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.shape.topic
    }

    /// Reads one record and puts its payload into `payload`, in place of what was there.
    pub(crate) fn prepare(&self, json: &[u8], payload: &mut Vec<u8>) -> Result<Ready, Refusal> {
        let row = self.reader.read(json).map_err(|e| Refusal::of_json(&e))?;
        let event_id = row.get(self.shape.id).and_then(Value::to_key).filter(|id| !id.is_empty());
        let event_id = event_id.ok_or_else(|| self.invalid("empty_id", self.shape.id, "empty: every event has an id"))?;
        self.check_time(&row)?;
        let entity = self.shape.entity.as_ref().map(|entity| entity.key_of(&row));
        let key = entity.filter(|key| !key.is_empty()).unwrap_or_else(|| event_id.clone());
        payload.clear();
        self.writer.encode(&row, payload).map_err(|e| Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", e.to_string()))?;
        let partition = partition_of(key.as_bytes(), self.shape.partitions);
        Ok(Ready { event_id, key, partition })
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

#[cfg(test)]
mod tests;
