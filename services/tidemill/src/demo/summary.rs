//! What the demo says at its end.

use super::live::Outcome;
use super::seen::Seen;
use super::view::mib;
use crate::output::count;
use std::path::Path;

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

/// How good the bootstrap rule was, in lines.
pub(super) fn judged(seen: &Seen) -> Vec<String> {
    let judged = seen.judged;
    let percent = |share: Option<f64>| share.map_or("none".into(), |s| format!("{:.1} %", 100.0 * s));
    vec![
        format!(
            "alerts                  {:>9}   {:.2} % of the predictions",
            count(judged.alerts()),
            100.0 * judged.alerts() as f64 / seen.predictions.max(1) as f64
        ),
        format!("precision               {:>9}   {} of the alerts are frauds", percent(judged.precision()), count(judged.caught)),
        format!("recall                  {:>9}   of {} frauds", percent(judged.recall()), count(judged.caught + judged.missed)),
    ]
}

/// What to try next, in lines.
pub(super) fn next(program: &Path, home: &Path, kafka: &str, pipeline: &str, event: &str) -> Vec<String> {
    let (program, home) = (program.display(), home.display());
    vec![
        format!("set -a; . {home}/env; set +a                      # the addresses, once per shell"),
        format!("{program} trace {pipeline} {event}   # the way of one event with an alert"),
        format!("{program} status                                  # what is applied, and how far it is"),
        format!(
            "kcat -b {kafka} -t {pipeline}.predictions -X isolation.level=read_committed -C -o -20 -e -f 'partition %p offset %o: event %k, %S bytes of Avro\\n'"
        ),
        format!(
            "kill -9 $(cat {home}/pids/validator.pid)          # make services starts it again; {program} verify {pipeline} still holds"
        ),
        "make down                                               # stop everything".into(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::Payment;
    use crate::publish::{Report, Tally};
    use std::time::Duration;
    use tidemill_events::Prediction;

    #[test]
    fn the_numbers_add_up_on_the_page() {
        let payment = Payment { transaction_id: 0, event_time: 0, customer_id: 0, terminal_id: 0, cents: 30_000, fraud_scenario: 1 };
        let mut seen = Seen::new([payment].into(), "review".into());
        let alert = Prediction { event_id: "0".into(), decision: "review".into(), ..Prediction::default() };
        seen.prediction(&alert, 12_000);
        seen.rejected.insert("late".into(), 2);
        let outcome = Outcome {
            published: Report::new(&Tally::default(), Duration::from_secs(1), None),
            raw: 3,
            memory: vec![("validator".into(), 3 << 20)],
        };
        let text = happened(&outcome, &seen, 1).join("\n");
        for part in
            ["in the raw topic                3", "rejected                        2   (late 2)", "12 ms   half", "3 MiB", "restarted"]
        {
            assert!(text.contains(part), "`{part}` is not in\n{text}");
        }
        let text = judged(&seen).join("\n");
        assert!(text.contains("precision                 100.0 %") && text.contains("of 1 frauds"), "{text}");
    }
}
