//! The reader against hostile input and its own inverse.

use super::*;
use crate::schema::Type;
use proptest::prelude::*;
use rust_decimal::Decimal;

const SCHEMA: &str = r#"{"type":"record","name":"Payment","fields":[
    {"name":"id","type":"string"},
    {"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}},
    {"name":"amount","type":{"type":"bytes","logicalType":"decimal","precision":18,"scale":2}},
    {"name":"n","type":"int","default":7},
    {"name":"big","type":["null","long"],"default":null},
    {"name":"ratio","type":["null","double"]},
    {"name":"share","type":"float","default":0.5},
    {"name":"kind","type":{"type":"enum","name":"Kind","symbols":["A","B"]},"default":"B"},
    {"name":"ok","type":"boolean","default":true},
    {"name":"seen","type":["null",{"type":"long","logicalType":"timestamp-micros"}]}]}"#;

fn reader() -> Reader {
    Reader::new(RecordSchema::parse(SCHEMA).unwrap())
}

/// The code of the answer to a good event with `key` set to `json`.
fn with(key: &str, json: &str) -> Result<Value, &'static str> {
    let mut fields = vec![("id", r#""a1""#), ("at", "1532521800000"), ("amount", "12.50")];
    fields.retain(|(k, _)| *k != key);
    fields.push((key, json));
    let body: Vec<String> = fields.iter().map(|(k, v)| format!("\"{k}\": {v}")).collect();
    let reader = reader();
    let row = reader.read(format!("{{{}}}", body.join(",")).as_bytes()).map_err(|e| e.code())?;
    Ok(row[reader.schema().slot(key).unwrap()].clone())
}

#[test]
fn fills_what_may_be_left_out() {
    let row = reader().read(br#" {"amount":"12.5","id":"a1","at":"2018-07-25T12:30:00.0009Z"} "#).unwrap();
    let expected = [
        Value::String("a1".into()),
        Value::Timestamp(1_532_521_800_000_000),
        Value::Decimal(Decimal::new(1250, 2)),
        Value::Long(7),
        Value::Null,
        Value::Null,
        Value::Double(0.5),
        Value::String("B".into()),
        Value::Bool(true),
        Value::Null,
    ];
    assert_eq!(row, expected);
}

#[test]
fn reads_each_type_as_the_schema_says() {
    assert_eq!(with("at", "1532521800001"), Ok(Value::Timestamp(1_532_521_800_001_000)));
    assert_eq!(with("seen", "1532521800000001"), Ok(Value::Timestamp(1_532_521_800_000_001)));
    assert_eq!(with("seen", r#""2018-07-25T14:30:00.000001+02:00""#), Ok(Value::Timestamp(1_532_521_800_000_001)));
    assert_eq!(with("big", "-9223372036854775808"), Ok(Value::Long(i64::MIN)));
    assert_eq!(with("ratio", "1e-3"), Ok(Value::Double(0.001)));
    assert_eq!(with("ratio", "3"), Ok(Value::Double(3.0)));
    assert_eq!(with("share", "0.1"), Ok(Value::Double(f64::from(0.1f32))));
    assert_eq!(with("id", r#""\u00e9\n\"\ud83d\ude00""#), Ok(Value::String("é\n\"😀".into())));
    assert_eq!(with("ok", "false"), Ok(Value::Bool(false)));
    assert_eq!(with("kind", r#""A""#), Ok(Value::String("A".into())));
}

#[test]
fn refuses_what_does_not_fit_with_its_own_code() {
    for (key, json, code) in [
        ("id", "17", "wrong_type"),
        ("id", "null", "null_field"),
        ("id", "{}", "wrong_type"),
        ("at", "1.5", "wrong_type"),
        ("at", "9223372036854775807", "out_of_range"),
        ("at", r#""yesterday""#, "not_an_instant"),
        ("amount", "1e400", "too_many_digits"),
        ("amount", "12.505", "too_many_digits"),
        ("amount", r#""12,50""#, "not_a_decimal"),
        ("amount", "true", "wrong_type"),
        ("amount", "NaN", "not_finite"),
        ("n", "2147483648", "out_of_range"),
        ("n", "1.0", "wrong_type"),
        ("big", "18446744073709551616", "out_of_range"),
        ("ratio", "1e400", "out_of_range"),
        ("ratio", "NaN", "not_finite"),
        ("ratio", "-Infinity", "not_finite"),
        ("ratio", r#""NaN""#, "wrong_type"),
        ("share", "1e39", "out_of_range"),
        ("kind", r#""C""#, "unknown_symbol"),
        ("ok", "1", "wrong_type"),
        ("colour", r#""red""#, "unknown_field"),
    ] {
        assert_eq!(with(key, json).unwrap_err(), code, "{key}: {json}");
    }
    assert_eq!(reader().read(br#"{"id":"a1","at":0}"#).unwrap_err().code(), "missing_field");
    assert_eq!(reader().read(b"[]").unwrap_err().code(), "not_an_object");
    assert_eq!(reader().read(b"\"x\"").unwrap_err().code(), "not_an_object");
}

#[test]
fn what_is_not_json_is_told_from_what_is_not_an_event() {
    let deep = |n: usize| format!(r#"{{"id":{}{}}}"#, "[".repeat(n), "]".repeat(n));
    let good = r#"{"id":"a1","at":1532521800000,"amount":12.50}"#;
    for (json, code) in [
        ("".into(), "empty"),
        (" \n".into(), "empty"),
        (deep(100_000), "too_deep"),
        ("[".repeat(100_000) + &"]".repeat(100_000), "too_deep"),
        ("[".repeat(100_000), "malformed_json"),
        (deep(100), "wrong_type"),
        (format!(r#"{{"x":{}{}}}"#, "[".repeat(200), "]".repeat(200)), "too_deep"),
        (r#"{"id":"a","id":"b"}"#.into(), "duplicate_key"),
        (r#"{"id":"a","\u0069d":"b"}"#.into(), "duplicate_key"),
        (r#"{"x":1,"x":2}"#.into(), "duplicate_key"),
        (r#"{"id":17,"at":}"#.into(), "malformed_json"),
        (r#"{"id":"\ud800"}"#.into(), "malformed_json"),
        (format!("{good}{good}"), "malformed_json"),
        (good.replace("12.50", "012.50"), "malformed_json"),
        (good.replace("12.50", "'12.50'"), "malformed_json"),
        (good.replace(",", "NaN"), "malformed_json"),
        (format!("\u{feff}{good}"), "malformed_json"),
    ] {
        assert_eq!(reader().read(json.as_bytes()).unwrap_err().code(), code, "{}", error::shown(&json));
    }
    for end in 1..good.len() {
        assert_eq!(reader().read(&good.as_bytes()[..end]).unwrap_err().code(), "malformed_json", "cut at {end}");
    }
    let mut bad = good.as_bytes().to_vec();
    bad[7] = 0xff;
    assert_eq!(reader().read(&bad).unwrap_err(), Malformed::Utf8 { at: 7 }.into());
}

#[test]
fn an_array_is_split_whole_or_not_at_all() {
    assert_eq!(elements(b" [ {\"a\": [1]} ,2] ").unwrap(), [&b"{\"a\": [1]}"[..], b"2"]);
    assert_eq!(elements(b"[]").unwrap(), [&b""[..]; 0]);
    for (json, code) in [
        ("[1,", "malformed_json"),
        ("[1]]", "malformed_json"),
        ("[{\"a\":NaN}]", "not_finite"),
        ("[1,-Infinity]", "not_finite"),
        ("", "empty"),
    ] {
        assert_eq!(elements(json.as_bytes()).unwrap_err().code(), code, "{json}");
    }
    assert_eq!(elements(b"[\xff]").unwrap_err().code(), "not_utf8");
}

#[test]
fn answers_name_the_field_and_repeat_little() {
    let error = reader().read(br#"{"id":"a1","at":0,"amount":12.505}"#).unwrap_err().to_string();
    assert_eq!(error, "field `amount`: 12.505 has more digits than decimal(18, 2) keeps: round it before sending, nothing is rounded here");
    let long = format!(r#"{{"{}":1}}"#, "x".repeat(100_000));
    assert!(reader().read(long.as_bytes()).unwrap_err().to_string().len() < 300);
}

fn to_json(row: &[Value], schema: &RecordSchema, as_text: bool) -> String {
    let fields: Vec<String> = row
        .iter()
        .zip(&schema.fields)
        .map(|(value, field)| {
            let json = match value {
                Value::Null => "null".into(),
                Value::Bool(v) => v.to_string(),
                Value::Long(v) => v.to_string(),
                Value::Double(v) => serde_json::to_string(v).unwrap(),
                Value::Decimal(v) if as_text => format!("\"{v}\""),
                Value::Decimal(v) => v.to_string(),
                Value::String(v) => serde_json::to_string(v.as_str()).unwrap(),
                Value::Timestamp(v) if as_text => format!("\"{}\"", crate::time::format_instant(*v)),
                Value::Timestamp(v) if field.ty == Type::TimestampMillis => (v / 1000).to_string(),
                Value::Timestamp(v) => v.to_string(),
            };
            format!("{}:{json}", serde_json::to_string(field.name.as_str()).unwrap())
        })
        .collect();
    format!("{{{}}}", fields.join(","))
}

prop_compose! {
    fn rows()(
        id in any::<String>(), at in -10_000_000_000_000i64..10_000_000_000_000, amount in -999_999_999_999_999_999i128..=999_999_999_999_999_999,
        n in any::<i32>(), big in any::<Option<i64>>(), ratio in proptest::option::of(proptest::num::f64::NORMAL | proptest::num::f64::ZERO),
        share in proptest::num::f32::NORMAL, kind in "[AB]", ok in any::<bool>(), seen in proptest::option::of(-1_000_000_000_000_000i64..4_000_000_000_000_000),
    ) -> Vec<Value> {
        vec![
            Value::String(id.into()), Value::Timestamp(at * 1000), Value::Decimal(Decimal::from_i128_with_scale(amount, 2)),
            Value::Long(n.into()), big.map_or(Value::Null, Value::Long), ratio.map_or(Value::Null, Value::Double),
            Value::Double(share.into()), Value::String(kind.into()), Value::Bool(ok), seen.map_or(Value::Null, Value::Timestamp),
        ]
    }
}

proptest! {
    #[test]
    fn reads_back_every_row(row in rows(), as_text in any::<bool>()) {
        let reader = reader();
        let json = to_json(&row, reader.schema(), as_text);
        prop_assert_eq!(reader.read(json.as_bytes()), Ok(row), "{}", json);
    }

    #[test]
    fn agrees_with_serde_json_on_what_is_json(edits in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..4), row in rows()) {
        let reader = reader();
        let mut bytes = to_json(&row, reader.schema(), false).into_bytes();
        for (at, byte) in edits {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let ours = reader.read(&bytes);
        let theirs = serde_json::from_slice::<&RawValue>(&bytes).is_ok();
        match ours {
            Ok(_) => prop_assert!(theirs),
            Err(Error::Malformed(Malformed::Syntax(_))) if theirs => {
                // the raw scan lets lone surrogates pass, reading the text does not
                prop_assert!(serde_json::from_slice::<serde_json::Value>(&bytes).is_err());
            }
            Err(Error::Malformed(Malformed::Syntax(_) | Malformed::Utf8 { .. } | Malformed::Empty)) => prop_assert!(!theirs),
            Err(Error::Invalid { problem: Problem::NotFinite { .. }, .. }) => {}
            Err(_) => prop_assert!(theirs),
        }
    }

    #[test]
    fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = reader().read(&bytes);
    }
}

#[test]
fn substitutes_are_taken_only_for_what_is_left_out() {
    let reader = reader();
    let (id, at, n) = (0, 1, 3);
    let otherwise = [(id, r#""x""#), (at, r#""2018-07-25T12:30:00Z""#), (n, "8")];
    let row = reader.read_or(br#"{"amount":1,"id":"a"}"#, &otherwise).unwrap();
    assert_eq!((&row[id], &row[at], &row[n]), (&Value::String("a".into()), &Value::Timestamp(1_532_521_800_000_000), &Value::Long(8)));
    // there, and wrong: nothing takes its place
    assert_eq!(reader.read_or(br#"{"amount":1,"id":null}"#, &otherwise).unwrap_err().code(), "null_field");
    let bad = reader.read_or(br#"{"amount":1}"#, &[(id, r#""x""#), (at, r#""yesterday""#)]).unwrap_err();
    assert_eq!((bad.code(), bad.to_string().contains("field `at`")), ("not_an_instant", true), "{bad}");
}

#[test]
fn an_object_is_split_into_its_members() {
    let found = members(br#" {"a":1,"b\n":{"c":[1,{}]}, "d" : "x" } "#).unwrap();
    let found: Vec<(&str, &str)> = found.iter().map(|(name, value)| (name.as_ref(), *value)).collect();
    assert_eq!(found, [("a", "1"), ("b\n", r#"{"c":[1,{}]}"#), ("d", r#""x""#)]);
    for (json, code) in [
        (&b""[..], "empty"),
        (b"[]", "not_an_object"),
        (br#""a""#, "not_an_object"),
        (br#"{"a":1,"a":1}"#, "duplicate_key"),
        (br#"{"a":1,"\u0061":1}"#, "duplicate_key"),
        (br#"{"a":1"#, "malformed_json"),
        (br#"{"a":1}{}"#, "malformed_json"),
        (br#"{"a":NaN}"#, "not_finite"),
        (b"\xff", "not_utf8"),
    ] {
        assert_eq!(members(json).unwrap_err().code(), code, "{}", String::from_utf8_lossy(json));
    }
}
