//! `tidemill check`: what is wrong with a pipeline file, without a cluster.

use crate::output::{Exit, Output, Report, things};
use serde::Serialize;
use serde_json::{Value as Json, json};
use std::io::IsTerminal;
use std::path::PathBuf;
use tidemill_pipeline::{Diagnostic, Severity, load};

/// `tidemill check`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Pipeline file
    file: PathBuf,
    #[command(flatten)]
    output: Output,
}

#[derive(Serialize)]
struct Result {
    file: String,
    ok: bool,
    diagnostics: Vec<Diagnostic>,
    #[serde(skip)]
    drawn: String,
    #[serde(skip)]
    summary: String,
}

impl Report for Result {
    fn rows(&self) -> Vec<Json> {
        self.diagnostics.iter().map(|d| json!(d)).collect()
    }

    fn table(&self) -> String {
        format!("{}{}\n", self.drawn, self.summary)
    }
}

/// Checks.
///
/// # Errors
/// When the result cannot be written. What is wrong with the file is a result.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let color = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    let loaded = load(&args.file);
    let ok = loaded.is_ok();
    let (pipeline, report) = match loaded {
        Ok((pipeline, report)) => (Some(pipeline), report),
        Err(report) => (None, report),
    };
    let drawn = report.render(color);
    let errors = report.diagnostics.iter().filter(|d| d.severity == Severity::Error).count();
    let summary = match pipeline {
        Some(p) => format!(
            "{}: no errors: pipeline {} has {}, {} and {}",
            report.file,
            p.name,
            things(p.layout.entities.len(), "entity", "entities"),
            things(p.layout.features.len(), "feature", "features"),
            things(p.expectations.len(), "expectation", "expectations")
        ),
        None => format!("{}: {}; tidemill explain CODE tells more", report.file, things(errors, "error", "errors")),
    };
    args.output.show(&Result { file: report.file.clone(), ok, diagnostics: report.diagnostics, drawn, summary })?;
    Ok(if ok { Exit::Ok } else { Exit::Failed })
}
