//! `tidemill models reproduce`: the same manifest gives the same bytes, shown by training again.

use super::client::{Client, Flags};
use crate::output::{self, Exit, Output, count, things};
use anyhow::Context;
use indicatif::ProgressBar;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use std::time::Duration;
use tidemill_artefacts::ArtefactStore;
use tidemill_trainer::{Reproduced, reproduce};

/// Between two steps of the spinner.
const STEP: Duration = Duration::from_millis(100);

/// `tidemill models reproduce`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The pipeline
    pipeline: String,
    /// The model's version
    #[arg(value_parser = clap::value_parser!(i32).range(1..))]
    version: i32,
    /// Object store that has the model and its training set
    #[arg(long, env = "TIDEMILL_STORE", value_name = "URL", help_heading = "Connection")]
    store: String,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    connection: Flags,
}

/// As the deployer knows it.
#[derive(Deserialize)]
struct Registered {
    digest: String,
}

/// What came of it.
#[derive(Serialize)]
struct Result {
    pipeline: String,
    version: i32,
    /// Of the manifest: the model's name everywhere.
    digest: String,
    files: usize,
    rows: usize,
    /// SHA-256 of the model's bytes: in the manifest, and now.
    trained: String,
    reproduced: String,
    same: bool,
    other_libraries: Vec<String>,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Exit> {
    let Args { pipeline, version, .. } = args;
    let path = ["pipelines", pipeline, "models", &version.to_string()];
    let Registered { digest } = Client::new(&args.connection)?.get(&path)?;
    let store = ArtefactStore::open(&args.store)?;
    let manifest = store.manifest(&digest).with_context(|| format!("the manifest {digest} cannot be read from {}", args.store))?;
    let spinner = ProgressBar::new_spinner().with_message(format!("training again on {}", things(manifest.rows as usize, "row", "rows")));
    spinner.enable_steady_tick(STEP);
    let made = reproduce(&manifest, &store).with_context(|| format!("{pipeline} version {version} cannot be trained again"));
    spinner.finish_and_clear();
    let Reproduced { sha256, rows, other_libraries } = made?;
    let trained = manifest.files.model.sha256;
    let result = Result {
        pipeline: pipeline.clone(),
        version: *version,
        digest,
        files: manifest.training_files.len(),
        rows,
        same: sha256 == trained,
        trained,
        reproduced: sha256,
        other_libraries,
    };
    args.output.show(&result)?;
    Ok(if result.same { Exit::Ok } else { Exit::Failed })
}

impl output::Report for Result {
    fn rows(&self) -> Vec<Json> {
        vec![json!(self)]
    }

    fn table(&self) -> String {
        let Self { pipeline, version, digest, files, rows, trained, reproduced, same, other_libraries } = self;
        let mut text = format!("{pipeline} version {version} · {digest}\n");
        text += &format!("trained again on {} rows of a training set in {}\n", count(*rows as u64), things(*files, "file", "files"));
        text += &if *same {
            format!("the same bytes: sha256 {trained}\n")
        } else {
            format!("OTHER BYTES: sha256 {reproduced}, the manifest has {trained}\n")
        };
        text + &other_libraries.iter().map(|library| format!("another library: {library}\n")).collect::<String>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Report;

    #[test]
    fn other_bytes_are_told_with_what_may_explain_them() {
        let result = |reproduced: &str, other_libraries: &[&str]| Result {
            pipeline: "p".into(),
            version: 3,
            digest: "sha256:7".into(),
            files: 21,
            rows: 192_565,
            trained: "aa".into(),
            reproduced: reproduced.into(),
            same: reproduced == "aa",
            other_libraries: other_libraries.iter().map(ToString::to_string).collect(),
        };
        let head = "p version 3 · sha256:7\ntrained again on 192,565 rows of a training set in 21 files\n";
        assert_eq!(result("aa", &[]).table(), format!("{head}the same bytes: sha256 aa\n"));
        let library = "lightgbm 4.6.0, the manifest has 4.5.0";
        let other = format!("{head}OTHER BYTES: sha256 bb, the manifest has aa\nanother library: {library}\n");
        assert_eq!(result("bb", &[library]).table(), other);
    }
}
