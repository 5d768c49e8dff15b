//! `tidemill trace`: one event's way through the topics.

mod find;
mod follow;
mod report;

use crate::connect::{self, Cluster};
use crate::output::{Exit, Output};
use anyhow::bail;
use find::Finder;
use follow::Follower;
use report::Report;

/// `tidemill trace`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The applied pipeline's name
    pipeline: String,
    /// The event's id
    event_id: String,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    connection: connect::Flags,
}

/// Finds the event and follows it.
///
/// # Errors
/// When there is no such event, or a topic cannot be read.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let cluster = Cluster::new(&args.connection)?;
    let (_, pipeline) = cluster.pipeline(&args.pipeline)?;
    let sources = Finder::new(&cluster, &pipeline)?.sources(&args.event_id)?;
    if sources.is_empty() {
        bail!(
            "no event `{}` in pipeline {}: was it acknowledged? The ingestor refuses events with an answer, not with a record",
            args.event_id,
            args.pipeline
        );
    }
    let mut follower = Follower::new(&cluster, &pipeline)?;
    let ways = sources.into_iter().map(|source| follower.follow(&source)).collect::<anyhow::Result<_>>()?;
    args.output.show(&Report { pipeline: args.pipeline.clone(), event_id: args.event_id.clone(), ways })?;
    Ok(Exit::Ok)
}
