//! `POST /v1/pipelines/{p}/predict` says what the stream would say next, and says when it does not know.

use serde_json::{Value as Json, json};
use std::time::{Duration, Instant};
use tidemill_integration_tests::http::Answer;
use tidemill_integration_tests::infrastructure::flush_redis;
use tidemill_integration_tests::services::{READY, Slot};
use tidemill_integration_tests::until::until;
use tidemill_integration_tests::{Pipeline, Service, Stack};

const PREDICTOR: Slot = Slot(Service::Predictor, 1);

fn payment(id: u32, hour: u32, customer: &str, terminal: &str, amount: &str) -> Json {
    let (day, hour) = (1 + hour / 24, hour % 24);
    let time = format!("2018-04-{day:02}T{hour:02}:30:00Z");
    json!({"transaction_id": format!("tx-{id}"), "event_time": time, "customer_id": customer, "terminal_id": terminal, "amount": amount})
}

fn predict(stack: &Stack, pipeline: &Pipeline, event: &Json) -> Answer {
    ask(stack, pipeline, "", event.to_string()).unwrap()
}

fn ask(stack: &Stack, pipeline: &Pipeline, query: &str, body: String) -> anyhow::Result<Answer> {
    let url = format!("{}/v1/pipelines/{}/predict{query}", stack.services.url(PREDICTOR)?, pipeline.name);
    stack.http.send(stack.http.client().post(url).header("content-type", "application/json").body(body))
}

/// The answer once it is 200: the online store follows the commits.
fn until_answered(stack: &Stack, pipeline: &Pipeline, event: &Json) -> Json {
    let answered = until("the predictor answers", READY, || {
        let answer = ask(stack, pipeline, "", event.to_string())?;
        anyhow::ensure!(answer.status == 200 || answer.status == 503, "{} {}", answer.status, answer.body);
        Ok((answer.status == 200).then(|| answer.json()))
    });
    answered.unwrap()
}

#[test]
fn equals_the_streams_next_vector_and_says_what_it_does_not_know() {
    let mut stack = Stack::new("rest-predict").unwrap();
    let pipeline = stack.apply("payments").unwrap();
    stack.start_all().unwrap();
    // 15 days of a customer's and a terminal's life: delayed windows are full, too
    let history: Vec<Json> = (0..60).map(|i| payment(i, i * 6, "c-1", "t-1", &format!("{}.{:02}", 10 + i, i))).collect();
    stack.publish(&pipeline, &history).unwrap();

    let next = payment(100, 361, "c-1", "t-1", "230.10");
    // the store may be one commit behind the topic: it is right once it knows the last event
    let last = json!("2018-04-15T18:30:00Z");
    let known = until("the online store has the last event", READY, || {
        let answer = until_answered(&stack, &pipeline, &next);
        let is_there = ["customer", "terminal"].iter().all(|entity| answer["entities"][entity]["last_event_time"] == last);
        Ok(is_there.then_some(answer))
    });
    let known = known.unwrap();
    stack.publish(&pipeline, std::slice::from_ref(&next)).unwrap();
    let vectors = stack.reader().read(&pipeline.topic("features")).unwrap();
    let vector = vectors.iter().find(|v| v.value["event_id"] == "tx-100").unwrap();
    assert_eq!(known["features"], vector.value["features"]);
    assert_eq!(known["features"]["terminal_tx_count_30d"], 33.0, "what happened up to seven days before");
    assert_eq!((&known["score"], &known["decision"]), (&json!(1.0), &json!("review")));
    assert_eq!((&known["model"]["stage"], &known["pipeline_version"]), (&json!("bootstrap"), &json!(1)));
    for (entity, key) in [("customer", "c-1"), ("terminal", "t-1")] {
        let told = &known["entities"][entity];
        assert_eq!((&told["key"], &told["known"]), (&json!(key), &json!(true)));
        assert_eq!(told["age_seconds"], 7.0 * 3600.0, "{told}");
        assert!(told["commit"].as_u64().unwrap() > 0, "{told}");
    }
    a_window_moves_with_the_time_asked_for(&stack, &pipeline);
    unknown_entities_are_said(&stack, &pipeline);
    wrong_requests_are_refused(&stack, &pipeline);
    an_emptied_store_is_not_taken_for_no_history(&stack, &pipeline);
    stack.services.stop_all().unwrap();
}

/// A value is right when it is asked for, not as of the last event.
fn a_window_moves_with_the_time_asked_for(stack: &Stack, pipeline: &Pipeline) {
    let later = payment(101, 361 + 24, "c-1", "t-1", "5.00");
    let answer = until("a day later only the new event is left in the day", READY, || {
        let answer = until_answered(stack, pipeline, &later);
        Ok((answer["features"]["customer_tx_count_30d"] == 62.0).then_some(answer))
    });
    assert_eq!(answer.unwrap()["features"]["customer_tx_count_1d"], 1.0);
}

fn unknown_entities_are_said(stack: &Stack, pipeline: &Pipeline) {
    let event = payment(102, 361, "c-nobody", "t-1", "5.00");
    let answer = until_answered(stack, pipeline, &event);
    assert_eq!(answer["entities"]["customer"]["known"], false);
    assert_eq!(answer["entities"]["terminal"]["known"], true);
    assert_eq!(answer["features"]["customer_tx_count_1d"], 1.0, "the event itself");
    assert!(answer["warnings"].to_string().contains("c-nobody"), "{answer}");
    let refused = ask(stack, pipeline, "?unknown=refuse", event.to_string()).unwrap();
    assert_eq!((refused.status, &refused.json()["code"]), (404, &json!("unknown_entity")), "{}", refused.body);
}

fn wrong_requests_are_refused(stack: &Stack, pipeline: &Pipeline) {
    let mut unknown_field = payment(1, 1, "c", "t", "1.00");
    unknown_field["colour"] = json!("red");
    let mut missing_field = payment(1, 1, "c", "t", "1.00");
    missing_field.as_object_mut().unwrap().remove("amount");
    for (body, status) in [
        (String::new(), 400),
        ("{".into(), 400),
        (unknown_field.to_string(), 422),
        (missing_field.to_string(), 422),
        (payment(1, 1, "c", "t", "12,50").to_string(), 422),
        (format!("{{\"transaction_id\": \"{}\"}}", "x".repeat(100_000)), 413),
    ] {
        let answer = ask(stack, pipeline, "", body.clone()).unwrap();
        assert_eq!(answer.status, status, "{} -> {}", body.chars().take(100).collect::<String>(), answer.body);
    }
    let nowhere = stack.http.client().post(format!("{}/v1/pipelines/nowhere/predict", stack.services.url(PREDICTOR).unwrap()));
    assert_eq!(stack.http.send(nowhere.body("{}")).unwrap().status, 404);
}

/// After FLUSHALL there is 503 or the right value, never zeros.
fn an_emptied_store_is_not_taken_for_no_history(stack: &Stack, pipeline: &Pipeline) {
    let event = payment(103, 362, "c-1", "t-1", "5.00");
    let right = until_answered(stack, pipeline, &event)["features"].clone();
    flush_redis(&stack.environment).unwrap();
    let flushed = Instant::now();
    let mut refused = 0;
    let rebuilt = until("the online store is rebuilt", Duration::from_secs(30), || {
        let answer = predict(stack, pipeline, &event);
        match answer.status {
            200 => assert_eq!(answer.json()["features"], right, "wrong values {:?} after FLUSHALL", flushed.elapsed()),
            503 => {
                refused += 1;
                assert!(answer.header("retry-after").is_some(), "{answer:?}");
            }
            other => panic!("{other} {}", answer.body),
        }
        Ok((answer.status == 200).then(|| flushed.elapsed()))
    });
    assert!(refused > 0, "the store was found rebuilt at once, after {:?}: was it emptied?", rebuilt.unwrap());
}
