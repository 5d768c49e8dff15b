//! The test of the test: with a rule of exactly-once broken on purpose, `verify` goes red.

use serde_json::Value as Json;
use std::time::Duration;
use tidemill_integration_tests::faults::{Killer, seed};
use tidemill_integration_tests::process::Process;
use tidemill_integration_tests::progress::Progress;
use tidemill_integration_tests::report::say;
use tidemill_integration_tests::until::until_holds;
use tidemill_integration_tests::watch::Watch;
use tidemill_integration_tests::{Pipeline, Service, Stack, payments};

/// Published at a rate that keeps every stage busy while it is killed.
const RATE: &str = "2000/s";
/// More than are published before the last kill, also where a service takes some seconds to come back.
const EVENTS: u64 = 100_000;
/// Kills after which a broken rule must have shown.
const KILLS: usize = 12;
/// Who breaks it.
const VICTIMS: [Service; 3] = [Service::Validator, Service::FeatureBuilder, Service::Predictor];
const PACE: Duration = Duration::from_millis(500);

fn publish(stack: &Stack, pipeline: &Pipeline) -> Process {
    let events = payments::file(&stack.environment, &stack.tidemill(), pipeline.folder()).unwrap();
    let (events, limit) = (events.to_string_lossy().into_owned(), EVENTS.to_string());
    let log = stack.environment.logs().join(format!("{}-publish.log", stack.test()));
    stack.tidemill().start(&["publish", &pipeline.name, "--events", &events, "--limit", &limit, "--rate", RATE], &log).unwrap()
}

/// The invariants that `verify` found broken, with what it said.
fn violated(stack: &Stack, pipeline: &Pipeline) -> (Vec<String>, String) {
    let verified = stack.tidemill().run(&["verify", &pipeline.name, "--output", "json"]).unwrap();
    let report = verified.json().unwrap_or_else(|e| panic!("{e:#}\n{}", verified.err));
    let is_broken = |section: &&Json| section["violations"].as_u64().unwrap() > 0;
    let broken: Vec<String> =
        report["invariants"].as_array().unwrap().iter().filter(is_broken).map(|s| s["invariant"].to_string()).collect();
    assert_eq!(verified.code, i32::from(!broken.is_empty()), "the exit code says what the report says: {}", verified.out);
    assert_eq!(report["ok"], broken.is_empty(), "{}", verified.out);
    (broken, verified.out)
}

fn goes_red(fault: &str) {
    let mut stack = Stack::with_settings(&format!("fault-{fault}"), &[("TIDEMILL_FAULT", fault)]).unwrap();
    let pipeline = stack.apply("payments").unwrap();
    stack.start_all().unwrap();
    let mut publisher = publish(&stack, &pipeline);
    let watch = Watch::start(&stack.environment, &stack.http, &pipeline).unwrap();
    until_holds("predictions flow", Duration::from_secs(60), || Ok(watch.records() > 0)).unwrap();
    let progress = Progress::new(&stack.environment, &pipeline, &["customer", "terminal"]).unwrap();
    let mut killer = Killer::new(seed(), &VICTIMS, &mut stack.services, &progress);
    while killer.kills.len() < KILLS && publisher.ended().unwrap().is_none() {
        killer.round(PACE).unwrap();
    }
    let kills = killer.kills.len();
    let published = publisher.wait(Duration::from_secs(120)).unwrap();
    assert!(published.success(), "{}", publisher.log());
    stack.tidemill().succeed(&["wait", &pipeline.name, "--timeout", "120s"]).unwrap();
    let (broken, said) = violated(&stack, &pipeline);
    assert!(!broken.is_empty(), "{kills} kills with {fault}, and verify saw nothing:\n{said}");
    say(format!("{fault}: after {kills} kills, verify finds violated: {}", broken.join(", ")));
}

#[test]
fn without_transactions_verify_goes_red() {
    goes_red("no-transactions");
}

#[test]
fn with_offsets_committed_before_the_produce_verify_goes_red() {
    goes_red("commit-first");
}
