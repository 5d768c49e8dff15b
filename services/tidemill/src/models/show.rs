//! `tidemill models show`: a model's lineage, challenger and champion side by side.

use super::client::{Client, Flags};
use super::{event_row, row};
use crate::output::{self, Exit, Output, count, table};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use tidemill_pipeline::learning::METRICS;

/// `tidemill models show`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The pipeline
    pipeline: String,
    /// The model's version
    version: u32,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    connection: Flags,
}

#[derive(Serialize, Deserialize)]
struct Model {
    pipeline: String,
    version: i32,
    digest: String,
    state: String,
    serving: Option<Serving>,
    training: Option<Training>,
    evaluation: Option<Evaluation>,
    events: Vec<Event>,
}

#[derive(Serialize, Deserialize)]
struct Serving {
    route: String,
    deployment: i64,
    since: String,
}

#[derive(Serialize, Deserialize)]
struct Training {
    record: Json,
    causes: Vec<String>,
    pipeline_version: i32,
    trained: Span,
    rows: u64,
    positives: u64,
    metrics: Metrics,
    started_at: String,
    finished_at: String,
}

/// A metric that is not finite comes as null.
type Metrics = BTreeMap<String, Option<f64>>;

#[derive(Serialize, Deserialize)]
struct Evaluation {
    champion: Json,
    holdout: Span,
    rows: u64,
    positives: u64,
    challenger_metrics: Metrics,
    champion_metrics: Metrics,
    gates: Vec<Gate>,
    passed: bool,
    detail: String,
    evaluated_at: String,
}

#[derive(Serialize, Deserialize)]
struct Span {
    from: String,
    to: String,
}

#[derive(Serialize, Deserialize)]
struct Gate {
    condition: String,
    passed: bool,
    detail: String,
}

#[derive(Serialize, Deserialize)]
struct Event {
    seq: i64,
    kind: String,
    version: i32,
    actor: String,
    detail: String,
    cause: Json,
    at: String,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let client = Client::new(&args.connection)?;
    let model: Model = client.get(&["pipelines", &args.pipeline, "models", &args.version.to_string()])?;
    args.output.show(&model)?;
    Ok(Exit::Ok)
}

impl output::Report for Model {
    fn rows(&self) -> Vec<Json> {
        let Self { pipeline, version, digest, state, serving, .. } = self;
        let fields = json!({"pipeline": pipeline, "version": version, "digest": digest, "state": state, "serving": serving});
        let judged = self.evaluation.iter().map(|e| row("evaluation", e));
        let parts = self.training.iter().map(|t| row("training", t)).chain(judged);
        std::iter::once(row("model", &fields)).chain(parts).chain(self.events.iter().map(event_row)).collect()
    }

    fn table(&self) -> String {
        let mut out = format!("{} version {} · {} · {}", self.pipeline, self.version, self.digest, self.state.replace('_', " "));
        if let Some(s) = &self.serving {
            out += &format!(" · serves route {} since {} (deployment {})", s.route, s.since, s.deployment);
        }
        out += "\n";
        if let Some(t) = &self.training {
            out += &format!(
                "trained on {} to {}: {} rows, {} of them positive",
                t.trained.from,
                t.trained.to,
                count(t.rows),
                count(t.positives)
            );
            out += &format!(", for {}\n", t.causes.join("; "));
        }
        if let Some(e) = &self.evaluation {
            out += &e.table();
        }
        let mut events = table(["seq", "at", "event", "by", "detail"]);
        for e in &self.events {
            events.add_row([e.seq.to_string(), e.at.clone(), e.kind.replace('_', " "), e.actor.clone(), e.detail.clone()]);
        }
        out + &format!("\n{}\n", events.trim_fmt())
    }
}

impl Evaluation {
    fn table(&self) -> String {
        let champion = format!("version {} ({})", self.champion["version"], self.champion["stage"].as_str().unwrap_or_default());
        let verdict = if self.passed { "passed".to_owned() } else { format!("refused: {}", self.detail) };
        let mut out = format!("judged against {champion} on {} to {}", self.holdout.from, self.holdout.to);
        out += &format!(": {} rows, {} of them positive: {verdict}\n\n", count(self.rows), count(self.positives));
        let mut metrics = table(["metric", "challenger", "champion"]);
        for name in self.metrics() {
            metrics.add_row([name.to_owned(), number(self.challenger_metrics.get(name)), number(self.champion_metrics.get(name))]);
        }
        out += &format!("{}\n", metrics.trim_fmt());
        if !self.gates.is_empty() {
            let mut gates = table(["gate", "", "because"]);
            for g in &self.gates {
                gates.add_row([g.condition.as_str(), if g.passed { "pass" } else { "fail" }, &g.detail]);
            }
            out += &format!("\n{}\n", gates.trim_fmt());
        }
        out
    }

    /// Names of what was measured of either: in the order of gates, then what those do not know.
    fn metrics(&self) -> Vec<&str> {
        let measured = |name: &str| self.challenger_metrics.contains_key(name) || self.champion_metrics.contains_key(name);
        let others = self.challenger_metrics.keys().filter(|name| !METRICS.contains(&name.as_str()));
        METRICS.into_iter().filter(|name| measured(name)).chain(others.map(String::as_str)).collect()
    }
}

/// Whole numbers as counts, others with six decimals; a dash for what is not defined.
fn number(value: Option<&Option<f64>>) -> String {
    match value {
        Some(Some(v)) if v.fract() == 0.0 && (0.0..9e15).contains(v) && *v > 1.0 => count(*v as u64),
        Some(Some(v)) => format!("{v:.6}"),
        Some(None) | None => "–".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Report;

    #[test]
    fn challenger_and_champion_stand_side_by_side() {
        let model: Model = serde_json::from_value(json!({
            "pipeline": "p", "version": 2, "digest": "sha256:2", "state": "approval_requested", "serving": null,
            "training": {
                "record": {}, "causes": ["schedule"], "pipeline_version": 1, "trained": {"from": "a", "to": "b"}, "rows": 12000,
                "positives": 96, "metrics": {}, "started_at": "", "finished_at": "",
            },
            "evaluation": {
                "champion": {"version": 0, "stage": "bootstrap"}, "holdout": {"from": "b", "to": "c"}, "rows": 4200, "positives": 31,
                "challenger_metrics": {"rows": 4200.0, "auc": 0.871, "extra": 1.0}, "champion_metrics": {"rows": 4200.0, "auc": null},
                "gates": [{"condition": "challenger.auc > 0.8", "passed": true, "detail": "challenger.auc 0.871"}],
                "passed": true, "detail": "", "evaluated_at": "",
            },
            "events": [{"seq": 4, "kind": "registered", "version": 2, "actor": "d", "detail": "schedule", "cause": null, "at": "t"}],
        }))
        .unwrap();
        let table = model.table();
        let lines: Vec<Vec<&str>> = table.lines().map(|l| l.split_whitespace().collect()).collect();
        for wanted in ["auc 0.871000 –", "rows 4,200 4,200", "extra 1.000000 –", "challenger.auc > 0.8 pass challenger.auc 0.871"] {
            assert!(lines.contains(&wanted.split(' ').collect()), "{wanted} is not in\n{table}");
        }
        assert!(table.contains("judged against version 0 (bootstrap) on b to c: 4,200 rows, 31 of them positive: passed"), "{table}");
        assert_eq!(
            model.rows().iter().map(|r| r["kind"].as_str().unwrap()).collect::<Vec<_>>(),
            ["model", "training", "evaluation", "event"]
        );
    }
}
