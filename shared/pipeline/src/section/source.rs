//! `source`: where events come from, what identifies and dates them.

use super::{Events, LONGEST, field, keyable};
use crate::codes;
use crate::reader::Reader;
use crate::yaml::{Entry, Node};
use std::path::{Component, Path};
use tidemill_events::time::{DAY, HOUR, MINUTE, format_duration};
use tidemill_events::{RecordSchema, Type};

/// How events are identified, dated and spread.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceSpec {
    /// Slot of the event id.
    pub id: usize,
    /// Slot of the event time.
    pub time: usize,
    /// How far behind its partition's merge time an event may be, microseconds.
    pub lateness: i64,
    /// How long an id is remembered, by merge time, microseconds; at least `lateness`.
    pub dedupe: i64,
    /// How far ahead of its append time an event may be, microseconds.
    pub max_future: i64,
    /// Partitions of every topic of the pipeline.
    pub partitions: u32,
    /// The upstream's own topic that events are read from, if there is one.
    pub upstream: Option<Upstream>,
    /// The event schema, Avro JSON as read.
    pub schema_text: String,
}

/// A topic of the upstream's own: it is there before the pipeline, and Tidemill only reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// Its name.
    pub topic: String,
    /// What its records are.
    pub format: Format,
}

/// What the records of an upstream's own topic are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Avro in the Confluent wire format, under any registered schema that resolves into the event schema.
    Avro,
    /// One JSON object each, as over HTTP.
    Json,
}

/// Longest name that Kafka gives a topic.
const MAX_TOPIC: usize = 249;

/// Most partitions a pipeline may have.
const MAX_PARTITIONS: i64 = 1_000;

/// Reads the section, and the event schema it names.
///
/// The events are there also where another key is at fault, so that expressions are checked as well.
pub(crate) fn read(
    reader: &mut Reader<'_>,
    entry: &Entry,
    pipeline: Option<&str>,
    load: impl FnOnce(&str) -> Result<String, String>,
) -> (Option<SourceSpec>, Option<Events>) {
    let Some(mut fields) = reader.fields(&entry.value, &entry.key, entry.key_range.clone()) else {
        return (None, None);
    };
    let schema = fields.required(reader, "schema").and_then(|e| schema(reader, &e.value, load));
    let (schema_text, events) = schema.map_or((None, None), |(text, events)| (Some(text), Some(events)));
    let id = fields.required(reader, "id").and_then(|e| id(reader, events.as_ref()?, &e.value));
    let time = fields.required(reader, "time").and_then(|e| time(reader, events.as_ref()?, &e.value));
    let (lateness_at, dedupe_at, future_at) = (fields.optional("lateness"), fields.optional("dedupe"), fields.optional("max_future"));
    let lateness = lateness_at.map_or(Some(10 * MINUTE), |e| reader.duration(&e.value, 0..=LONGEST));
    let dedupe = dedupe_at.map_or(Some(DAY), |e| reader.duration(&e.value, 0..=LONGEST));
    let max_future = future_at.map_or(Some(HOUR), |e| reader.duration(&e.value, 0..=LONGEST));
    let partitions = fields.required(reader, "partitions").and_then(|e| reader.integer(&e.value, 1..=MAX_PARTITIONS));
    let upstream = upstream(reader, fields.optional("topic"), fields.optional("format"), pipeline);
    fields.finish(reader);
    if let (Some(lateness), Some(dedupe)) = (lateness, dedupe)
        && dedupe < lateness
    {
        let place = dedupe_at.or(lateness_at).map_or(entry.key_range.clone(), |e| e.value.range.clone());
        let message = format!(
            "ids are remembered for {}, and events may be {} late: a late duplicate would count twice",
            format_duration(dedupe),
            format_duration(lateness)
        );
        reader.error(codes::DURATION, place, message).help("make `dedupe` at least as long as `lateness`");
    }
    let spec = (|| {
        Some(SourceSpec {
            id: id?,
            time: time?,
            lateness: lateness?,
            dedupe: dedupe?,
            max_future: max_future?,
            partitions: u32::try_from(partitions?).ok()?,
            upstream,
            schema_text: schema_text?,
        })
    })();
    (spec, events)
}

/// `topic` and `format`. What is ours is no upstream's: reading a pipeline's topics back into it would never end.
fn upstream(reader: &mut Reader<'_>, topic: Option<&Entry>, format: Option<&Entry>, pipeline: Option<&str>) -> Option<Upstream> {
    let formats = [("avro", Format::Avro), ("json", Format::Json)];
    let read = format.map_or(Some(Format::Avro), |e| reader.choice(&e.value, &formats));
    let Some(topic) = topic else {
        if let Some(format) = format {
            let message = "`format` says what the records of `topic` are, and there is no `topic`";
            reader.error(codes::UPSTREAM, format.key_range.clone(), message).help("name the upstream's topic, or leave `format` out");
        }
        return None;
    };
    let name = reader.text(&topic.value)?;
    let own = pipeline.is_some_and(|p| name.strip_prefix(p).is_some_and(|rest| rest.starts_with('.')));
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let (wrong, help) = if name.is_empty() || name.len() > MAX_TOPIC || !name.chars().all(legal) || matches!(name, "." | "..") {
        let shown: String = name.chars().take(64).collect();
        (format!("Kafka has no topic `{}`", shown.escape_debug()), "a topic's name has 1 to 249 of: a-z A-Z 0-9 . _ -")
    } else if own {
        (format!("`{name}` is a topic of this pipeline, not an upstream's"), "name the topic that the upstream writes to")
    } else if name.starts_with("tidemill.") || name.starts_with("__") {
        (format!("`{name}` belongs to Tidemill or to Kafka itself"), "name the topic that the upstream writes to")
    } else {
        return Some(Upstream { topic: name.to_owned(), format: read? });
    };
    reader.error(codes::UPSTREAM, topic.value.range.clone(), wrong).help(help);
    None
}

fn schema(reader: &mut Reader<'_>, node: &Node, load: impl FnOnce(&str) -> Result<String, String>) -> Option<(String, Events)> {
    let path = reader.text(node)?;
    if !stays_inside(path) {
        reader
            .error(codes::PATH, node.range.clone(), "the schema must be beside the pipeline file, or in a folder below it")
            .help("write a relative path without `..`, such as payment.avsc");
        return None;
    }
    let read = load(path).and_then(|text| match RecordSchema::parse(&text) {
        Ok(schema) => Ok((text, schema)),
        Err(error) => Err(error.to_string()),
    });
    match read {
        Ok((text, schema)) => {
            let scope = (&schema).into();
            Some((text, Events { schema, scope }))
        }
        Err(message) => {
            reader.error(codes::SCHEMA, node.range.clone(), format!("{path}: {message}"));
            None
        }
    }
}

/// Whether a path names something in its own folder or below, on every system.
fn stays_inside(path: &str) -> bool {
    let normal = Path::new(path).components().all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
    normal && !path.is_empty() && path.len() <= 255 && !path.contains(['\\', ':']) && !path.contains(char::is_control)
}

fn id(reader: &mut Reader<'_>, events: &Events, node: &Node) -> Option<usize> {
    let slot = field(reader, events, node)?;
    let slot = keyable(reader, events, slot, node, "the event id")?;
    never_null(reader, events, slot, node, "the event id")
}

fn time(reader: &mut Reader<'_>, events: &Events, node: &Node) -> Option<usize> {
    let slot = field(reader, events, node)?;
    let field = &events.schema.fields[slot];
    if !matches!(field.ty, Type::TimestampMillis | Type::TimestampMicros) {
        let message = format!("`{}` is a {} and cannot be the event time", field.name, field.ty);
        reader
            .error(codes::FIELD_TYPE, node.range.clone(), message)
            .help("give it the type {\"type\": \"long\", \"logicalType\": \"timestamp-millis\"} in the schema");
        return None;
    }
    never_null(reader, events, slot, node, "the event time")
}

fn never_null(reader: &mut Reader<'_>, events: &Events, slot: usize, node: &Node, what: &str) -> Option<usize> {
    let field = &events.schema.fields[slot];
    if !field.nullable {
        return Some(slot);
    }
    let message = format!("`{}` may be null, and {what} may not", field.name);
    reader.error(codes::FIELD_TYPE, node.range.clone(), message).help("take null out of its type in the schema");
    None
}
