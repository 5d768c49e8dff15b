//! An event's way, for people and for programs.

use crate::output::{self, table};
use crate::value::{show, to_json};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Value as Json, json};
use tidemill_events::Value;
use tidemill_events::time::format_instant;

/// What became of the raw records of an event id; more than one if the id came more than once.
#[derive(serde::Serialize)]
pub(super) struct Report {
    pub(super) pipeline: String,
    pub(super) event_id: String,
    pub(super) ways: Vec<Way>,
}

/// The way of one raw record.
#[derive(Default, serde::Serialize)]
pub(super) struct Way {
    pub(super) stops: Vec<Stop>,
    /// Where it is not yet.
    pub(super) missing: Option<String>,
    #[serde(skip)]
    pub(super) event_id: String,
    #[serde(skip)]
    pub(super) entities: Vec<String>,
}

/// A record on the way.
pub(super) struct Stop {
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) key: Option<String>,
    /// Microseconds since 1970.
    pub(super) appended_at: i64,
    pub(super) details: Vec<Detail>,
}

/// A named value.
pub(super) struct Detail {
    name: String,
    value: Value,
}

impl Detail {
    pub(super) fn of(name: &str, value: &Value) -> Self {
        Self { name: name.to_owned(), value: value.clone() }
    }
}

impl Stop {
    pub(super) fn with(mut self, details: impl IntoIterator<Item = Detail>) -> Self {
        self.details.extend(details);
        self
    }

    fn details(&self) -> Json {
        self.details.iter().map(|d| (d.name.clone(), to_json(&d.value))).collect::<serde_json::Map<_, _>>().into()
    }
}

impl Serialize for Stop {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(6))?;
        map.serialize_entry("topic", &self.topic)?;
        map.serialize_entry("partition", &self.partition)?;
        map.serialize_entry("offset", &self.offset)?;
        map.serialize_entry("key", &self.key)?;
        map.serialize_entry("appended_at", &format_instant(self.appended_at))?;
        map.serialize_entry("details", &self.details())?;
        map.end()
    }
}

impl output::Report for Report {
    fn rows(&self) -> Vec<Json> {
        let rows = self
            .ways
            .iter()
            .zip(1..)
            .flat_map(|(way, number)| way.stops.iter().map(move |stop| output::row(json!({"way": number}), json!(stop))));
        rows.collect()
    }

    fn table(&self) -> String {
        let mut out = format!("event {} of {}\n", self.event_id, self.pipeline);
        for (way, number) in self.ways.iter().zip(1..) {
            if self.ways.len() > 1 {
                out += &format!("\nrecord {number} of {} with this id\n", self.ways.len());
            }
            out += &format!("\n{}\n", way.table().trim_fmt());
            if let Some(missing) = &way.missing {
                out += &format!("{missing}\n");
            }
        }
        out
    }
}

impl Way {
    fn table(&self) -> comfy_table::Table {
        let mut table = table(["topic", "partition", "offset", "key", "appended", "after", "what"]);
        let mut before = None;
        for stop in &self.stops {
            let after = before.map_or(String::new(), |before| format!("+{} ms", (stop.appended_at - before) / 1_000));
            before = Some(stop.appended_at);
            let what: Vec<String> = stop.details.iter().map(|d| format!("{} {}", d.name, show(&d.value))).collect();
            let key = stop.key.clone().unwrap_or_default();
            let place = [stop.partition.to_string(), stop.offset.to_string()];
            let [partition, offset] = place;
            table.add_row([stop.topic.clone(), partition, offset, key, format_instant(stop.appended_at), after, what.join("\n")]);
        }
        table
    }
}
