//! The state machine: a model's life, what is refused, and what holds after any sequence of candidates and orders.

use super::*;
use crate::policy::Policy;
use proptest::prelude::*;
use tidemill_events::control::{Candidate, Cause, Evaluation, Span};
use tidemill_pipeline::learning::Approval;

fn bootstrap(pipeline: &str) -> ModelRef {
    ModelRef { name: pipeline.into(), version: 0, digest: "sha256:b".into(), stage: "bootstrap".into() }
}

fn policy(pipeline: &str, approval: Approval) -> Policy {
    Policy { approval, bootstrap: bootstrap(pipeline) }
}

fn record(topic: &str, offset: i64) -> SourceRecord {
    SourceRecord { topic: topic.into(), partition: 0, offset }
}

pub(crate) fn candidate(pipeline: &str, version: i32) -> Candidate {
    let span = Span { from: 0, to: 1 };
    Candidate {
        pipeline: pipeline.into(),
        outcome: "candidate".into(),
        detail: String::new(),
        causes: vec![Cause { reason: "schedule".into(), detail: String::new(), record: None }],
        pipeline_version: 1,
        model: Some(ModelRef { name: pipeline.into(), version, digest: format!("sha256:{version}"), stage: "candidate".into() }),
        trained: span,
        holdout: span,
        rows: 10,
        positives: 1,
        metrics: BTreeMap::new(),
        started_at: 0,
        finished_at: 1,
    }
}

pub(crate) fn evaluation(candidate: &Candidate, at: &SourceRecord, passed: bool) -> Evaluation {
    Evaluation {
        pipeline: candidate.pipeline.clone(),
        candidate: at.clone(),
        challenger: candidate.model.clone().unwrap(),
        champion: bootstrap(&candidate.pipeline),
        holdout: candidate.holdout,
        rows: 500,
        positives: 50,
        challenger_metrics: BTreeMap::from([("auc".to_owned(), 0.9)]),
        champion_metrics: BTreeMap::from([("auc".to_owned(), 0.6)]),
        gates: Vec::new(),
        passed,
        detail: if passed { String::new() } else { "worse".into() },
        evaluated_at: 2,
    }
}

/// A registry, its log, and what it deployed.
#[derive(Default)]
struct World {
    registry: Registry,
    log: Vec<RegistryEvent>,
    deployments: Vec<Deployment>,
}

impl World {
    /// Notes what was written and checks that it continues what was there.
    fn note(&mut self, written: Written) -> Vec<String> {
        for event in &written.events {
            assert_eq!(event.seq, self.log.len() as i64 + 1, "no gap");
            self.log.push(event.clone());
        }
        if let Some(deployment) = written.deployment {
            let of_pipeline = self.deployments.iter().rfind(|d| d.pipeline == deployment.pipeline);
            assert_eq!(deployment.number, of_pipeline.map_or(0, |d| d.number) + 1, "no number twice, none left out");
            let before = of_pipeline.map_or_else(|| bootstrap(&deployment.pipeline), |d| d.model.clone());
            assert_eq!(deployment.replaces, before);
            let event = self.log.last().unwrap();
            assert_eq!((event.kind.as_str(), &event.model, event.seq), ("deployed", &deployment.model, deployment.registry_seq));
            self.deployments.push(deployment);
        }
        for (_, line) in self.registry.lines() {
            let champions: Vec<i32> = line.models.iter().filter(|(_, m)| m.state == State::Champion).map(|(v, _)| *v).collect();
            let expected = if line.champion() == 0 { vec![] } else { vec![line.champion()] };
            assert_eq!(champions, expected, "one champion");
        }
        written.events.into_iter().map(|e| format!("{} {}", e.kind, e.actor)).collect()
    }

    fn train(&mut self, pipeline: &str, version: i32) -> Vec<String> {
        let written = self.registry.register(&candidate(pipeline, version), &record("c", version.into()), 1);
        self.note(written)
    }

    fn judge(&mut self, pipeline: &str, version: i32, passed: bool, policy: Option<&Policy>) -> Vec<String> {
        let evaluation = evaluation(&candidate(pipeline, version), &record("c", version.into()), passed);
        let evaluated = self.registry.evaluate(&evaluation, &record("e", version.into()), 2);
        let mut kinds = self.note(evaluated);
        if let Some(policy) = policy {
            let decided = self.registry.decide(&evaluation, &record("e", version.into()), policy, 2);
            kinds.extend(self.note(decided));
        }
        kinds
    }

    fn order(&mut self, pipeline: &str, action: Action, expected_champion: Option<i32>) -> Result<Vec<String>, &'static str> {
        let order = Order { pipeline: pipeline.into(), action, actor: "ann".into(), detail: "so".into(), expected_champion };
        let written = self.registry.order(&order, Some(&policy(pipeline, Approval::OnePerson)), 3).map_err(|r| r.code())?;
        Ok(self.note(written))
    }

    fn champion(&self, pipeline: &str) -> i32 {
        self.registry.line(pipeline).map_or(0, Line::champion)
    }

    /// A model that serves.
    fn deployed(&mut self, version: i32) {
        self.train("p", version);
        self.judge("p", version, true, Some(&policy("p", Approval::Automatic)));
        assert_eq!(self.champion("p"), version);
    }

    fn state(&self, version: i32) -> State {
        self.registry.model("p", version).unwrap().state
    }
}

#[test]
fn automatic_approval_deploys_what_the_gates_let_pass() {
    let (mut world, automatic) = (World::default(), policy("p", Approval::Automatic));
    assert_eq!(world.judge("p", 1, true, Some(&automatic)), [""; 0], "its candidate is not known yet");
    assert_eq!(world.train("p", 1), ["registered tidemill-deployer"]);
    assert_eq!(world.judge("p", 1, true, None), ["evaluated tidemill-deployer"], "not applied: nothing is deployed");
    let decided = world.judge("p", 1, true, Some(&automatic));
    assert_eq!(decided, ["approved policy automatic", "deployed tidemill-deployer"]);
    let deployment = &world.deployments[0];
    assert_eq!((deployment.model.version, deployment.model.stage.as_str(), deployment.replaces.version), (1, "champion", 0));
    assert_eq!(world.log[0].cause, Some(record("c", 1)));
    assert_eq!(world.log[1].cause, Some(record("e", 1)));
    world.train("p", 2);
    assert_eq!(world.judge("p", 2, false, Some(&automatic)), ["evaluated tidemill-deployer", "rejected policy gates"]);
    assert_eq!((world.champion("p"), world.state(2)), (1, State::Rejected));
    assert_eq!(world.order("p", Action::Approve(2), None), Err("refused_by_gates"));
}

#[test]
fn one_person_approves_or_rejects_what_waits() {
    let (mut world, one) = (World::default(), policy("p", Approval::OnePerson));
    for version in 1..=3 {
        world.train("p", version);
    }
    assert_eq!(world.order("p", Action::Approve(1), None), Err("not_waiting"));
    for version in 1..=3 {
        let waits = ["evaluated tidemill-deployer", "approval_requested tidemill-deployer"];
        assert_eq!(world.judge("p", version, true, Some(&one)), waits);
    }
    assert_eq!(world.order("p", Action::Approve(4), None), Err("unknown_model"));
    assert_eq!(world.order("p", Action::Approve(2), Some(7)), Err("champion_changed"));
    assert_eq!(world.order("p", Action::Reject(1), Some(0)), Ok(vec!["rejected ann".to_owned()]));
    assert_eq!(world.order("p", Action::Approve(1), None), Err("not_waiting"), "ann said no");
    assert_eq!(world.order("p", Action::Approve(3), Some(0)), Ok(vec!["approved ann".to_owned(), "deployed tidemill-deployer".to_owned()]));
    assert_eq!(world.order("p", Action::Approve(3), None), Err("already_champion"));
    assert_eq!(world.order("p", Action::Approve(2), None), Err("obsolete"), "a newer one serves");
    world.order("p", Action::RollBack(None), None).unwrap();
    assert!(world.order("p", Action::Approve(2), Some(0)).is_ok(), "the newer one was taken back");
    let order =
        Order { pipeline: "p".into(), action: Action::RollBack(None), actor: "a".into(), detail: String::new(), expected_champion: None };
    assert_eq!(world.registry.order(&order, None, 3).map_err(|r| r.code()), Err("not_applied"));
}

#[test]
fn a_late_verdict_on_an_older_model_replaces_nothing() {
    let mut world = World::default();
    world.train("p", 1);
    world.deployed(2);
    let late = world.judge("p", 1, true, Some(&policy("p", Approval::Automatic)));
    assert_eq!(late, ["evaluated tidemill-deployer", "rejected policy obsolete"]);
    assert_eq!(world.champion("p"), 2);
}

#[test]
fn rolling_back_goes_from_champion_to_champion_down_to_the_bootstrap() {
    let mut world = World::default();
    assert_eq!(world.order("p", Action::RollBack(None), None), Err("nothing_to_roll_back_to"));
    for version in 1..=3 {
        world.deployed(version);
    }
    let back = world.order("p", Action::RollBack(None), Some(3));
    assert_eq!(back, Ok(vec!["rolled_back ann".to_owned(), "deployed tidemill-deployer".to_owned()]));
    assert_eq!((world.champion("p"), world.state(3), world.state(2)), (2, State::RolledBack, State::Champion));
    assert_eq!(world.deployments[3].detail, "rolled back from version 3 by ann: so");
    world.deployed(4);
    for expected in [2, 1, 0] {
        world.order("p", Action::RollBack(None), None).unwrap();
        assert_eq!(world.champion("p"), expected, "what was taken back is passed over");
    }
    let last = world.deployments.last().unwrap();
    assert_eq!((last.number, last.model.stage.as_str(), last.replaces.version), (8, "bootstrap", 1));
    assert_eq!(world.order("p", Action::RollBack(None), None), Err("nothing_to_roll_back_to"));
    assert_eq!(world.order("p", Action::RollBack(Some(0)), None), Err("already_champion"));
    assert!(world.order("p", Action::RollBack(Some(3)), None).is_ok(), "a roll-back can be taken back by name");
    assert_eq!(world.champion("p"), 3);
    world.train("p", 5);
    assert_eq!(world.order("p", Action::RollBack(Some(5)), None), Err("never_served"));
    assert_eq!(world.order("p", Action::RollBack(Some(9)), None), Err("unknown_model"));
}

#[test]
fn a_log_that_does_not_follow_is_refused() {
    let mut world = World::default();
    world.deployed(1);
    let broken = |change: &dyn Fn(&mut Vec<RegistryEvent>)| {
        let mut log = world.log.clone();
        change(&mut log);
        let mut registry = Registry::default();
        log.iter().try_for_each(|e| registry.replay(e)).is_err()
    };
    assert!(!broken(&|_| {}));
    assert!(broken(&|log| drop(log.remove(1))), "a gap");
    assert!(broken(&|log| log.swap(1, 2)), "another order");
    assert!(broken(&|log| log[2].kind = "deployed".into()), "without approval");
    assert!(broken(&|log| log[3].model.digest = "sha256:x".into()), "another model under its version");
    assert!(broken(&|log| log[1].kind = "promoted".into()), "an unknown kind");
}

#[derive(Debug, Clone)]
enum Step {
    Train,
    Judge { version: i32, passed: bool, policy: Option<Approval> },
    Order { action: Action, expected: Option<i32> },
}

fn step() -> impl Strategy<Value = (bool, Step)> {
    let policy = prop_oneof![Just(None), Just(Some(Approval::Automatic)), Just(Some(Approval::OnePerson))];
    let action = prop_oneof![
        (1..6).prop_map(Action::Approve),
        (1..6).prop_map(Action::Reject),
        Just(Action::RollBack(None)),
        (0..6).prop_map(|v| Action::RollBack(Some(v))),
    ];
    let step = prop_oneof![
        2 => Just(Step::Train),
        4 => (1..6, prop::bool::weighted(0.8), policy).prop_map(|(version, passed, policy)| Step::Judge { version, passed, policy }),
        3 => (action, prop::option::weighted(0.2, 0..6)).prop_map(|(action, expected)| Step::Order { action, expected }),
    ];
    (any::<bool>(), step)
}

/// Champions of the past, by a model of its own: those that a roll-back finds, the newest last.
#[derive(Default)]
struct Past(Vec<i32>);

impl Past {
    fn now(&self) -> i32 {
        self.0.last().copied().unwrap_or(0)
    }

    fn goes_to(&mut self, version: i32) {
        if version == 0 {
            self.0.clear();
        } else {
            while self.0.contains(&version) {
                self.0.pop();
            }
            self.0.push(version);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_log_tells_it_all(steps in prop::collection::vec(step(), 0..80)) {
        let (mut world, mut trained, mut past) = (World::default(), [0; 2], [Past::default(), Past::default()]);
        for (second, step) in steps {
            let (i, pipeline) = if second { (1, "q") } else { (0, "p") };
            match step {
                Step::Train => {
                    trained[i] += 1;
                    world.train(pipeline, trained[i]);
                }
                Step::Judge { version, passed, policy: approval } => {
                    let before = world.deployments.len();
                    world.judge(pipeline, version, passed, approval.map(|a| policy(pipeline, a)).as_ref());
                    if world.deployments.len() > before {
                        prop_assert!(passed && version > past[i].now());
                        past[i].goes_to(version);
                    }
                    let again = world.judge(pipeline, version, !passed, approval.map(|a| policy(pipeline, a)).as_ref());
                    prop_assert!(again.is_empty(), "the same input twice adds nothing: {:?}", again);
                }
                Step::Order { action, expected } => {
                    let done = world.order(pipeline, action, expected);
                    if let Some(expected) = expected.filter(|e| *e != past[i].now()) {
                        prop_assert!(done.is_err(), "expected {}", expected);
                    }
                    match (action, done.is_ok()) {
                        (Action::Approve(version), true) => past[i].goes_to(version),
                        (Action::RollBack(Some(version)), true) => past[i].goes_to(version),
                        (Action::RollBack(None), true) => { past[i].0.pop(); }
                        (Action::RollBack(None), false) if expected.is_none() => prop_assert_eq!(past[i].now(), 0),
                        _ => {}
                    }
                }
            }
            prop_assert_eq!(world.champion(pipeline), past[i].now());
        }
        let mut replayed = Registry::default();
        let mut champions = BTreeMap::new();
        for event in &world.log {
            prop_assert_eq!(replayed.replay(event), Ok(()));
            if event.kind == "deployed" {
                champions.insert(event.pipeline.clone(), event.model.version);
            }
            let told = champions.get(&event.pipeline).copied().unwrap_or(0);
            prop_assert_eq!(replayed.line(&event.pipeline).map(Line::champion), Some(told), "one champion at every event");
        }
        prop_assert_eq!(&replayed, &world.registry);
        let length = world.log.len();
        for (pipeline, trained) in [("p", trained[0]), ("q", trained[1])] {
            for version in 1..=trained {
                world.train(pipeline, version);
            }
        }
        prop_assert_eq!(world.log.len(), length);
    }
}
