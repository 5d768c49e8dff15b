//! The proof: whatever is killed whenever, every event is predicted exactly once, from the right values, every label
//! becomes one outcome, and models are still learned.
//!
//! 100,000 payments with 1 % hostile records among them; services killed at random at least twenty times, each at least
//! twice, the broker once, Redis emptied once. `TIDEMILL_SEED` repeats the choices of a run.

use serde_json::Value as Json;
use std::path::Path;
use std::time::Duration;
use tidemill_events::codec::RawWriter;
use tidemill_events::{RecordSchema, Value};
use tidemill_integration_tests::faults::{Kill, Killer, seed};
use tidemill_integration_tests::hostile::corruptions;
use tidemill_integration_tests::infrastructure::{flush_redis, kill_broker, start_broker};
use tidemill_integration_tests::injector::{Injector, Written};
use tidemill_integration_tests::machine::{Elapsed, Stopwatch};
use tidemill_integration_tests::process::Process;
use tidemill_integration_tests::progress::Progress;
use tidemill_integration_tests::report::{percentile, say};
use tidemill_integration_tests::until::until_holds;
use tidemill_integration_tests::watch::Watch;
use tidemill_integration_tests::watermarks::Poller;
use tidemill_integration_tests::{Environment, Pipeline, Service, Stack, payments};

const EVENTS: u64 = 100_000;
const HOSTILE: usize = 1_000;
const KILLS: usize = 20;
const PACE: Duration = Duration::from_secs(3);
/// The publication must last longer than the faults: two minutes here, three on a machine that others use as well.
const RATE: &str = "500/s";
/// How long a service may take to go on after it was killed, and the whole line after its broker was.
const RECOVERY: Duration = Duration::from_secs(10);
const BROKER_RECOVERY: Duration = Duration::from_secs(30);
/// How long what was held up may take to drain.
const DRAIN: &str = "60s";
const UNKNOWN_ID: u32 = 2_000_000_000;
/// Weeks become days, so that models are trained, judged and deployed while services are killed.
const LEARNING: [(&str, &str); 3] = [
    ("labels: { horizon: 7d }", "labels: { horizon: 1d }"),
    ("every: 28d, on: [drift, spec_change], history: 21d, validation: 7d", "every: 1d, on: [drift], history: 6d, validation: 1d"),
    (
        "num_leaves: [8, 16], learning_rate: [0.2], min_data_in_leaf: [50], lambda_l2: [3], num_iterations: { max: 150 }",
        "num_leaves: [8], num_iterations: [40]",
    ),
];
const ENTITIES: [&str; 2] = ["customer", "terminal"];
const PARTITIONS: i32 = 4;

fn publish(stack: &Stack, pipeline: &Pipeline, events: &Path, acks: &Path) -> Process {
    let (events, acks, limit) = (events.to_string_lossy(), acks.to_string_lossy(), EVENTS.to_string());
    let args = ["publish", &pipeline.name, "--events", &events, "--limit", &limit, "--rate", RATE, "--labels-delay", "1h", "--acks", &acks];
    let log = stack.environment.logs().join("kill-publish.log");
    stack.tidemill().start(&args, &log).unwrap()
}

/// A thousand hostile records in small bursts, over about as long as the publication.
fn inject(stack: &Stack, pipeline: &Pipeline) -> Injector {
    let (reader, raw) = (stack.reader(), pipeline.topic("raw"));
    let id = reader.schema_id(&raw).unwrap();
    let json = reader.schema_text(id).unwrap();
    let schema = RecordSchema::parse(&json).unwrap();
    let time = Value::Timestamp(1_522_540_800_000_000);
    let amount = Value::Decimal("12.50".parse().unwrap());
    let payment = [Value::String("hostile".into()), time, Value::String("c".into()), Value::String("t".into()), amount];
    let mut good = Vec::new();
    RawWriter::new(schema, &json, id).unwrap().encode(&payment, &mut good).unwrap();
    let hostile = corruptions(&good, reader.schema_id(&pipeline.topic("features")).unwrap(), UNKNOWN_ID);
    Injector::start(&stack.environment, raw, PARTITIONS, hostile, HOSTILE, 5).unwrap()
}

/// Kills the broker, starts it again, and waits until every stage goes on and predictions flow. Tells how long that took.
fn break_broker(environment: &Environment, watch: &Watch, progress: &Progress) -> Elapsed {
    let before = Service::ALL.map(|service| (service, progress.of(service).unwrap()));
    let begin = Stopwatch::start().unwrap();
    kill_broker(environment).unwrap();
    let seen = watch.records();
    start_broker(environment).unwrap();
    for (service, before) in before {
        until_holds(&format!("{} goes on after the broker's death", service.name()), Duration::from_secs(90), || {
            progress.has_moved(service, &before)
        })
        .unwrap();
    }
    until_holds("predictions flow after the broker's death", Duration::from_secs(60), || Ok(watch.records() > seen)).unwrap();
    begin.elapsed().unwrap()
}

fn report(kills: &[Kill], broker: Elapsed) {
    for service in Service::ALL {
        assert!(kills.iter().filter(|kill| kill.slot.0 == service).count() >= 2, "{} was hardly killed", service.name());
    }
    for kill in kills {
        say(format!("{} went on {} after SIGKILL", kill.slot, kill.recovery));
    }
    let mut times: Vec<Elapsed> = kills.iter().map(|k| k.recovery).collect();
    times.sort();
    let (median, longest) = (percentile(&times, 0.5), percentile(&times, 1.0));
    say(format!("{} kills: median {median}, longest {longest}; broker {broker}", kills.len()));
    assert!(longest.clock <= RECOVERY, "a service took {longest} to go on");
    assert!(broker.clock <= BROKER_RECOVERY, "after the broker's death it took {broker}");
}

/// What was not hostile was rejected as a duplicate at most: the publisher sends again what was not acknowledged.
fn check_rejects(stack: &Stack, pipeline: &Pipeline, hostile: &Written) -> u64 {
    let rejects = stack.reader().read(&pipeline.topic("rejected")).unwrap();
    let mut left = hostile.clone();
    let mut duplicates = 0;
    for reject in &rejects {
        let (source, reason) = (&reject.value["source"], reject.value["reason"].as_str().unwrap());
        if source["topic"] == pipeline.topic("labels").as_str() {
            assert_eq!(reason, "label_duplicate", "a label that was sent again: {reject:?}");
            continue;
        }
        let at = (i32::try_from(source["partition"].as_i64().unwrap()).unwrap(), source["offset"].as_i64().unwrap());
        match left.remove(&at) {
            Some(wanted) => assert_eq!(reason, wanted, "{at:?}"),
            None => {
                assert_eq!(reason, "duplicate", "{at:?} was good: {reject:?}");
                duplicates += 1;
            }
        }
    }
    assert!(left.is_empty(), "hostile records that were not rejected: {left:?}");
    duplicates
}

/// Every training ended once, every model was judged once, registered once and then deployed or refused once, and deployments
/// have no gap. The last training is asked for here: so trainer, evaluator and deployer each did their part after their last
/// death, whenever the schedule's trainings fell.
fn check_models(stack: &Stack, pipeline: &Pipeline) -> usize {
    let asked = ["train", &pipeline.name, "--reason", "after the faults", "--wait", "--timeout", "120s"];
    stack.tidemill().succeed(&asked).unwrap();
    let all = |topic: &str| {
        let records = stack.reader().read(topic).unwrap().into_iter().map(|record| record.value);
        records.filter(|value| value["pipeline"] == pipeline.name.as_str()).collect::<Vec<_>>()
    };
    let candidates = all("tidemill.candidates");
    for reason in ["schedule", "command"] {
        let is_cause = |c: &Json| c["causes"].as_array().is_some_and(|causes| causes.iter().any(|cause| cause["reason"] == reason));
        assert!(candidates.iter().any(|c| c["outcome"] == "candidate" && is_cause(c)), "no model for {reason}: {candidates:#?}");
    }
    until_holds("every model has been judged, registered and decided about", Duration::from_secs(60), || {
        let events = all("tidemill.registry");
        let done = [
            ("judged", versions(&all("tidemill.evaluations"), "challenger", &[])),
            ("registered", versions(&events, "model", &["registered"])),
            ("decided about", versions(&events, "model", &["deployed", "rejected"])),
        ];
        // read last: another may be trained meanwhile
        let trained = versions(&all("tidemill.candidates"), "model", &[]);
        assert_eq!(trained, (1..=trained.len() as i64).collect::<Vec<_>>(), "each version once, in order");
        for (what, done) in &done {
            assert!(trained.starts_with(done), "{done:?} were {what}, of {trained:?}");
        }
        Ok(done.iter().all(|(_, done)| *done == trained))
    })
    .unwrap();
    let deployments: Vec<i64> = all("tidemill.deployments").iter().filter_map(|d| d["number"].as_i64()).collect();
    assert_eq!(deployments, (1..=deployments.len() as i64).collect::<Vec<_>>(), "each number once, in order");
    versions(&all("tidemill.candidates"), "model", &[]).len()
}

/// Versions of the model that records have in `field`; of registry events those of one of `kinds`.
fn versions(records: &[Json], field: &str, kinds: &[&str]) -> Vec<i64> {
    let is_one = |record: &&Json| kinds.is_empty() || kinds.iter().any(|kind| record["kind"] == *kind);
    records.iter().filter(is_one).filter_map(|record| record[field]["version"].as_i64()).collect()
}

#[test]
fn nothing_is_lost_or_doubled_whatever_is_killed() {
    let mut stack = Stack::with_settings("kill", &[("TIDEMILL_JOIN_MEMORY", "4")]).unwrap();
    let mut pipeline = Pipeline::copy(&stack.environment, "payments", "kill").unwrap();
    for (from, to) in LEARNING {
        pipeline.edit(from, to).unwrap();
    }
    pipeline.apply_again(&stack.tidemill()).unwrap();
    stack.start_all().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let events = payments::file(&stack.environment, &stack.tidemill(), folder.path()).unwrap();
    let acks = folder.path().join("acks.ndjson");
    let seed = seed();
    say(format!("TIDEMILL_SEED={seed}"));

    let watch = Watch::start(&stack.environment, &stack.http, &pipeline).unwrap();
    let poller = Poller::start(&stack.environment, &pipeline, ENTITIES.len() * PARTITIONS as usize).unwrap();
    let mut publisher = publish(&stack, &pipeline, &events, &acks);
    let injector = inject(&stack, &pipeline);
    until_holds("predictions flow", Duration::from_secs(60), || Ok(watch.records() > 0)).unwrap();

    let progress = Progress::new(&stack.environment, &pipeline, &ENTITIES).unwrap();
    let mut killer = Killer::new(seed, &Service::ALL, &mut stack.services, &progress);
    let mut rounds_until = |kills: usize| {
        while killer.kills.len() < kills {
            killer.round(PACE).unwrap();
        }
        killer.kills.clone()
    };
    rounds_until(KILLS / 3);
    // the payments go on; of a hostile record the test must know where it went
    let held = injector.hold();
    let broker = break_broker(&stack.environment, &watch, &progress);
    drop(held);
    rounds_until(2 * KILLS / 3);
    poller.empty(|| flush_redis(&stack.environment)).unwrap();
    let kills = rounds_until(KILLS);

    assert!(publisher.ended().unwrap().is_none(), "publishing was over before the faults were: {}", publisher.log());
    let published = publisher.wait(Duration::from_secs(180)).unwrap();
    assert!(published.success(), "{published}\n{}", publisher.log());
    let hostile = injector.finish().unwrap();
    stack.tidemill().succeed(&["wait", &pipeline.name, "--timeout", DRAIN]).unwrap();
    let verified = stack.tidemill().succeed(&["verify", &pipeline.name, "--acks", &acks.to_string_lossy()]).unwrap();
    say(verified.out.trim_end());

    until_holds("the reader has seen every prediction", Duration::from_secs(30), || Ok(watch.records() >= EVENTS)).unwrap();
    let sightings = watch.finish().unwrap();
    assert_eq!(sightings.faults, 0, "seen while things were killed: {:#?}", sightings.examples);
    assert_eq!(sightings.records, EVENTS, "one prediction for each payment");
    let readings = poller.finish().unwrap();
    assert_eq!(readings.faults, Vec::<String>::new(), "watermarks fell");
    assert_eq!(readings.last.len(), ENTITIES.len() * PARTITIONS as usize, "{readings:?}");
    let duplicates = check_rejects(&stack, &pipeline, &hostile);
    let learned = check_models(&stack, &pipeline);
    let outcomes = stack.reader().read(&pipeline.topic("outcomes")).unwrap();
    assert_eq!(outcomes.len() as u64, EVENTS, "one outcome for each label");
    say(format!("{EVENTS} payments, {HOSTILE} hostile records, {duplicates} sent again, {} readings of watermarks", readings.polls));
    say(format!("{learned} models were trained"));
    report(&kills, broker);
    stack.services.stop_all().unwrap();
}
