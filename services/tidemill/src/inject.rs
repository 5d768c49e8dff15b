//! `tidemill inject`: an event file in which the world changes from some day on, to see drift being found.

mod injection;
mod source;
#[cfg(test)]
mod tests;
mod write;

pub use injection::{Injection, Kind};
pub use source::Injected;

use crate::generate::Day;
use crate::output::{Exit, count};
use crate::publish::EventFile;
use anyhow::{Context, bail};
use clap::{Args as ClapArgs, Subcommand};
use rust_decimal::Decimal;
use std::path::PathBuf;
use write::{Format, write};

/// What changes.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// A number is multiplied, as if the currency had changed
    Drift {
        /// The file
        #[command(flatten)]
        file: File,
        /// Column with the number
        #[arg(long, value_name = "COLUMN", default_value = "amount")]
        column: String,
        /// What it is multiplied by; digits after the point stay as many
        #[arg(long, default_value = "1.5", value_parser = factor)]
        factor: Decimal,
    },
    /// Everything at some terminals becomes fraud, labelled so
    FraudWave {
        /// The file
        #[command(flatten)]
        file: File,
        /// Column of what is compromised
        #[arg(long, value_name = "COLUMN", default_value = "terminal_id")]
        key: String,
        /// Column of the label
        #[arg(long, value_name = "COLUMN", default_value = "fraud")]
        label: String,
        /// Share of them, above 0 to 1
        #[arg(long, default_value_t = 0.02, value_parser = share)]
        share: f64,
    },
    /// A field becomes null in some events; its type must let it, or the events are refused
    MissingField {
        /// The file
        #[command(flatten)]
        file: File,
        /// The field
        #[arg(long, value_name = "COLUMN")]
        column: String,
        /// Share of events, above 0 to 1
        #[arg(long, default_value_t = 0.3, value_parser = share)]
        share: f64,
    },
}

/// The file, and when it begins.
#[derive(Debug, Clone, ClapArgs)]
pub struct File {
    /// Event file: .parquet, .csv, .ndjson or .jsonl
    #[arg(long, value_name = "FILE")]
    events: PathBuf,
    /// First day on which the world is another, UTC
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = crate::generate::midnight)]
    from: Day,
    /// Column of the time
    #[arg(long, value_name = "COLUMN", default_value = "event_time")]
    time: String,
    /// Same seed, same choices
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// File to write: .csv or .ndjson
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

fn factor(text: &str) -> Result<Decimal, String> {
    Decimal::from_str_exact(text).ok().filter(|f| *f > Decimal::ZERO).ok_or_else(|| format!("`{text}` is not a factor such as 1.5"))
}

fn share(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|s| *s > 0.0 && *s <= 1.0).ok_or_else(|| format!("`{text}` is not a share such as 0.3"))
}

/// Reads, changes and writes.
///
/// # Errors
/// A column that the file has not, a file that cannot be read or written; then no file of that name is left behind.
pub fn run(command: &Command) -> anyhow::Result<Exit> {
    let (file, kind) = match command {
        Command::Drift { file, column, factor } => (file, Kind::Drift { column: column.clone(), factor: *factor }),
        Command::FraudWave { file, key, label, share } => (file, Kind::FraudWave { key: key.clone(), label: label.clone(), share: *share }),
        Command::MissingField { file, column, share } => (file, Kind::MissingField { column: column.clone(), share: *share }),
    };
    let Some(format) = Format::of(&file.out) else {
        bail!("{} names no format: end it with .csv or .ndjson", file.out.display());
    };
    let injection = Injection { kind, from: file.from.0, seed: file.seed };
    let found = EventFile::find(&file.events)?;
    let columns: Vec<&str> = found.columns.iter().map(String::as_str).collect();
    let changed = Injected::new(found.open(&columns)?, &columns, &file.time, injection);
    let mut changed = changed.with_context(|| format!("{}: its columns are {}", file.events.display(), columns.join(", ")))?;
    let rows = crate::generate::write_whole(&file.out, |out| write(format, &columns, &mut changed, out));
    let rows = rows.with_context(|| format!("writing {}", file.out.display()))?;
    println!("{}: {} rows, {} of them changed", file.out.display(), count(rows), count(changed.changed()));
    Ok(Exit::Ok)
}
