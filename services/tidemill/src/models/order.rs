//! `tidemill models approve`, `reject` and `rollback`.

use super::client::{Client, Flags};
use super::{event_row, row};
use crate::output::{self, Exit, Output};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

/// `tidemill models approve` and `reject`.
#[derive(Debug, Clone, clap::Args)]
pub struct OfModel {
    /// The pipeline
    pipeline: String,
    /// The model's version
    #[arg(value_parser = clap::value_parser!(i32).range(1..))]
    version: i32,
    #[command(flatten)]
    order: Order,
}

/// `tidemill models rollback`.
#[derive(Debug, Clone, clap::Args)]
pub struct Rollback {
    /// The pipeline
    pipeline: String,
    /// A version that served before, 0 for the bootstrap; default: the champion before this one
    #[arg(long, value_name = "VERSION", value_parser = clap::value_parser!(i32).range(0..))]
    to: Option<i32>,
    #[command(flatten)]
    order: Order,
}

/// What every order says.
#[derive(Debug, Clone, clap::Args)]
struct Order {
    /// Who orders it
    #[arg(long, env = "USER", value_name = "NAME", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    actor: String,
    /// Why, for those who read it later
    #[arg(long, default_value = "", hide_default_value = true, value_name = "TEXT")]
    detail: String,
    /// Refuse it when another version than this one serves by now (0 is the bootstrap)
    #[arg(long, value_name = "VERSION")]
    expected_champion: Option<i32>,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    connection: Flags,
    /// Bearer token that writing needs
    #[arg(long, env = "TIDEMILL_TOKEN", hide_env_values = true, help_heading = "Connection")]
    token: String,
}

/// What an order came to.
#[derive(Debug, Serialize, Deserialize)]
struct Done {
    events: Vec<Event>,
    deployment: Option<Deployment>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Event {
    seq: i64,
    kind: String,
    version: i32,
    actor: String,
    detail: String,
    at: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Deployment {
    number: i64,
    route: String,
    model: Json,
    replaces: Json,
    registry_seq: i64,
    deployed_at: String,
}

pub(super) fn run_of_model(args: &OfModel, verb: &str) -> anyhow::Result<Exit> {
    args.order.send(&["pipelines", &args.pipeline, "models", &args.version.to_string(), verb], json!({}))
}

pub(super) fn run_rollback(args: &Rollback) -> anyhow::Result<Exit> {
    args.order.send(&["pipelines", &args.pipeline, "rollback"], args.to.map_or(json!({}), |to| json!({"to": to})))
}

impl Order {
    fn send(&self, path: &[&str], more: Json) -> anyhow::Result<Exit> {
        let mut body = output::row(json!({"actor": self.actor, "detail": self.detail}), more);
        if let Some(expected) = self.expected_champion {
            body["expected_champion"] = json!(expected);
        }
        let done: Done = Client::new(&self.connection)?.post(path, &self.token, &body)?;
        self.output.show(&done)?;
        Ok(Exit::Ok)
    }
}

impl output::Report for Done {
    fn rows(&self) -> Vec<Json> {
        self.events.iter().map(event_row).chain(self.deployment.iter().map(|d| row("deployment", d))).collect()
    }

    fn table(&self) -> String {
        let event = |e: &Event| format!("{}: version {} {} by {}\n", e.seq, e.version, e.kind.replace('_', " "), e.actor);
        let mut text: String = self.events.iter().map(event).collect();
        if let Some(d) = &self.deployment {
            text +=
                &format!("deployment {}: version {} serves in place of version {}\n", d.number, d.model["version"], d.replaces["version"]);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Report;

    #[test]
    fn what_an_order_came_to_is_told() {
        let model = |version: i32| json!({"version": version});
        let done: Done = serde_json::from_value(json!({
            "events": [
                {"seq": 7, "kind": "rolled_back", "version": 3, "actor": "ann", "detail": "", "cause": null, "at": "2026-01-01T00:00:00Z"},
                {"seq": 8, "kind": "deployed", "version": 2, "actor": "tidemill-deployer", "detail": "", "cause": null, "at": "2026-01-01T00:00:00Z"},
            ],
            "deployment": {"number": 4, "route": "default", "model": model(2), "replaces": model(3), "registry_seq": 8, "deployed_at": ""},
        }))
        .unwrap();
        let told = "7: version 3 rolled back by ann\n8: version 2 deployed by tidemill-deployer\n\
                    deployment 4: version 2 serves in place of version 3\n";
        assert_eq!(done.table(), told);
        let rows = done.rows();
        assert_eq!((&rows[0]["kind"], &rows[0]["event"], &rows[2]["kind"]), (&json!("event"), &json!("rolled_back"), &json!("deployment")));
    }
}
