//! Records go through their Avro form unchanged, under their own schema and under an older one; what is
//! not exactly a record is an error. A record is the same when it is read by position, as its own schema lets it, and when
//! it is read by the names of its fields, as any other schema is: a second one parsed from the same text.
#![expect(clippy::unwrap_used, reason = "what a helper of a test cannot do fails the test")]

use proptest::prelude::*;
use rust_decimal::Decimal;
use std::sync::Arc;
use tidemill_events::codec::{self, AvroSchema, HopCodec, NumberReader, OutcomeCodec, PredictionCodec, RawReader, RawWriter, VectorCodec};
use tidemill_events::layout::{FeatureColumn, FeatureType, control_avro};
use tidemill_events::records::{self, ModelRef, Reason};
use tidemill_events::topics::{Control, PerPipeline};
use tidemill_events::{Event, HopInput, Layout, Outcome, Prediction, PredictionOutcome, RecordSchema, Source, Stage, Value, Vector, wire};

const PAYMENT: &str = r#"{"type":"record","name":"Payment","namespace":"com.example","fields":[
    {"name":"id","type":"string"},
    {"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}},
    {"name":"customer","type":"string"},
    {"name":"amount","type":{"type":"bytes","logicalType":"decimal","precision":18,"scale":2}},
    {"name":"kind","type":{"type":"enum","name":"Kind","symbols":["chip","web"]}},
    {"name":"count","type":["null","int"],"default":null}]}"#;

fn layout() -> Layout {
    let double = |name: &str| FeatureColumn { name: name.into(), ty: FeatureType::Double };
    Layout {
        pipeline: "fraud-eu".into(),
        event: RecordSchema::parse(PAYMENT).unwrap(),
        entities: vec!["customer".into(), "terminal".into()],
        features: vec![
            double("customer_n_1d"),
            double("terminal_n_1d"),
            double("amount"),
            FeatureColumn { name: "kind".into(), ty: FeatureType::String },
        ],
        hop_features: vec![0..1, 1..2],
    }
}

fn text() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9é:]{0,30}"
}

fn row() -> impl Strategy<Value = Vec<Value>> {
    (text(), -1_000_000_000_000i64..4_000_000_000_000, text(), any::<i64>(), any::<bool>(), any::<Option<i32>>()).prop_map(
        |(id, at, customer, cents, chip, count)| {
            vec![
                Value::String(id.into()),
                Value::Timestamp(at * 1_000),
                Value::String(customer.into()),
                Value::Decimal(Decimal::new(cents, 2)),
                Value::String(if chip { "chip" } else { "web" }.into()),
                count.map_or(Value::Null, |n| Value::Long(n.into())),
            ]
        },
    )
}

fn source() -> impl Strategy<Value = Source> {
    (text(), any::<i32>(), any::<i64>()).prop_map(|(topic, partition, offset)| Source { topic: topic.into(), partition, offset })
}

fn double() -> impl Strategy<Value = Value> {
    prop_oneof![Just(Value::Null), any::<f64>().prop_filter("NaN is not equal to itself", |v| !v.is_nan()).prop_map(Value::Double)]
}

fn event(features: usize) -> impl Strategy<Value = Event> {
    let times = (any::<i64>(), any::<i64>(), any::<i64>());
    (text(), times, source(), text(), any::<i32>(), (text(), text()), row(), prop::collection::vec(double(), features)).prop_map(
        |(id, (event_time, ingested_at, merge_time), source, stage, partition, (a, b), fields, features)| Event {
            event_id: id.into(),
            event_time,
            source,
            ingested_at,
            from: Stage { stage: stage.into(), partition },
            merge_time,
            entities: vec![a.into(), b.into()],
            fields,
            features,
        },
    )
}

/// A prediction of `event`.
fn prediction(event: Event) -> Prediction {
    let model = ModelRef { name: "m".into(), version: 7, digest: "sha256:0".into(), stage: "champion".into() };
    let score = event.event_time as f64 / 7.0;
    Prediction {
        event_id: event.event_id,
        event_time: event.event_time,
        source: event.source,
        ingested_at: event.ingested_at,
        entities: event.entities,
        route: "default".into(),
        model: Arc::new(model),
        score,
        decision: "review".into(),
        reasons: vec![Reason { feature: "amount".into(), contribution: score }],
        predicted_at: event.merge_time,
    }
}

/// The schema of a topic, which no codec takes for its own.
fn by_name(topic: PerPipeline) -> AvroSchema {
    AvroSchema::parse(&layout().avro(topic)).unwrap()
}

/// What both take for a record is the same; either may be stricter.
fn alike<T: std::fmt::Debug>(one: Result<T, codec::Error>, other: Result<T, codec::Error>) -> Result<(), TestCaseError> {
    if let (Ok(one), Ok(other)) = (one, other) {
        // by their text: there may be NaN
        prop_assert_eq!(format!("{one:?}"), format!("{other:?}"));
    }
    Ok(())
}

fn datum(bytes: &[u8], id: u32) -> &[u8] {
    let (written, datum) = wire::split(Some(bytes)).unwrap();
    assert_eq!(written, id);
    datum
}

proptest! {
    #[test]
    fn raw_rows(row in row()) {
        let schema = RecordSchema::parse(PAYMENT).unwrap();
        let json = layout().avro(PerPipeline::Raw);
        let mut bytes = Vec::new();
        RawWriter::new(schema.clone(), &json, 7).unwrap().encode(&row, &mut bytes).unwrap();
        let reader = RawReader::new(&json, &schema).unwrap();
        let datum = datum(&bytes, 7);
        prop_assert_eq!(reader.decode(datum).unwrap(), row);
        for end in 0..datum.len() {
            prop_assert!(reader.decode(&datum[..end]).is_err(), "{} of {} bytes", end, datum.len());
        }
        prop_assert!(reader.decode(&[datum, &[0]].concat()).is_err());
    }

    #[test]
    fn garbage_is_an_error_or_a_row(bytes: Vec<u8>) {
        let reader = RawReader::new(PAYMENT, &RecordSchema::parse(PAYMENT).unwrap()).unwrap();
        let _ = reader.decode(&bytes);
    }

    #[test]
    fn events(event in event(1)) {
        let codec = HopCodec::new(&layout(), 1, 9).unwrap();
        let mut bytes = Vec::new();
        codec.encode_event(&event, &mut bytes).unwrap();
        let datum = datum(&bytes, 9);
        let other = by_name(PerPipeline::Hop(1));
        prop_assert_eq!(codec.decode(&other, datum).unwrap(), HopInput::Event(event.clone()));
        prop_assert_eq!(codec.decode(codec.schema(), datum).unwrap(), HopInput::Event(event));
        for end in 0..datum.len() {
            prop_assert!(codec.decode(codec.schema(), &datum[..end]).is_err());
        }
        prop_assert_eq!(codec.decode(codec.schema(), &[datum, &[0]].concat()), Err(codec::Error::Trailing(1)));
    }

    #[test]
    fn a_byte_that_is_another_is_read_alike_or_refused(e in event(3), at: prop::sample::Index, byte: u8) {
        let change = |bytes: &[u8], id| {
            let mut datum = datum(bytes, id).to_vec();
            let at = at.index(datum.len());
            datum[at] = byte;
            datum
        };
        let hop = HopCodec::new(&layout(), 1, 9).unwrap();
        let mut bytes = Vec::new();
        hop.encode_event(&Event { features: e.features[..1].to_vec(), ..e.clone() }, &mut bytes).unwrap();
        let changed = change(&bytes, 9);
        alike(hop.decode(hop.schema(), &changed), hop.decode(&by_name(PerPipeline::Hop(1)), &changed))?;

        let prediction = prediction(e);
        let codec = PredictionCodec::new(&layout(), 4).unwrap();
        bytes.clear();
        codec.encode(&prediction, &mut bytes).unwrap();
        let changed = change(&bytes, 4);
        let other = by_name(PerPipeline::Predictions);
        alike(codec.decode(codec.schema(), &changed), codec.decode(&other, &changed))?;
        alike(codec.view(codec.schema(), &changed), codec.view(&other, &changed))?;
    }

    #[test]
    fn outcomes(e in event(0), label: i32, label_time: i64) {
        let Event { event_id, event_time, source, from, merge_time, entities, fields, .. } = e;
        let outcome = Outcome { event_id, event_time, source, from, merge_time, entities, fields, label: f64::from(label), label_time };
        let codec = HopCodec::new(&layout(), 0, 9).unwrap();
        let mut bytes = Vec::new();
        codec.encode_outcome(&outcome, &mut bytes).unwrap();
        let datum = datum(&bytes, 9);
        prop_assert_eq!(codec.decode(&by_name(PerPipeline::Hop(0)), datum).unwrap(), HopInput::Outcome(outcome.clone()));
        prop_assert_eq!(codec.decode(codec.schema(), datum).unwrap(), HopInput::Outcome(outcome));
        for end in 0..datum.len() {
            prop_assert!(codec.decode(codec.schema(), &datum[..end]).is_err());
        }
    }

    #[test]
    fn vectors(e in event(3), kind in text()) {
        let Event { event_id, event_time, source, ingested_at, from, merge_time, entities, mut features, .. } = e;
        features.push(Value::String(kind.into()));
        let vector = Vector { event_id, event_time, source, ingested_at, from, merge_time, entities, features, pipeline_version: 3 };
        let codec = VectorCodec::new(&layout(), 2).unwrap();
        let mut bytes = Vec::new();
        codec.encode(&vector, &mut bytes).unwrap();
        let written = datum(&bytes, 2);
        let other = by_name(PerPipeline::Features);
        prop_assert_eq!(&codec.decode(&other, written).unwrap(), &vector);
        prop_assert_eq!(&codec.decode(codec.schema(), written).unwrap(), &vector);

        let reader = NumberReader::new(&layout(), 2).unwrap();
        let numbers: Vec<u64> = vector.features[..3].iter().map(|v| if let Value::Double(v) = v { *v } else { f64::NAN }.to_bits()).collect();
        for writer in [reader.schema(), &other] {
            let mut row = vec![7.0];
            let head = reader.read(writer, written, &mut row).unwrap();
            prop_assert_eq!((head.event_id, head.event_time, head.merge_time), (vector.event_id.as_str(), vector.event_time, vector.merge_time));
            prop_assert_eq!((head.raw_partition, head.hop_partition), (vector.source.partition, vector.from.partition));
            prop_assert_eq!(row.iter().map(|v| v.to_bits()).collect::<Vec<_>>(), numbers.clone());
        }
        for end in 0..written.len() {
            prop_assert!(codec.decode(codec.schema(), &written[..end]).is_err());
            prop_assert!(reader.read(reader.schema(), &written[..end], &mut Vec::new()).is_err());
        }
    }

    #[test]
    fn predictions(e in event(0)) {
        let prediction = prediction(e);
        let codec = PredictionCodec::new(&layout(), 4).unwrap();
        let mut bytes = Vec::new();
        codec.encode(&prediction, &mut bytes).unwrap();
        let datum = datum(&bytes, 4);
        let other = by_name(PerPipeline::Predictions);
        for writer in [codec.schema(), &other] {
            let view = codec.view(writer, datum).unwrap();
            prop_assert_eq!((view.event_id, view.event_time, view.score), (&*prediction.event_id, prediction.event_time, prediction.score));
            prop_assert_eq!(view.model.to_owned(), prediction.model.as_ref().clone());
            prop_assert_eq!(&codec.decode(writer, datum).unwrap(), &prediction);
        }
        for end in 0..datum.len() {
            prop_assert!(codec.decode(codec.schema(), &datum[..end]).is_err());
            prop_assert!(codec.view(codec.schema(), &datum[..end]).is_err());
        }
    }

    #[test]
    fn views_of_outcomes(e in event(0), label: bool, label_time: i64, score: f64) {
        let prediction = prediction(e);
        let written = PredictionOutcome {
            event_id: &prediction.event_id,
            event_time: prediction.event_time,
            source: &prediction.source,
            entities: &prediction.entities,
            label: f64::from(u8::from(label)),
            label_time,
            score,
            decision: &prediction.decision,
            route: &prediction.route,
            model: &prediction.model,
        };
        let codec = OutcomeCodec::new(&layout(), 5).unwrap();
        let mut bytes = Vec::new();
        codec.encode(&written, &mut bytes).unwrap();
        let datum = datum(&bytes, 5);
        let other = by_name(PerPipeline::Outcomes);
        for writer in [codec.schema(), &other] {
            let view = codec.view(writer, datum).unwrap();
            prop_assert_eq!((view.event_id, view.event_time, view.decision), (written.event_id, written.event_time, written.decision));
            prop_assert_eq!((view.label, view.label_time, view.score.to_bits()), (written.label, label_time, score.to_bits()));
            prop_assert_eq!(&view.model.to_owned(), prediction.model.as_ref());
        }
        for end in 0..datum.len() {
            prop_assert!(codec.view(codec.schema(), &datum[..end]).is_err());
        }
    }
}

#[test]
fn a_record_of_an_older_pipeline_version_reads() {
    let new = layout();
    let mut old = new.clone();
    old.features.remove(0);
    old.hop_features = vec![0..0, 0..1];
    let vector = Vector {
        event_id: "e".into(),
        event_time: 1,
        source: Source::default(),
        ingested_at: 2,
        from: Stage::default(),
        merge_time: 3,
        entities: vec!["c".into(), "t".into()],
        features: vec![Value::Double(1.0), Value::Double(2.0), Value::Null],
        pipeline_version: 1,
    };
    let writer = VectorCodec::new(&old, 1).unwrap();
    let mut bytes = Vec::new();
    writer.encode(&vector, &mut bytes).unwrap();
    let read = VectorCodec::new(&new, 2).unwrap().decode(writer.schema(), datum(&bytes, 1)).unwrap();
    assert_eq!(read.features, [Value::Null, Value::Double(1.0), Value::Double(2.0), Value::Null]);
    let mut row = Vec::new();
    NumberReader::new(&new, 2).unwrap().read(writer.schema(), datum(&bytes, 1), &mut row).unwrap();
    assert!(row[0].is_nan() && row[1..] == [1.0, 2.0], "{row:?}");
    // and the other way round: what is no longer known is skipped
    let new = VectorCodec::new(&new, 2).unwrap();
    let vector = Vector { features: vec![Value::Double(9.0), Value::Double(1.0), Value::Double(2.0), Value::Null], ..vector };
    bytes.clear();
    new.encode(&vector, &mut bytes).unwrap();
    let read = writer.decode(new.schema(), datum(&bytes, 2)).unwrap();
    assert_eq!(read.features, [Value::Double(1.0), Value::Double(2.0), Value::Null]);
}

#[test]
fn every_schema_is_avro() {
    let layout = layout();
    for topic in PerPipeline::all(2) {
        let json = layout.avro(topic);
        AvroSchema::parse(&json).unwrap_or_else(|e| panic!("{topic:?}: {e}\n{json}"));
        assert!(json.contains("tidemill.fraud_eu"), "{topic:?} has the pipeline's namespace");
    }
    for topic in Control::ALL {
        AvroSchema::parse(control_avro(topic)).unwrap_or_else(|e| panic!("{topic:?}: {e}"));
    }
}

#[test]
fn fixed_records_fit_their_schemas() {
    let layout = layout();
    let reject = records::Reject {
        source: records::SourceRecord { topic: "t".into(), partition: 1, offset: 2 },
        reason: "late".into(),
        detail: "…".into(),
        sha256: "00".into(),
        original: vec![0, 255],
        rejected_at: 3,
    };
    let quality = records::Quality {
        partition: 0,
        window_start: 1,
        window_end: 2,
        valid: 3,
        rejected: vec![records::ReasonCount { reason: "late".into(), count: 4 }],
        out_of_order: 5,
        merge_time: Some(6),
    };
    let label = records::Label { event_id: "e".into(), label: 1.0, label_time: 2 };
    let mut bytes = Vec::new();
    let schema = AvroSchema::parse(&layout.avro(PerPipeline::Rejected)).unwrap();
    schema.encode(1, &reject, &mut bytes).unwrap();
    assert_eq!(schema.decode::<records::Reject>(datum(&bytes, 1)).unwrap(), reject);
    bytes.clear();
    let schema = AvroSchema::parse(&layout.avro(PerPipeline::Quality)).unwrap();
    schema.encode(1, &quality, &mut bytes).unwrap();
    assert_eq!(schema.decode::<records::Quality>(datum(&bytes, 1)).unwrap(), quality);
    bytes.clear();
    let schema = AvroSchema::parse(&layout.avro(PerPipeline::Labels)).unwrap();
    schema.encode(1, &label, &mut bytes).unwrap();
    assert_eq!(schema.decode::<records::Label>(datum(&bytes, 1)).unwrap(), label);
}
