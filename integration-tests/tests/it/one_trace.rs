//! One event as the collector sees it: a trace from the request to the prediction, a link from its label's.

use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::time::Duration;
use tidemill_integration_tests::services::{READY, Slot};
use tidemill_integration_tests::spans::{Collected, Span};
use tidemill_integration_tests::until::until;
use tidemill_integration_tests::{Pipeline, Service, Stack};

const SERVER: u64 = 2;
const CLIENT: u64 = 3;
const PRODUCER: u64 = 4;
const CONSUMER: u64 = 5;
const SCHEMA: &str = "https://opentelemetry.io/schemas/1.45.0";
/// How long spans may take to the file: queue, collector's batch.
const ARRIVAL: Duration = Duration::from_secs(20);

fn payment(id: &str) -> Json {
    json!({
        "transaction_id": id, "event_time": "2018-04-01T10:00:00Z", "customer_id": format!("c-{id}"),
        "terminal_id": format!("t-{id}"), "amount": "250.50"
    })
}

fn label(id: &str) -> Json {
    json!({"event_id": id, "label": 1, "label_time": "2018-04-05T10:00:00Z"})
}

/// The first half of a SHA-256, as text.
fn half(bytes: &[u8]) -> String {
    hex::encode(&Sha256::digest(bytes)[..16])
}

fn traceparent(trace: &str, flags: &str) -> String {
    format!("00-{trace}-00f067aa0ba902b7-{flags}")
}

/// Posts `body`, once the ingestor has heard of the pipeline.
fn post(stack: &Stack, pipeline: &Pipeline, way: &str, traceparent: Option<&str>, body: &Json) {
    let url = format!("{}/v1/pipelines/{}/{way}", stack.services.url(Slot(Service::Ingestor, 1)).unwrap(), pipeline.name);
    let answer = until("the ingestor knows the pipeline", READY, || {
        let request = stack.http.client().post(&url).bearer_auth(&stack.environment.token).json(body);
        let answer = stack.http.send(traceparent.into_iter().fold(request, |r, t| r.header("traceparent", t)))?;
        Ok((!matches!(answer.status, 404 | 503)).then_some(answer))
    });
    let answer = answer.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// Services on an applied pipeline, ready.
fn start(test: &str, settings: &[(&str, &str)]) -> (Stack, Pipeline) {
    let mut stack = Stack::with_settings(test, settings).unwrap();
    let pipeline = stack.apply("payments").unwrap();
    stack.start_all().unwrap();
    (stack, pipeline)
}

/// The spans of `trace`, when there are `count` of them.
fn trace(collected: &Collected, trace: &str, count: usize) -> Vec<Span> {
    let mut seen = Vec::new();
    let whole = until(&format!("{count} spans of trace {trace} arrive"), ARRIVAL, || {
        seen = collected.spans(|span| span.trace == trace)?;
        Ok((seen.len() >= count).then(|| seen.clone()))
    });
    let spans = whole.unwrap_or_else(|e| panic!("{e:#}; there are {:#?}", names(&seen)));
    assert_eq!(spans.len(), count, "{:#?}", names(&spans));
    spans
}

fn names(spans: &[Span]) -> Vec<&str> {
    spans.iter().map(|s| s.name.as_str()).collect()
}

fn named<'s>(spans: &'s [Span], name: &str) -> &'s Span {
    let mut found = spans.iter().filter(|s| s.name == name);
    let (Some(span), None) = (found.next(), found.next()) else { panic!("{name}: not one of {:#?}", names(spans)) };
    span
}

/// Asserts that each of `way` is the child of the one before, and no earlier.
fn assert_chain(spans: &[Span], way: &[(String, u64, &str)]) {
    for pair in way.windows(2) {
        let (above, below) = (named(spans, &pair[0].0), named(spans, &pair[1].0));
        assert_eq!(below.parent, above.id, "{} is below {}", below.name, above.name);
        assert!(below.start >= above.start && below.end >= below.start, "{} begins before {}", below.name, above.name);
    }
    for (name, kind, service) in way {
        let span = named(spans, name);
        assert_eq!((span.kind, &span.resource["service.name"]), (*kind, &json!(service)), "{name}");
        assert_eq!((span.schema_url.as_str(), &span.resource["service.instance.id"]), (SCHEMA, &json!("1")), "{name}");
        assert!(span.resource["service.version"].is_string() && span.status == 0, "{span:#?}");
    }
}

/// The hops of an event's trace below the request, with the topics' names.
fn hops(pipeline: &Pipeline, topics: &[(&str, &'static str, &'static str)]) -> Vec<(String, u64, &'static str)> {
    let hop = |(topic, writer, reader): &(&str, &'static str, &'static str)| {
        let topic = pipeline.topic(topic);
        [(format!("send {topic}"), PRODUCER, *writer), (format!("process {topic}"), CONSUMER, *reader)]
    };
    topics.iter().flat_map(hop).collect()
}

const EVENT: [(&str, &str, &str); 5] = [
    ("raw", "tidemill-ingestor", "tidemill-validator"),
    ("valid", "tidemill-validator", "tidemill-feature-builder"),
    ("hop.terminal", "tidemill-feature-builder", "tidemill-feature-builder"),
    ("features", "tidemill-feature-builder", "tidemill-predictor"),
    ("predictions", "tidemill-predictor", "tidemill-evaluator"),
];

#[test]
fn from_the_request_to_the_prediction_and_a_link_from_the_label() {
    let (mut stack, pipeline) = start("one-trace", &[("TIDEMILL_TRACE_RATIO", "0")]);
    let collected = Collected::new(&stack.environment).unwrap();
    let [event, outcome, declined] = ["event", "label", "declined"].map(|what| half(format!("{} {what}", pipeline.name).as_bytes()));
    post(&stack, &pipeline, "events", Some(&traceparent(&event, "01")), &payment("tx-1"));
    post(&stack, &pipeline, "events", Some(&traceparent(&declined, "00")), &payment("tx-2"));
    post(&stack, &pipeline, "events", None, &payment("tx-3"));
    stack.wait(&pipeline).unwrap();
    let prediction = stack.reader().read(&pipeline.topic("predictions")).unwrap();
    post(&stack, &pipeline, "labels", Some(&traceparent(&outcome, "01")), &label("tx-1"));
    post(&stack, &pipeline, "labels", None, &label("tx-2"));
    stack.wait(&pipeline).unwrap();

    let spans = trace(&collected, &event, 11);
    let request = "POST /v1/pipelines/{pipeline}/events".to_owned();
    let mut way = vec![(request.clone(), SERVER, "tidemill-ingestor")];
    way.extend(hops(&pipeline, &EVENT));
    assert_chain(&spans, &way);
    let server = named(&spans, &request);
    assert_eq!(server.parent, "00f067aa0ba902b7", "the caller's span");
    let expected = json!({
        "http.request.method": "POST", "http.route": "/v1/pipelines/{pipeline}/events", "url.scheme": "http",
        "url.path": format!("/v1/pipelines/{}/events", pipeline.name), "http.response.status_code": "200",
    });
    assert_eq!(json!(server.attributes), expected);
    for pair in spans.iter().filter(|s| s.kind == CONSUMER) {
        assert_eq!(pair.links.first(), Some(&(event.clone(), pair.parent.clone())), "{} links to its send", pair.name);
    }
    let found = prediction.iter().find(|m| m.key.as_deref() == Some("tx-1")).unwrap();
    let sent = named(&spans, &format!("send {}", pipeline.topic("predictions")));
    let carried = format!("00-{event}-{}-01", sent.id);
    assert_eq!(found.traceparent.as_deref(), Some(carried.as_str()), "who reads the prediction goes on below its send");
    attributes_are_those_of_the_conventions(&pipeline, &spans, found.partition, found.offset);

    let label = trace(&collected, &outcome, 6);
    let mut way = vec![("POST /v1/pipelines/{pipeline}/labels".to_owned(), SERVER, "tidemill-ingestor")];
    way.extend(hops(
        &pipeline,
        &[("labels", "tidemill-ingestor", "tidemill-evaluator"), ("hop.terminal", "tidemill-evaluator", "tidemill-feature-builder")],
    ));
    assert_chain(&label, &way);
    let joined = named(&label, &format!("process {}", pipeline.topic("labels")));
    assert_eq!(named(&label, &format!("send {}", pipeline.topic("outcomes"))).parent, joined.id);
    let predicted = named(&spans, &format!("process {}", pipeline.topic("predictions")));
    assert_eq!(
        joined.links,
        [(outcome.clone(), joined.parent.clone()), (event.clone(), predicted.id.clone())],
        "to its send and to the prediction"
    );

    // a loop that has stopped has no figures any more
    metrics_arrive(&collected, &pipeline);
    // what is still on its way leaves before they end
    stack.services.stop_all().unwrap();
    batches_are_linked(&collected, &pipeline, &spans, [&event, &outcome]);
    nothing_tells_of_the_others(&collected, &pipeline, &declined);
}

fn attributes_are_those_of_the_conventions(pipeline: &Pipeline, spans: &[Span], partition: i32, offset: i64) {
    let topic = pipeline.topic("predictions");
    let partition = partition.to_string();
    let send = named(spans, &format!("send {topic}"));
    let expected = json!({
        "messaging.system.name": "kafka", "messaging.operation.name": "send", "messaging.operation.type": "send",
        "messaging.destination.name": topic, "messaging.destination.partition.id": partition, "kafka.message.key": "tx-1",
        "messaging.client.id": format!("{}.1", pipeline.group("predictor")),
    });
    assert_eq!(json!(send.attributes), expected);
    let process = named(spans, &format!("process {topic}"));
    let expected = json!({
        "messaging.system.name": "kafka", "messaging.operation.name": "process", "messaging.operation.type": "process",
        "messaging.destination.name": topic, "messaging.destination.partition.id": partition, "kafka.message.key": "tx-1",
        "messaging.client.id": format!("{}.1", pipeline.group("evaluator")),
        "messaging.consumer.group.name": pipeline.group("evaluator"), "kafka.offset": offset.to_string(),
    });
    assert_eq!(json!(process.attributes), expected);
    // only who appends outside of a transaction learns the offset of each record
    let raw = named(spans, &format!("send {}", pipeline.topic("raw")));
    let read = named(spans, &format!("process {}", pipeline.topic("raw")));
    assert_eq!(raw.attributes["kafka.offset"], read.attributes["kafka.offset"]);
}

/// The spans of batches with a followed record: each in a trace of its own, linked to the record's send.
fn batches_are_linked(collected: &Collected, pipeline: &Pipeline, event: &[Span], traces: [&String; 2]) {
    let of_this = |span: &Span| span.attributes.get("messaging.destination.name").is_some_and(|t| is_of(pipeline, t));
    let all = collected.spans(of_this).unwrap();
    for hop in event.iter().filter(|s| s.kind == CONSUMER) {
        let topic = hop.attributes["messaging.destination.name"].as_str().unwrap();
        let link = (hop.trace.clone(), hop.parent.clone());
        let linked = |operation: &str| {
            let name = format!("{operation} {topic}");
            let found: Vec<&Span> = all.iter().filter(|s| s.name == name && s.links.contains(&link)).collect();
            assert_eq!(found.len(), 1, "{name}: {found:#?}");
            found[0]
        };
        let (poll, commit) = (linked("poll"), linked("commit"));
        assert_eq!((poll.kind, commit.kind), (CLIENT, CLIENT));
        assert_eq!((poll.parent.as_str(), &commit.parent, &commit.trace), ("", &poll.id, &poll.trace), "{topic}");
        assert!(!traces.contains(&&poll.trace) && poll.links.len() <= 128);
        assert!(poll.start <= poll.end && poll.end <= hop.start && hop.end <= commit.start && commit.start <= commit.end, "{topic}");
        for (span, operation) in [(poll, "receive"), (commit, "settle")] {
            assert_eq!(span.attributes["messaging.operation.type"], operation);
            assert_eq!(span.attributes["messaging.consumer.group.name"], hop.attributes["messaging.consumer.group.name"]);
            let count: usize = span.attributes["messaging.batch.message_count"].as_str().unwrap().parse().unwrap();
            assert!((1..=4).contains(&count), "{span:#?}");
        }
        // what the batch wrote is written before it is committed
        for send in event.iter().filter(|s| s.kind == PRODUCER && s.parent == hop.id) {
            assert!(send.start >= hop.end && send.end <= commit.start, "{} {}", send.name, commit.name);
        }
    }
}

fn is_of(pipeline: &Pipeline, topic: &Json) -> bool {
    topic.as_str().is_some_and(|t| t.strip_prefix(&pipeline.name).is_some_and(|rest| rest.starts_with('.')))
}

fn nothing_tells_of_the_others(collected: &Collected, pipeline: &Pipeline, declined: &str) {
    assert_eq!(collected.spans(|span| span.trace == declined).unwrap(), []);
    let of_this = |span: &Span| span.attributes.get("messaging.destination.name").is_some_and(|t| is_of(pipeline, t));
    let keys: BTreeSet<String> = collected
        .spans(of_this)
        .unwrap()
        .iter()
        .filter_map(|s| Some(s.attributes.get("kafka.message.key")?.as_str()?.to_owned()))
        .collect();
    assert_eq!(keys, ["c-tx-1", "t-tx-1", "tx-1"].map(str::to_owned).into());
}

fn metrics_arrive(collected: &Collected, pipeline: &Pipeline) {
    let records = until("the validator's figures arrive", ARRIVAL, || {
        let points = collected.metric("tidemill-validator", "tidemill_loop_records")?;
        Ok(points.into_iter().find(|(labels, _)| labels["pipeline"] == json!(pipeline.name)))
    });
    let (labels, value) = records.unwrap();
    assert_eq!((&labels["stage"], value), (&json!("validator"), 3.0));
}

#[test]
fn a_share_of_what_nobody_decided_is_followed_by_its_id() {
    let (mut stack, pipeline) = start("trace-ratio", &[("TIDEMILL_TRACE_RATIO", "1")]);
    let collected = Collected::new(&stack.environment).unwrap();
    let forged = format!("00-{}-00f067aa0ba902b7-01", "A".repeat(32));
    post(&stack, &pipeline, "events", Some(&forged), &payment("tx-1"));
    let two = format!("{}\n{}\n", payment("tx-2"), payment("tx-3"));
    assert_eq!(stack.send_events(&pipeline, "application/x-ndjson", two).unwrap().status, 200);
    stack.wait(&pipeline).unwrap();
    post(&stack, &pipeline, "labels", None, &label("tx-1"));
    stack.wait(&pipeline).unwrap();
    let id = |topic: &str, event: &str| half(format!("{}\0{event}", pipeline.topic(topic)).as_bytes());
    for event in ["tx-1", "tx-2", "tx-3"] {
        let spans = trace(&collected, &id("raw", event), 11);
        let mut way = vec![("POST /v1/pipelines/{pipeline}/events".to_owned(), SERVER, "tidemill-ingestor")];
        way.extend(hops(&pipeline, &EVENT));
        assert_chain(&spans, &way);
        assert_eq!(spans.iter().filter(|s| s.parent.is_empty()).count(), 1, "the request is the root");
    }
    let label = trace(&collected, &id("labels", "tx-1"), 6);
    let predicted = named(&trace(&collected, &id("raw", "tx-1"), 11), &format!("process {}", pipeline.topic("predictions"))).id.clone();
    let joined = named(&label, &format!("process {}", pipeline.topic("labels")));
    assert_eq!(joined.links[1..], [(id("raw", "tx-1"), predicted)]);
    stack.services.stop_all().unwrap();
}

#[test]
fn a_collector_that_hangs_holds_nothing_up() {
    // the system takes connections for it, and nobody ever answers
    let deaf = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", deaf.local_addr().unwrap());
    let (mut stack, pipeline) = start("deaf-collector", &[("TIDEMILL_TRACE_RATIO", "1"), ("TIDEMILL_OTLP", &url)]);
    let events: Vec<Json> = (0..50).map(|n| payment(&format!("tx-{n}"))).collect();
    stack.publish(&pipeline, &events).unwrap();
    let predicted = stack.reader().read(&pipeline.topic("predictions")).unwrap();
    let keys: BTreeMap<_, _> = predicted.iter().map(|m| (m.key.clone(), m.traceparent.is_some())).collect();
    assert_eq!((keys.len(), keys.values().all(|followed| *followed)), (50, true));
    // with exit code 0, and in time
    stack.services.stop_all().unwrap();
}
