//! What the command line says and how it ends when something is wrong.

use serde_json::{Value as Json, json};
use std::fs;
use std::time::{Duration, Instant};
use tidemill_integration_tests::command::Tidemill;
use tidemill_integration_tests::services::{READY, Slot};
use tidemill_integration_tests::until::until_holds;
use tidemill_integration_tests::{Pipeline, Service, Stack};

const INGESTOR: Slot = Slot(Service::Ingestor, 1);

/// Runs it, wants `code`, and wants each of `said` in what people read.
fn run(tidemill: &Tidemill, args: &[&str], code: i32, said: &[&str]) -> String {
    let ended = tidemill.run(args).unwrap().with_code(code).unwrap();
    let text = format!("{}{}", ended.out, ended.err);
    for word in said {
        assert!(text.contains(word), "`tidemill {}` does not say `{word}`:\n{text}", ended.line);
    }
    text
}

fn copy(stack: &Stack) -> Pipeline {
    Pipeline::copy(&stack.environment, "payments", stack.test()).unwrap()
}

fn edit(pipeline: &Pipeline, from: &str, to: &str) {
    let text = pipeline.text().unwrap();
    assert!(text.contains(from), "{from} is not in the example any more");
    fs::write(pipeline.file(), text.replace(from, to)).unwrap();
}

#[test]
fn usage_and_pipeline_files() {
    let stack = Stack::new("cli-files").unwrap();
    let tidemill = stack.tidemill();
    run(&tidemill, &["--help"], 0, &["apply", "publish", "verify", "trace"]);
    run(&tidemill, &["bogus"], 2, &["bogus"]);
    run(&tidemill, &["wait"], 2, &["PIPELINE"]);
    run(&tidemill, &["wait", "p", "--timeout", "soon"], 2, &["soon"]);

    let pipeline = copy(&stack);
    let file = pipeline.file().to_string_lossy().into_owned();
    run(&tidemill, &["check", &file], 0, &["no errors"]);
    run(&tidemill, &["check", "/nowhere/pipeline.yaml"], 1, &["/nowhere/pipeline.yaml"]);
    edit(&pipeline, "amount >= 0.0", "amonut >= 0.0");
    edit(&pipeline, "partitions: 4", "partitions: 0");
    edit(&pipeline, "aggregate: mean, of: amount", "aggregate: meen, of: amount");
    run(&tidemill, &["check", &file], 1, &["amonut", "did you mean `amount`", "meen", "partitions", "3 errors"]);
    let found = tidemill.run(&["check", &file, "--output", "json"]).unwrap().with_code(1).unwrap().json().unwrap();
    assert_eq!((&found["schema_version"], &found["ok"]), (&json!(1), &json!(false)));
    assert_eq!(found["diagnostics"].as_array().unwrap().len(), 3, "all errors at once: {found}");
    run(&tidemill, &["apply", &file], 1, &["amonut"]);
    run(&tidemill, &["status", &pipeline.name], 1, &[&pipeline.name]);
    run(&tidemill, &["explain", "TM9999"], 1, &["TM9999"]);
}

#[test]
fn apply_never_breaks_what_is_there() {
    let stack = Stack::new("cli-apply").unwrap();
    let tidemill = stack.tidemill();
    let mut pipeline = copy(&stack);
    pipeline.apply_again(&tidemill).unwrap();
    let file = pipeline.file().to_string_lossy().into_owned();
    run(&tidemill, &["apply", &file], 0, &["unchanged", "version 1"]);
    let applied = pipeline.text().unwrap();
    edit(&pipeline, "partitions: 4", "partitions: 8");
    run(&tidemill, &["apply", &file], 1, &["partitions", "nothing was changed"]);
    fs::write(pipeline.file(), applied).unwrap();
    edit(&pipeline, "threshold: 0.5", "threshold: 0.6");
    run(&tidemill, &["apply", &file], 0, &["version 2"]);
    let status = tidemill.succeed(&["status", &pipeline.name, "--output", "json"]).unwrap().json().unwrap();
    assert_eq!((&status["schema_version"], &status["pipelines"][0]["version"]), (&json!(1), &json!(2)), "{status}");
    let raw = status["pipelines"][0]["topics"].as_array().unwrap().iter().find(|t| t["topic"] == pipeline.topic("raw")).unwrap();
    assert_eq!(raw["partitions"], 4, "a topic never grows");
}

#[test]
fn pipelines_that_are_not_applied_and_clusters_that_are_not_there() {
    let stack = Stack::new("cli-unknown").unwrap();
    let tidemill = stack.tidemill();
    let pipeline = stack.apply("payments").unwrap();
    let close = format!("{}x", pipeline.name);
    for command in [&["wait", &close][..], &["verify", &close], &["trace", &close, "tx-1"], &["status", &close]] {
        run(&tidemill, command, 1, &["no pipeline", &close]);
    }
    run(&tidemill, &["wait", &close], 1, &[&format!("did you mean `{}`", pipeline.name)]);
    run(&tidemill, &["trace", &pipeline.name, "tx-none"], 1, &["tx-none"]);

    let gone = Tidemill::new(&stack.environment, vec![("TIDEMILL_KAFKA".into(), "127.0.0.1:9".into())]);
    let begin = Instant::now();
    run(&gone, &["status"], 1, &["error: ", "127.0.0.1:9"]);
    assert!(begin.elapsed() < Duration::from_secs(60), "it took {:?} to notice", begin.elapsed());
}

#[test]
fn what_is_not_done_is_named() {
    let mut stack = Stack::new("cli-behind").unwrap();
    let pipeline = stack.apply("payments").unwrap();
    // nobody validates
    stack.services.start(&[INGESTOR]).unwrap();
    let event = json!({
        "transaction_id": "tx-1", "event_time": "2018-04-01T10:00:00Z", "customer_id": "c", "terminal_id": "t", "amount": "1.00"
    });
    until_holds("the ingestor knows the pipeline", READY, || {
        Ok(stack.send_events(&pipeline, "application/json", event.to_string())?.status == 200)
    })
    .unwrap();
    let tidemill = stack.tidemill();
    run(&tidemill, &["wait", &pipeline.name, "--timeout", "1s"], 1, &["validator", &pipeline.topic("raw")]);
    let told =
        tidemill.run(&["wait", &pipeline.name, "--timeout", "1s", "--output", "json"]).unwrap().with_code(1).unwrap().json().unwrap();
    assert_eq!((&told["done"], &told["behind"]["stage"]), (&json!(false), &json!("validator")), "{told}");
    run(&tidemill, &["verify", &pipeline.name], 1, &["validator", "tidemill wait"]);
    let shown = tidemill.succeed(&["trace", &pipeline.name, "tx-1"]).unwrap().out;
    assert!(shown.contains(&pipeline.topic("raw")), "the event is in raw and nowhere else:\n{shown}");

    let events = pipeline.folder().join("events.ndjson");
    fs::write(&events, format!("{event}\n")).unwrap();
    let publish = ["publish", &pipeline.name, "--events", &events.to_string_lossy(), "--give-up-after", "2s"];
    let mut variables = stack.services.variables();
    variables.push(("TIDEMILL_TOKEN".into(), "not-the-token-of-this-service".into()));
    run(&Tidemill::new(&stack.environment, variables), &publish, 1, &["401"]);
    let again: Json = tidemill.succeed(&[&publish[..], &["--output", "json"]].concat()).unwrap().json().unwrap();
    assert_eq!((&again["acknowledged"], &again["duplicates"]), (&json!(1), &json!(1)), "{again}");
    stack.services.stop(INGESTOR).unwrap();
    run(&tidemill, &publish, 1, &[]);
    run(&tidemill, &["publish", &pipeline.name, "--events", "/nowhere.csv"], 1, &["/nowhere.csv"]);
}
