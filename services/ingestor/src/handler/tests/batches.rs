//! Batches: one result per record, and what Kafka did not take.

use super::*;

#[tokio::test]
async fn every_record_of_a_batch_has_its_own_result() {
    let harness = Harness::new();
    let lines = [payment("a1", "1"), payment("a2", "0.001"), "{".into(), payment("a1", "1"), payment("a1", "2"), payment("a3", "3")];
    let answer = harness.ndjson(lines.join("\n")).await;
    assert_eq!(answer.status, 207);
    let body = &answer.body;
    assert_eq!((&body["accepted"], &body["duplicates"], &body["refused"]), (&json!(2), &json!(1), &json!(3)));
    let failures: Vec<(u64, u64, &str)> = body["failures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| (f["index"].as_u64().unwrap(), f["status"].as_u64().unwrap(), f["code"].as_str().unwrap()))
        .collect();
    assert_eq!(failures, [(1, 422, "too_many_digits"), (2, 400, "malformed_json"), (4, 409, "conflict")]);
    assert_eq!(body["failures"][2]["event_id"], "a1");
    assert_eq!(body["results"], Json::Null);
    assert_eq!(harness.appended().len(), 2);
}

#[tokio::test]
async fn an_array_is_a_batch_and_verbose_lists_all() {
    let harness = Harness::new();
    let body = format!("[{}, {}]", payment("a1", "1"), payment("a2", "2"));
    let answer = harness.post("events?verbose=1", "application/json", body).await;
    assert_eq!((answer.status, &answer.body["accepted"], &answer.body["failures"]), (200, &json!(2), &json!([])));
    let results = answer.body["results"].as_array().unwrap();
    assert_eq!((&results[0]["event_id"], &results[1]["offset"]), (&json!("a1"), &json!(1)));
    let nan = format!("[{}]", payment("a3", "NaN"));
    assert!(harness.event(nan).await.is(422, "not_finite"));
}

#[tokio::test]
async fn nothing_is_accepted_that_kafka_did_not_acknowledge() {
    for (error, status, code, retry) in [
        (Error::NotAcknowledged, 503, "not_acknowledged", true),
        (Error::Busy, 429, "busy", true),
        (Error::Refused, 503, "kafka_refused", true),
        (Error::TooLarge, 413, "too_large", false),
    ] {
        let harness = Harness::with(Table { errors: Mutex::new(vec![error]), ..Table::default() }, 1 << 20);
        let answer = harness.event(payment("a1", "1")).await;
        assert!(answer.is(status, code), "{error}: {}", answer.body);
        assert_eq!(answer.headers.contains_key("retry-after"), retry, "{error}");
        assert_eq!(harness.event(payment("a1", "1")).await.body["status"], "accepted", "{error}: it was not remembered");
    }
}

#[tokio::test]
async fn the_rest_of_a_batch_survives_a_failure() {
    let harness = Harness::with(Table { errors: Mutex::new(vec![Error::NotAcknowledged]), ..Table::default() }, 1 << 20);
    // the third has the id of the first, which fails: it must not count as taken
    let lines = [payment("a1", "1"), payment("a2", "1"), payment("a1", "1")];
    let answer = harness.ndjson(lines.join("\n")).await;
    assert_eq!((answer.status, &answer.body["accepted"], &answer.body["refused"]), (207, &json!(1), &json!(2)));
    assert_eq!(answer.body["failures"][1]["code"], "not_acknowledged");
    assert_eq!(answer.headers["retry-after"], "1");
}

#[tokio::test]
async fn each_record_goes_to_its_keys_partition() {
    let harness = Harness::new();
    let lines: Vec<String> = (0..50).map(|i| payment(&format!("a{i}"), "1").replace("\"c1\"", &format!("\"c{i}\""))).collect();
    assert_eq!(harness.ndjson(lines.join("\n")).await.body["accepted"], 50);
    let by_key: HashMap<String, i32> = harness.appended().into_iter().map(|a| (a.key, a.partition)).collect();
    for i in 0..50 {
        let key = format!("c{i}");
        assert_eq!(by_key[&key], tidemill_events::partition::partition_of(key.as_bytes(), 4), "{key}");
    }
}
