//! What the collector has written down: spans and metrics, read from its files.

use crate::environment::Environment;
use anyhow::{Context, Result};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

/// A span as the collector got it.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// Of the resource: service.name and so on.
    pub resource: BTreeMap<String, Json>,
    /// The conventions that its names follow.
    pub schema_url: String,
    /// 32 hexadecimal digits.
    pub trace: String,
    /// 16 hexadecimal digits.
    pub id: String,
    /// Empty at the root.
    pub parent: String,
    /// Its name.
    pub name: String,
    /// 2 server, 3 client, 4 producer, 5 consumer.
    pub kind: u64,
    /// Nanoseconds since 1970.
    pub start: u64,
    /// Nanoseconds since 1970.
    pub end: u64,
    /// Its attributes.
    pub attributes: BTreeMap<String, Json>,
    /// Trace and span of each link.
    pub links: Vec<(String, String)>,
    /// 2 is an error.
    pub status: u64,
}

/// The collector's files.
#[derive(Debug, Clone)]
pub struct Collected(PathBuf);

impl Collected {
    /// Those of the collector in `environment`.
    ///
    /// # Errors
    /// When it is not running.
    pub fn new(environment: &Environment) -> Result<Self> {
        let data = environment.home.join("run/data");
        let data = fs::read_to_string(&data).with_context(|| format!("cannot read {}", data.display()))?;
        Ok(Self(PathBuf::from(data.trim()).join("otel")))
    }

    /// All spans of which `wanted` holds.
    ///
    /// # Errors
    /// When the file is not what the collector writes.
    pub fn spans(&self, wanted: impl Fn(&Span) -> bool) -> Result<Vec<Span>> {
        let mut found = Vec::new();
        for request in self.requests("traces.jsonl")? {
            for resource in each(&request["resourceSpans"]) {
                for scope in each(&resource["scopeSpans"]) {
                    let spans = each(&scope["spans"]).map(|span| read(span, resource, scope));
                    found.extend(spans.collect::<Result<Vec<_>>>()?.into_iter().filter(|span| wanted(span)));
                }
            }
        }
        found.sort_by_key(|span| span.start);
        Ok(found)
    }

    /// The last value of every point of `metric` that `service` has ever sent: attributes and value.
    ///
    /// # Errors
    /// When the file is not what the collector writes.
    pub fn metric(&self, service: &str, metric: &str) -> Result<Vec<(BTreeMap<String, Json>, f64)>> {
        let mut last = BTreeMap::new();
        for request in self.requests("metrics.jsonl")? {
            for resource in each(&request["resourceMetrics"]).filter(|r| attributes(&r["resource"])["service.name"] == service) {
                let metrics = each(&resource["scopeMetrics"]).flat_map(|scope| each(&scope["metrics"]));
                for found in metrics.filter(|m| m["name"] == metric) {
                    let points = ["sum", "gauge"].into_iter().flat_map(|kind| each(&found[kind]["dataPoints"]));
                    last.extend(points.map(|p| (p["attributes"].to_string(), (attributes(p), p["asDouble"].as_f64().unwrap_or(f64::NAN)))));
                }
            }
        }
        Ok(last.into_values().collect())
    }

    fn requests(&self, file: &str) -> Result<Vec<Json>> {
        let path = self.0.join(file);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        // the last line may be half written
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(|line| serde_json::from_str(line).with_context(|| format!("{} holds {line:.80}", path.display()))).collect()
    }
}

fn each(array: &Json) -> impl Iterator<Item = &Json> {
    array.as_array().into_iter().flatten()
}

/// Name and value of all attributes of `of`.
fn attributes(of: &Json) -> BTreeMap<String, Json> {
    let value = |attribute: &Json| attribute["value"].as_object().and_then(|v| v.values().next()).cloned().unwrap_or_default();
    each(&of["attributes"]).map(|a| (text(&a["key"]), value(a))).collect()
}

fn text(value: &Json) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn read(span: &Json, resource: &Json, scope: &Json) -> Result<Span> {
    let time = |name: &str| text(&span[name]).parse::<u64>().with_context(|| format!("a span without {name}: {span}"));
    Ok(Span {
        resource: attributes(&resource["resource"]),
        schema_url: text(&scope["schemaUrl"]),
        trace: text(&span["traceId"]),
        id: text(&span["spanId"]),
        parent: text(&span["parentSpanId"]),
        name: text(&span["name"]),
        kind: span["kind"].as_u64().unwrap_or_default(),
        start: time("startTimeUnixNano")?,
        end: time("endTimeUnixNano")?,
        attributes: attributes(span),
        links: each(&span["links"]).map(|link| (text(&link["traceId"]), text(&link["spanId"]))).collect(),
        status: span["status"]["code"].as_u64().unwrap_or_default(),
    })
}
