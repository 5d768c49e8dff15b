//! Hostile records written straight to the raw topic: each is rejected once, with its reason and coordinates, and
//! harms neither its neighbours nor the validator's memory.

use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use tidemill_events::partition::partition_of;
use tidemill_integration_tests::hostile::{Hostile, corruptions, long, string};
use tidemill_integration_tests::producer::Outgoing;
use tidemill_integration_tests::services::Slot;
use tidemill_integration_tests::topics::Message;
use tidemill_integration_tests::{Pipeline, Service, Stack};

const VALIDATOR: Slot = Slot(Service::Validator, 1);
/// What hostile records may add to the validator's memory.
const MOST_GROWTH: u64 = 16 << 20;
/// No registry gives such an id.
const UNKNOWN_ID: u32 = 2_000_000_000;
/// 2024-05-01T00:00:00Z.
const START: i64 = 1_714_521_600_000_000;

/// A reading, field by field, so that each can be replaced by bytes that are none.
#[derive(Clone)]
struct Reading {
    id: Vec<u8>,
    at: Vec<u8>,
    meter: Vec<u8>,
    tariff: Vec<u8>,
    kwh: f64,
    voltage: Vec<u8>,
    estimated: u8,
}

impl Reading {
    /// The `n`-th good one.
    fn new(n: i64) -> Self {
        let voltage = [long(1), 230.0_f64.to_le_bytes().to_vec()].concat();
        let meter = string(&meter(n));
        Self { id: long(n), at: long(START + n * 1_000_000), meter, tariff: long(1), kwh: 2.5, voltage, estimated: 1 }
    }

    fn datum(&self) -> Vec<u8> {
        let place = [string("north"), long(7)].concat();
        let kwh = self.kwh.to_le_bytes().to_vec();
        [&self.id, &self.at, &self.meter, &place, &self.tariff, &kwh, &self.voltage, &vec![self.estimated]]
            .into_iter()
            .flatten()
            .copied()
            .collect()
    }

    fn under(&self, id: u32) -> Vec<u8> {
        [&[0], id.to_be_bytes().as_slice(), &self.datum()].concat()
    }
}

fn meter(n: i64) -> String {
    format!("AB{:06}", n % 5)
}

/// A good record on the partition of its key.
fn good(n: i64, id: u32) -> Outgoing {
    let key = meter(n);
    let partition = partition_of(key.as_bytes(), 2);
    Outgoing { partition, key: Some(key.into_bytes()), payload: Some(Reading::new(n).under(id)), headers: Vec::new() }
}

/// Records that are broken inside a field, or are no event by what they say.
fn wrong_inside(id: u32) -> Vec<Hostile> {
    let changed = |change: &dyn Fn(&mut Reading)| {
        let mut reading = Reading::new(1_000_000);
        change(&mut reading);
        reading.under(id)
    };
    vec![
        Hostile::new("union index 9", changed(&|r| r.voltage = long(9)), "undecodable"),
        Hostile::new("union index -1", changed(&|r| r.voltage = long(-1)), "undecodable"),
        Hostile::new("boolean 2", changed(&|r| r.estimated = 2), "undecodable"),
        Hostile::new("enum index 3", changed(&|r| r.tariff = long(3)), "undecodable"),
        Hostile::new("enum index -1", changed(&|r| r.tariff = long(-1)), "undecodable"),
        Hostile::new("a time before the calendar", changed(&|r| r.at = long(i64::MIN)), "invalid_time"),
        Hostile::new("a time before 1970", changed(&|r| r.at = long(-1)), "invalid_time"),
        Hostile::new("a time beyond the calendar", changed(&|r| r.at = long(i64::MAX)), "invalid_time"),
        Hostile::new("the year 9999", changed(&|r| r.at = long(253_370_764_800_000_000)), "future"),
        Hostile::new("NaN", changed(&|r| r.kwh = f64::NAN), "negative_load"),
        Hostile::new("infinity", changed(&|r| r.kwh = f64::INFINITY), "negative_load"),
        Hostile::new("less than nothing", changed(&|r| r.kwh = -0.1), "negative_load"),
        Hostile::new("an id that is none", changed(&|r| r.meter = string("'; DROP TABLE")), "malformed_meter_id"),
        Hostile::new("an id of a million letters", changed(&|r| r.meter = string(&"A".repeat(900_000))), "malformed_meter_id"),
    ]
}

/// Records under schemas that somebody registered for the topic and that are no events: lists and recursion.
fn foreign_shapes(stack: &Stack, topic: &str) -> Vec<Hostile> {
    let reader = stack.reader();
    let schema: Json = serde_json::from_str(&reader.schema_text(reader.schema_id(topic).unwrap()).unwrap()).unwrap();
    let with = |field: Json| {
        let mut schema = schema.clone();
        schema["fields"].as_array_mut().unwrap().push(field);
        reader.register(topic, &schema).unwrap()
    };
    let nulls = with(json!({"name": "marks", "type": {"type": "array", "items": "null"}, "default": []}));
    let recursive = with(json!({"name": "next", "type": ["null", schema["name"]], "default": null}));
    let good = Reading::new(1_000_000);
    let deep: Vec<u8> = std::iter::repeat_n([good.datum(), long(1)].concat(), 15_000).flatten().collect();
    vec![
        Hostile::new("10M nulls", [good.under(nulls), long(10_000_000), long(0)].concat(), "unknown_schema"),
        Hostile::new("an array of 2^62", [good.under(nulls), long(1 << 62)].concat(), "unknown_schema"),
        Hostile::new("recursion as deep as a record may be", [&[0], recursive.to_be_bytes().as_slice(), &deep].concat(), "unknown_schema"),
    ]
}

/// Good records in headers that are not.
fn forged_headers(id: u32) -> Vec<Outgoing> {
    let traceparents: [&[u8]; 5] = [
        b"",
        b"00-00000000000000000000000000000000-0000000000000000-01",
        b"zz-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        b"\xff\xfe\x00",
        &[b'0'; 65_536],
    ];
    let mut records: Vec<Outgoing> = Vec::new();
    for (n, traceparent) in (500..).zip(traceparents) {
        records.push(Outgoing { headers: vec![("traceparent".into(), traceparent.to_vec())], ..good(n, id) });
    }
    let many = (0..9_000).map(|i| (format!("x-{i}"), vec![b'x'; 90])).collect();
    records.push(Outgoing { headers: many, ..good(600, id) });
    records.push(Outgoing { headers: vec![("big".into(), vec![0; 900_000])], ..good(601, id) });
    records
}

/// The electricity example with one more field, a boolean.
fn apply(stack: &Stack) -> Pipeline {
    let mut pipeline = Pipeline::copy(&stack.environment, "electricity", stack.test()).unwrap();
    let file = pipeline.folder().join("reading.avsc");
    let mut schema: Json = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    schema["fields"].as_array_mut().unwrap().push(json!({"name": "estimated", "type": "boolean"}));
    fs::write(file, schema.to_string()).unwrap();
    pipeline.apply_again(&stack.tidemill()).unwrap();
    pipeline
}

fn source(message: &Message) -> (i32, i64) {
    let source = &message.value["source"];
    (i32::try_from(source["partition"].as_i64().unwrap()).unwrap(), source["offset"].as_i64().unwrap())
}

fn original(reject: &Json) -> Vec<u8> {
    reject["original"].as_array().unwrap().iter().map(|b| u8::try_from(b.as_u64().unwrap()).unwrap()).collect()
}

#[test]
fn hostile_records_are_rejected_with_their_reasons_and_good_ones_flow() {
    let mut stack = Stack::new("poison").unwrap();
    let pipeline = apply(&stack);
    stack.start_all().unwrap();
    let (reader, producer, raw) = (stack.reader(), stack.producer().unwrap(), pipeline.topic("raw"));
    let id = reader.schema_id(&raw).unwrap();
    let foreign = reader.schema_id(&pipeline.topic("predictions")).unwrap();
    let warm_up: Vec<Outgoing> = (0..100).map(|n| good(n, id)).collect();
    producer.write(&raw, &warm_up).unwrap();
    stack.wait(&pipeline).unwrap();
    let before = stack.services.process(VALIDATOR).unwrap().usage().unwrap().resident;

    let mut hostile = corruptions(&Reading::new(1_000_000).under(id), foreign, UNKNOWN_ID);
    hostile.extend(wrong_inside(id));
    hostile.extend(foreign_shapes(&stack, &raw));
    // a good record after each hostile one, on the same partition's side or the other's
    let records: Vec<Outgoing> =
        hostile.iter().zip(1_000..).flat_map(|(h, n)| [h.outgoing((n % 2) as i32), good(n, id)]).chain(forged_headers(id)).collect();
    let offsets = producer.write(&raw, &records).unwrap();
    stack.wait(&pipeline).unwrap();

    let wanted: BTreeMap<(i32, i64), &Hostile> =
        hostile.iter().enumerate().map(|(i, h)| ((records[2 * i].partition, offsets[2 * i]), h)).collect();
    check_rejects(&stack, &pipeline, &wanted);
    let valid: Vec<Message> = reader.read(&pipeline.topic("valid")).unwrap();
    assert_eq!(valid.len(), 100 + hostile.len() + forged_headers(id).len(), "each good record is valid, once");
    for message in &valid {
        assert!(message.traceparent.is_none(), "a forged trace went on: {message:?}");
    }
    assert_eq!(reader.count(&pipeline.topic("predictions")).unwrap(), valid.len() as u64);
    let after = stack.services.process(VALIDATOR).unwrap().usage().unwrap().resident;
    assert!(after.saturating_sub(before) <= MOST_GROWTH, "the validator grew from {before} to {after} bytes");
    stack.tidemill().succeed(&["verify", &pipeline.name]).unwrap();
    stack.services.stop_all().unwrap();
}

fn check_rejects(stack: &Stack, pipeline: &Pipeline, wanted: &BTreeMap<(i32, i64), &Hostile>) {
    let rejects = stack.reader().read(&pipeline.topic("rejected")).unwrap();
    let mut seen = BTreeMap::new();
    for reject in &rejects {
        let at = source(reject);
        let hostile = wanted.get(&at).unwrap_or_else(|| panic!("{at:?} was rejected but was good: {reject:?}"));
        assert!(seen.insert(at, ()).is_none(), "{} was rejected twice", hostile.what);
        let payload = hostile.payload.as_deref().unwrap_or_default();
        assert_eq!(reject.value["reason"], hostile.reason, "{}: {reject:?}", hostile.what);
        assert_eq!(reject.value["source"]["topic"], pipeline.topic("raw"));
        assert_eq!(reject.value["sha256"], hex::encode(Sha256::digest(payload)), "{}", hostile.what);
        assert_eq!(original(&reject.value), payload[..payload.len().min(1024)], "{}", hostile.what);
        assert!(!reject.value["detail"].as_str().unwrap().is_empty(), "{}", hostile.what);
        assert_eq!((reject.key.as_deref(), reject.partition), (Some("hostile"), at.0), "keyed and placed as raw");
    }
    let missing: Vec<&str> = wanted.iter().filter(|(at, _)| !seen.contains_key(at)).map(|(_, h)| h.what.as_str()).collect();
    assert!(missing.is_empty(), "these were not rejected: {missing:#?}");
}
