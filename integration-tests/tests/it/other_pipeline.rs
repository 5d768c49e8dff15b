//! A pipeline of another shape (numeric ids, a key of two fields, nullable fields, texts, short windows), its
//! values compared with a computation that is as simple as it can be.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use tidemill_integration_tests::topics::Message;
use tidemill_integration_tests::{Pipeline, Stack};

const MINUTE: i64 = 60_000_000;
/// 2024-05-01T00:00:00Z.
const START: i64 = 1_714_521_600_000_000;
const READINGS: u32 = 1_500;
/// As the pipeline file says, in minutes.
const LATENESS: i64 = 60;

/// Readings of twelve meters over a day and a half: some late, some too late, some impossible, some sent twice.
fn readings() -> Vec<Json> {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let mut draw = move |n: u32| random.next_u32() % n;
    let mut all: Vec<Json> = Vec::new();
    for id in 0..READINGS {
        if draw(20) == 0 && !all.is_empty() {
            let again = draw(all.len().min(200) as u32) as usize;
            all.push(all[all.len() - 1 - again].clone());
            continue;
        }
        let late = match draw(20) {
            0 => i64::from(draw(59)),
            1 => 180 + i64::from(draw(300)),
            _ => 0,
        };
        let meter = draw(12);
        let voltage = match draw(10) {
            0 => json!(null),
            1 => json!(20.0),
            _ => json!(190.0 + f64::from(draw(80)) / 2.0),
        };
        let tariff = ["FLAT", "PEAK", "SOLAR"][draw(3) as usize];
        all.push(json!({
            "reading_id": id,
            "read_at": tidemill_events::time::format_instant(START + (i64::from(id) * 3 / 2 - late) * MINUTE),
            "meter_id": if draw(50) == 0 { "broken".to_owned() } else { format!("AB{meter:06}") },
            "region": if meter % 2 == 0 { "north" } else { "south" },
            "feeder": meter / 4,
            "tariff": tariff,
            // quarters are exact in binary: sums do not depend on their order
            "kwh": f64::from(draw(40)) / 4.0 + [70.0, -100.0].get(draw(60) as usize).copied().unwrap_or(0.0),
            "voltage": voltage,
        }));
    }
    all
}

fn number(value: &Json) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is not a number"))
}

fn integer(value: &Json) -> i64 {
    value.as_i64().unwrap_or_else(|| panic!("{value} is not an integer"))
}

/// What an entity has seen, in the order in which its hop saw it.
#[derive(Default)]
struct History {
    entries: Vec<Entry>,
    /// The largest merge time of its events.
    merge_time: i64,
}

impl History {
    /// Adds an event. What is older than any window may ask for, late events included, is forgotten: catching up,
    /// an entity's events may be hours apart in its hop's input.
    fn see(&mut self, event: &Json, reach: i64) {
        self.entries.push(entry(&event["fields"]));
        self.merge_time = self.merge_time.max(integer(&event["merge_time"]));
        let oldest = self.merge_time - (reach + LATENESS) * MINUTE;
        self.entries.retain(|e| e.time > oldest);
    }
}

#[derive(Clone, Copy)]
struct Entry {
    time: i64,
    kwh: f64,
    voltage: Option<f64>,
}

fn entry(fields: &Json) -> Entry {
    Entry { time: integer(&fields["read_at"]), kwh: number(&fields["kwh"]), voltage: fields["voltage"].as_f64() }
}

/// The entries of `(t - delay - window, t - delay]`, in minutes.
fn within(entries: &[Entry], t: i64, window: i64, delay: i64) -> Vec<Entry> {
    let end = t - delay * MINUTE;
    entries.iter().filter(|e| e.time > end - window * MINUTE && e.time <= end).copied().collect()
}

fn largest(values: impl Iterator<Item = f64>) -> Json {
    values.reduce(f64::max).map_or(Json::Null, |v| json!(v))
}

fn mean(entries: &[Entry]) -> Json {
    if entries.is_empty() { Json::Null } else { json!(entries.iter().map(|e| e.kwh).sum::<f64>() / entries.len() as f64) }
}

fn meter(entries: &[Entry], t: i64) -> Vec<(&'static str, Json)> {
    let voltages = within(entries, t, 30, 0).into_iter().filter_map(|e| e.voltage);
    vec![
        ("meter_load_mean_1h", mean(&within(entries, t, 60, 0))),
        ("meter_load_mean_6h", mean(&within(entries, t, 360, 0))),
        ("meter_load_max_1d", largest(within(entries, t, 1440, 0).iter().map(|e| e.kwh))),
        ("meter_voltage_min_30m", voltages.reduce(f64::min).map_or(Json::Null, |v| json!(v))),
    ]
}

fn feeder(entries: &[Entry], t: i64) -> Vec<(&'static str, Json)> {
    let load = |window| within(entries, t, window, 15).iter().fold(0.0, |sum, e| sum + e.kwh.min(50.0));
    vec![
        ("feeder_readings_15m", json!(within(entries, t, 15, 0).len() as f64)),
        ("feeder_load_15m", json!(load(15))),
        ("feeder_load_1h", json!(load(60))),
    ]
}

/// Computes an event's features from what its entity has seen, at its time.
type Features = fn(&[Entry], i64) -> Vec<(&'static str, Json)>;

/// Folds one hop's input in its own order; gives each event's features by its id. `reach` is how far its windows
/// look back, in minutes.
fn hop(input: &[Message], entity: &str, reach: i64, features: Features) -> BTreeMap<String, Json> {
    let mut history: BTreeMap<String, History> = BTreeMap::new();
    let mut computed = BTreeMap::new();
    for message in input {
        let event = &message.value;
        let seen = history.entry(event["entities"][entity].to_string()).or_default();
        seen.see(event, reach);
        let values = features(&seen.entries, integer(&event["event_time"]));
        computed.insert(event["event_id"].to_string(), values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect());
    }
    computed
}

fn row(fields: &Json) -> BTreeMap<String, Json> {
    let is = |holds: bool| json!(f64::from(u8::from(holds)));
    let hour = integer(&fields["read_at"]).rem_euclid(1440 * MINUTE) / (60 * MINUTE);
    let row = [
        ("kwh", fields["kwh"].clone()),
        ("tariff", fields["tariff"].clone()),
        ("is_evening", is((17..=20).contains(&hour))),
        ("undervoltage", is(fields["voltage"].as_f64().is_some_and(|v| v < 210.0))),
    ];
    row.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// What must become of each raw record, in the order of its partition: a reason, or `None` for valid.
fn verdicts(raw: &[Message]) -> BTreeMap<(i32, i64), Option<&'static str>> {
    let mut merge_time: BTreeMap<i32, i64> = BTreeMap::new();
    let mut seen = Vec::new();
    let mut verdicts = BTreeMap::new();
    for message in raw {
        let (fields, time) = (&message.value, integer(&message.value["read_at"]));
        let merged = *merge_time.get(&message.partition).unwrap_or(&i64::MIN);
        let verdict = if number(&fields["kwh"]) < 0.0 {
            Some("negative_load")
        } else if fields["voltage"].as_f64().is_some_and(|v| v <= 100.0) {
            Some("impossible_voltage")
        } else if fields["meter_id"] == "broken" {
            Some("malformed_meter_id")
        } else if merged.saturating_sub(time) > LATENESS * MINUTE {
            Some("late")
        } else if seen.contains(&(message.partition, fields["reading_id"].clone())) {
            Some("duplicate")
        } else {
            seen.push((message.partition, fields["reading_id"].clone()));
            merge_time.insert(message.partition, merged.max(time));
            None
        };
        verdicts.insert((message.partition, message.offset), verdict);
    }
    verdicts
}

fn source(message: &Message) -> (i32, i64) {
    let source = &message.value["source"];
    (i32::try_from(integer(&source["partition"])).unwrap(), integer(&source["offset"]))
}

fn check_verdicts(stack: &Stack, pipeline: &Pipeline, valid: &[Message]) {
    let raw = stack.reader().read(&pipeline.topic("raw")).unwrap();
    let wanted = verdicts(&raw);
    let rejected = stack.reader().read(&pipeline.topic("rejected")).unwrap();
    let reason = |message: &Message| (source(message), message.value["reason"].as_str().map(str::to_owned));
    let found: BTreeMap<(i32, i64), Option<String>> = valid.iter().map(|m| (source(m), None)).chain(rejected.iter().map(reason)).collect();
    assert_eq!(found.len(), valid.len() + rejected.len(), "no record twice");
    let wanted: BTreeMap<(i32, i64), Option<String>> = wanted.into_iter().map(|(at, verdict)| (at, verdict.map(str::to_owned))).collect();
    assert_eq!(found, wanted);
    for reason in ["negative_load", "impossible_voltage", "malformed_meter_id", "late"] {
        assert!(found.values().any(|r| r.as_deref() == Some(reason)), "no record was {reason}: the test tests nothing");
    }
}

fn check_vectors(stack: &Stack, pipeline: &Pipeline, valid: &[Message]) {
    let reader = stack.reader();
    let feeders = reader.read(&pipeline.topic("hop.feeder")).unwrap();
    let (meters, feeders) = (hop(valid, "meter", 1440, meter), hop(&feeders, "feeder", 75, feeder));
    let vectors = reader.read(&pipeline.topic("features")).unwrap();
    let vectors: BTreeMap<String, &Message> = vectors.iter().map(|v| (v.value["event_id"].to_string(), v)).collect();
    assert_eq!(vectors.len(), valid.len());
    for event in valid {
        let (id, fields) = (event.value["event_id"].to_string(), &event.value["fields"]);
        let mut wanted = serde_json::Map::new();
        for part in [&meters[&id], &feeders[&id]] {
            wanted.extend(part.as_object().unwrap().clone());
        }
        wanted.extend(row(fields));
        assert_eq!(vectors[&id].value["features"], Json::Object(wanted), "event {id}: {fields}");
        let (region, feeder) = (fields["region"].as_str().unwrap(), fields["feeder"].to_string());
        let key = format!("{}:{region}{}:{feeder}", region.len(), feeder.len());
        assert_eq!(event.value["entities"]["feeder"], key, "each part behind its length");
    }
}

fn check_predictions(stack: &Stack, pipeline: &Pipeline) {
    let reader = stack.reader();
    let vectors = reader.read(&pipeline.topic("features")).unwrap();
    let predictions = reader.read(&pipeline.topic("predictions")).unwrap();
    assert_eq!(predictions.len(), vectors.len());
    let by_id: BTreeMap<String, &Json> = predictions.iter().map(|p| (p.value["event_id"].to_string(), &p.value)).collect();
    let mut inspected = 0;
    for vector in &vectors {
        let features = &vector.value["features"];
        let (load, mean) = (number(&features["kwh"]), number(&features["meter_load_mean_6h"]));
        let wanted = if mean > 0.0 && load / mean > 4.0 { (1.0, "inspect") } else { (0.0, "normal") };
        let prediction = by_id[&vector.value["event_id"].to_string()];
        assert_eq!((number(&prediction["score"]), prediction["decision"].as_str().unwrap()), wanted, "{features}");
        inspected += u32::from(wanted.0 > 0.5);
    }
    assert!(inspected > 0, "no reading was out of the ordinary: the test tests nothing");
}

#[test]
fn has_the_values_of_a_naive_computation() {
    let mut stack = Stack::new("other-pipeline").unwrap();
    let pipeline = stack.apply("electricity").unwrap();
    stack.start_all().unwrap();
    stack.publish(&pipeline, &readings()).unwrap();

    let valid = stack.reader().read(&pipeline.topic("valid")).unwrap();
    check_verdicts(&stack, &pipeline, &valid);
    check_vectors(&stack, &pipeline, &valid);
    check_predictions(&stack, &pipeline);
    stack.tidemill().succeed(&["verify", &pipeline.name]).unwrap();
    stack.services.stop_all().unwrap();
}
