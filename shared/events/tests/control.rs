//! The control plane's records go through their Avro form unchanged, and the lean views read whole records.
#![expect(clippy::unwrap_used, reason = "what a helper of a test cannot do fails the test")]

use serde::{Serialize, de::DeserializeOwned};
use std::fmt::Debug;
use tidemill_events::codec::{AvroSchema, OutcomeCodec, PredictionCodec};
use tidemill_events::control::{
    Alert, Candidate, Cause, ColumnDrift, Deployment, Drift, Evaluation, GateResult, Performance, RegistryEvent, Span, Trigger,
};
use tidemill_events::layout::control_avro;
use tidemill_events::records::{ModelRef, SourceRecord};
use tidemill_events::topics::{Control, PerPipeline};
use tidemill_events::views::{ModelView, OutcomeView, PredictionView};
use tidemill_events::{Layout, Prediction, PredictionOutcome, RecordSchema, Source, wire};

fn round_trips<T: Serialize + DeserializeOwned + PartialEq + Debug>(schema: &str, value: &T) {
    let schema = AvroSchema::parse(schema).unwrap();
    let mut bytes = Vec::new();
    schema.encode(1, value, &mut bytes).unwrap();
    let (id, datum) = wire::split(Some(&bytes)).unwrap();
    assert_eq!((id, &schema.decode::<T>(datum).unwrap()), (1, value));
}

fn model() -> ModelRef {
    ModelRef { name: "fraud".into(), version: 3, digest: "sha256:00".into(), stage: "champion".into() }
}

fn source() -> SourceRecord {
    SourceRecord { topic: "tidemill.alerts".into(), partition: 0, offset: 7 }
}

fn layout() -> Layout {
    let event = RecordSchema::parse(r#"{"type":"record","name":"E","fields":[{"name":"id","type":"string"}]}"#).unwrap();
    Layout {
        pipeline: "p".into(),
        event,
        entities: vec!["customer".into()],
        features: vec![],
        hop_features: std::iter::once(0..0).collect(),
    }
}

#[test]
fn records_of_the_control_plane() {
    let span = Span { from: 1, to: 2 };
    let trigger =
        Trigger { pipeline: "p".into(), action: "train".into(), detail: "because".into(), requested_by: "ann".into(), requested_at: 5 };
    round_trips(control_avro(Control::Triggers), &trigger);
    let causes = vec![
        Cause { reason: "drift".into(), detail: "psi".into(), record: Some(source()) },
        Cause { reason: "schedule".into(), detail: String::new(), record: None },
    ];
    let candidate = Candidate {
        pipeline: "p".into(),
        outcome: "candidate".into(),
        detail: String::new(),
        causes,
        pipeline_version: 2,
        model: Some(model()),
        trained: span,
        holdout: span,
        rows: 10,
        positives: 1,
        metrics: [("auc".to_owned(), 0.9)].into(),
        started_at: 3,
        finished_at: 4,
    };
    round_trips(control_avro(Control::Candidates), &candidate);
    round_trips(control_avro(Control::Candidates), &Candidate { model: None, outcome: "failed".into(), ..candidate });
    let evaluation = Evaluation {
        pipeline: "p".into(),
        candidate: source(),
        challenger: model(),
        champion: model(),
        holdout: span,
        rows: 10,
        positives: 1,
        challenger_metrics: [("auc".to_owned(), 0.9)].into(),
        champion_metrics: [("auc".to_owned(), 0.8)].into(),
        gates: vec![GateResult { condition: "a > b".into(), passed: true, detail: "0.9 > 0.8".into() }],
        passed: true,
        detail: String::new(),
        evaluated_at: 9,
    };
    round_trips(control_avro(Control::Evaluations), &evaluation);
    let event = RegistryEvent {
        seq: 1,
        pipeline: "p".into(),
        kind: "approved".into(),
        model: model(),
        actor: "ann".into(),
        detail: String::new(),
        cause: Some(source()),
        at: 4,
    };
    round_trips(control_avro(Control::Registry), &event);
    let deployment = Deployment {
        pipeline: "p".into(),
        number: 1,
        route: "default".into(),
        model: model(),
        replaces: ModelRef::default(),
        detail: String::new(),
        registry_seq: 4,
        deployed_at: 5,
    };
    round_trips(control_avro(Control::Deployments), &deployment);
    let alert = Alert {
        pipeline: "p".into(),
        kind: "data_drift".into(),
        severity: "warning".into(),
        model: model(),
        window: span,
        subjects: vec!["amount".into()],
        message: "amount moved".into(),
        evidence: [("amount.psi".to_owned(), 0.3)].into(),
        retrain: true,
        raised_at: 6,
    };
    round_trips(control_avro(Control::Alerts), &alert);
}

#[test]
fn records_of_a_window() {
    let window = Span { from: 1, to: 2 };
    let performance = Performance {
        window,
        model: model(),
        rows: 5,
        positives: 2,
        versions: [("3".to_owned(), 5)].into(),
        metrics: [("auc".to_owned(), 0.5)].into(),
    };
    round_trips(&layout().avro(PerPipeline::Performance), &performance);
    let columns = vec![ColumnDrift { column: "amount".into(), measures: [("psi".to_owned(), 0.5)].into(), exceeded: true }];
    let drift =
        Drift { kind: "data".into(), window, model: model(), rows: 5, sampled: 5, columns, errors: 0, outcomes: 0, concept_alarm: false };
    round_trips(&layout().avro(PerPipeline::Drift), &drift);
}

#[test]
fn views_read_what_the_codecs_write() {
    let (layout, model, raw) = (layout(), model(), Source { topic: "p.labels".into(), partition: 1, offset: 2 });
    let seen = ModelView { name: "fraud", version: 3, digest: "sha256:00", stage: "champion" };
    assert_eq!(seen.to_owned(), model);
    let outcome = PredictionOutcome {
        event_id: "e",
        event_time: 1,
        source: &raw,
        entities: &["c".into()],
        label: 1.0,
        label_time: 2,
        score: 0.25,
        decision: "accept",
        route: "default",
        model: &model,
    };
    let codec = OutcomeCodec::new(&layout, 1).unwrap();
    let mut bytes = Vec::new();
    codec.encode(&outcome, &mut bytes).unwrap();
    let view: OutcomeView<'_> = codec.schema().decode(wire::split(Some(&bytes)).unwrap().1).unwrap();
    let wanted = OutcomeView { event_id: "e", event_time: 1, label: 1.0, label_time: 2, score: 0.25, decision: "accept", model: seen };
    assert_eq!(view, wanted);

    let prediction = Prediction {
        event_id: "e".into(),
        event_time: 1,
        score: 0.25,
        entities: vec!["c".into()],
        model: model.clone().into(),
        ..Prediction::default()
    };
    let codec = PredictionCodec::new(&layout, 1).unwrap();
    bytes.clear();
    codec.encode(&prediction, &mut bytes).unwrap();
    let view: PredictionView<'_> = codec.schema().decode(wire::split(Some(&bytes)).unwrap().1).unwrap();
    assert_eq!(view, PredictionView { event_id: "e", event_time: 1, score: 0.25, model: seen });
}
