//! The command `tidemill publish`: its arguments, and a job made of them.

use super::encode::Shape;
use super::http::Endpoint;
use super::job::{Destination, Job};
use super::kafka::Topics;
use super::pace::{Pace, Rate, Speed};
use super::progress;
use super::report::Report;
use super::source::{EventFile, Source};
use super::tally::Tally;
use crate::connect::{self, Cluster};
use crate::output::{Exit, Output, count};
use anyhow::{Context, bail};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tidemill_events::time::parse_duration;
use tidemill_pipeline::Pipeline;

/// Label columns looked for when none is named.
const LABEL_COLUMNS: [&str; 2] = ["fraud", "label"];

/// `tidemill publish`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The applied pipeline's name
    pipeline: String,
    /// Events to publish, in order: .parquet, .csv or .ndjson
    #[arg(long, value_name = "FILE")]
    events: PathBuf,
    /// max, live (as fast as they happened) or 60x (that many times faster)
    #[arg(long, default_value = "max", value_name = "SPEED")]
    speed: Speed,
    /// Events a second, such as 2000/s
    #[arg(long, value_name = "N/s", conflicts_with = "speed")]
    rate: Option<Rate>,
    /// Publish the first N events only
    #[arg(long, value_name = "N", default_value_t = u64::MAX, hide_default_value = true)]
    limit: u64,
    /// Send each event's label when its time plus this has come, such as 7d
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    labels_delay: Option<i64>,
    /// Column of the label; default: `fraud` or `label`
    #[arg(long, value_name = "COLUMN", requires = "labels_delay")]
    label_column: Option<String>,
    /// Append the ids of acknowledged events to this file, one JSON object a line
    #[arg(long, value_name = "FILE")]
    acks: Option<PathBuf>,
    /// Connections at most; events of one partition keep to one of them, and so to their order
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    connections: u16,
    /// Events in a request at most
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    batch: u16,
    /// Give up when nothing was acknowledged for so long
    #[arg(long, default_value = "60s", value_name = "DURATION", value_parser = parse_duration)]
    give_up_after: i64,
    /// http: through the ingestor. kafka: straight to the upstream's own topic where the pipeline has one, else to raw
    #[arg(long, value_enum, default_value_t = Via::Http)]
    via: Via,
    #[command(flatten)]
    ingestor: MaybeIngestor,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    connection: connect::Flags,
}

/// The way that events go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Via {
    Http,
    Kafka,
}

/// [`Ingestor`], where events go by it.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Connection")]
struct MaybeIngestor {
    /// The ingestor
    #[arg(
        long = "ingestor",
        env = "TIDEMILL_INGESTOR_URL",
        value_name = "URL",
        required_unless_present = "via",
        required_if_eq("via", "http")
    )]
    url: Option<String>,
    /// Bearer token that writing needs
    #[arg(long, env = "TIDEMILL_TOKEN", hide_env_values = true, required_unless_present = "via", required_if_eq("via", "http"))]
    token: Option<String>,
}

/// Where the ingestor is and how it lets us in.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Connection")]
pub struct Ingestor {
    /// The ingestor
    #[arg(long = "ingestor", env = "TIDEMILL_INGESTOR_URL", value_name = "URL")]
    url: String,
    /// Bearer token that writing needs
    #[arg(long, env = "TIDEMILL_TOKEN", hide_env_values = true)]
    token: String,
}

impl Ingestor {
    /// Where events of `pipeline` go.
    #[must_use]
    pub fn endpoint(&self, pipeline: &str) -> Endpoint {
        Endpoint { url: self.url.clone(), token: self.token.clone(), pipeline: pipeline.to_owned() }
    }
}

/// Publishes, shows how it goes, and ends early, but tidily, on Ctrl-C. Refused events are said and are no
/// failure: the ingestor decides what is an event. Events that could not be delivered are one.
///
/// # Errors
/// When it cannot start, or acknowledgements cannot be written down.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let cluster = Cluster::new(&args.connection)?;
    let (_, pipeline) = cluster.pipeline(&args.pipeline)?;
    let destination = args.destination(&cluster, &pipeline)?;
    let report = cluster.block_on(args.publish(Shape::of(&pipeline), destination))?;
    args.output.show(&report)?;
    if report.refused + report.unreadable + report.labels.refused > 0 {
        eprintln!("warning: {} records were refused", count(report.refused + report.unreadable + report.labels.refused));
    }
    Ok(if report.is_complete() { Exit::Ok } else { Exit::Failed })
}

impl Args {
    fn destination(&self, cluster: &Cluster, pipeline: &Pipeline) -> anyhow::Result<Destination> {
        let MaybeIngestor { url, token } = &self.ingestor;
        Ok(match (self.via, url, token) {
            (Via::Kafka, ..) => Destination::Kafka(Box::new(Topics::of(cluster, pipeline)?)),
            (Via::Http, Some(url), Some(token)) => {
                Destination::Http(Ingestor { url: url.clone(), token: token.clone() }.endpoint(&self.pipeline))
            }
            (Via::Http, ..) => bail!("--ingestor and --token say where events go and how they are let in"),
        })
    }

    async fn publish(&self, shape: Shape, destination: Destination) -> anyhow::Result<Report> {
        let source = self.source(&shape)?;
        let total = source.rows().map(|rows| rows.min(self.limit));
        let stop = Arc::new(AtomicBool::new(false));
        let job = Job {
            source,
            shape,
            labels_delay: self.labels_delay,
            destination,
            pace: self.pace(),
            connections: self.connections.into(),
            max_records: self.batch.into(),
            limit: self.limit,
            acks: self.acks.clone(),
            give_up_after: Duration::from_micros(self.give_up_after.unsigned_abs()),
            stop: stop.clone(),
        };
        let tally = Arc::new(Tally::default());
        let interrupted = async {
            // without a handler Ctrl-C ends the process at once, which loses nothing but the report
            let _ = tokio::signal::ctrl_c().await;
            eprintln!("stopping: what was read is still delivered");
            stop.store(true, Ordering::Relaxed);
            std::future::pending::<std::convert::Infallible>().await
        };
        tokio::select! {
            report = job.run(tally.clone()) => Ok(report?),
            never = progress::show(&tally, total) => match never {},
            never = interrupted => match never {},
        }
    }

    fn pace(&self) -> Pace {
        match (self.rate, self.speed) {
            (Some(Rate(pace)), _) | (None, Speed(pace)) => pace,
        }
    }

    fn source(&self, shape: &Shape) -> anyhow::Result<Box<dyn Source>> {
        let file = EventFile::find(&self.events)?;
        let columns = || file.columns.join(", ");
        for field in &shape.schema.fields {
            if file.is_table() && !field.nullable && field.default.is_none() && file.lacks(&field.name) {
                bail!(
                    "{} has no column `{}`, which every event of {} has; its columns are {}",
                    self.events.display(),
                    field.name,
                    self.pipeline,
                    columns()
                );
            }
        }
        let mut wanted: Vec<&str> = shape.schema.fields.iter().map(|f| f.name.as_str()).collect();
        if self.labels_delay.is_some() {
            let label = self.label(&file, shape).with_context(|| format!("{}: its columns are {}", self.events.display(), columns()))?;
            wanted.push(label);
        }
        Ok(file.open(&wanted)?)
    }

    fn label<'a>(&'a self, file: &EventFile, shape: &Shape) -> anyhow::Result<&'a str> {
        let Some(column) = &self.label_column else {
            let found = LABEL_COLUMNS.into_iter().find(|c| !file.lacks(c) && shape.schema.slot(c).is_none());
            return found.context("no column `fraud` or `label`: name the label by --label-column");
        };
        if file.lacks(column) {
            bail!("no column `{column}`");
        }
        if shape.schema.slot(column).is_some() {
            bail!("`{column}` is a field of the event: a label comes later and goes apart");
        }
        Ok(column)
    }
}
