//! The Fraud Detection Handbook's split of its own payments, on a training set that Tidemill has written.
//!
//! Trains on 2018-07-25 to 07-31 and scores 08-08 to 08-14, with the customers left out that were known to be
//! compromised, day by day as the book does (chapter 3, `get_train_test_set`; card precision as in chapter 4.4).
//!
//! ```text
//! cargo run --release -p tidemill-trainer --example handbook -- score DIRECTORY… [--set NAME=VALUE…]
//! cargo run --release -p tidemill-trainer --example handbook -- features payments.parquet pipeline.yaml DIRECTORY
//! ```
//! A `DIRECTORY` holds Parquet files of a training set: `training/<p>/<id>` and `holdout/<p>/<id>` of the object store,
//! or what `features` writes. That computes the vectors without a stream: one fold of the pipeline's hops in event
//! order, each label where it becomes known.

mod features;
mod score;

use clap::Parser;
use std::path::PathBuf;

#[derive(Parser)]
enum Command {
    /// Train, score, and print the three figures
    Score {
        /// Parquet files of the training set, in folders of any depth
        #[arg(required = true)]
        directories: Vec<PathBuf>,
        /// Parameters of LightGBM, such as num_leaves=31
        #[arg(long = "set", value_name = "NAME=VALUE")]
        parameters: Vec<String>,
        /// Seed of the training
        #[arg(long, default_value_t = 1)]
        seed: u32,
    },
    /// Compute the vectors of a payment file, and write them as a training set
    Features {
        /// The handbook's payments
        payments: PathBuf,
        /// The pipeline file; its event schema is beside it
        pipeline: PathBuf,
        /// Where the files go
        directory: PathBuf,
    },
}

fn main() -> anyhow::Result<()> {
    match Command::parse() {
        Command::Score { directories, parameters, seed } => score::run(&directories, &parameters, seed),
        Command::Features { payments, pipeline, directory } => features::run(&payments, &pipeline, &directory),
    }
}
