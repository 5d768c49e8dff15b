//! The learning loop on the real line: a first model takes over from the bootstrap, a better one from it, a worse one is
//! refused, drift is answered by a model that is judged, a person rolls back and the former model decides; the first model is
//! trained again to the same bytes, and at each position of the predictions one model served.

use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;
use tidemill_integration_tests::services::Slot;
use tidemill_integration_tests::until::until_holds;
use tidemill_integration_tests::{Pipeline, Service, Stack};

/// How long a training, its verdict and its deployment may take.
const LEARNED: Duration = Duration::from_secs(120);
/// What the example has, and what this test has of it: weeks become days.
const EDITS: [(&str, &str); 7] = [
    ("labels: { horizon: 7d }", "labels: { horizon: 1d }"),
    (
        "search: { num_leaves: [8, 16], learning_rate: [0.2], min_data_in_leaf: [50], lambda_l2: [3], num_iterations: { max: 150 } }",
        "search: { num_leaves: [2], learning_rate: [0.02], num_iterations: [1] }",
    ),
    (
        "train: { every: 28d, on: [drift, spec_change], history: 21d, validation: 7d }",
        "train: { every: 60d, on: [drift], history: 13d, validation: 2d }",
    ),
    ("challenger.average_precision >= champion.average_precision - 0.005", "challenger.average_precision > champion.average_precision"),
    ("challenger.false_positive_rate <= 0.01", "challenger.rows >= 1000"),
    ("delay: 7d", "delay: 1d"),
    // a rule that nearly any model is better than
    ("amount > 220.0 ? 1.0 : 0.0", "amount > 40000.0 ? 1.0 : 0.0"),
];
const GOOD_SEARCH: &str = "search: { num_leaves: [16], learning_rate: [0.1], min_data_in_leaf: [50], num_iterations: [100] }";

/// The newest record on a control topic that is about `pipeline` and fits.
fn last(stack: &Stack, topic: &str, pipeline: &Pipeline, fits: impl Fn(&Json) -> bool) -> Option<Json> {
    let records = stack.reader().read(topic).unwrap();
    records.into_iter().map(|r| r.value).rfind(|value| value["pipeline"] == pipeline.name.as_str() && fits(value))
}

fn await_deployed(stack: &Stack, pipeline: &Pipeline, version: i64) -> Json {
    let served = |d: &Json| d["model"]["version"] == version;
    until_holds(&format!("version {version} is deployed"), LEARNED, || Ok(last(stack, "tidemill.deployments", pipeline, served).is_some()))
        .unwrap();
    last(stack, "tidemill.deployments", pipeline, served).unwrap()
}

/// Trains by command; gives the version of the model.
fn train(stack: &Stack, pipeline: &Pipeline) -> i64 {
    let before = stack.reader().read("tidemill.candidates").unwrap().len();
    stack.tidemill().succeed(&["train", &pipeline.name, "--reason", "the test asks", "--wait"]).unwrap();
    let records = stack.reader().read("tidemill.candidates").unwrap();
    let new = records[before..].iter().rfind(|r| r.value["pipeline"] == pipeline.name.as_str()).unwrap();
    assert_eq!(new.value["causes"][0]["reason"], "command", "{new:?}");
    new.value["model"]["version"].as_i64().unwrap()
}

/// The model that answers drift is judged, and deployed if it passed, else refused.
fn drift_is_answered(stack: &Stack, pipeline: &Pipeline) {
    let asks = |a: &Json| a["retrain"] == true;
    until_holds("drift is found", LEARNED, || Ok(last(stack, "tidemill.alerts", pipeline, asks).is_some())).unwrap();
    let for_drift = |c: &Json| c["causes"].as_array().is_some_and(|causes| causes.iter().any(|cause| cause["reason"] == "drift"));
    let answers = |c: &Json| c["outcome"] == "candidate" && for_drift(c);
    until_holds("drift is answered by a model", LEARNED, || Ok(last(stack, "tidemill.candidates", pipeline, answers).is_some())).unwrap();
    let version = last(stack, "tidemill.candidates", pipeline, answers).unwrap()["model"]["version"].as_i64().unwrap();
    let verdict = evaluation(stack, pipeline, version);
    let end = if verdict["passed"] == true { "deployed" } else { "rejected" };
    let ends = |e: &Json| e["kind"] == end && e["model"]["version"] == version;
    until_holds(&format!("version {version} is {end}"), LEARNED, || Ok(last(stack, "tidemill.registry", pipeline, ends).is_some()))
        .unwrap();
    if end == "deployed" {
        await_deployed(stack, pipeline, version);
    }
}

/// Ends the learning: drift would ask for models while the test looks at who serves. A trainer that is gone writes no candidate,
/// and those that it has written are waited for.
fn learn_no_more(stack: &mut Stack, pipeline: &Pipeline) {
    assert!(stack.services.stop(Slot(Service::Trainer, 1)).unwrap().success());
    let versions = |topic: &str, fits: &dyn Fn(&Json) -> bool| -> Vec<i64> {
        let records = stack.reader().read(topic).unwrap().into_iter().map(|r| r.value);
        let ours = records.filter(|value| value["pipeline"] == pipeline.name.as_str() && fits(value));
        ours.filter_map(|value| value["model"]["version"].as_i64()).collect()
    };
    until_holds("every model is deployed or refused", LEARNED, || {
        let ended = versions("tidemill.registry", &|e| e["kind"] == "deployed" || e["kind"] == "rejected");
        Ok(versions("tidemill.candidates", &|_| true).iter().all(|version| ended.contains(version)))
    })
    .unwrap();
}

/// Rolls back to the model before; its version.
fn take_back(stack: &Stack, pipeline: &Pipeline) -> i64 {
    let newest = || last(stack, "tidemill.deployments", pipeline, |_| true).unwrap();
    let taken = newest();
    let version = taken["model"]["version"].to_string();
    let order = ["models", "rollback", &pipeline.name, "--actor", "ann", "--detail", "the test asks", "--expected-champion", &version];
    stack.tidemill().succeed(&order).unwrap();
    let next = newest();
    assert_eq!(next["number"].as_i64(), taken["number"].as_i64().map(|number| number + 1), "a roll-back is a deployment");
    assert_eq!((&next["replaces"]["version"], &next["model"]["version"]), (&taken["model"]["version"], &taken["replaces"]["version"]));
    next["model"]["version"].as_i64().unwrap()
}

/// The predictor says over REST which model it serves: predictions begin by it then, not some moments later.
fn await_served(stack: &Stack, pipeline: &Pipeline, version: i64) {
    let url = format!("{}/v1/pipelines/{}/predict", stack.services.url(Slot(Service::Predictor, 1)).unwrap(), pipeline.name);
    let time = "2018-04-28T12:00:00Z";
    let event = json!({"transaction_id": "what-if", "event_time": time, "customer_id": "1", "terminal_id": "1", "amount": "10.00"});
    until_holds(&format!("the predictor serves version {version}"), LEARNED, || {
        let answer = stack.http.send(stack.http.client().post(&url).header("content-type", "application/json").body(event.to_string()))?;
        anyhow::ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
        Ok(answer.json()["model"]["version"] == version)
    })
    .unwrap();
}

fn evaluation(stack: &Stack, pipeline: &Pipeline, version: i64) -> Json {
    let of = |e: &Json| e["challenger"]["version"] == version;
    until_holds(&format!("version {version} is judged"), LEARNED, || Ok(last(stack, "tidemill.evaluations", pipeline, of).is_some()))
        .unwrap();
    last(stack, "tidemill.evaluations", pipeline, of).unwrap()
}

fn publish(stack: &Stack, pipeline: &Pipeline, events: &Path) {
    let events = events.to_string_lossy();
    stack.tidemill().succeed(&["publish", &pipeline.name, "--events", &events, "--rate", "6000/s", "--labels-delay", "1d"]).unwrap();
    stack.wait(pipeline).unwrap();
}

/// Days `from` to `to` of the payments in `all`, with their head line.
fn cut(all: &Path, out: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(all).unwrap();
    let (head, rows) = text.split_once('\n').unwrap();
    let time = head.split(',').position(|column| column == "event_time").unwrap();
    let within = |row: &&str| row.split(',').nth(time).is_some_and(|t| (from..to).contains(&t.trim_matches('"')));
    let rows: Vec<&str> = rows.lines().filter(within).collect();
    assert!(rows.len() > 1_000, "{} payments from {from} to {to}", rows.len());
    fs::write(out, format!("{head}\n{}\n", rows.join("\n"))).unwrap();
}

#[test]
fn models_come_are_judged_take_over_and_are_taken_back() {
    let mut stack = Stack::new("retrain").unwrap();
    let mut pipeline = Pipeline::copy(&stack.environment, "payments", "retrain").unwrap();
    for (from, to) in EDITS {
        pipeline.edit(from, to).unwrap();
    }
    pipeline.apply_again(&stack.tidemill()).unwrap();
    stack.start_all().unwrap();
    let folder = pipeline.folder().to_owned();
    let file = |name: &str| folder.join(name);
    let generate = ["generate", "payments", "--days", "28", "--start", "2018-04-01", "--out"];
    let all = file("all.csv");
    stack.tidemill().succeed(&[&generate[..], &[&all.to_string_lossy()]].concat()).unwrap();

    // the first model: a single split, but better than the rule
    cut(&all, &file("first.csv"), "2018-04-01", "2018-04-18");
    publish(&stack, &pipeline, &file("first.csv"));
    await_deployed(&stack, &pipeline, 1);
    let verdict = evaluation(&stack, &pipeline, 1);
    assert_eq!(verdict["champion"]["stage"], "bootstrap");

    // a better one, of a better search
    pipeline.edit(EDITS[1].1, GOOD_SEARCH).unwrap();
    pipeline.apply_again(&stack.tidemill()).unwrap();
    stack.services.await_ready().unwrap();
    let better = train(&stack, &pipeline);
    let deployment = await_deployed(&stack, &pipeline, better);
    assert_eq!(deployment["replaces"]["version"], 1);

    // the worse one again: judged, refused, and nothing changes
    pipeline.edit(GOOD_SEARCH, EDITS[1].1).unwrap();
    pipeline.apply_again(&stack.tidemill()).unwrap();
    stack.services.await_ready().unwrap();
    let worse = train(&stack, &pipeline);
    let verdict = evaluation(&stack, &pipeline, worse);
    assert_eq!(verdict["passed"], false, "{verdict}");
    let refused = |e: &Json| e["kind"] == "rejected" && e["model"]["version"] == worse;
    until_holds("the registry says that it was refused", LEARNED, || Ok(last(&stack, "tidemill.registry", &pipeline, refused).is_some()))
        .unwrap();
    assert_eq!(last(&stack, "tidemill.deployments", &pipeline, |_| true).unwrap()["model"]["version"], better);

    // amounts are three times as high: drift, and the training that it asks for
    cut(&all, &file("calm.csv"), "2018-04-18", "2018-04-28");
    let drifted = file("drifted.csv");
    let (from, to) = (file("calm.csv"), drifted.to_string_lossy().into_owned());
    let inject = ["inject", "drift", "--events", &from.to_string_lossy(), "--from", "2018-04-19", "--factor", "3.0", "--out", &to];
    stack.tidemill().succeed(&inject).unwrap();
    publish(&stack, &pipeline, &drifted);
    drift_is_answered(&stack, &pipeline);

    // taken back by a person: from then on the model before decides again
    learn_no_more(&mut stack, &pipeline);
    let restored = take_back(&stack, &pipeline);
    await_served(&stack, &pipeline, restored);
    cut(&all, &file("later.csv"), "2018-04-28", "2018-04-29");
    publish(&stack, &pipeline, &file("later.csv"));

    // the first model again, from what its manifest names
    stack.tidemill().succeed(&["models", "reproduce", &pipeline.name, "1"]).unwrap();

    // every decision was made by the model that was in force, and says why where it acts
    stack.tidemill().succeed(&["verify", &pipeline.name]).unwrap();
    let predictions = stack.reader().read(&pipeline.topic("predictions")).unwrap();
    let newest: BTreeMap<i32, &Json> = predictions.iter().map(|p| (p.partition, &p.value["model"]["version"])).collect();
    assert!(newest.values().all(|version| **version == restored), "version {restored} was rolled back to; the newest: {newest:?}");
    let by = |version: i64| predictions.iter().filter(|p| p.value["model"]["version"] == version).count();
    assert!(by(0) > 0 && by(better) > 0, "the bootstrap made {}, version {better} {}", by(0), by(better));
    let explained = |p: &Json| (p["decision"] == "review") == p["reasons"].as_array().is_some_and(|reasons| !reasons.is_empty());
    assert!(
        predictions.iter().filter(|p| p.value["model"]["version"] == better).all(|p| explained(&p.value)),
        "reasons where it acts, only there"
    );
    stack.services.stop_all().unwrap();
}
