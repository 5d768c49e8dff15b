//! Records that a stranger wrote under a schema of its own, read into the event schema: what apache-avro wrote is read
//! as its own schema resolution says, and what cannot be resolved is refused when the schema is seen.
#![expect(clippy::unwrap_used, reason = "what a helper of a test cannot do fails the test")]

use apache_avro::types::Value as Avro;
use apache_avro::writer::datum::GenericDatumWriter;
use rust_decimal::Decimal;
use tidemill_events::codec::{RawReader, RawWriter};
use tidemill_events::{RecordSchema, Value};

const EVENT: &str = r#"{"type":"record","name":"E","fields":[
    {"name":"id","type":"string"},
    {"name":"at","type":{"type":"long","logicalType":"timestamp-micros"}},
    {"name":"amount","type":{"type":"bytes","logicalType":"decimal","precision":18,"scale":2}},
    {"name":"ratio","type":"double"},
    {"name":"n","type":["null","long"],"default":null},
    {"name":"kind","type":"string","default":"web"}]}"#;

/// Fields in another order, of narrower types, and many that no event may have.
const UPSTREAM: &str = r#"{"type":"record","name":"Order","namespace":"com.example","fields":[
    {"name":"tags","type":{"type":"array","items":"string"}},
    {"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}},
    {"name":"n","type":"int"},
    {"name":"address","type":{"type":"record","name":"Address","fields":[{"name":"street","type":"string"}]}},
    {"name":"id","type":"string"},
    {"name":"attributes","type":{"type":"map","values":["null","double","string"]}},
    {"name":"parent","type":["null","Order"],"default":null},
    {"name":"ratio","type":"long"},
    {"name":"digest","type":{"type":"fixed","name":"Digest","size":4}},
    {"name":"amount","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":1}}]}"#;

fn event() -> RecordSchema {
    RecordSchema::parse(EVENT).unwrap()
}

fn order(parent: Option<Avro>) -> Avro {
    let text = |s: &str| Avro::String(s.into());
    let parent = parent.map_or((0, Avro::Null), |p| (1, p));
    Avro::Record(vec![
        ("tags".into(), Avro::Array(vec![text("a"), text("b")])),
        ("at".into(), Avro::TimestampMillis(1_532_521_800_001)),
        ("n".into(), Avro::Int(7)),
        ("address".into(), Avro::Record(vec![("street".into(), text("Main"))])),
        ("id".into(), text("o1")),
        ("attributes".into(), Avro::Map([("x".to_owned(), Avro::Union(1, Box::new(Avro::Double(0.5))))].into())),
        ("parent".into(), Avro::Union(parent.0, Box::new(parent.1))),
        ("ratio".into(), Avro::Long(3)),
        ("digest".into(), Avro::Fixed(4, vec![1, 2, 3, 4])),
        // 12.5 in tenths
        ("amount".into(), Avro::Decimal(vec![125].into())),
    ])
}

fn datum(value: Avro) -> Vec<u8> {
    let schema = apache_avro::Schema::parse_str(UPSTREAM).unwrap();
    GenericDatumWriter::builder(&schema).build().unwrap().write_value_to_vec(value).unwrap()
}

#[test]
fn fields_are_found_by_name_promoted_and_the_others_skipped() {
    let reader = RawReader::resolving(UPSTREAM, &event()).unwrap();
    let row = reader.decode(&datum(order(Some(order(None))))).unwrap();
    let expected = [
        Value::String("o1".into()),
        Value::Timestamp(1_532_521_800_001_000),
        Value::Decimal(Decimal::new(125, 1)),
        Value::Double(3.0),
        Value::Long(7),
        Value::String("web".into()),
    ];
    assert_eq!(row, expected);
    // and is an event, written as one
    let mut bytes = Vec::new();
    RawWriter::new(event(), EVENT, 1).unwrap().encode(&row, &mut bytes).unwrap();
    assert_eq!(RawReader::new(EVENT, &event()).unwrap().decode(&bytes[5..]).unwrap(), expected);
}

#[test]
fn what_is_cut_off_or_goes_on_is_no_record() {
    let reader = RawReader::resolving(UPSTREAM, &event()).unwrap();
    let whole = datum(order(None));
    for end in 0..whole.len() {
        assert!(reader.decode(&whole[..end]).is_err(), "cut after {end} bytes");
    }
    assert!(reader.decode(&[&whole[..], &[0]].concat()).is_err());
    let deep = (0..40).fold(order(None), |parent, _| order(Some(parent)));
    assert!(reader.decode(&datum(deep)).is_err(), "nested deeper than any event");
}

#[test]
fn what_cannot_be_resolved_is_refused_with_the_field() {
    let swap = |from: &str, to: &str| UPSTREAM.replace(from, to);
    for (schema, said) in [
        (swap(r#""name":"id","type":"string""#, r#""name":"key","type":"string""#), "no field `id`"),
        (swap(r#""name":"id","type":"string""#, r#""name":"id","type":"long""#), "`id` is a long"),
        (swap(r#""name":"ratio","type":"long""#, r#""name":"ratio","type":"string""#), "`ratio` is a string"),
        (swap(r#"{"type":"long","logicalType":"timestamp-millis"}"#, r#""long""#), "`at` is a long"),
        (swap(r#""precision":9,"scale":1"#, r#""precision":9,"scale":3"#), "`amount` is a decimal(9, 3)"),
        (swap(r#""precision":9,"scale":1"#, r#""precision":18,"scale":1"#), "`amount` is a decimal(18, 1)"),
        (swap(r#""name":"n","type":"int""#, r#""name":"n","type":{"type":"array","items":"int"}"#), "`n`"),
        (r#""string""#.to_owned(), "record"),
    ] {
        let error = RawReader::resolving(&schema, &event()).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(error.contains(said), "{said}: {error}");
    }
}

#[test]
fn a_null_where_events_have_none_is_not_written() {
    let upstream = EVENT.replace(r#""name":"id","type":"string""#, r#""name":"id","type":["null","string"]"#);
    let row = [Value::Null, Value::Timestamp(0), Value::Decimal(Decimal::ONE), Value::Double(0.0), Value::Null, Value::String("x".into())];
    let mut bytes = Vec::new();
    RawWriter::new(RecordSchema::parse(&upstream).unwrap(), &upstream, 1).unwrap().encode(&row, &mut bytes).unwrap();
    let read = RawReader::resolving(&upstream, &event()).unwrap().decode(&bytes[5..]).unwrap();
    assert_eq!(read[0], Value::Null);
    assert!(RawWriter::new(event(), EVENT, 1).unwrap().encode(&read, &mut bytes).is_err());
}
