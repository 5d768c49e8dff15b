//! A pipeline from where it lies: a file on disk with the event schema beside it, or the record of what was applied.

use crate::codes;
use crate::compile::compile;
use crate::diagnostic::{Diagnostic, Severity};
use crate::pipeline::Pipeline;
use crate::yaml::MAX_BYTES;
use std::io::Read;
use std::path::Path;
use tidemill_events::records;

/// What was found in a pipeline file, and the file, to show where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The file's path, as it was given.
    pub file: String,
    /// Its text; empty if it could not be read.
    pub text: String,
    /// What was found.
    pub diagnostics: Vec<Diagnostic>,
}

impl Report {
    /// Draws it for the terminal. `color` is the caller's decision: a terminal, and no `NO_COLOR`.
    #[must_use]
    pub fn render(&self, color: bool) -> String {
        crate::render(&self.diagnostics, &self.file, &self.text, color)
    }
}

/// Reads, checks and compiles the pipeline file at `path`.
///
/// The report beside the pipeline holds warnings and notes.
///
/// # Errors
/// The report says what is wrong with the file, or why it cannot be read.
pub fn load(path: &Path) -> Result<(Pipeline, Report), Report> {
    let file = path.display().to_string();
    let report = |text: String, diagnostics| Report { file: file.clone(), text, diagnostics };
    let text = match read(path) {
        Ok(text) => text,
        Err(message) => {
            let unreadable = Diagnostic::new(codes::UNREADABLE, Severity::Error, format!("{file}: {message}"));
            return Err(report(String::new(), vec![unreadable]));
        }
    };
    let folder = path.parent().unwrap_or(Path::new(""));
    match compile(&file, &text, |schema| read_beside(folder, schema)) {
        Ok((pipeline, notes)) => Ok((pipeline, report(text, notes))),
        Err(diagnostics) => Err(report(text, diagnostics)),
    }
}

/// Compiles a pipeline as it was applied.
///
/// # Errors
/// What this version of Tidemill finds wrong with it: another one applied it.
pub fn from_record(record: &records::Pipeline) -> Result<Pipeline, Vec<Diagnostic>> {
    let file_name = format!("{}.yaml", record.pipeline);
    compile(&file_name, &record.file, |_| Ok(record.event_schema.clone())).map(|(pipeline, _)| pipeline)
}

/// Reads `path` in `folder`, and nothing that a link leads to outside of it.
fn read_beside(folder: &Path, path: &str) -> Result<String, String> {
    let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let folder = here.canonicalize().map_err(|e| e.to_string())?;
    let full = folder.join(path).canonicalize().map_err(|e| e.to_string())?;
    if !full.starts_with(&folder) {
        return Err("it leads out of the pipeline file's folder".to_owned());
    }
    read(&full)
}

fn read(path: &Path) -> Result<String, String> {
    let file = std::fs::File::open(path).map_err(|e| e.to_string())?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    if bytes.len() > MAX_BYTES {
        return Err(format!("it is larger than {MAX_BYTES} bytes"));
    }
    String::from_utf8(bytes).map_err(|e| format!("it is not UTF-8: byte {} is not", e.utf8_error().valid_up_to()))
}
