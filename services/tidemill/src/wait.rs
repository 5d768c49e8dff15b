//! `tidemill wait`: until every stage has done all its input.

use crate::connect::{self, Cluster};
use crate::output::{Exit, Output, Report, count};
use crate::stages::{Stand, first_behind, stages, stands};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use serde_json::{Value as Json, json};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tidemill_events::time::parse_duration;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(200);

/// `tidemill wait`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The applied pipeline's name
    pipeline: String,
    /// Give up after this long
    #[arg(long, default_value = "60s", value_name = "DURATION", value_parser = parse_duration)]
    timeout: i64,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    connection: connect::Flags,
}

#[derive(Serialize)]
struct Result {
    pipeline: String,
    done: bool,
    seconds: f64,
    /// The first stage that is not done.
    behind: Option<Stand>,
}

impl Report for Result {
    fn rows(&self) -> Vec<Json> {
        vec![json!(self)]
    }

    fn table(&self) -> String {
        match &self.behind {
            None => format!("{}: every stage has done all its input ({:.1} s)\n", self.pipeline, self.seconds),
            Some(at) => format!(
                "{}: after {:.1} s, {} has not done all of {} partition {}: committed {}, at most {} records to go\n",
                self.pipeline,
                self.seconds,
                at.stage,
                at.topic,
                at.partition,
                at.committed,
                count(at.behind())
            ),
        }
    }
}

/// Waits.
///
/// # Errors
/// When the cluster does not answer. A timeout is a result.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let cluster = Cluster::new(&args.connection)?;
    let (_, pipeline) = cluster.pipeline(&args.pipeline)?;
    let stages = stages(&pipeline);
    let timeout = Duration::from_micros(args.timeout.unsigned_abs());
    let began = Instant::now();
    let bar = spinner();
    let behind = loop {
        let behind = first_behind(&cluster, &stages)?;
        if behind.is_none() || began.elapsed() >= timeout {
            break behind;
        }
        let mut lags = Vec::new();
        for stage in &stages {
            let behind: u64 = stands(&cluster, stage)?.iter().map(Stand::behind).sum();
            lags.push(format!("{} {}", stage.name, count(behind)));
        }
        bar.set_message(lags.join(" · "));
        bar.tick();
        sleep(LOOK);
    };
    bar.finish_and_clear();
    let done = behind.is_none();
    args.output.show(&Result { pipeline: args.pipeline.clone(), done, seconds: began.elapsed().as_secs_f64(), behind })?;
    Ok(if done { Exit::Ok } else { Exit::Failed })
}

/// On standard error, and only where that is a terminal.
fn spinner() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} behind: {msg}") {
        bar.set_style(style);
    }
    bar
}
