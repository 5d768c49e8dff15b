//! The loop with vectors in place of topics: order of inputs, restarts, aborts, policy, orders.

use super::*;
use crate::desk::Closed;
use crate::registry::tests::{candidate, evaluation};
use crate::registry::{Action, Order};
use std::collections::BTreeMap;
use tidemill_events::control::Deployment;
use tidemill_events::layout::control_avro;
use tidemill_events::records;
use tidemill_kafka::pipelines::Applied;
use tidemill_service::Metrics;
use tokio::sync::{oneshot, watch};

const FILE: &str = include_str!("../../../../examples/payments/pipeline.yaml");
const P: &str = "payments-fraud";

fn schema(topic: Control) -> AvroSchema {
    AvroSchema::parse(control_avro(topic)).unwrap()
}

/// Ids are places in the catalogue.
fn id(topic: Control) -> u32 {
    Control::ALL.iter().position(|t| *t == topic).unwrap() as u32
}

fn encoded<T: serde::Serialize>(topic: Control, value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    schema(topic).encode(id(topic), value, &mut bytes).unwrap();
    bytes
}

fn record(topic: usize, offset: i64, payload: &[u8]) -> Record<'_> {
    Record { topic, partition: 0, offset, timestamp: 0, key: None, payload: Some(payload), traceparent: None }
}

fn applied(rollout: &str) -> Applied {
    let section = FILE.lines().find(|line| line.starts_with("rollout:")).unwrap();
    let file = FILE.replace(section, rollout);
    let event_schema = include_str!("../../../../examples/payments/payment.avsc").to_owned();
    let pipeline = records::Pipeline { pipeline: P.into(), pipeline_version: 1, digest: rollout.into(), file, event_schema, applied_at: 0 };
    Applied { caught_up: true, pipelines: BTreeMap::from([(P.to_owned(), Arc::new(pipeline))]) }
}

/// What the topics hold, and a fold that leads.
struct Harness {
    fold: DeployerFold,
    desk: Arc<Desk>,
    applied: watch::Sender<Applied>,
    events: Vec<RegistryEvent>,
    deployments: Vec<Deployment>,
}

impl Harness {
    fn new(rollout: &str) -> Self {
        let (applied, receiver) = watch::channel(self::applied(rollout));
        let desk = Arc::new(Desk::default());
        Self { fold: fold(&desk, receiver), desk, applied, events: vec![], deployments: vec![] }
    }

    /// Another instance takes over.
    fn restart(&mut self) {
        let desk = Arc::new(Desk::default());
        self.fold = fold(&desk, self.applied.subscribe());
        self.desk = desk;
        for (i, event) in self.events.iter().enumerate() {
            self.fold.written(REGISTRY, &record(REGISTRY, i as i64, &encoded(Control::Registry, event))).unwrap();
        }
    }

    fn train(&mut self, version: i32) {
        self.fold.take(&record(CANDIDATES, version.into(), &encoded(Control::Candidates, &candidate(P, version)))).unwrap();
    }

    fn judge(&mut self, version: i32, passed: bool) {
        let at = record_at(CANDIDATES, (0, version.into()));
        let evaluation = evaluation(&candidate(P, version), &at, passed);
        self.fold.take(&record(EVALUATIONS, version.into(), &encoded(Control::Evaluations, &evaluation))).unwrap();
    }

    /// One tick; what it wrote is kept.
    fn tick(&mut self) -> Vec<String> {
        let mut out = Outputs::default();
        self.fold.ready(5, true, &mut out).unwrap();
        let mut kinds = Vec::new();
        for output in out.iter() {
            assert_eq!((output.partition, output.key), (0, Some(P.as_bytes())));
            let (_, datum) = wire::split(Some(output.payload)).unwrap();
            if output.topic == REGISTRY {
                let event: RegistryEvent = schema(Control::Registry).decode(datum).unwrap();
                kinds.push(format!("{} {}", event.kind, event.model.version));
                self.events.push(event);
            } else {
                self.deployments.push(schema(Control::Deployments).decode(datum).unwrap());
            }
        }
        if !out.is_empty() {
            self.fold.commit();
        }
        kinds
    }

    fn ask(&self, action: Action) -> oneshot::Receiver<Result<Written, Refusal>> {
        let order = Order { pipeline: P.into(), action, actor: "ann".into(), detail: String::new(), expected_champion: None };
        self.desk.ask(order).unwrap()
    }
}

fn fold(desk: &Arc<Desk>, applied: watch::Receiver<Applied>) -> DeployerFold {
    let own = |topic| (schema(topic), id(topic));
    let schemas = Schemas {
        writer: Box::new(|id| Ok(schema(Control::ALL[id as usize]))),
        registry: own(Control::Registry),
        deployments: own(Control::Deployments),
    };
    DeployerFold::new(schemas, Policies::new(applied), desk.clone(), Arc::new(Meters::new(&Metrics::new("test", "0"))))
}

const ONE_PERSON: &str = "rollout: { approval: one_person }";

#[test]
fn a_verdict_waits_for_its_candidate_and_a_restart_writes_nothing_again() {
    let mut harness = Harness::new("");
    harness.judge(1, true);
    assert_eq!(harness.tick(), [""; 0]);
    harness.train(1);
    assert_eq!(harness.tick(), ["registered 1", "evaluated 1", "approved 1", "deployed 1"]);
    assert_eq!(harness.tick(), [""; 0]);
    let deployment = &harness.deployments[0];
    assert_eq!((deployment.number, deployment.route.as_str(), deployment.registry_seq), (1, "default", 4));
    assert!(deployment.replaces.stage == "bootstrap" && deployment.replaces.digest.starts_with("sha256:"), "{deployment:?}");
    harness.restart();
    harness.train(1);
    harness.judge(1, true);
    harness.train(2);
    assert_eq!(harness.tick(), ["registered 2"]);
    assert_eq!(harness.events[4].seq, 5);
    let view = harness.desk.view().unwrap();
    assert_eq!(view.registry.line(P).unwrap().champion(), 1);
    assert_eq!((view.papers.candidates.len(), view.papers.evaluations.len()), (2, 1));
}

#[test]
fn nothing_is_decided_before_everything_was_read() {
    let mut harness = Harness::new("");
    harness.train(1);
    harness.applied.send_modify(|a| a.caught_up = false);
    assert_eq!(harness.tick(), [""; 0], "what is applied is not known");
    assert_eq!(harness.desk.view().map(|_| ()), Err(Closed::Reading));
    harness.applied.send_modify(|a| a.caught_up = true);
    let mut out = Outputs::default();
    harness.fold.ready(5, false, &mut out).unwrap();
    assert!(out.is_empty(), "an input is behind");
    assert_eq!(harness.tick(), ["registered 1"]);
}

#[test]
fn what_is_not_applied_is_not_deployed_until_it_is_again() {
    let mut harness = Harness::new("");
    harness.applied.send_modify(|a| a.pipelines.clear());
    harness.train(1);
    harness.judge(1, true);
    assert_eq!(harness.tick(), ["registered 1", "evaluated 1"]);
    assert_eq!(harness.tick(), [""; 0]);
    let mut asked = harness.ask(Action::Approve(1));
    assert_eq!(harness.tick(), [""; 0]);
    assert_eq!(asked.try_recv().unwrap().map_err(|r| r.code()), Err("not_applied"), "answered though nothing was written");
    harness.applied.send_replace(applied(""));
    assert_eq!(harness.tick(), ["approved 1", "deployed 1"]);
}

#[test]
fn an_order_is_answered_after_its_commit_and_done_again_after_an_abort() {
    let mut harness = Harness::new(ONE_PERSON);
    harness.train(1);
    harness.judge(1, true);
    assert_eq!(harness.tick(), ["registered 1", "evaluated 1", "approval_requested 1"]);
    let (mut first, mut second) = (harness.ask(Action::Approve(1)), harness.ask(Action::Approve(1)));
    let mut out = Outputs::default();
    harness.fold.ready(5, true, &mut out).unwrap();
    assert_eq!(out.len(), 3, "approved, deployed, the deployment");
    assert!(first.try_recv().is_err(), "not before the commit");
    assert_eq!(harness.desk.view().unwrap().registry.seq(), 3);
    harness.fold.abort();
    assert_eq!(harness.tick(), ["approved 1", "deployed 1"]);
    let written = first.try_recv().unwrap().unwrap();
    assert_eq!((written.events.len(), written.deployment.unwrap().number), (2, 1));
    assert_eq!(second.try_recv().unwrap().map_err(|r| r.code()), Err("already_champion"));
    assert_eq!(harness.desk.view().unwrap().registry.seq(), 5);
}

#[test]
fn an_order_whose_caller_has_gone_is_not_carried_out() {
    let mut harness = Harness::new(ONE_PERSON);
    harness.train(1);
    harness.judge(1, true);
    harness.tick();
    drop(harness.ask(Action::Approve(1)));
    assert_eq!(harness.tick(), [""; 0]);
}

#[test]
fn who_stops_leading_leaves_orders_without_an_answer() {
    let mut harness = Harness::new(ONE_PERSON);
    harness.tick();
    let (desk, mut asked) = (harness.desk.clone(), harness.ask(Action::RollBack(None)));
    harness.restart();
    assert_eq!(asked.try_recv().map(|_| ()), Err(oneshot::error::TryRecvError::Closed));
    assert_eq!(desk.view().map(|_| ()), Err(Closed::Standby));
}

#[test]
fn a_log_with_a_gap_is_fatal() {
    let mut harness = Harness::new("");
    harness.train(1);
    harness.train(2);
    assert_eq!(harness.tick().len(), 2);
    harness.events.remove(0);
    let event = encoded(Control::Registry, &harness.events[0]);
    harness.fold = fold(&harness.desk, harness.applied.subscribe());
    let error = harness.fold.written(REGISTRY, &record(REGISTRY, 0, &event)).unwrap_err();
    assert!(matches!(&error, Error::Fatal(why) if why.contains("event 2 comes after 0")), "{error}");
}
