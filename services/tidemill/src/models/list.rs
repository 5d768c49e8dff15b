//! `tidemill models list`.

use super::client::{Client, Flags};
use super::row;
use crate::output::{self, Exit, Output, count, table};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// `tidemill models list`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// One pipeline's models only
    pipeline: Option<String>,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    connection: Flags,
}

#[derive(Serialize, Deserialize)]
struct Models {
    models: Vec<Model>,
    serving: Vec<Serving>,
}

#[derive(Serialize, Deserialize)]
struct Serving {
    pipeline: String,
    version: i32,
    route: String,
    deployment: i64,
    since: String,
}

#[derive(Serialize, Deserialize)]
struct Model {
    pipeline: String,
    version: i32,
    digest: String,
    state: String,
    registered_at: Option<String>,
    changed_at: Option<String>,
    actor: Option<String>,
    detail: Option<String>,
    trained: Option<Json>,
    rows: Option<u64>,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let client = Client::new(&args.connection)?;
    let models: Models = match &args.pipeline {
        Some(pipeline) => client.get(&["pipelines", pipeline, "models"])?,
        None => client.get(&["models"])?,
    };
    args.output.show(&models)?;
    Ok(Exit::Ok)
}

impl output::Report for Models {
    fn rows(&self) -> Vec<Json> {
        self.models.iter().map(|m| row("model", m)).chain(self.serving.iter().map(|s| row("serving", s))).collect()
    }

    fn table(&self) -> String {
        if self.models.is_empty() {
            return "no model yet: until one is deployed the pipeline file's bootstrap expression serves\n".to_owned();
        }
        let mut models = table(["pipeline", "version", "state", "changed", "rows", "digest", "by", "detail"]);
        for m in &self.models {
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            let (version, rows) = (m.version.to_string(), m.rows.map(count).unwrap_or_default());
            let (pipeline, state) = (m.pipeline.clone(), m.state.clone());
            models.add_row([pipeline, version, state, text(&m.changed_at), rows, short(&m.digest), text(&m.actor), text(&m.detail)]);
        }
        let mut out = format!("{}\n", models.trim_fmt());
        for s in &self.serving {
            let model = if s.version == 0 { "the bootstrap".to_owned() } else { format!("version {}", s.version) };
            out += &format!("\n{}: {model} serves since {} (deployment {})", s.pipeline, s.since, s.deployment);
        }
        out.trim_end().to_owned() + "\n"
    }
}

/// Enough of a digest to tell models apart.
fn short(digest: &str) -> String {
    digest.chars().take("sha256:".len() + 12).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Report;
    use serde_json::json;

    #[test]
    fn the_list_ends_with_what_serves() {
        let model = json!({
            "pipeline": "p", "version": 1, "digest": "sha256:0123456789abcdef", "state": "rolled_back", "registered_at": null,
            "changed_at": "t", "actor": "ann", "detail": "worse", "trained": null, "rows": 12000,
        });
        let serving = json!({"pipeline": "p", "version": 0, "route": "default", "deployment": 2, "since": "t"});
        let models: Models = serde_json::from_value(json!({"models": [model], "serving": [serving]})).unwrap();
        let table = models.table();
        assert!(table.contains("12,000  sha256:0123456789ab  ann"), "{table}");
        assert!(table.ends_with("\n\np: the bootstrap serves since t (deployment 2)\n"), "{table}");
        let none = Models { models: Vec::new(), serving: Vec::new() };
        assert!(none.table().starts_with("no model yet"));
    }
}
