//! The fold under commits, aborts and crashes: every cause is covered by exactly one candidate, there is never more
//! than one training, and a fold that is made anew decides as the one before would have.

use super::*;
use crate::schedule::Rules;
use proptest::prelude::*;
use std::sync::Mutex;
use tidemill_events::codec::OutcomeCodec;
use tidemill_events::layout::control_avro;
use tidemill_events::time::DAY;
use tidemill_events::{Layout, PredictionOutcome, Source};
use tidemill_service::Metrics;

const FILE: &str = include_str!("../../../../examples/payments/pipeline.yaml");
const SCHEMA: &str = include_str!("../../../../examples/payments/payment.avsc");
const T0: i64 = 17_000 * DAY;
/// Schema ids by topic.
const IDS: [(u32, Control); 3] = [(1, Control::Candidates), (2, Control::Triggers), (3, Control::Alerts)];
const OUTCOME_ID: u32 = 4;

/// Trainings that end when the test says so.
#[derive(Clone, Default)]
struct Scripted(Arc<Mutex<Script>>);

#[derive(Default)]
struct Script {
    live: usize,
    started: usize,
    /// How the running one ends, once it may.
    ending: Option<Outcome>,
}

struct ScriptedJob {
    script: Scripted,
    end: i64,
    called_off: Mutex<bool>,
    live: Arc<Live>,
}

impl Jobs for Scripted {
    type Job = ScriptedJob;

    fn start(&mut self, _plan: &Plan, end: i64) -> Result<ScriptedJob, Error> {
        let mut script = self.0.lock().unwrap();
        script.live += 1;
        script.started += 1;
        script.ending = None;
        assert_eq!(script.live, 1, "two trainings at the same time");
        Ok(ScriptedJob { script: self.clone(), end, called_off: Mutex::new(false), live: Arc::default() })
    }

    fn differ(&mut self, _digest: &str) -> Result<bool, Error> {
        Ok(false)
    }
}

impl Job for ScriptedJob {
    fn ended(&mut self) -> Option<Ended> {
        let ending = self.script.0.lock().unwrap().ending.take();
        let outcome = if *self.called_off.lock().unwrap() { Some(Outcome::Cancelled) } else { ending };
        let holdout = Span { from: self.end - DAY, to: self.end };
        outcome.map(|outcome| Ended { holdout, ..Ended::without_rows(outcome) })
    }

    fn cancel(&self) {
        *self.called_off.lock().unwrap() = true;
    }

    fn live(&self) -> &Arc<Live> {
        &self.live
    }
}

impl Drop for ScriptedJob {
    fn drop(&mut self) {
        self.script.0.lock().unwrap().live -= 1;
    }
}

/// The topics, and the fold that reads and writes them.
struct World {
    layout: Layout,
    outcomes: OutcomeCodec,
    /// Payloads by partition, or of the one partition.
    labels: [Vec<Vec<u8>>; 2],
    triggers: Vec<Vec<u8>>,
    alerts: Vec<Vec<u8>>,
    candidates: Vec<Vec<u8>>,
    script: Scripted,
    fold: TrainerFold<Scripted>,
    now: i64,
    clock: i64,
}

fn avro(topic: Control) -> AvroSchema {
    AvroSchema::parse(control_avro(topic)).unwrap()
}

fn encode<T: serde::Serialize>(topic: Control, value: &T) -> Vec<u8> {
    let id = IDS.iter().find(|(_, t)| *t == topic).unwrap().0;
    let mut bytes = Vec::new();
    avro(topic).encode(id, value, &mut bytes).unwrap();
    bytes
}

fn new_fold(layout: &Layout, script: &Scripted) -> TrainerFold<Scripted> {
    let rules = Rules {
        pipeline: layout.pipeline.clone(),
        version: 1,
        horizon: 7 * DAY,
        window: DAY,
        history: 10 * DAY,
        every: Some(5 * DAY),
        on_drift: true,
        on_spec_change: true,
    };
    let outcomes = OutcomeCodec::new(layout, OUTCOME_ID).unwrap();
    let known = outcomes.schema().clone();
    let schemas = move |id| match IDS.iter().find(|(known, _)| *known == id) {
        Some((_, topic)) => Ok(avro(*topic)),
        None => Ok(known.clone()),
    };
    let board = Arc::new(Board::new(&Metrics::new("test", "0")));
    TrainerFold::new(Schedule::new(rules), script.clone(), (avro(Control::Candidates), 1), outcomes, Box::new(schemas), board)
}

fn record(topic: usize, partition: i32, offset: usize, payload: &[u8]) -> Record<'_> {
    Record { topic, partition, offset: offset as i64, timestamp: 0, key: None, payload: Some(payload), traceparent: None }
}

impl World {
    fn new() -> Self {
        let (pipeline, _) = tidemill_pipeline::compile("pipeline.yaml", FILE, |_| Ok(SCHEMA.to_owned())).unwrap();
        let (layout, script) = (pipeline.layout, Scripted::default());
        let fold = new_fold(&layout, &script);
        Self {
            outcomes: OutcomeCodec::new(&layout, OUTCOME_ID).unwrap(),
            layout,
            labels: Default::default(),
            triggers: Vec::new(),
            alerts: Vec::new(),
            candidates: Vec::new(),
            script,
            fold,
            now: 0,
            clock: T0,
        }
    }

    /// Event time goes on, and both partitions of outcomes with it.
    fn outcomes(&mut self, step: i64) {
        self.clock += step;
        for partition in 0..2 {
            let outcome = PredictionOutcome {
                event_id: "e",
                event_time: self.clock,
                source: &Source::default(),
                entities: &["c".into(), "t".into()],
                label: 1.0,
                label_time: self.clock + 7 * DAY,
                score: 0.5,
                decision: "review",
                route: "default",
                model: &ModelRef::default(),
            };
            let mut bytes = Vec::new();
            self.outcomes.encode(&outcome, &mut bytes).unwrap();
            let offset = self.labels[partition].len();
            self.fold.take(&record(OUTCOMES, partition as i32, offset, &bytes)).unwrap();
            self.labels[partition].push(bytes);
        }
    }

    fn trigger(&mut self, action: &str) {
        let pipeline = self.layout.pipeline.clone();
        let trigger = Trigger { pipeline, action: action.into(), detail: "d".into(), requested_by: "ann".into(), requested_at: self.now };
        let bytes = encode(Control::Triggers, &trigger);
        self.fold.take(&record(TRIGGERS, 0, self.triggers.len(), &bytes)).unwrap();
        self.triggers.push(bytes);
    }

    fn alert(&mut self) {
        let alert = Alert {
            pipeline: self.layout.pipeline.clone(),
            kind: "data_drift".into(),
            severity: "critical".into(),
            model: ModelRef::default(),
            window: Span::default(),
            subjects: vec!["amount".into()],
            message: "moved".into(),
            evidence: BTreeMap::new(),
            retrain: true,
            raised_at: self.now,
        };
        let bytes = encode(Control::Alerts, &alert);
        self.fold.take(&record(ALERTS, 0, self.alerts.len(), &bytes)).unwrap();
        self.alerts.push(bytes);
    }

    fn tick(&mut self, commits: bool) {
        self.now += 100_000;
        let mut out = Outputs::default();
        self.fold.ready(self.now, true, &mut out).unwrap();
        if commits {
            self.candidates.extend(out.iter().map(|o| o.payload.to_vec()));
            self.fold.commit();
        } else {
            self.fold.abort();
        }
    }

    fn finish(&mut self, outcome: Outcome) {
        self.script.0.lock().unwrap().ending = Some(outcome);
    }

    /// A fold made anew from the topics; `backwards` reads the inputs in another order.
    fn refolded(&self, script: &Scripted, backwards: bool) -> TrainerFold<Scripted> {
        let mut fold = new_fold(&self.layout, script);
        for (offset, bytes) in self.candidates.iter().enumerate() {
            fold.written(0, &record(0, 0, offset, bytes)).unwrap();
        }
        let mut inputs =
            vec![(OUTCOMES, 0, &self.labels[0]), (OUTCOMES, 1, &self.labels[1]), (TRIGGERS, 0, &self.triggers), (ALERTS, 0, &self.alerts)];
        if backwards {
            inputs.reverse();
        }
        for (topic, partition, payloads) in inputs {
            for (offset, bytes) in payloads.iter().enumerate() {
                fold.take(&record(topic, partition, offset, bytes)).unwrap();
            }
        }
        fold
    }

    fn crash(&mut self, backwards: bool) {
        // the old one ends first: its training is called off
        self.fold = new_fold(&self.layout, &Scripted::default());
        self.fold = self.refolded(&self.script.clone(), backwards);
    }

    fn decoded(&self) -> Vec<Candidate> {
        self.candidates.iter().map(|bytes| avro(Control::Candidates).decode(&bytes[5..]).unwrap()).collect()
    }
}

fn model(n: usize) -> Outcome {
    Outcome::Model { digest: format!("sha256:{n}"), metrics: BTreeMap::from([("auc".into(), 0.9)]) }
}

#[derive(Debug, Clone)]
enum Op {
    Outcomes(i64),
    Train,
    Cancel,
    Alert,
    Finish(u8),
    Tick(bool),
    Crash(bool),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => (1i64..6).prop_map(Op::Outcomes),
        2 => Just(Op::Train),
        1 => Just(Op::Cancel),
        1 => Just(Op::Alert),
        3 => (0u8..4).prop_map(Op::Finish),
        6 => prop::bool::weighted(0.8).prop_map(Op::Tick),
        1 => any::<bool>().prop_map(Op::Crash),
    ]
}

fn run(world: &mut World, op: &Op) {
    match op {
        Op::Outcomes(days) => world.outcomes(days * DAY),
        Op::Train => world.trigger("train"),
        Op::Cancel => world.trigger("cancel"),
        Op::Alert => world.alert(),
        Op::Finish(0) => world.finish(Outcome::Failed("no".into())),
        Op::Finish(1) => world.finish(Outcome::NotEnough("few".into())),
        Op::Finish(_) => world.finish(model(world.candidates.len())),
        Op::Tick(commits) => world.tick(*commits),
        Op::Crash(backwards) => world.crash(*backwards),
    }
}

fn drain(world: &mut World) {
    for _ in 0..20 {
        world.finish(model(world.candidates.len()));
        world.tick(true);
    }
}

proptest! {
    #[test]
    fn each_cause_has_one_candidate_whatever_happens(ops in prop::collection::vec(op(), 1..60)) {
        let mut world = World::new();
        for op in &ops {
            run(&mut world, op);
        }
        drain(&mut world);
        prop_assert!(world.fold.running.is_none() && world.fold.ended.is_none());

        let candidates = world.decoded();
        let mut covered: Vec<(String, i64)> = Vec::new();
        for candidate in &candidates {
            covered.extend(candidate.causes.iter().filter_map(|c| c.record.as_ref()).map(|r| (r.topic.to_string(), r.offset)));
            prop_assert!(!candidate.causes.is_empty());
        }
        covered.sort();
        let asked = [(Control::Alerts, world.alerts.len()), (Control::Triggers, world.triggers.len())];
        let asked: Vec<(String, i64)> = asked.into_iter().flat_map(|(t, n)| (0..n as i64).map(move |o| (t.name().to_owned(), o))).collect();
        prop_assert_eq!(covered, asked);

        let versions: Vec<i32> = candidates.iter().filter_map(|c| c.model.as_ref()).map(|m| m.version).collect();
        prop_assert_eq!(&versions, &(1..=versions.len() as i32).collect::<Vec<_>>());
        // scheduled trainings keep their distance
        let scheduled: Vec<&Candidate> = candidates.iter().filter(|c| c.causes.iter().any(|c| c.reason == "schedule")).collect();
        prop_assert!(scheduled.windows(2).all(|w| w[0].holdout.to < w[1].holdout.to));
    }

    #[test]
    fn a_fold_made_anew_decides_as_the_one_before(ops in prop::collection::vec(op(), 1..60)) {
        let mut world = World::new();
        for op in &ops {
            run(&mut world, op);
            // commits and crashes move what is written; between them both must think the same
            if world.fold.ended.is_none() {
                let reached = world.fold.watermark.look(world.now, true);
                for backwards in [false, true] {
                    let mut anew = world.refolded(&Scripted::default(), backwards);
                    prop_assert_eq!(anew.watermark.look(world.now, true), reached);
                    prop_assert_eq!(anew.schedule.due(reached, false), world.fold.schedule.due(reached, false));
                    prop_assert_eq!(anew.schedule.cancelled(reached, false), world.fold.schedule.cancelled(reached, false));
                }
            }
        }
    }
}

#[test]
fn a_training_that_was_not_written_is_done_again() {
    let mut world = World::new();
    world.outcomes(0);
    world.outcomes(10 * DAY);
    world.tick(true);
    assert_eq!(world.script.0.lock().unwrap().started, 1);
    world.finish(model(1));
    world.tick(false);
    assert!(world.candidates.is_empty());
    world.crash(false);
    world.tick(true);
    assert_eq!(world.script.0.lock().unwrap().started, 2);
    world.finish(model(1));
    world.tick(true);
    world.tick(true);
    let candidates = world.decoded();
    assert_eq!((candidates.len(), candidates[0].model.as_ref().unwrap().version), (1, 1));
    assert_eq!(candidates[0].holdout, Span { from: T0 + 9 * DAY, to: T0 + 10 * DAY });
    assert_eq!(candidates[0].metrics["auc"], 0.9);
}

#[test]
fn a_command_without_labels_is_answered_and_not_kept_waiting() {
    let mut world = World::new();
    world.trigger("train");
    world.tick(true);
    let candidates = world.decoded();
    assert_eq!((candidates[0].outcome.as_str(), candidates[0].detail.as_str()), ("not_enough", "no event has its label yet"));
    world.tick(true);
    assert_eq!(world.candidates.len(), 1);
}

#[test]
fn a_cancelled_training_ends_with_the_causes_of_both() {
    let mut world = World::new();
    world.outcomes(0);
    world.outcomes(10 * DAY);
    world.tick(true);
    world.trigger("cancel");
    world.tick(true);
    world.tick(true);
    let candidates = world.decoded();
    let reasons: Vec<&str> = candidates[0].causes.iter().map(|c| c.reason.as_str()).collect();
    assert_eq!((candidates[0].outcome.as_str(), reasons), ("cancelled", vec!["command", "schedule"]));
    world.tick(true);
    assert_eq!((world.candidates.len(), world.script.0.lock().unwrap().started), (1, 1), "it is not begun again at once");
}
