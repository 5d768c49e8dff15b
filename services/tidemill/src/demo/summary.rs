//! What the demo says at its end.

use super::live::Outcome;
use super::seen::{Judged, Seen};
use super::view::mib;
use crate::generate::Payment;
use crate::output::count;
use std::path::Path;
use tidemill_events::time::format_instant;

/// What happened, in lines.
pub(super) fn happened(outcome: &Outcome, seen: &Seen, restarts: u32) -> Vec<String> {
    let published = &outcome.published;
    let rejected: u64 = seen.rejected.values().sum();
    let reasons = |all: Vec<String>| if all.is_empty() { String::new() } else { format!(" ({})", all.join(", ")) };
    let refusals = reasons(published.reasons.iter().map(|(code, r)| format!("{code} {}", count(r.count))).collect());
    let rejects = reasons(seen.rejected.iter().map(|(reason, n)| format!("{reason} {}", count(*n))).collect());
    let memory: u64 = outcome.memory.iter().map(|(_, bytes)| bytes).sum();
    let mut lines = vec![
        format!("records sent            {:>9}   in {:.1} s", count(published.sent), published.elapsed),
        format!("refused by the ingestor {:>9}  {refusals}", count(published.refused)),
        format!("acknowledged            {:>9}   {}/s", count(published.acknowledged), count(published.rate.round() as u64)),
        format!("in the raw topic        {:>9}", count(outcome.raw)),
        format!("rejected                {:>9}  {rejects}", count(rejected)),
        format!("predictions             {:>9}", count(seen.predictions)),
        format!(
            "labels                  {:>9}   {} met their prediction, {} rejected",
            count(outcome.labels),
            count(seen.outcomes),
            count(seen.rejected_labels)
        ),
    ];
    if let (Some(p50), Some(p99)) = (seen.latencies.quantile(0.5), seen.latencies.quantile(0.99)) {
        lines.push(format!(
            "latency                 {p50:>6} ms   half of the predictions, {p99} ms 99 % of them: append in raw to received"
        ));
    }
    lines.push(format!("memory of the services  {:>9}", mib(memory)));
    if restarts > 0 {
        lines.push(format!("restarted               {restarts:>9}   of the processes that died"));
    }
    lines
}

/// How good each model was, in lines: the bootstrap rule first.
pub(super) fn judged(seen: &Seen) -> Vec<String> {
    let percent = |share: Option<f64>| share.map_or("none".into(), |s| format!("{:.1} %", 100.0 * s));
    let head = format!("{:<16}{:>12}{:>9}{:>11}{:>9}", "decided by", "predictions", "alerts", "precision", "recall");
    let line = |(version, judged): (&i32, &Judged)| {
        let by = if *version == 0 { "bootstrap rule".to_owned() } else { format!("model {version}") };
        let (precision, recall) = (percent(judged.precision()), percent(judged.recall()));
        format!("{by:<16}{:>12}{:>9}{precision:>11}{recall:>9}", count(judged.predictions), count(judged.alerts()))
    };
    std::iter::once(head).chain(seen.judged.iter().map(line)).collect()
}

/// Where the reader of [`next`] is.
pub(super) struct Place<'a> {
    /// This program, as one types it here.
    pub(super) program: &'a Path,
    /// The folder of pids, logs and addresses.
    pub(super) home: &'a Path,
    /// Kafka brokers.
    pub(super) kafka: &'a str,
    /// The pipeline's name.
    pub(super) pipeline: &'a str,
}

/// What to try next, in lines. `alert` is the id of an event with an alert, `last` the last payment.
pub(super) fn next(place: &Place<'_>, alert: &str, last: &Payment) -> Vec<String> {
    let (program, home, kafka, pipeline) = (place.program.display(), place.home.display(), place.kafka, place.pipeline);
    let time = format_instant(last.event_time);
    let what_if = format!(
        r#"{{"transaction_id":"what-if","event_time":"{time}","customer_id":"{}","terminal_id":"{}","amount":"300.00"}}"#,
        last.customer_id, last.terminal_id
    );
    [
        ("the addresses, once per shell", format!("set -a; . {home}/env; set +a")),
        ("the way of one event that raised an alert", format!("{program} trace {pipeline} {alert}")),
        ("the models, and how the newest was judged", format!("{program} models list {pipeline}; {program} models show {pipeline} 1")),
        ("what is applied, how far it is, whether the services are well", format!("{program} status")),
        ("what if the last customer paid 300 now", format!("curl -s $TIDEMILL_PREDICTOR_URL/v1/pipelines/{pipeline}/predict -d '{what_if}'")),
        (
            "the last predictions on the topic, whose values are Avro",
            format!(
                "kcat -b {kafka} -t {pipeline}.predictions -X isolation.level=read_committed -C -o -5 -e -q -f 'partition %p, offset %o: event %k, %S bytes\\n'"
            ),
        ),
        ("kill a service, start it again, and see that everything still holds", format!("kill -9 $(cat {home}/pids/validator.pid); make services; {program} verify {pipeline}")),
        ("stop everything", "make down".into()),
    ]
    .into_iter()
    .flat_map(|(what, command)| [format!("# {what}"), command])
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::{Report, Tally};
    use std::time::Duration;
    use tidemill_events::Prediction;

    #[test]
    fn the_numbers_add_up_on_the_page() {
        let payment = Payment { transaction_id: 0, event_time: 0, customer_id: 0, terminal_id: 0, cents: 30_000, fraud_scenario: 1 };
        let mut seen = Seen::new([payment].into(), "review".into(), "p.labels".into());
        let alert = Prediction { event_id: "0".into(), decision: "review".into(), ..Prediction::default() };
        seen.prediction(&alert, 12_000);
        seen.rejected.insert("late".into(), 2);
        let outcome = Outcome {
            published: Report::new(&Tally::default(), Duration::from_secs(1), None),
            missing: Vec::new(),
            raw: 3,
            labels: 0,
            memory: vec![("validator".into(), 3 << 20)],
        };
        let text = happened(&outcome, &seen, 1).join("\n");
        for part in
            ["in the raw topic                3", "rejected                        2   (late 2)", "12 ms   half", "3 MiB", "restarted"]
        {
            assert!(text.contains(part), "`{part}` is not in\n{text}");
        }
        let text = judged(&seen).join("\n");
        assert!(text.lines().any(|l| l.starts_with("bootstrap rule") && l.ends_with("100.0 %  100.0 %")), "{text}");
    }
}
