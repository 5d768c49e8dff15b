//! What a command gives back: a table for people, JSON for programs, and an exit code.

use serde::Serialize;
use serde_json::{Value as Json, json};
use std::io::{self, Write};

/// Version of the JSON that commands write; it goes up when a field changes its meaning or goes away.
pub const SCHEMA_VERSION: u32 = 1;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It did what it was asked.
    Ok,
    /// It did not, or what it looked at is not as it must be.
    Failed,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Ok => 0.into(),
            Exit::Failed => 1.into(),
        }
    }
}

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people
    Table,
    /// One JSON document
    Json,
    /// One JSON document per line and result
    Ndjson,
}

/// The flag of every command that shows something.
#[derive(Debug, Clone, clap::Args)]
pub struct Output {
    /// Form of the result on standard output
    #[arg(long, short, env = "TIDEMILL_OUTPUT", default_value = "table", value_name = "FORMAT")]
    pub output: Format,
}

/// A result that can be shown in each form.
pub trait Report: Serialize {
    /// Its lines in NDJSON; each says what it is in a field `kind` where there is more than one.
    fn rows(&self) -> Vec<Json>;

    /// The form for people.
    fn table(&self) -> String;
}

impl Output {
    /// Writes `report` to standard output.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn show(&self, report: &impl Report) -> io::Result<()> {
        let text = match self.output {
            Format::Table => report.table(),
            Format::Json => {
                let json = versioned(serde_json::to_value(report)?);
                serde_json::to_string_pretty(&json)? + "\n"
            }
            Format::Ndjson => report.rows().into_iter().map(|row| versioned(row).to_string() + "\n").collect(),
        };
        write(&text)
    }
}

/// Writes `text` to standard output. A reader that has seen enough (`| head`) is no error.
///
/// # Errors
/// When standard output cannot be written.
pub fn write(text: &str) -> io::Result<()> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// `json` with the schema version.
fn versioned(json: Json) -> Json {
    row(json!({"schema_version": SCHEMA_VERSION}), json)
}

/// The fields of `head`, then those of `fields`.
#[must_use]
pub fn row(mut head: Json, fields: Json) -> Json {
    if let (Json::Object(head), Json::Object(fields)) = (&mut head, fields) {
        head.extend(fields);
    }
    head
}

/// A table without lines that get in the way of `awk` and eyes; draw it by `trim_fmt`.
#[must_use]
pub fn table<const N: usize>(header: [&str; N]) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_content_arrangement(comfy_table::ContentArrangement::Disabled);
    table.set_header(header);
    table
}

/// A number with its thousands apart, for people.
#[must_use]
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `n` things called `one`, or `many` unless there is one.
#[must_use]
pub fn things(n: usize, one: &str, many: &str) -> String {
    format!("{} {}", count(n as u64), if n == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_their_thousands_apart() {
        for (n, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_754_155, "1,754,155")] {
            assert_eq!(count(n), text);
        }
    }

    #[test]
    fn json_says_its_version() {
        assert_eq!(versioned(json!({"a": 1})), json!({"schema_version": 1, "a": 1}));
    }
}
