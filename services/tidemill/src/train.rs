//! `tidemill train`: asks for a training, or calls it off, and waits for what comes of it.

mod client;
mod result;
mod show;

use crate::connect::{self, Cluster};
use crate::output::{Exit, Output};
use anyhow::{Context, bail};
use client::{Accepted, Client};
use result::Result;
use show::Show;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tidemill_events::codec::AvroSchema;
use tidemill_events::control::Candidate;
use tidemill_events::time::parse_duration;
use tidemill_events::topics::Control;
use tidemill_events::wire;
use tidemill_kafka::reader::Follow;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(250);

/// `tidemill train`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The applied pipeline's name
    pipeline: String,
    /// Why, for those who look at the model later
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    /// Wait for what comes of it, and show how it goes
    #[arg(long)]
    wait: bool,
    /// Call off the training that runs and those that wait, instead of asking for one
    #[arg(long)]
    cancel: bool,
    /// Stop waiting after this long; the training goes on
    #[arg(long, default_value = "1h", value_name = "DURATION", value_parser = parse_duration, requires = "wait")]
    timeout: i64,
    #[command(flatten)]
    trainer: Trainer,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    connection: connect::Flags,
}

/// Where the trainer is and how it lets us in.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Connection")]
struct Trainer {
    /// The trainer
    #[arg(long = "trainer", env = "TIDEMILL_TRAINER_URL", value_name = "URL")]
    url: String,
    /// Bearer token that commands need
    #[arg(long, env = "TIDEMILL_TOKEN", hide_env_values = true)]
    token: String,
}

/// Sends the command, and waits if that was asked for.
///
/// # Errors
/// When the trainer does not take it. A training that makes no model is a result.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let cluster = Cluster::new(&args.connection)?;
    let client = Client::new(&args.trainer.url, &args.trainer.token, &args.pipeline)?;
    let began = Instant::now();
    let accepted = cluster.block_on(client.command(args.cancel, &args.reason))?;
    let candidate = if args.wait { Some(args.wait(&cluster, &client, &accepted, began)?) } else { None };
    let result = Result::new(&args.pipeline, args.cancel, accepted, candidate.as_ref(), began.elapsed());
    args.output.show(&result)?;
    Ok(if result.is_as_asked() { Exit::Ok } else { Exit::Failed })
}

impl Args {
    /// The candidate that covers the command.
    fn wait(&self, cluster: &Cluster, client: &Client, accepted: &Accepted, began: Instant) -> anyhow::Result<Candidate> {
        let timeout = Duration::from_micros(self.timeout.unsigned_abs());
        let mut follow = Follow::new(&cluster.brokers, Control::Candidates.name())?;
        let mut schemas = BTreeMap::new();
        let mut show = Show::new();
        let covers = |candidate: &Candidate| candidate.causes.iter().filter_map(|c| c.record.as_ref()).any(|r| accepted.is(r));
        loop {
            let look = Instant::now();
            while look.elapsed() < LOOK {
                let Some(record) = follow.next(LOOK)? else { continue };
                let (id, datum) = wire::split(record.payload())?;
                let candidate: Candidate = schema(cluster, &mut schemas, id)?.decode(datum)?;
                if covers(&candidate) {
                    show.finish();
                    return Ok(candidate);
                }
            }
            if began.elapsed() >= timeout {
                show.finish();
                bail!(
                    "there is no result after {:.0} s; the training goes on: tidemill train {} --cancel",
                    timeout.as_secs_f64(),
                    self.pipeline
                );
            }
            match cluster.block_on(client.progress()) {
                Ok(progress) => show.line(&progress.line()),
                // it may be starting anew; the result is on the topic in any case
                Err(error) => show.line(&format!("the trainer does not say how it goes: {error}")),
            }
        }
    }
}

fn schema(cluster: &Cluster, known: &mut BTreeMap<u32, AvroSchema>, id: u32) -> anyhow::Result<AvroSchema> {
    if let Some(schema) = known.get(&id) {
        return Ok(schema.clone());
    }
    let text = cluster.registry.schema(id).with_context(|| format!("cannot read schema {id}"))?;
    let schema = AvroSchema::parse(&text)?;
    known.insert(id, schema.clone());
    Ok(schema)
}
