//! `tidemill models list`.

use super::client::{Client, Flags};
use crate::output::{self, Exit, Output, count, table};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

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
        self.models.iter().map(|m| json!(m)).collect()
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
        format!("{}\n", models.trim_fmt())
    }
}

/// Enough of a digest to tell models apart.
fn short(digest: &str) -> String {
    digest.chars().take("sha256:".len() + 12).collect()
}
