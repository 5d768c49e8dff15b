//! `tidemill generate`: event files by published processes, the same bytes for the same seed everywhere.

mod draws;
mod frauds;
mod payments;
mod process;
#[cfg(test)]
mod tests;
mod write;

pub use process::{Payment, Process};
pub use write::Format;

use crate::output::{Exit, count};
use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use tidemill_events::time::parse_instant;

/// What to generate.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Card payments by the process of the Fraud Detection Handbook, chapter 3
    ///
    /// Customers and terminals lie on a plane; a customer pays at the terminals nearby. Frauds: every amount
    /// over 220; every payment at two terminals drawn each day, for 28 days; a third of the payments of three
    /// customers drawn each day, at five times the amount, for 14 days.
    Payments(Payments),
}

/// `tidemill generate payments`.
#[derive(Debug, Clone, Args)]
pub struct Payments {
    /// Days
    #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=3_650))]
    pub days: u32,
    /// Customers
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub customers: u32,
    /// Terminals
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub terminals: u32,
    /// First day, UTC
    #[arg(long, default_value = "2018-04-01", value_name = "YYYY-MM-DD", value_parser = midnight)]
    pub start: Day,
    /// Same seed, same bytes
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// File to write: .csv or .ndjson
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// Midnight of a day, microseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day(pub i64);

/// Midnight of the day that `text` says, such as 2018-04-01.
pub(crate) fn midnight(text: &str) -> Result<Day, String> {
    parse_instant(&format!("{text}T00:00:00Z")).map(Day).map_err(|_| format!("`{text}` is not a day such as 2018-04-01"))
}

/// Generates and writes.
///
/// # Errors
/// When the file's ending names no format, or it cannot be written; then no file of that name is left behind.
pub fn run(command: &Command) -> anyhow::Result<Exit> {
    let Command::Payments(args) = command;
    let Some(format) = Format::of(&args.out) else {
        bail!("{} names no format: end it with .csv or .ndjson", args.out.display());
    };
    let process = Process {
        days: args.days,
        customers: args.customers,
        terminals: args.terminals,
        start: args.start.0,
        seed: args.seed,
        ..Process::handbook(args.days)
    };
    let payments = process.payments();
    write_whole(&args.out, |out| format.write(&payments, out)).with_context(|| format!("writing {}", args.out.display()))?;
    let frauds = payments.iter().filter(|p| p.is_fraud()).count() as u64;
    println!(
        "{}: {} payments over {} days, {} fraudulent ({:.2} %)",
        args.out.display(),
        count(payments.len() as u64),
        args.days,
        count(frauds),
        100.0 * frauds as f64 / payments.len().max(1) as f64
    );
    Ok(Exit::Ok)
}

/// Writes beside `path` and renames, so that a file of that name is whole.
pub(crate) fn write_whole<T>(path: &Path, write: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<T>) -> std::io::Result<T> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let written = File::create(&partial).map(BufWriter::new).and_then(|mut out| {
        let written = write(&mut out)?;
        out.flush()?;
        Ok(written)
    });
    match written {
        Ok(written) => fs::rename(&partial, path).map(|()| written),
        Err(e) => {
            // the first error is the one to report
            let _ = fs::remove_file(&partial);
            Err(e)
        }
    }
}
