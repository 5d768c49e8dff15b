//! Services come and go: stopped in good order, doubled, joined and left by others, frozen and woken again.

use std::thread;
use std::time::{Duration, Instant};
use tidemill_integration_tests::groups::assignments;
use tidemill_integration_tests::infrastructure::signal_broker;
use tidemill_integration_tests::process::{Process, Signal};
use tidemill_integration_tests::progress::Progress;
use tidemill_integration_tests::services::{READY, Slot};
use tidemill_integration_tests::until::until_holds;
use tidemill_integration_tests::watch::Watch;
use tidemill_integration_tests::{Pipeline, Service, Stack, payments};

const STAGES: [Service; 3] = [Service::Validator, Service::FeatureBuilder, Service::Predictor];
const ENTITIES: [&str; 2] = ["customer", "terminal"];
const PARTITIONS: usize = 4;

/// A publication of `events` payments in the background, with predictions already flowing.
struct Flow {
    publisher: Process,
    watch: Watch,
    events: u64,
}

impl Flow {
    fn start(stack: &Stack, pipeline: &Pipeline, events: u64, rate: &str) -> Self {
        let file = payments::file(&stack.environment, &stack.tidemill(), pipeline.folder()).unwrap();
        let acks = pipeline.folder().join("acks.ndjson");
        let (file, acks, limit) = (file.to_string_lossy(), acks.to_string_lossy(), events.to_string());
        let args = ["publish", &pipeline.name, "--events", &file, "--limit", &limit, "--rate", rate, "--acks", &acks];
        let log = stack.environment.logs().join(format!("{}-publish.log", stack.test()));
        let publisher = stack.tidemill().start(&args, &log).unwrap();
        let watch = Watch::start(&stack.environment, &stack.http, pipeline).unwrap();
        until_holds("predictions flow", Duration::from_secs(60), || Ok(watch.records() > 0)).unwrap();
        Self { publisher, watch, events }
    }

    /// Every event was predicted once, seen live and by `verify`.
    fn holds(mut self, stack: &Stack, pipeline: &Pipeline) {
        let status = self.publisher.wait(Duration::from_secs(120)).unwrap();
        assert!(status.success(), "{status}\n{}", self.publisher.log());
        // a client that got stuck while a broker was away is noticed within a minute
        stack.tidemill().succeed(&["wait", &pipeline.name, "--timeout", "150s"]).unwrap();
        let acks = pipeline.folder().join("acks.ndjson");
        stack.tidemill().succeed(&["verify", &pipeline.name, "--acks", &acks.to_string_lossy()]).unwrap();
        until_holds("the reader has seen every prediction", READY, || Ok(self.watch.records() >= self.events)).unwrap();
        let sightings = self.watch.finish().unwrap();
        assert_eq!((sightings.records, sightings.faults), (self.events, 0), "{:#?}", sightings.examples);
    }
}

#[test]
fn a_service_that_is_asked_to_end_finishes_and_its_successor_goes_on() {
    let mut stack = Stack::new("restart").unwrap();
    let pipeline = stack.apply("payments").unwrap();
    stack.start_all().unwrap();
    let flow = Flow::start(&stack, &pipeline, 12_000, "1000/s");
    for service in Service::ALL {
        let slot = Slot(service, 1);
        let begin = Instant::now();
        let status = stack.services.stop(slot).unwrap();
        assert_eq!(status.code(), Some(0), "{slot}");
        assert!(begin.elapsed() < Duration::from_secs(10), "{slot} took {:?} to end", begin.elapsed());
        stack.services.start(&[slot]).unwrap();
    }
    stack.services.await_ready().unwrap();
    flow.holds(&stack, &pipeline);
    stack.services.stop_all().unwrap();
}

/// How many partitions each member of a group has, all topics together.
fn shares(stack: &Stack, pipeline: &Pipeline, service: Service) -> anyhow::Result<Vec<usize>> {
    Ok(assignments(&stack.environment, &pipeline.group(service.name()))?.values().map(Vec::len).collect())
}

fn until_shared(stack: &Stack, pipeline: &Pipeline, instances: usize) {
    for service in STAGES {
        // the feature-builder has a member for each entity's topic
        let topics = if service == Service::FeatureBuilder { ENTITIES.len() } else { 1 };
        let wanted = vec![PARTITIONS / instances; instances * topics];
        let mut shares_now = Vec::new();
        let shared = until_holds(&format!("{} shares its partitions as {wanted:?}", service.name()), READY, || {
            shares_now = shares(stack, pipeline, service)?;
            Ok(shares_now == wanted)
        });
        shared.unwrap_or_else(|e| panic!("{e:#}: {shares_now:?}"));
    }
}

#[test]
fn a_second_instance_takes_half_and_gives_it_back() {
    let mut stack = Stack::new("scale").unwrap();
    let pipeline = stack.apply("payments").unwrap();
    stack.start_all().unwrap();
    until_shared(&stack, &pipeline, 1);
    let flow = Flow::start(&stack, &pipeline, 40_000, "1200/s");
    let second = STAGES.map(|service| Slot(service, 2));
    // joined and left, twice: the same partitions go back and forth
    for _ in 0..2 {
        stack.services.start(&second).unwrap();
        until_shared(&stack, &pipeline, 2);
        for slot in second {
            assert_eq!(stack.services.stop(slot).unwrap().code(), Some(0), "{slot}");
        }
        until_shared(&stack, &pipeline, 1);
    }
    flow.holds(&stack, &pipeline);
    stack.services.stop_all().unwrap();
}

/// A frozen process is a zombie: another takes over, and when it wakes it must not write what it had in hand.
#[test]
fn a_frozen_instance_writes_nothing_late() {
    let mut stack = Stack::new("zombie").unwrap();
    let pipeline = stack.apply("payments").unwrap();
    stack.start_all().unwrap();
    let second = STAGES.map(|service| Slot(service, 2));
    stack.services.start(&second).unwrap();
    until_shared(&stack, &pipeline, 2);
    let flow = Flow::start(&stack, &pipeline, 60_000, "1200/s");
    let progress = Progress::new(&stack.environment, &pipeline, &ENTITIES).unwrap();
    for service in STAGES {
        let frozen = Slot(service, 1);
        stack.services.process(frozen).unwrap().signal(Signal::Stop).unwrap();
        // its session ends, the other instance takes over all partitions and goes on with them
        let only_one_left = || Ok(shares(&stack, &pipeline, service)?.iter().all(|share| *share == PARTITIONS));
        until_holds(&format!("{frozen} is given up"), READY, only_one_left).unwrap();
        let before = progress.of(service).unwrap();
        until_holds("the other goes on", READY, || progress.has_moved(service, &before)).unwrap();
        stack.services.process(frozen).unwrap().signal(Signal::Continue).unwrap();
        until_holds(&format!("{frozen} is back"), READY, || Ok(shares(&stack, &pipeline, service)?.iter().all(|s| *s == PARTITIONS / 2)))
            .unwrap();
    }
    flow.holds(&stack, &pipeline);
    stack.services.stop_all().unwrap();
}

/// Longer than the controller waits for a broker's heartbeat (infra/kafka/server.properties) and a group for a member's.
const STALL: Duration = Duration::from_secs(14);

/// What a full disk queue or a long collection of garbage does to it: the broker is fenced for a moment and no partition has
/// a leader, which librdkafka 2.12 does not get over by itself (librdkafka #5430).
#[test]
fn a_broker_that_stalls_is_waited_for() {
    let mut stack = Stack::new("stall").unwrap();
    let pipeline = stack.apply("payments").unwrap();
    stack.start_all().unwrap();
    let flow = Flow::start(&stack, &pipeline, 20_000, "1000/s");
    signal_broker(&stack.environment, Signal::Stop).unwrap();
    thread::sleep(STALL);
    signal_broker(&stack.environment, Signal::Continue).unwrap();
    flow.holds(&stack, &pipeline);
}
