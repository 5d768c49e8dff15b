//! What a new version of a running pipeline may change, and what it may not.

use tidemill_pipeline::{Pipeline, compile, diff_breaks};

const PAYMENT: &str = include_str!("../../../../examples/payments/payment.avsc");
const FILE: &str = include_str!("../../../../examples/payments/pipeline.yaml");

fn pipeline(text: &str, schema: &str) -> Pipeline {
    compile("p.yaml", text, |_| Ok(schema.to_owned())).unwrap_or_else(|found| panic!("{found:?}")).0
}

/// Codes of what breaks, and the keys of the new file that they mark.
fn codes(text: &str, schema: &str) -> Vec<(&'static str, String)> {
    let (old, new) = (pipeline(FILE, PAYMENT), pipeline(text, schema));
    diff_breaks(&old, &new).into_iter().map(|d| (d.code, text[d.labels[0].range.clone()].to_owned())).collect()
}

fn file(from: &str, to: &str) -> Vec<(&'static str, String)> {
    assert!(FILE.contains(from), "{from}");
    codes(&FILE.replace(from, to), PAYMENT)
}

fn schema(from: &str, to: &str) -> Vec<(&'static str, String)> {
    assert!(PAYMENT.contains(from), "{from}");
    codes(FILE, &PAYMENT.replace(from, to))
}

fn one(code: &'static str, marked: &str) -> Vec<(&'static str, String)> {
    vec![(code, marked.to_owned())]
}

#[test]
fn features_rows_checks_and_decisions_change_freely() {
    assert_eq!(file("windows: [1d, 7d, 30d]", "windows: [2d]"), vec![]);
    assert_eq!(file("  is_night:", "  at_night:"), vec![]);
    assert_eq!(file("threshold: 0.5", "threshold: 0.7"), vec![]);
    assert_eq!(file("50000.0", "60000.0"), vec![]);
    assert_eq!(file("lateness: 10m", "lateness: 20m"), vec![]);
    assert_eq!(file("decision:", "\ndecision:"), vec![]);
}

#[test]
fn partitions_identity_and_name_stay() {
    assert_eq!(file("partitions: 4", "partitions: 8"), one("TM0131", "partitions"));
    assert_eq!(file("partitions: 4", "partitions: 2"), one("TM0131", "partitions"));
    assert_eq!(file("id: transaction_id", "id: customer_id"), one("TM0135", "id"));
    assert_eq!(file("payments-fraud\n", "payments-theft\n"), one("TM0137", "pipeline"));
}

#[test]
fn entities_stay_in_order_and_new_ones_come_last() {
    assert_eq!(file("  customer:", "  client:"), one("TM0133", "entities"));
    assert_eq!(file("key: terminal_id", "key: customer_id"), one("TM0134", "key"));
    assert_eq!(file("key: customer_id", "key: [customer_id, terminal_id]"), one("TM0134", "key"));
    assert_eq!(file("\n# Features of", "  pair: { key: [customer_id, terminal_id] }\n# Features of"), vec![]);
    assert_eq!(file("entities:\n", "entities:\n  pair: { key: [customer_id, terminal_id] }\n"), one("TM0133", "entities"));
}

#[test]
fn a_column_keeps_its_type() {
    assert_eq!(file("is_night: \"", "is_night: \"'' + customer_id\"\n  night: \""), one("TM0136", "is_night"));
}

#[test]
fn old_events_stay_readable() {
    let field = |json: &str| format!("{{\"name\": \"terminal_id\", \"type\": \"string\"}}, {json}");
    let terminal = "{\"name\": \"terminal_id\", \"type\": \"string\"}";
    let added = |json: &str| schema(terminal, &field(json));
    assert_eq!(added("{\"name\": \"channel\", \"type\": [\"null\", \"string\"], \"default\": null}"), vec![]);
    assert_eq!(added("{\"name\": \"channel\", \"type\": \"string\", \"default\": \"web\"}"), vec![]);
    assert_eq!(added("{\"name\": \"channel\", \"type\": \"string\"}"), one("TM0132", "schema"));
    assert_eq!(schema("\"scale\": 2", "\"scale\": 3"), one("TM0132", "schema"));
    assert_eq!(schema("timestamp-millis", "timestamp-micros"), one("TM0132", "schema"));
    assert_eq!(schema(terminal, "{\"name\": \"terminal_id\", \"type\": [\"null\", \"string\"]}"), vec![], "it may become nullable");
    assert_eq!(schema(terminal, "{\"name\": \"terminal_id\", \"type\": \"long\"}"), one("TM0132", "schema"));
}

#[test]
fn a_field_that_went_is_named() {
    let old = pipeline(FILE, &PAYMENT.replace("\"fields\": [", "\"fields\": [{\"name\": \"note\", \"type\": [\"null\", \"string\"]},"));
    let found = diff_breaks(&old, &pipeline(FILE, PAYMENT));
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].message, "the event schema lost its field `note`");
}
