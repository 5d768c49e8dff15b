//! Hostile requests to the real ingestor: each gets its answer, none leaves an event, good ones go on.

use serde_json::{Value as Json, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;
use tidemill_integration_tests::services::{READY, Slot};
use tidemill_integration_tests::until::until_holds;
use tidemill_integration_tests::{Pipeline, Service, Stack};

const INGESTOR: Slot = Slot(Service::Ingestor, 1);
/// What hostile requests may add to the ingestor's memory.
const MOST_GROWTH: u64 = 64 << 20;

fn payment(id: &str, amount: &str) -> Json {
    json!({"transaction_id": id, "event_time": "2018-07-25T12:30:00Z", "customer_id": "c-1", "terminal_id": "t-1", "amount": amount})
}

/// Answers of the ingestor to whoever asks it this way.
fn ask(stack: &Stack, pipeline: &Pipeline, headers: &[(&str, &str)], body: Vec<u8>) -> (u16, Json) {
    let url = format!("{}/v1/pipelines/{}/events", stack.services.url(INGESTOR).unwrap(), pipeline.name);
    let request = headers.iter().fold(stack.http.client().post(url), |request, (name, value)| request.header(*name, *value));
    let answer = stack.http.send(request.body(body)).unwrap();
    (answer.status, answer.json())
}

/// A body that unpacks to `size` spaces.
fn bomb(size: usize) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(&vec![b' '; size]).unwrap();
    encoder.finish().unwrap()
}

fn bodies_are_refused(stack: &Stack, pipeline: &Pipeline) {
    let bearer = format!("Bearer {}", stack.environment.token);
    let good = payment("h-1", "1.00").to_string();
    let with_amount = |amount: &str| good.replace("\"1.00\"", amount).into_bytes();
    let mut unknown = payment("h-1", "1.00");
    unknown["colour"] = json!("red");
    for (what, body, status) in [
        ("nothing", Vec::new(), 400),
        ("a truncated object", good.as_bytes()[..good.len() - 1].to_vec(), 400),
        ("a depth of 100,000", vec![b'['; 100_000], 400),
        ("over 1 MiB", vec![b' '; (1 << 20) + 1], 413),
        ("a key twice", good.replace("terminal_id", "customer_id").into_bytes(), 400),
        ("1e400", with_amount("1e400"), 422),
        ("NaN", with_amount("NaN"), 422),
        ("an integer of 2^64", good.replace("\"2018-07-25T12:30:00Z\"", "18446744073709551616").into_bytes(), 422),
        ("bytes that are not UTF-8", [b"{\"transaction_id\":\"".as_slice(), b"\xff\"}"].concat(), 400),
        ("an unknown field", unknown.to_string().into_bytes(), 422),
        ("an event of 1970", good.replace("2018", "1970").into_bytes(), 422),
        ("an event of 9999", good.replace("2018", "9999").into_bytes(), 422),
    ] {
        let (found, answer) = ask(stack, pipeline, &[("authorization", &bearer), ("content-type", "application/json")], body);
        assert_eq!(found, status, "{what}: {answer}");
    }
    let packed = [("authorization", bearer.as_str()), ("content-type", "application/json"), ("content-encoding", "gzip")];
    assert_eq!(ask(stack, pipeline, &packed, bomb(256 << 20)).0, 413, "a gzip bomb");
    assert_eq!(ask(stack, pipeline, &[("authorization", &bearer), ("content-type", "text/plain")], good.clone().into_bytes()).0, 415);
    for token in ["", "Bearer", "Bearer wrong-wrong-wrong-wrong", "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0."] {
        let (status, _) =
            ask(stack, pipeline, &[("authorization", token), ("content-type", "application/json")], good.clone().into_bytes());
        assert_eq!(status, 401, "{token:?}");
    }
}

/// One id is one event: the same again is taken as sent before, another body is refused.
fn ids_are_idempotent(stack: &Stack, pipeline: &Pipeline) {
    let send = |event: Json| stack.send_events(pipeline, "application/json", event.to_string()).unwrap();
    assert_eq!(send(payment("h-2", "5.00")).json()["status"], "accepted");
    let again = send(payment("h-2", "5.00"));
    assert_eq!((again.status, again.json()["status"].as_str().map(str::to_owned)), (200, Some("duplicate".to_owned())));
    assert_eq!(send(payment("h-2", "6.00")).status, 409);
}

/// A batch has one answer per record: the good are taken, the others named by their place.
fn a_batch_is_answered_record_by_record(stack: &Stack, pipeline: &Pipeline) {
    let lines = format!("{}\n{}\nnot json\n{}\n", payment("h-3", "1.00"), payment("h-4", "x"), payment("h-5", "2.00"));
    let answer = stack.send_events(pipeline, "application/x-ndjson", lines).unwrap();
    let told = answer.json();
    assert_eq!((answer.status, &told["accepted"], &told["refused"]), (207, &json!(2), &json!(2)), "{told}");
    let places: Vec<&Json> = told["failures"].as_array().unwrap().iter().map(|f| &f["index"]).collect();
    assert_eq!(places, [&json!(1), &json!(2)], "{told}");
}

/// A request whose body never comes is ended by the service, not kept.
fn a_slow_request_is_ended(stack: &Stack, pipeline: &Pipeline) {
    let address = stack.services.url(INGESTOR).unwrap().replace("http://", "");
    let mut connection = TcpStream::connect(address).unwrap();
    connection.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let head = format!(
        "POST /v1/pipelines/{}/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{{",
        pipeline.name, stack.environment.token
    );
    connection.write_all(head.as_bytes()).unwrap();
    let mut answer = Vec::new();
    // it ends by itself: the service closes the connection
    connection.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[test]
fn each_gets_its_answer_and_good_ones_go_on() {
    let mut stack = Stack::with_settings("hostile-http", &[("TIDEMILL_BODY_TIMEOUT", "1s")]).unwrap();
    let pipeline = stack.apply("payments").unwrap();
    stack.services.start(&[INGESTOR]).unwrap();
    until_holds("the ingestor knows the pipeline", READY, || {
        Ok(stack.send_events(&pipeline, "application/json", payment("h-0", "1.00").to_string())?.status == 200)
    })
    .unwrap();
    let before = stack.services.process(INGESTOR).unwrap().usage().unwrap().resident;

    bodies_are_refused(&stack, &pipeline);
    ids_are_idempotent(&stack, &pipeline);
    a_batch_is_answered_record_by_record(&stack, &pipeline);
    a_slow_request_is_ended(&stack, &pipeline);

    let after = stack.services.process(INGESTOR).unwrap().usage().unwrap().resident;
    assert!(after.saturating_sub(before) <= MOST_GROWTH, "the ingestor grew from {before} to {after} bytes");
    let raw = stack.reader().read(&pipeline.topic("raw")).unwrap();
    let mut ids: Vec<&str> = raw.iter().map(|m| m.value["transaction_id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["h-0", "h-2", "h-3", "h-5"], "what was answered with 2xx, and nothing else");
    assert!(stack.services.is_ready(INGESTOR).unwrap());
    stack.services.stop_all().unwrap();
}
