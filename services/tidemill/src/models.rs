//! `tidemill models`: what became of each model, and the orders of people, through the deployer.

mod client;
mod list;
mod order;
mod reproduce;
mod show;

use crate::output::{self, Exit};
use clap::Subcommand;
use serde::Serialize;
use serde_json::{Value as Json, json};

/// `tidemill models`.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// List models and how far they have come, the newest first
    List(list::Args),
    /// Show a model: how it was trained and judged, and everything that happened to it
    Show(show::Args),
    /// Train a model again from the training set that its manifest names, and compare the bytes
    Reproduce(reproduce::Args),
    /// Let a model that waits for approval serve
    Approve(order::OfModel),
    /// Do not let a model that waits for approval serve
    Reject(order::OfModel),
    /// Let a former champion serve again
    Rollback(order::Rollback),
}

/// Asks the deployer, or orders something of it.
///
/// # Errors
/// When it does not answer, or refuses.
pub fn run(command: &Command) -> anyhow::Result<Exit> {
    match command {
        Command::List(args) => list::run(args),
        Command::Show(args) => show::run(args),
        Command::Reproduce(args) => reproduce::run(args),
        Command::Approve(args) => order::run_of_model(args, "approve"),
        Command::Reject(args) => order::run_of_model(args, "reject"),
        Command::Rollback(args) => order::run_rollback(args),
    }
}

/// A row of NDJSON called `kind`.
fn row(kind: &str, fields: &impl Serialize) -> Json {
    output::row(json!({"kind": kind}), json!(fields))
}

/// The row of an event of the registry, whose own kind becomes `event`.
fn event_row(event: &impl Serialize) -> Json {
    let mut fields = json!(event);
    fields["event"] = fields["kind"].take();
    fields["kind"] = json!("event");
    fields
}
