//! One event over HTTP through all services, hop by hop, read at the end by a stranger.

use serde_json::{Value as Json, json};
use std::time::Duration;
use tidemill_events::partition::partition_of;
use tidemill_integration_tests::services::{READY, Slot};
use tidemill_integration_tests::topics::Message;
use tidemill_integration_tests::until::until;
use tidemill_integration_tests::{Pipeline, Service, Stack};

const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// Version and trace of a `traceparent`: its spans differ from hop to hop.
const TRACE: usize = 35;
/// 2018-04-01T10:00:00Z, a Sunday.
const EVENT_TIME: i64 = 1_522_576_800_000_000;
const DAY: i64 = 86_400_000_000;

fn payment() -> Json {
    json!({
        "transaction_id": "tx-1", "event_time": "2018-04-01T10:00:00Z", "customer_id": "c-17", "terminal_id": "t-4", "amount": "250.50"
    })
}

/// Sends the payment with a sampled trace, once the ingestor has heard of the pipeline.
fn send(stack: &Stack, pipeline: &Pipeline) -> Json {
    let url = format!("{}/v1/pipelines/{}/events", stack.services.url(Slot(Service::Ingestor, 1)).unwrap(), pipeline.name);
    let answer = until("the ingestor follows the apply", READY, || {
        let request = stack.http.client().post(&url).bearer_auth(&stack.environment.token).header("traceparent", TRACEPARENT);
        let answer = stack.http.send(request.json(&payment()))?;
        Ok((!matches!(answer.status, 404 | 503)).then_some(answer))
    });
    let answer = answer.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()
}

/// The only record of a topic.
fn only(stack: &Stack, pipeline: &Pipeline, suffix: &str) -> Message {
    let mut messages = stack.reader().read(&pipeline.topic(suffix)).unwrap();
    assert_eq!(messages.len(), 1, "{suffix}: {messages:#?}");
    messages.remove(0)
}

#[test]
fn goes_all_the_way_with_its_coordinates() {
    let mut stack = Stack::new("one-event").unwrap();
    // started first: services follow what is applied later
    stack.services.start(&Service::ALL.map(|s| Slot(s, 1))).unwrap();
    let pipeline = stack.apply("payments").unwrap();
    let accepted = send(&stack, &pipeline);
    assert_eq!((&accepted["event_id"], &accepted["status"]), (&json!("tx-1"), &json!("accepted")), "{accepted}");

    let reader = stack.reader();
    let downstream = reader.subscribe(&pipeline.topic("predictions"), &format!("downstream-{}", pipeline.name)).unwrap();
    let prediction = downstream.next(Duration::from_secs(60)).unwrap();
    assert_eq!(prediction.value["score"], 1.0, "{prediction:?}");
    assert_eq!(prediction.value["decision"], "review");
    assert_eq!(prediction.value["route"], "default");
    let model = &prediction.value["model"];
    assert_eq!((&model["version"], &model["stage"]), (&json!(0), &json!("bootstrap")), "{model}");
    stack.wait(&pipeline).unwrap();

    let keyed_by = |key: &str| (Some(key.to_owned()), partition_of(key.as_bytes(), 4));
    let raw = only(&stack, &pipeline, "raw");
    assert_eq!((raw.key.clone(), raw.partition), keyed_by("c-17"));
    assert_eq!(raw.value["event_time"], EVENT_TIME / 1000, "as the upstream's schema says: milliseconds");
    let source = json!({"topic": pipeline.topic("raw"), "partition": raw.partition, "offset": raw.offset});
    assert_eq!((&accepted["partition"], &accepted["offset"]), (&source["partition"], &source["offset"]));

    let entities = json!({"customer": "c-17", "terminal": "t-4"});
    for (topic, key, stage) in [
        ("valid", "c-17", Some(json!({"stage": "validator", "partition": raw.partition}))),
        ("hop.terminal", "t-4", Some(json!({"stage": "feature-builder.customer", "partition": raw.partition}))),
        ("features", "tx-1", Some(json!({"stage": "feature-builder.terminal", "partition": partition_of(b"t-4", 4)}))),
        ("predictions", "tx-1", None),
    ] {
        let message = only(&stack, &pipeline, topic);
        assert_eq!((message.key.clone(), message.partition), keyed_by(key), "{topic}");
        assert_eq!(message.value["event_id"], "tx-1", "{topic}");
        assert_eq!(message.value["event_time"], EVENT_TIME, "{topic}");
        assert_eq!(message.value["source"], source, "{topic}");
        assert_eq!(message.value["entities"], entities, "{topic}");
        let trace = message.traceparent.as_deref().and_then(|t| t.get(..TRACE));
        assert_eq!(trace, TRACEPARENT.get(..TRACE), "{topic} goes on with the caller's trace");
        if let Some(stage) = stage {
            assert_eq!(message.value["from"], stage, "{topic}");
            assert_eq!(message.value["merge_time"], EVENT_TIME, "{topic}");
        }
    }
    assert_eq!(reader.read(&pipeline.topic("rejected")).unwrap(), []);
    assert_eq!(only(&stack, &pipeline, "features").value["features"], features());
    let prediction = only(&stack, &pipeline, "predictions");
    the_label_closes_the_loop(&stack, &pipeline, &prediction);
    trace_shows_every_hop(&stack, &pipeline);
    stack.services.stop_all().unwrap();
}

/// Four days later it is known to be a fraud: an outcome, also for the terminal, whose features look at labels.
fn the_label_closes_the_loop(stack: &Stack, pipeline: &Pipeline, prediction: &Message) {
    let url = format!("{}/v1/pipelines/{}/labels", stack.services.url(Slot(Service::Ingestor, 1)).unwrap(), pipeline.name);
    let label = json!({"event_id": "tx-1", "label": 1, "label_time": "2018-04-05T10:00:00Z"});
    let request = stack.http.client().post(&url).bearer_auth(&stack.environment.token).json(&label);
    let answer = stack.http.send(request).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    stack.wait(pipeline).unwrap();

    let label = only(stack, pipeline, "labels");
    let source = json!({"topic": pipeline.topic("labels"), "partition": label.partition, "offset": label.offset});
    let outcome = only(stack, pipeline, "outcomes");
    assert_eq!((outcome.key.as_deref(), outcome.partition), (Some("tx-1"), prediction.partition));
    for field in ["event_id", "event_time", "entities", "score", "decision", "route", "model"] {
        assert_eq!(outcome.value[field], prediction.value[field], "{field}");
    }
    assert_eq!(outcome.value["source"], source);
    assert_eq!((&outcome.value["label"], &outcome.value["label_time"]), (&json!(1.0), &json!(EVENT_TIME + 4 * DAY)));

    let hop = stack.reader().read(&pipeline.topic("hop.terminal")).unwrap();
    assert_eq!(hop.len(), 2, "the event and its outcome: {hop:#?}");
    assert_eq!((&hop[1].value["source"], &hop[1].value["label"]), (&source, &json!(1.0)));
    assert_eq!(stack.reader().read(&pipeline.topic("valid")).unwrap().len(), 1, "the customer's features look at no label");
}

/// The first event of its customer and its terminal.
fn features() -> Json {
    json!({
        "customer_tx_count_1d": 1.0, "customer_tx_count_7d": 1.0, "customer_tx_count_30d": 1.0,
        "customer_amount_mean_1d": 250.5, "customer_amount_mean_7d": 250.5, "customer_amount_mean_30d": 250.5,
        "terminal_tx_count_1d": 0.0, "terminal_tx_count_7d": 0.0, "terminal_tx_count_30d": 0.0,
        "terminal_fraud_rate_1d": 0.0, "terminal_fraud_rate_7d": 0.0, "terminal_fraud_rate_30d": 0.0,
        "amount": 250.5, "is_night": 0.0, "is_weekend": 1.0
    })
}

fn trace_shows_every_hop(stack: &Stack, pipeline: &Pipeline) {
    let shown = stack.tidemill().succeed(&["trace", &pipeline.name, "tx-1", "--output", "json"]).unwrap();
    shown.json().unwrap();
    for topic in ["raw", "valid", "hop.terminal", "features", "predictions", "outcomes"] {
        assert!(shown.out.contains(&format!("\"{}\"", pipeline.topic(topic))), "{topic} is not in the trace:\n{}", shown.out);
    }
    let table = stack.tidemill().succeed(&["trace", &pipeline.name, "tx-1"]).unwrap().out;
    assert!(table.contains("review") && table.contains(&pipeline.topic("hop.terminal")), "{table}");
    let unknown = stack.tidemill().run(&["trace", &pipeline.name, "tx-2"]).unwrap().with_code(1).unwrap();
    assert!(unknown.err.contains("tx-2") || unknown.out.contains("tx-2"), "{unknown:?}");
}
