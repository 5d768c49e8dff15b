//! OpenMetrics text to OTLP.

use crate::telemetry::SCHEMA_URL;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Values that are sums of all that happened since the start.
const CUMULATIVE: u8 = 2;

/// A family of the text.
#[derive(Default)]
struct Family<'a> {
    kind: &'a str,
    help: &'a str,
    samples: Vec<Sample<'a>>,
}

struct Sample<'a> {
    suffix: &'a str,
    labels: Vec<(&'a str, String)>,
    value: f64,
}

/// `text` as the body of an export request; times are microseconds since 1970.
pub(super) fn request(text: &str, identity: &[(&'static str, String)], started: i64, now: i64) -> Value {
    let times = [nanos(started), nanos(now)];
    let metrics: Vec<Value> = families(text).into_iter().map(|(name, family)| metric(name, &family, &times)).collect();
    let identity: Vec<Value> = identity.iter().map(|(name, value)| attribute(name, value)).collect();
    let scope = json!({"scope": {"name": env!("CARGO_PKG_NAME"), "version": env!("CARGO_PKG_VERSION")}, "metrics": metrics});
    json!({"resourceMetrics": [{"resource": {"attributes": identity}, "schemaUrl": SCHEMA_URL, "scopeMetrics": [scope]}]})
}

fn nanos(micros: i64) -> String {
    format!("{}000", micros.max(0))
}

fn attribute(name: &str, value: &str) -> Value {
    json!({"key": name, "value": {"stringValue": value}})
}

/// The families in `text`, which is as prometheus-client writes it: each behind its description.
fn families(text: &str) -> Vec<(&str, Family<'_>)> {
    let mut families: Vec<(&str, Family<'_>)> = Vec::new();
    for line in text.lines() {
        if let Some(described) = line.strip_prefix("# ") {
            let mut words = described.splitn(3, ' ');
            let (Some(what), Some(name), Some(rest)) = (words.next(), words.next(), words.next()) else { continue };
            if families.last().is_none_or(|(last, _)| *last != name) {
                families.push((name, Family::default()));
            }
            let Some((_, family)) = families.last_mut() else { continue };
            match what {
                "TYPE" => family.kind = rest,
                "HELP" => family.help = rest,
                _ => {}
            }
        } else if let Some((name, family)) = families.last_mut() {
            family.samples.extend(sample(line, name));
        }
    }
    families
}

/// `name_suffix{label="value",…} number`.
fn sample<'a>(line: &'a str, family: &str) -> Option<Sample<'a>> {
    let rest = line.strip_prefix(family)?;
    let (suffix, rest) = rest.split_at(rest.find(['{', ' '])?);
    let mut labels = Vec::new();
    let mut rest = rest;
    if let Some(mut inside) = rest.strip_prefix('{') {
        while let Some((name, behind)) = inside.split_once("=\"") {
            let (value, after) = quoted(behind)?;
            labels.push((name, value));
            inside = after.trim_start_matches(',');
            if inside.starts_with('}') {
                break;
            }
        }
        rest = inside.strip_prefix('}')?;
    }
    let value = rest.split_ascii_whitespace().next()?.parse().ok()?;
    Some(Sample { suffix, labels, value })
}

/// What stands before the closing quote, and what behind it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

fn metric(name: &str, family: &Family<'_>, times: &[String; 2]) -> Value {
    let data = match family.kind {
        "counter" => json!({"sum": {"dataPoints": points(family, times), "aggregationTemporality": CUMULATIVE, "isMonotonic": true}}),
        "histogram" => json!({"histogram": {"dataPoints": histograms(family, times), "aggregationTemporality": CUMULATIVE}}),
        _ => json!({"gauge": {"dataPoints": points(family, times)}}),
    };
    let mut metric = json!({"name": name, "description": family.help});
    if let (Value::Object(metric), Value::Object(data)) = (&mut metric, data) {
        metric.extend(data);
    }
    metric
}

fn point<'l>(labels: impl IntoIterator<Item = &'l (&'l str, String)>, [started, now]: &[String; 2]) -> Value {
    let attributes: Vec<Value> = labels.into_iter().map(|(name, value)| attribute(name, value)).collect();
    json!({"attributes": attributes, "startTimeUnixNano": started, "timeUnixNano": now})
}

fn points(family: &Family<'_>, times: &[String; 2]) -> Vec<Value> {
    let point = |sample: &Sample<'_>| {
        let mut point = point(&sample.labels, times);
        point["asDouble"] = json!(sample.value);
        point
    };
    family.samples.iter().filter(|s| s.suffix != "_created").map(point).collect()
}

/// One point per set of labels; the text counts each bucket with all below it, OTLP each alone.
fn histograms(family: &Family<'_>, times: &[String; 2]) -> Vec<Value> {
    let mut by_labels: BTreeMap<Vec<&(&str, String)>, Vec<&Sample<'_>>> = BTreeMap::new();
    for sample in &family.samples {
        let labels = sample.labels.iter().filter(|(name, _)| *name != "le").collect();
        by_labels.entry(labels).or_default().push(sample);
    }
    let histogram = |(labels, samples): (Vec<&(&str, String)>, Vec<&Sample<'_>>)| {
        let mut point = point(labels, times);
        let (mut bounds, mut counts, mut below) = (Vec::new(), Vec::new(), 0.0);
        for sample in samples {
            match sample.suffix {
                "_sum" => point["sum"] = json!(sample.value),
                "_count" => point["count"] = json!(whole(sample.value)),
                "_bucket" => {
                    let bound = sample.labels.iter().find(|(name, _)| *name == "le").and_then(|(_, le)| le.parse::<f64>().ok());
                    bounds.extend(bound.filter(|b| b.is_finite()));
                    counts.push(whole(sample.value - below));
                    below = sample.value;
                }
                _ => {}
            }
        }
        point["explicitBounds"] = json!(bounds);
        point["bucketCounts"] = json!(counts);
        point
    };
    by_labels.into_iter().map(histogram).collect()
}

/// 64-bit numbers are text in OTLP's JSON.
fn whole(count: f64) -> String {
    format!("{count:.0}")
}

#[cfg(test)]
mod tests;
