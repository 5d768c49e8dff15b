//! Hostile requests, each with the answer that reliability asks for; nothing of them is appended.

use super::*;
use std::io::Write;

fn with(field: &str, json: &str) -> String {
    let good = [
        ("transaction_id", r#""h1""#),
        ("event_time", "1532521800000"),
        ("customer_id", r#""c1""#),
        ("terminal_id", r#""t9""#),
        ("amount", "12.50"),
    ];
    let mut fields: Vec<String> = good.iter().filter(|(name, _)| *name != field).map(|(n, v)| format!("\"{n}\":{v}")).collect();
    fields.push(format!("\"{field}\":{json}"));
    format!("{{{}}}", fields.join(","))
}

#[tokio::test]
async fn bodies_that_are_no_events() {
    let harness = Harness::new();
    let deep = |n: usize| "[".repeat(n) + &"]".repeat(n);
    let good = payment("h1", "1");
    let cases: Vec<(&str, Vec<u8>, u16, &str)> = vec![
        ("empty", vec![], 400, "empty"),
        ("white space", b" \n".to_vec(), 400, "empty"),
        ("empty array", b"[]".to_vec(), 400, "empty"),
        ("truncated", good.as_bytes()[..good.len() - 1].to_vec(), 400, "malformed_json"),
        ("truncated array", format!("[{good},").into_bytes(), 400, "malformed_json"),
        ("depth 100k", deep(100_000).into_bytes(), 400, "400"),
        ("depth 100k, open", vec![b'['; 100_000], 400, "malformed_json"),
        ("depth 100k in a field", with("amount", &deep(100_000)).into_bytes(), 400, "too_deep"),
        ("over 1 MiB", vec![b' '; (1 << 20) + 1], 413, "too_large"),
        ("duplicate key", good.replace("terminal_id", "customer_id").into_bytes(), 400, "duplicate_key"),
        ("bad UTF-8", [&b"{\"transaction_id\":\""[..], b"\xff\"}"].concat(), 400, "not_utf8"),
        ("1e400", with("amount", "1e400").into_bytes(), 422, "too_many_digits"),
        ("NaN", with("amount", "NaN").into_bytes(), 422, "not_finite"),
        ("2^64 in a time", with("event_time", "18446744073709551616").into_bytes(), 422, "out_of_range"),
        ("unknown field", with("colour", "1").into_bytes(), 422, "unknown_field"),
        ("time in 1970", with("event_time", "1532521").into_bytes(), 422, "time_out_of_range"),
        ("time in 9999", with("event_time", r#""9999-01-01T00:00:00Z""#).into_bytes(), 422, "time_out_of_range"),
        ("end of 9999", with("event_time", r#""9999-12-31T23:59:59Z""#).into_bytes(), 422, "not_an_instant"),
        ("time before 1970", with("event_time", "-9223372036854775").into_bytes(), 422, "time_out_of_range"),
        ("time missing", r#"{"transaction_id":"a","customer_id":"c","terminal_id":"t","amount":1}"#.into(), 422, "missing_field"),
        ("number as id", with("transaction_id", "17").into_bytes(), 422, "wrong_type"),
        ("empty id", with("transaction_id", r#""""#).into_bytes(), 422, "empty_id"),
        ("null amount", with("amount", "null").into_bytes(), 422, "null_field"),
        ("not an object", b"17".to_vec(), 422, "not_an_object"),
    ];
    for (what, body, status, code) in cases {
        let answer = harness.event(body).await;
        // a broken element of an array is a record of a batch: its code is in `failures`
        let found = if code == "400" { answer.status == status } else { answer.is(status, code) };
        assert!(found, "{what}: {} {}", answer.status, answer.body);
        assert_eq!(answer.body["status"].as_u64().unwrap_or(status.into()), u64::from(status), "{what}");
    }
    assert_eq!(harness.appended(), []);
}

#[tokio::test]
async fn labels_that_are_none() {
    let harness = Harness::new();
    for (label, status, code) in [
        (r#"{"event_id":"a","label":NaN,"label_time":1533081600000000}"#, 422, "not_finite"),
        (r#"{"event_id":"a","label":1e999,"label_time":1533081600000000}"#, 422, "out_of_range"),
        (r#"{"event_id":"a","label":true,"label_time":1533081600000000}"#, 422, "wrong_type"),
        (r#"{"event_id":"a","label":1,"label_time":1533081600000000,"by":"me"}"#, 422, "unknown_field"),
        (r#"{"event_id":"a","label":1,"label_time":1533081600}"#, 422, "time_out_of_range"),
        (r#"{"event_id":"","label":1,"label_time":1533081600000000}"#, 422, "empty_id"),
        (r#"{"event_id":"a","label":1}"#, 422, "missing_field"),
    ] {
        let answer = harness.post("labels", "application/json", label).await;
        assert!(answer.is(status, code), "{label}: {} {}", answer.status, answer.body);
    }
    assert_eq!(harness.appended(), []);
}

#[tokio::test]
async fn callers_without_the_token() {
    let harness = Harness::new();
    for token in [None, Some("Bearer wrong"), Some("Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0."), Some("Basic MDEyMzQ1Njc4OWFiY2RlZg==")] {
        let mut request = Request::post("/v1/pipelines/payments-fraud/events").header("content-type", "application/json");
        if let Some(token) = token {
            request = request.header("authorization", token);
        }
        let answer = harness.send(request.body(payment("h1", "1").into()).unwrap()).await;
        assert!(answer.is(401, "unauthorized"), "{token:?}: {} {}", answer.status, answer.body);
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
    }
    assert_eq!(harness.appended(), []);
}

#[tokio::test]
async fn other_media_types_and_pipelines() {
    let harness = Harness::new();
    for media_type in ["text/plain", "application/xml", "application/json5", "", "application/cloudevents+xml"] {
        let answer = harness.post("events", media_type, payment("h1", "1")).await;
        assert!(answer.is(415, "unsupported_media_type"), "{media_type}: {}", answer.status);
    }
    let path = "/v1/pipelines/nobody/events";
    let unknown = Request::post(path).header("authorization", format!("Bearer {TOKEN}")).header("content-type", "application/json");
    let answer = harness.send(unknown.body(payment("h1", "1").into()).unwrap()).await;
    assert!(answer.is(404, "unknown_pipeline"));
    assert_eq!(answer.headers["content-type"], "application/problem+json");
    assert_eq!(answer.body["title"], "Not Found");
    assert_eq!(harness.appended(), []);
}

#[tokio::test]
async fn gzip_bombs_and_other_packing() {
    let harness = Harness::new();
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let packed = |encoding: &str, body: Vec<u8>| {
        request("events", "application/json").header("content-encoding", encoding).body(body.into()).unwrap()
    };
    assert!(harness.send(packed("gzip", gzip(&vec![b' '; 64 << 20]))).await.is(413, "too_large"));
    assert!(harness.send(packed("gzip", b"abc".to_vec())).await.is(400, "broken_gzip"));
    assert!(harness.send(packed("br", b"abc".to_vec())).await.is(415, "unsupported_encoding"));
    assert_eq!(harness.appended(), []);
    assert_eq!(harness.send(packed("gzip", gzip(payment("g1", "1").as_bytes()))).await.status, 200);
}

#[tokio::test]
async fn a_forged_trace_is_dropped_and_the_event_taken() {
    let harness = Harness::new();
    let sent = request("events", "application/json").header("traceparent", "00-00000000000000000000000000000000-00f067aa0ba902b7-01");
    assert_eq!(harness.send(sent.body(payment("f1", "1").into()).unwrap()).await.status, 200);
    assert_eq!(harness.appended()[0].traceparent, None);
}

#[tokio::test]
async fn too_much_at_once() {
    let harness = Harness::with(Table::default(), 1000);
    let answer = harness.event(payment("h1", "1") + &" ".repeat(1000)).await;
    assert!(answer.is(429, "busy"));
    assert_eq!(answer.headers["retry-after"], "1");
    assert_eq!(harness.event(payment("h1", "1")).await.status, 200, "nothing stays taken");
}
