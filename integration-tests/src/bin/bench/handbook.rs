//! The Fraud Detection Handbook's split of its own payments, on vectors that were served on the stream.
//!
//! The line serves the payments up to the last label of the test days, one partition so that labels and events keep their
//! order; the trainer then writes its training set; the example `handbook` trains on the book's seven days of it and scores
//! the book's seven days.

use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::process::Command;
use tidemill_integration_tests::{Pipeline, Stack, payments};

/// From 2018-04-01 until the evening of 08-22: eight days after the last test day, whose labels take seven.
const EVENTS: &str = "1380000";
/// Parameters of LightGBM.
const PARAMETERS: [&str; 3] = ["num_leaves=31", "learning_rate=0.05", "num_iterations=200"];

/// Publishes at `rate` events a second, trains, and returns what the example prints.
pub(crate) fn run(stack: &mut Stack, rate: u64) -> Result<String> {
    let file = payments::shared(&stack.environment).context("the Handbook's payments are not there: set TIDEMILL_DATA")?;
    let mut pipeline = Pipeline::copy(&stack.environment, "payments", stack.test())?;
    pipeline.edit("partitions: 4", "partitions: 1")?;
    // one training, of all days of the split
    pipeline.edit("every: 28d, on: [drift, spec_change], history: 21d", "every: 365d, on: [], history: 42d")?;
    pipeline.apply_again(&stack.tidemill())?;
    stack.start_all()?;

    let rate = format!("{rate}/s");
    let file = file.to_string_lossy();
    let tidemill = stack.tidemill();
    let publish = ["publish", &pipeline.name, "--events", &file, "--rate", &rate, "--limit", EVENTS, "--labels-delay", "7d"];
    eprintln!("{}", tidemill.succeed(&publish)?.out.trim_end());
    tidemill.succeed(&["wait", &pipeline.name])?;
    eprintln!("{}", tidemill.succeed(&["train", &pipeline.name, "--wait"])?.out.trim_end());
    eprintln!("{}", tidemill.succeed(&["verify", &pipeline.name])?.out.trim_end());
    stack.services.stop_all()?;
    score(stack, &pipeline)
}

fn score(stack: &Stack, pipeline: &Pipeline) -> Result<String> {
    let store = stack.environment.store.strip_prefix("file://").context("the object store is no folder")?;
    let mut command = Command::new(stack.environment.bin_dir.join("examples/handbook"));
    command.arg("score").args(["training", "holdout"].map(|part| Path::new(store).join(part).join(&pipeline.name)));
    command.args(PARAMETERS.iter().flat_map(|parameter| ["--set", parameter]));
    let output = command.output().context("cannot run target/release/examples/handbook: is it built?")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
