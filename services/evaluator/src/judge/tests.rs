//! The judge on candidates and deployments, with models that score by one column.

use super::*;
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use tidemill_events::control::Span;
use tidemill_events::layout::control_avro;
use tidemill_events::records::ModelRef;
use tidemill_pipeline::Pipeline;

const FILE: &str = "
pipeline: p
source: { schema: e.avsc, id: id, time: at, lateness: 10m, dedupe: 1h, partitions: 2 }
labels: { horizon: 7d }
entities:
  customer:
    key: customer
    features:
      n: { aggregate: count, windows: [1h] }
row: { good: amount, bad: amount, ratio: amount }
decision: { threshold: 0.5, above: review, below: accept }
bootstrap: 'bad + 1.0 / ratio * 0.0'
performance: { window: 1d, precision_at: 10 }
";
const SCHEMA: &str = r#"{"type":"record","name":"E","fields":[
    {"name":"id","type":"string"},
    {"name":"at","type":{"type":"long","logicalType":"timestamp-micros"}},
    {"name":"customer","type":"string"},
    {"name":"amount","type":"double"}]}"#;
const GATES: &str = "gates: ['challenger.average_precision >= champion.average_precision + 0.1', 'challenger.recall > 0.5']\n";

fn pipeline(more: &str) -> Arc<Pipeline> {
    let (pipeline, _) = tidemill_pipeline::compile("p.yaml", &format!("{FILE}{more}"), |_| Ok(SCHEMA.to_owned())).unwrap();
    Arc::new(pipeline)
}

/// Rows whose column `good` is the label, and `bad` nearly its opposite.
fn holdout(rows: usize) -> Holdout {
    let labels: Vec<f64> = (0..rows).map(|n| f64::from(u8::from(n % 4 == 0))).collect();
    let column = |of: fn(usize, f64) -> f64| labels.iter().enumerate().map(|(n, label)| of(n, *label)).collect();
    let good = column(|_, label| label * 0.9);
    let bad = column(|n, label| if n % 3 == 0 { label } else { 1.0 - label });
    let ratio = column(|_, _| 1.0);
    Holdout { features: ["good", "bad", "ratio"].map(String::from).to_vec(), columns: vec![good, bad, ratio], labels }
}

const FEATURES: [&str; 4] = ["customer_n_1h", "good", "bad", "ratio"];

/// A model that scores by one feature.
#[derive(Clone)]
struct Column(Vec<String>, &'static str, Holdout);

impl Column {
    fn new(column: &'static str, holdout: Holdout) -> Self {
        Self(FEATURES.map(String::from).to_vec(), column, holdout)
    }
}

impl Opened for Column {
    fn features(&self) -> &[String] {
        &self.0
    }

    fn scores(&self, rows: &[f64]) -> Vec<f64> {
        let column = self.0.iter().position(|name| name == self.1).unwrap();
        rows.chunks(self.0.len()).map(|row| row[column]).collect()
    }

    fn holdout(&self) -> Result<Holdout, Failed> {
        Ok(self.2.clone())
    }
}

/// Models by digest.
#[derive(Clone, Default)]
struct Models(Arc<Mutex<HashMap<String, Result<Column, Failed>>>>);

impl Models {
    fn put(&self, digest: &str, column: &'static str, rows: usize) {
        self.0.lock().unwrap().insert(digest.into(), Ok(Column::new(column, holdout(rows))));
    }

    fn fail(&self, digest: &str, failed: Failed) {
        self.0.lock().unwrap().insert(digest.into(), Err(failed));
    }
}

impl Vault for Models {
    fn open(&self, digest: &str) -> Result<Box<dyn Opened>, Failed> {
        let opened = self.0.lock().unwrap().get(digest).cloned().unwrap_or(Err(Failed::Refused("there is none".into())));
        opened.map(|model| Box::new(model) as Box<dyn Opened>)
    }
}

const DEPLOYMENTS: usize = 1;
const TOPICS: [Control; 3] = [Control::Candidates, Control::Deployments, Control::Evaluations];

fn schema(id: u32) -> AvroSchema {
    AvroSchema::parse(control_avro(TOPICS[id as usize])).unwrap()
}

/// A judge, and what it has been given and has written for good.
struct Court {
    fold: JudgeFold,
    models: Models,
    pipeline: Arc<Pipeline>,
    given: Vec<(usize, i64, String, Vec<u8>)>,
    written: Vec<Vec<u8>>,
    now: i64,
}

fn fold(pipeline: &Arc<Pipeline>, models: &Models) -> JudgeFold {
    let bench = Bench::new(pipeline.clone(), Box::new(models.clone()));
    JudgeFold::new(Arc::new(bench), Box::new(|id| Ok(schema(id))), (schema(2), 2))
}

fn record<'a>(topic: usize, offset: i64, key: &'a str, payload: &'a [u8]) -> Record<'a> {
    Record { topic, partition: 0, offset, timestamp: 0, key: Some(key.as_bytes()), payload: Some(payload), traceparent: None }
}

fn model(version: i32, digest: &str) -> ModelRef {
    ModelRef { name: "p".into(), version, digest: digest.into(), stage: "candidate".into() }
}

impl Court {
    fn new(more: &str) -> Self {
        let (pipeline, models) = (pipeline(more), Models::default());
        Self { fold: fold(&pipeline, &models), models, pipeline, given: Vec::new(), written: Vec::new(), now: 0 }
    }

    fn give<T: serde::Serialize>(&mut self, topic: usize, key: &str, value: &T) {
        let offset = self.given.iter().filter(|(t, ..)| *t == topic).count() as i64;
        let mut payload = Vec::new();
        schema(topic as u32).encode(topic as u32, value, &mut payload).unwrap();
        self.fold.take(&record(topic, offset, key, &payload)).unwrap();
        self.given.push((topic, offset, key.into(), payload));
    }

    fn candidate(&mut self, key: &str, model: Option<ModelRef>) {
        let candidate = Candidate {
            pipeline: key.into(),
            outcome: if model.is_some() { "candidate" } else { "failed" }.into(),
            detail: String::new(),
            causes: Vec::new(),
            pipeline_version: 1,
            model,
            trained: Span { from: 0, to: 5 },
            holdout: Span { from: 5, to: 9 },
            rows: 1,
            positives: 1,
            metrics: BTreeMap::new(),
            started_at: 0,
            finished_at: 0,
        };
        self.give(CANDIDATES, key, &candidate);
    }

    fn deploy(&mut self, number: i64, model: ModelRef) {
        let deployment = Deployment {
            pipeline: "p".into(),
            number,
            route: "default".into(),
            replaces: ModelRef::default(),
            model,
            detail: String::new(),
            registry_seq: 1,
            deployed_at: 0,
        };
        self.give(DEPLOYMENTS, "p", &deployment);
    }

    /// What it writes next; `None` when it has nothing to do at this time.
    fn ready(&mut self) -> Option<Evaluation> {
        let patience = Instant::now() + Duration::from_secs(30);
        loop {
            let mut out = Outputs::default();
            self.fold.ready(self.now, true, &mut out).unwrap();
            if let Some(output) = out.iter().next() {
                assert_eq!((out.len(), output.topic, output.key), (1, 0, Some(&b"p"[..])));
                self.written.push(output.payload.to_vec());
                return Some(schema(2).decode(wire::split(Some(output.payload)).unwrap().1).unwrap());
            }
            self.fold.work.as_ref()?;
            assert!(Instant::now() < patience, "it never ends");
            std::thread::yield_now();
        }
    }

    fn judged(&mut self) -> Evaluation {
        let evaluation = self.ready().expect("an evaluation");
        self.fold.commit();
        evaluation
    }

    fn restart(&mut self) {
        self.fold = fold(&self.pipeline, &self.models);
        for (offset, payload) in self.written.iter().enumerate() {
            self.fold.written(0, &record(0, offset as i64, "p", payload)).unwrap();
        }
        // topics come in no order among themselves
        for (topic, offset, key, payload) in self.given.iter().rev().filter(|(t, ..)| *t == DEPLOYMENTS) {
            self.fold.take(&record(*topic, *offset, key, payload)).unwrap();
        }
        for (topic, offset, key, payload) in self.given.iter().filter(|(t, ..)| *t == CANDIDATES) {
            self.fold.take(&record(*topic, *offset, key, payload)).unwrap();
        }
    }
}

#[test]
fn a_better_challenger_passes_and_a_worse_one_does_not() {
    let mut court = Court::new("");
    court.models.put("good", "good", 400);
    court.models.put("bad", "bad", 400);
    court.candidate("p", Some(model(1, "good")));
    let evaluation = court.judged();
    assert!(evaluation.passed, "{evaluation:?}");
    assert_eq!((evaluation.champion.version, evaluation.champion.stage.as_str()), (0, "bootstrap"));
    assert_eq!((evaluation.rows, evaluation.positives, evaluation.holdout), (400, 100, Span { from: 5, to: 9 }));
    assert_eq!(evaluation.challenger_metrics["average_precision"], 1.0);
    assert_eq!(evaluation.challenger_metrics["false_positives"], 0.0);
    assert_eq!(evaluation.challenger_metrics["precision_at_k"], 1.0);
    assert_eq!(evaluation.gates[0].condition, "challenger.average_precision >= champion.average_precision");
    assert_eq!(evaluation.detail, "");

    court.deploy(1, model(1, "good"));
    court.candidate("p", Some(model(2, "bad")));
    let evaluation = court.judged();
    assert!(!evaluation.passed);
    assert_eq!((evaluation.champion.version, evaluation.candidate.offset), (1, 1));
    let wanted = "`challenger.average_precision >= champion.average_precision` does not hold: challenger.average_precision 0.";
    assert!(evaluation.detail.starts_with(wanted), "{}", evaluation.detail);
}

#[test]
fn the_gates_of_the_file_decide() {
    let mut court = Court::new(GATES);
    court.models.put("good", "good", 400);
    court.candidate("p", Some(model(1, "good")));
    assert!(court.judged().passed);
    court.deploy(1, model(1, "good"));
    court.candidate("p", Some(model(2, "good")));
    let evaluation = court.judged();
    assert_eq!(evaluation.gates.iter().map(|g| g.passed).collect::<Vec<_>>(), [false, true]);
    assert_eq!(evaluation.gates[0].detail, "challenger.average_precision 1, champion.average_precision 1");
}

#[test]
fn a_sample_that_is_too_small_decides_nothing() {
    let mut court = Court::new("");
    court.models.put("good", "good", 199);
    court.models.put("few", "good", 60);
    court.candidate("p", Some(model(1, "good")));
    court.candidate("p", Some(model(2, "few")));
    let first = court.judged();
    assert!(!first.passed && first.gates[0].passed);
    assert_eq!(first.detail, "too few rows to judge by: 199 (50 positive, 149 negative), and 200 with 20 of each class are needed");
    assert!(court.judged().detail.starts_with("too few rows to judge by: 60 (15 positive"));
}

#[test]
fn what_cannot_be_opened_is_refused_and_what_is_away_waits() {
    let mut court = Court::new("");
    court.models.put("good", "good", 400);
    court.models.fail("flipped", Failed::Refused("golden_mismatch: row 3".into()));
    court.models.fail("away", Failed::Away("the store is away".into()));
    court.candidate("p", Some(model(1, "flipped")));
    let refused = court.judged();
    assert_eq!((refused.passed, refused.rows), (false, 0));
    assert_eq!(refused.detail, "the challenger cannot be opened: golden_mismatch: row 3");

    court.candidate("p", Some(model(2, "away")));
    assert_eq!(court.ready(), None);
    court.models.put("away", "good", 400);
    assert_eq!(court.ready(), None, "it rests");
    court.now += PAUSE;
    assert!(court.judged().passed);

    court.deploy(1, model(2, "flipped"));
    court.candidate("p", Some(model(3, "good")));
    let broken = court.judged();
    assert_eq!((broken.passed, broken.detail.as_str()), (false, "the champion cannot be opened: golden_mismatch: row 3"));
}

#[test]
fn a_challenger_of_other_features_is_refused() {
    let mut court = Court::new("");
    let narrow = Column(vec!["good".into()], "good", holdout(400));
    court.models.0.lock().unwrap().insert("narrow".into(), Ok(narrow.clone()));
    court.models.put("good", "good", 400);
    court.candidate("p", Some(model(1, "narrow")));
    assert!(court.judged().detail.starts_with("the challenger cannot be opened: wrong_features: it reads [\"good\"]"));
    // a champion of an earlier pipeline file is scored by what it knows
    court.deploy(1, model(1, "narrow"));
    court.candidate("p", Some(model(2, "good")));
    assert!(court.judged().passed);
}

#[test]
fn candidates_are_judged_in_order_each_against_the_champion_of_then() {
    let mut court = Court::new("");
    for digest in ["one", "two", "three"] {
        court.models.put(digest, "good", 400);
    }
    court.candidate("other", Some(model(1, "one")));
    court.candidate("p", None);
    court.candidate("p", Some(model(1, "one")));
    court.candidate("p", Some(model(2, "two")));
    court.candidate("p", Some(model(3, "three")));
    let first = court.judged();
    assert_eq!((first.candidate.offset, first.champion.version), (2, 0));
    assert_eq!(court.ready(), None, "its deployment is waited for");
    court.deploy(1, model(1, "one"));
    let second = court.judged();
    assert_eq!((second.challenger.version, second.champion.version), (2, 1));
    court.now += DEPLOYING;
    let third = court.judged();
    assert_eq!((third.challenger.version, third.champion.version), (3, 1), "nobody has approved the second");
    court.now += DEPLOYING;
    assert_eq!(court.ready(), None);
}

#[test]
fn an_evaluation_is_written_once_whatever_happens() {
    let mut court = Court::new("");
    court.models.put("good", "good", 400);
    court.candidate("p", Some(model(1, "good")));
    let before = court.ready().unwrap();
    court.fold.abort();
    court.written.clear();
    court.now += 7;
    assert_eq!(court.judged(), before);
    court.restart();
    assert_eq!(court.ready(), None);
    court.candidate("p", Some(model(2, "good")));
    court.now += DEPLOYING;
    assert_eq!(court.judged().candidate.offset, 1);
    court.restart();
    assert_eq!(court.ready(), None);
}

#[test]
fn nothing_is_judged_before_the_champion_is_known() {
    let mut court = Court::new("");
    court.models.put("good", "good", 400);
    court.candidate("p", Some(model(1, "good")));
    court.fold.ready(0, false, &mut Outputs::default()).unwrap();
    assert!(court.fold.work.is_none());
}

#[test]
fn what_the_bootstrap_cannot_score_is_an_alarm() {
    let mut court = Court::new("");
    let mut rows = holdout(400);
    rows.columns[2] = vec![f64::NAN; 400];
    court.models.0.lock().unwrap().insert("good".into(), Ok(Column::new("good", rows)));
    court.candidate("p", Some(model(1, "good")));
    let evaluation = court.judged();
    assert_eq!((evaluation.champion_metrics["recall"], evaluation.champion_metrics["false_positive_rate"]), (1.0, 1.0));
}
