//! What the text says is what the collector gets.

use super::*;
use crate::Metrics;
use crate::metrics::Labels;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family as Counted;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

fn converted() -> Value {
    let metrics = Metrics::new("test", "1");
    metrics.register(|r| {
        let records: Counted<Labels, Counter> = Counted::default();
        r.register("records", "Records", records.clone());
        records.get_or_create(&Labels { pipeline: "a\"b\\c\nd,e}".into(), stage: "s", outcome: "" }).inc_by(7);
        let seconds = Histogram::new([0.5, 1.0]);
        r.register("seconds", "Seconds", seconds.clone());
        [0.1, 0.2, 0.7, 9.0].into_iter().for_each(|s| seconds.observe(s));
        let open = Gauge::<i64>::default();
        r.register("open", "Open", open.clone());
        open.set(-3);
    });
    request(&metrics.encode().unwrap(), &[("service.name", "test".into())], 1_000_000, 2_000_000)
}

fn named<'v>(request: &'v Value, name: &str) -> &'v Value {
    let metrics = request["resourceMetrics"][0]["scopeMetrics"][0]["metrics"].as_array().unwrap();
    metrics.iter().find(|m| m["name"] == name).unwrap_or_else(|| panic!("{name} is not in {request:#}"))
}

#[test]
fn counters_gauges_and_histograms_keep_their_values() {
    let request = converted();
    assert_eq!(request["resourceMetrics"][0]["resource"]["attributes"], json!([{"key": "service.name", "value": {"stringValue": "test"}}]));
    let records = &named(&request, "tidemill_records")["sum"];
    assert_eq!((&records["isMonotonic"], &records["aggregationTemporality"]), (&json!(true), &json!(2)));
    let point = &records["dataPoints"][0];
    assert_eq!(
        (&point["asDouble"], &point["startTimeUnixNano"], &point["timeUnixNano"]),
        (&json!(7.0), &json!("1000000000"), &json!("2000000000"))
    );
    assert_eq!(point["attributes"][0], json!({"key": "pipeline", "value": {"stringValue": "a\"b\\c\nd,e}"}}));
    assert_eq!(point["attributes"][1], json!({"key": "stage", "value": {"stringValue": "s"}}));
    assert_eq!(named(&request, "tidemill_open")["gauge"]["dataPoints"][0]["asDouble"], -3.0);

    let seconds = &named(&request, "tidemill_seconds")["histogram"]["dataPoints"];
    assert_eq!(seconds.as_array().unwrap().len(), 1);
    let point = &seconds[0];
    assert_eq!((&point["count"], &point["sum"]), (&json!("4"), &json!(10.0)));
    assert_eq!((&point["explicitBounds"], &point["bucketCounts"]), (&json!([0.5, 1.0]), &json!(["2", "1", "1"])));
}

#[test]
fn every_family_of_the_text_arrives_with_a_value() {
    let text = Metrics::new("test", "1").encode().unwrap();
    let described = text.lines().filter(|l| l.starts_with("# TYPE ")).count();
    let request = request(&text, &[], 0, 1);
    let metrics = request["resourceMetrics"][0]["scopeMetrics"][0]["metrics"].as_array().unwrap();
    assert_eq!(metrics.len(), described, "{request:#}");
    for metric in metrics {
        let kind = ["sum", "gauge", "histogram"].into_iter().find(|kind| metric.get(kind).is_some()).unwrap();
        assert!(!metric[kind]["dataPoints"].as_array().unwrap().is_empty(), "{metric:#}");
    }
}
