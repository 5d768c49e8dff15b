//! CloudEvents: each mode ends as the same record; what is none is refused, and nothing of it is appended.

use super::*;

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const OTHER_TRACE: &str = "00-11111111111111111111111111111111-00f067aa0ba902b7-01";

/// A payment without the fields that an envelope may give.
const BARE: &str = r#"{"customer_id":"c1","terminal_id":"t9","amount":12.5}"#;

/// A CloudEvent in the JSON format; `changes` are further members, or others in place of these.
fn envelope(changes: &[(&str, Json)]) -> Json {
    let mut event = json!({"specversion": "1.0", "id": "e1", "source": "/shop", "type": "paid", "time": "2018-07-25T12:30:00Z"});
    event["data"] = serde_json::from_str(BARE).unwrap();
    for (name, value) in changes {
        event[*name] = value.clone();
    }
    event
}

fn without(name: &str) -> Json {
    let mut event = envelope(&[]);
    event.as_object_mut().unwrap().remove(name);
    event
}

impl Harness {
    async fn structured(&self, event: &Json) -> Answer {
        self.post("events", "application/cloudevents+json", event.to_string()).await
    }

    async fn binary(&self, headers: &[(&str, &str)], body: &str) -> Answer {
        let media_type = headers.iter().find(|(n, _)| *n == "content-type").map_or("application/json", |(_, v)| *v);
        let mut sent = request("events", media_type);
        for (name, value) in headers.iter().filter(|(n, _)| *n != "content-type") {
            sent = sent.header(*name, value.as_bytes());
        }
        self.send(sent.body(body.to_owned().into()).unwrap()).await
    }

    fn row(&self, index: usize) -> Vec<Value> {
        let record = &self.appended()[index];
        let layout = layout();
        let (_, datum) = wire::split(Some(&record.payload)).unwrap();
        RawReader::new(&layout.avro(PerPipeline::Raw), &layout.event).unwrap().decode(datum).unwrap()
    }
}

const BINARY: [(&str, &str); 5] =
    [("ce-specversion", "1.0"), ("ce-id", "e1"), ("ce-source", "/shop"), ("ce-type", "paid"), ("ce-time", "2018-07-25T12:30:00Z")];

#[tokio::test]
async fn each_mode_ends_as_the_same_record() {
    let base64 = json!("eyJjdXN0b21lcl9pZCI6ImMxIiwidGVybWluYWxfaWQiOiJ0OSIsImFtb3VudCI6MTIuNX0=");
    let mut encoded = without("data");
    encoded["data_base64"] = base64;
    let mut payloads = Vec::new();
    for mode in ["structured", "base64", "binary", "batch", "plain"] {
        let harness = Harness::new();
        let answer = match mode {
            "structured" => harness.structured(&envelope(&[("datacontenttype", json!("application/json"))])).await,
            "base64" => harness.structured(&encoded).await,
            "binary" => harness.binary(&BINARY, BARE).await,
            "batch" => {
                let batch = json!([envelope(&[]), envelope(&[("id", json!("e2"))])]).to_string();
                harness.post("events", "application/cloudevents-batch+json; charset=utf-8", batch).await
            }
            _ => harness.event(payment("e1", "12.5")).await,
        };
        assert_eq!(answer.status, 200, "{mode}: {}", answer.body);
        match mode {
            "batch" => assert_eq!(answer.body["accepted"], 2),
            _ => assert_eq!((&answer.body["status"], &answer.body["event_id"]), (&json!("accepted"), &json!("e1")), "{mode}"),
        }
        let record = harness.appended().remove(0);
        assert_eq!((record.key.as_str(), record.topic.as_str()), ("c1", "payments-fraud.raw"), "{mode}");
        payloads.push(record.payload);
    }
    assert!(payloads.iter().all(|p| *p == payloads[0]), "the same event, however it came");
}

#[tokio::test]
async fn what_the_data_says_itself_holds() {
    let harness = Harness::new();
    let data: Json = serde_json::from_str(&payment("own", "1")).unwrap();
    let answer = harness.structured(&envelope(&[("data", data), ("time", json!("2020-01-01T00:00:00Z"))])).await;
    assert_eq!((answer.status, &answer.body["event_id"]), (200, &json!("own")));
    assert_eq!(harness.row(0)[1], Value::Timestamp(1_532_521_800_000_000));
    // null is said, not left out
    let null = json!({"transaction_id": null, "customer_id": "c1", "terminal_id": "t9", "amount": 1});
    assert!(harness.structured(&envelope(&[("data", null)])).await.is(422, "null_field"));
    assert!(harness.structured(&without("time")).await.is(422, "missing_field"), "neither has a time");
    // the same id again is the same event
    assert_eq!(harness.structured(&envelope(&[])).await.body["status"], "accepted");
    assert_eq!(harness.binary(&BINARY, BARE).await.body["status"], "duplicate");
    assert!(harness.structured(&envelope(&[("time", json!("2018-07-25T12:30:01Z"))])).await.is(409, "conflict"));
}

#[tokio::test]
async fn the_trace_of_the_event_comes_before_that_of_the_request() {
    let harness = Harness::new();
    let with = |id: &str, trace: &str| envelope(&[("id", json!(id)), ("traceparent", json!(trace))]);
    let batch = json!([with("e1", TRACE), with("e2", "00-forged"), envelope(&[("id", json!("e3"))])]).to_string();
    let sent = request("events", "application/cloudevents-batch+json").header("traceparent", OTHER_TRACE);
    assert_eq!(harness.send(sent.body(batch.into()).unwrap()).await.body["accepted"], 3);
    let mut headers = BINARY.to_vec();
    headers.retain(|(n, _)| *n != "ce-id");
    headers.extend([("ce-id", "e4"), ("ce-traceparent", TRACE)]);
    assert_eq!(harness.binary(&headers, BARE).await.status, 200);
    let traces: Vec<Option<String>> = harness.appended().into_iter().map(|a| a.traceparent).collect();
    let [own, request] = [TRACE, OTHER_TRACE].map(|t| Some(t.to_owned()));
    assert_eq!(traces, [own.clone(), request.clone(), request, own]);
}

#[tokio::test]
async fn percent_signs_in_headers_are_decoded() {
    let harness = Harness::new();
    let mut headers = BINARY.to_vec();
    headers.retain(|(n, _)| *n != "ce-id");
    headers.extend([("ce-id", "Euro%20%E2%82%AC"), ("content-type", "application/vnd.shop.order+json")]);
    let answer = harness.binary(&headers, BARE).await;
    assert_eq!((answer.status, &answer.body["event_id"]), (200, &json!("Euro €")), "{}", answer.body);
}

#[tokio::test]
async fn what_is_no_cloud_event() {
    let harness = Harness::new();
    let good = envelope(&[]).to_string();
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    let change = |name: &str, value: Json| envelope(&[(name, value)]).to_string();
    let cases: Vec<(&str, String, u16, &str)> = vec![
        ("empty", String::new(), 400, "empty"),
        ("a plain event", payment("h1", "1"), 422, "missing_attribute"),
        ("an array", format!("[{good}]"), 422, "not_an_object"),
        ("truncated", good[..good.len() - 1].to_owned(), 400, "malformed_json"),
        ("an attribute twice", good.replacen('{', r#"{"id":"e2","#, 1), 400, "duplicate_key"),
        ("an extension twice", good.replacen('{', r#"{"x":1,"x":2,"#, 1), 400, "duplicate_key"),
        ("depth 100k", deep.clone(), 400, "too_deep"),
        ("depth 100k as data", good.replace(&envelope(&[])["data"].to_string(), &deep), 400, "too_deep"),
        ("no specversion", without("specversion").to_string(), 422, "missing_attribute"),
        ("no id", without("id").to_string(), 422, "missing_attribute"),
        ("no source", without("source").to_string(), 422, "missing_attribute"),
        ("no type", without("type").to_string(), 422, "missing_attribute"),
        ("null as type", change("type", Json::Null), 422, "missing_attribute"),
        ("an empty id", change("id", json!("")), 422, "bad_attribute"),
        ("a number as id", change("id", json!(17)), 422, "bad_attribute"),
        ("an object as time", change("time", json!({})), 422, "bad_attribute"),
        ("specversion 0.3", change("specversion", json!("0.3")), 422, "unknown_specversion"),
        ("specversion 1.0 as a number", change("specversion", json!(1.0)), 422, "bad_attribute"),
        ("XML", change("datacontenttype", json!("application/xml")), 415, "unsupported_data"),
        ("no data", without("data").to_string(), 422, "bad_data"),
        ("null data", change("data", Json::Null), 422, "bad_data"),
        ("data twice over", change("data_base64", json!("e30=")), 422, "bad_data"),
        ("text as data", change("data", json!(BARE)), 422, "not_an_object"),
        ("an array as data", change("data", json!([1])), 422, "not_an_object"),
        ("an unknown field in the data", good.replace("terminal_id", "colour"), 422, "unknown_field"),
        ("a time that is none", change("time", json!("yesterday")), 422, "not_an_instant"),
        ("a time in 9999", change("time", json!("9999-01-01T00:00:00Z")), 422, "time_out_of_range"),
    ];
    for (what, body, status, code) in cases {
        let answer = harness.post("events", "application/cloudevents+json", body).await;
        assert!(answer.is(status, code), "{what}: {} {}", answer.status, answer.body);
    }
    for (what, encoded, code) in [
        ("no base64", "e30", "bad_data"),
        ("base64 of bytes", "/////w==", "not_utf8"),
        ("base64 of an array", "W10=", "not_an_object"),
        ("base64 of nothing", "", "empty"),
    ] {
        let mut event = without("data");
        event["data_base64"] = json!(encoded);
        let answer = harness.structured(&event).await;
        assert_eq!(answer.body["code"], code, "{what}: {}", answer.body);
    }
    assert_eq!(harness.appended(), []);
}

#[tokio::test]
async fn headers_that_make_no_cloud_event() {
    let harness = Harness::new();
    let change = |name: &'static str, value: Option<&'static str>| {
        let mut headers = BINARY.to_vec();
        headers.retain(|(n, _)| *n != name);
        headers.extend(value.map(|v| (name, v)));
        headers
    };
    for (what, headers, status, code) in [
        ("no id", change("ce-id", None), 422, "missing_attribute"),
        ("no specversion", change("ce-specversion", None), 422, "missing_attribute"),
        ("specversion 2", change("ce-specversion", Some("2.0")), 422, "unknown_specversion"),
        ("an empty source", change("ce-source", Some("")), 422, "bad_attribute"),
        ("half a percent sign", change("ce-id", Some("50%")), 422, "bad_attribute"),
        ("bytes that are not UTF-8", change("ce-id", Some("%ff")), 422, "bad_attribute"),
        ("raw UTF-8", change("ce-id", Some("€")), 422, "bad_attribute"),
        ("an attribute twice", [BINARY.to_vec(), vec![("ce-id", "e2")]].concat(), 422, "bad_attribute"),
        ("XML", change("content-type", Some("application/xml")), 415, "unsupported_media_type"),
        ("an XML envelope", change("content-type", Some("application/cloudevents+xml")), 415, "unsupported_media_type"),
    ] {
        let answer = harness.binary(&headers, BARE).await;
        assert!(answer.is(status, code), "{what}: {} {}", answer.status, answer.body);
    }
    assert!(harness.binary(&BINARY, "").await.is(400, "empty"));
    assert!(harness.binary(&BINARY, &format!("[{BARE}]")).await.is(422, "not_an_object"), "one event, not a batch");
    assert_eq!(harness.appended(), []);
}

#[tokio::test]
async fn one_that_is_wrong_does_not_spoil_its_batch() {
    let harness = Harness::new();
    let xml = envelope(&[("id", json!("e2")), ("datacontenttype", json!("text/xml"))]);
    let batch = json!([envelope(&[]), without("id"), xml, 17, envelope(&[("id", json!("e3"))])]);
    let answer = harness.post("events", "application/cloudevents-batch+json", batch.to_string()).await;
    assert_eq!((answer.status, &answer.body["accepted"]), (207, &json!(2)), "{}", answer.body);
    let codes: Vec<&str> = answer.body["failures"].as_array().unwrap().iter().map(|f| f["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["missing_attribute", "unsupported_data", "not_an_object"]);
    assert!(harness.post("events", "application/cloudevents-batch+json", envelope(&[]).to_string()).await.is(400, "malformed_json"));
    assert!(harness.post("events", "application/cloudevents-batch+json", "[]").await.is(400, "empty"));
    assert!(harness.post("labels", "application/cloudevents+json", envelope(&[]).to_string()).await.is(415, "unsupported_media_type"));
}
