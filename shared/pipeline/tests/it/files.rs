//! Files that are taken: the examples, every key of the design, and what is made of them.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};
use tidemill_events::layout::FeatureType;
use tidemill_events::records;
use tidemill_events::time::{DAY, HOUR, MINUTE};
use tidemill_events::topics::PerPipeline;
use tidemill_events::{Layout, Value};
use tidemill_features::{Aggregate, Of};
use tidemill_pipeline::learning::{Approval, Detector, Learner, Measure, Trigger, Values};
use tidemill_pipeline::{Format, Pipeline, Severity, Upstream, compile, from_record, load};

fn example(path: &str) -> Pipeline {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(path);
    let (pipeline, report) = load(&path).unwrap_or_else(|report| panic!("{}", report.render(false)));
    assert_eq!(report.diagnostics, [], "{}", report.render(false));
    pipeline
}

fn columns(layout: &Layout) -> Vec<&str> {
    layout.features.iter().map(|f| f.name.as_str()).collect()
}

#[test]
fn the_payments_example_is_what_it_says() {
    let p = example("payments/pipeline.yaml");
    assert_eq!(p.name, "payments-fraud");
    assert_eq!((p.source.id, p.source.time, p.source.partitions), (0, 1, 4));
    assert_eq!((p.source.lateness, p.source.dedupe, p.source.max_future), (10 * MINUTE, DAY, HOUR));
    assert_eq!(
        columns(&p.layout),
        [
            "customer_tx_count_1d",
            "customer_tx_count_7d",
            "customer_tx_count_30d",
            "customer_amount_mean_1d",
            "customer_amount_mean_7d",
            "customer_amount_mean_30d",
            "terminal_tx_count_1d",
            "terminal_tx_count_7d",
            "terminal_tx_count_30d",
            "terminal_fraud_rate_1d",
            "terminal_fraud_rate_7d",
            "terminal_fraud_rate_30d",
            "amount",
            "is_night",
            "is_weekend"
        ]
    );
    assert_eq!(p.layout.hop_features, [0..6, 6..12]);
    assert_eq!(p.layout.entities, ["customer", "terminal"]);
    let [customer, terminal] = &p.hops[..] else { panic!("two hops") };
    assert_eq!((&customer.key[..], customer.columns.len(), customer.lateness), (&[2][..], 1, 10 * MINUTE));
    let mean = &customer.features[4];
    assert_eq!((mean.aggregate, mean.of, mean.window, mean.delay), (Aggregate::Mean, Of::Column(0), 7 * DAY, 0));
    let delayed = &terminal.features[1];
    assert_eq!((delayed.aggregate, delayed.of, delayed.window, delayed.delay), (Aggregate::Count, Of::Events, 7 * DAY, 7 * DAY));
    let rate = &terminal.features[5];
    assert_eq!((rate.aggregate, rate.of, rate.window, rate.delay), (Aggregate::Mean, Of::Label, 30 * DAY, 7 * DAY));
    assert_eq!((rate.fill, terminal.columns.len()), (Some(0.0), 0));
    assert_eq!(p.label_hops(), [1], "outcomes go to the terminal's hop, and not to the customer's");
    assert_eq!(p.learning.labels.as_ref().map(|l| (l.horizon, l.default)), Some((7 * DAY, None)));
    assert_eq!((p.decision.threshold, p.decision.above.as_str(), p.decision.below.as_str()), (0.5, "review", "accept"));
}

#[test]
fn the_bootstrap_scores_columns_and_checks_see_events() {
    let p = example("payments/pipeline.yaml");
    let mut vector = vec![Value::Null; p.layout.features.len()];
    vector[12] = Value::Double(220.5);
    assert_eq!(p.bootstrap.eval(&vector), Ok(Value::Double(1.0)));
    let amount = |text: &str| {
        let event = [
            Value::String("t1".into()),
            Value::Timestamp(0),
            Value::String("c1".into()),
            Value::String("x1".into()),
            Value::Decimal(text.parse().unwrap()),
        ];
        p.expectations[0].check.eval(&event)
    };
    assert_eq!(amount("50000.00"), Ok(Value::Bool(true)));
    assert_eq!(amount("50000.01"), Ok(Value::Bool(false)));
}

#[test]
fn the_electricity_example_has_another_shape() {
    let p = example("electricity/pipeline.yaml");
    assert_eq!((p.source.lateness, p.source.dedupe, p.source.max_future), (HOUR, 2 * HOUR, 5 * MINUTE));
    assert_eq!(p.hops[1].key, [3, 4], "a key of two fields");
    assert_eq!(p.hops[1].features[1].fill, Some(0.0));
    assert_eq!(p.hops[1].features[1].delay, 15 * MINUTE);
    assert_eq!(
        columns(&p.layout)[4..],
        ["feeder_readings_15m", "feeder_load_15m", "feeder_load_1h", "kwh", "tariff", "is_evening", "undervoltage"]
    );
    assert_eq!(p.layout.features[8].ty, FeatureType::String);
    assert_eq!(p.hops[0].columns.len(), 2, "kwh once, voltage once");
}

#[test]
fn avro_schemas_of_the_examples_are_valid_records() {
    for path in ["payments/pipeline.yaml", "electricity/pipeline.yaml"] {
        let p = example(path);
        for topic in PerPipeline::all(p.hops.len()) {
            let schema = p.layout.avro(topic);
            assert!(serde_json::from_str::<serde_json::Value>(&schema).is_ok(), "{topic:?}");
        }
    }
}

#[test]
fn a_pipeline_comes_back_from_its_record() {
    let p = example("payments/pipeline.yaml");
    let record = records::Pipeline {
        pipeline: p.name.clone(),
        pipeline_version: 3,
        digest: p.digest.clone(),
        file: p.text.clone(),
        event_schema: p.source.schema_text.clone(),
        applied_at: 0,
    };
    let again = from_record(&record).unwrap();
    assert_eq!((again.digest, again.layout), (p.digest.clone(), p.layout));
    let changed = records::Pipeline { file: format!("{}\n", record.file), ..record };
    assert_ne!(from_record(&changed).unwrap().digest, p.digest);
}

/// Design §8.
const EVERY_KEY: &str = r#"
pipeline: payments-fraud
source: { schema: payment.avsc, id: transaction_id, time: event_time, lateness: 10m, dedupe: 1d, partitions: 4 }
labels: { horizon: 7d, default: 0 }
expect:
  - { reason: amount_out_of_range, check: "amount >= 0.0 && amount <= 50000.0", on_fail: reject }
entities:
  customer:
    key: customer_id
    features:
      tx_count: { aggregate: count, windows: [1d, 7d, 30d] }
      amount_mean: { aggregate: mean, of: amount, windows: [1d, 7d, 30d] }
  terminal:
    key: terminal_id
    features:
      tx_count: { aggregate: count, windows: [1d, 7d, 30d], delay: 7d, fill: 0 }
      fraud_rate: { aggregate: mean, of: label, windows: [1d, 7d, 30d], delay: 7d, fill: 0 }
row:
  amount: amount
  is_night: "event_time.getHours() <= 6"
  is_weekend: "event_time.getDayOfWeek() in [0, 6]"
decision: { threshold: 0.5, above: review, below: accept }
bootstrap: "amount > 220.0 ? 1.0 : 0.0"       # the first champion, measured like one
model:
  objective: binary
  learner: lightgbm
  search: { num_leaves: [8, 16, 31], learning_rate: [0.05, 0.1], num_iterations: { max: 300 } }
  train: { every: 28d, on: [drift, spec_change], history: 28d, validation: 7d }
performance: { window: 1d, precision_at: 100 }
gates:
  - "challenger.average_precision >= champion.average_precision - 0.005"
  - "challenger.false_positive_rate <= 0.01"
rollout: { approval: automatic, shadow: 1d, canary: [5, 25], rollback_on: "live.average_precision < 0.9 * reference.average_precision" }
drift: { window: 1d, features: { psi: 0.2 }, score: { psi: 0.2 }, concept: adwin }
"#;

const PAYMENT: &str = include_str!("../../../../examples/payments/payment.avsc");

#[test]
fn every_key_of_the_design_is_read() {
    let (p, notes) = compile("payments.yaml", EVERY_KEY, |_| Ok(PAYMENT.to_owned())).unwrap();
    let noted: Vec<(&str, Severity)> = notes.iter().map(|d| (d.code, d.severity)).collect();
    assert_eq!(noted, [("TM0119", Severity::Note); 3], "shadow, canary and rollback_on");
    assert_eq!(p.label_hops(), [1]);
    let learning = p.learning;
    assert_eq!(learning.labels.unwrap().default, Some(0.0));
    let model = learning.model.unwrap();
    assert_eq!(model.learner, Learner::Lightgbm);
    assert_eq!(model.search[1], ("learning_rate".to_owned(), Values::OneOf(vec![0.05, 0.1])));
    assert_eq!(model.search[2], ("num_iterations".to_owned(), Values::AtMost(300.0)));
    let train = model.train.unwrap();
    assert_eq!((train.every, train.history, train.validation), (Some(28 * DAY), 28 * DAY, 7 * DAY));
    assert_eq!(train.on, [Trigger::Drift, Trigger::SpecChange]);
    assert_eq!(learning.performance.unwrap().precision_at, Some(100));
    assert_eq!(learning.gates[1].condition, "challenger.false_positive_rate <= 0.01");
    let measured = |name: &str, value| BTreeMap::from([(name.to_owned(), value)]);
    let holds = |rate| learning.gates[1].holds(&measured("false_positive_rate", rate), &BTreeMap::new());
    assert_eq!((learning.gates.len(), holds(0.01), holds(0.011)), (2, Ok(true), Ok(false)));
    let rollout = learning.rollout.unwrap();
    assert_eq!((rollout.approval, rollout.shadow, &rollout.canary[..]), (Approval::Automatic, Some(DAY), &[5, 25][..]));
    let drift = learning.drift.unwrap();
    assert_eq!((drift.features, drift.concept), (vec![(Measure::Psi, 0.2)], Some(Detector::Adwin)));
}

#[test]
fn text_is_noted_where_a_model_is_trained() {
    let file = EVERY_KEY.replace("  amount: amount\n", "  amount: amount\n  card: customer_id\n");
    let (_, notes) = compile("payments.yaml", &file, |_| Ok(PAYMENT.to_owned())).unwrap();
    let text: Vec<&str> = notes.iter().filter(|d| d.code == "TM0120").map(|d| d.message.as_str()).collect();
    assert_eq!(text, ["`card` is text: a trained model leaves it out"]);
    let untrained = file.split("model:").next().unwrap();
    let (_, notes) = compile("payments.yaml", untrained, |_| Ok(PAYMENT.to_owned())).unwrap();
    assert!(notes.iter().all(|d| d.code != "TM0120"));
}

#[test]
fn labels_take_every_aggregate_that_has_values_with_or_without_a_delay() {
    for aggregate in ["sum", "mean", "min", "max"] {
        let file = EVERY_KEY.replace(
            "aggregate: mean, of: label, windows: [1d, 7d, 30d], delay: 7d",
            &format!("aggregate: {aggregate}, of: label, windows: [2h]"),
        );
        let (p, _) = compile("payments.yaml", &file, |_| Ok(PAYMENT.to_owned())).unwrap();
        let feature = &p.hops[1].features[3];
        assert_eq!((feature.name.as_str(), feature.of, feature.delay), ("terminal_fraud_rate_2h", Of::Label, 0));
    }
}

#[test]
fn a_fault_in_labels_is_not_told_as_their_absence() {
    let file = EVERY_KEY.replace("labels: { horizon: 7d, default: 0 }", "labels: { horizon: soon }");
    let found = compile("payments.yaml", &file, |_| Ok(PAYMENT.to_owned())).unwrap_err();
    let errors: Vec<&str> = found.iter().filter(|d| d.severity == Severity::Error).map(|d| d.code).collect();
    assert_eq!(errors, ["TM0107"]);
}

#[test]
fn a_file_compiles_in_milliseconds() {
    let compile_once = || compile("payments.yaml", EVERY_KEY, |_| Ok(PAYMENT.to_owned())).unwrap();
    compile_once();
    let start = Instant::now();
    for _ in 0..10 {
        compile_once();
    }
    let each = start.elapsed() / 10;
    assert!(each < Duration::from_millis(50), "{each:?}: ten times what it takes");
    println!("{each:?} for a file");
}

#[test]
fn an_upstreams_own_topic_is_avro_unless_it_is_said_to_be_json() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/payments");
    let text = std::fs::read_to_string(folder.join("pipeline.yaml")).unwrap();
    let upstream = |more: &str| {
        let text = text.replacen("partitions: 4", &format!("partitions: 4{more}"), 1);
        let schema = |path: &str| std::fs::read_to_string(folder.join(path)).map_err(|e| e.to_string());
        let (pipeline, _) = compile("pipeline.yaml", &text, schema).unwrap_or_else(|found| panic!("{found:#?}"));
        pipeline.source.upstream
    };
    let of = |topic: &str, format| Some(Upstream { topic: topic.to_owned(), format });
    assert_eq!(upstream(""), None);
    assert_eq!(upstream(", topic: shop.orders"), of("shop.orders", Format::Avro));
    assert_eq!(upstream(", format: avro, topic: Shop_Orders-1"), of("Shop_Orders-1", Format::Avro));
    // another pipeline's predictions may be an upstream
    assert_eq!(upstream(", topic: payments-fraud-eu.predictions, format: json"), of("payments-fraud-eu.predictions", Format::Json));
}
