//! `tidemill apply`: makes a pipeline file the truth. Creates and adds, never deletes, and refuses what would break readers.

mod broker;
mod schemas;

use crate::connect::{self, Cluster, compile};
use crate::output::Exit;
use anyhow::bail;
use std::io::IsTerminal;
use std::path::PathBuf;
use tidemill_events::records;
use tidemill_events::topics::{Control, PerPipeline};
use tidemill_kafka::admin::{Outcome, TopicSpec};
use tidemill_kafka::pipelines::Publisher;
use tidemill_pipeline::{Pipeline, Report, diff_breaks, load, render};
use tidemill_service::{Clock, SystemClock};

/// `tidemill apply`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Pipeline file
    file: PathBuf,
    #[command(flatten)]
    connection: connect::Flags,
}

/// Applies the file and says what it did, line by line.
///
/// # Errors
/// When it cannot be applied. What was done before stays: a second attempt goes on from there.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let pipeline = match load(&args.file) {
        Ok((pipeline, report)) => {
            draw(&report);
            pipeline
        }
        Err(report) => {
            draw(&report);
            return Ok(Exit::Failed);
        }
    };
    let cluster = Cluster::new(&args.connection)?;
    broker::check(&cluster, &pipeline)?;
    check_upstream(&cluster, &pipeline)?;
    create_topics(&cluster, &Control::ALL.map(|c| TopicSpec { name: c.name().into(), partitions: 1, compacted: c.is_compacted() }))?;
    // from here on no other apply of this pipeline can write: if one tries, ours fails
    let publisher = Publisher::new(&cluster.brokers, cluster.registry.clone(), &pipeline.name)?;
    let applied = publisher.applied()?;
    if let Some(record) = &applied
        && !replaces(record, &pipeline, &args.file.display().to_string())?
    {
        return Ok(Exit::Failed);
    }
    create_topics(&cluster, &topics(&pipeline))?;
    cluster.block_on(schemas::register(cluster.registry_client(), &pipeline.layout))?;
    match applied {
        Some(record) if record.digest == pipeline.digest => {
            println!("pipeline {} is unchanged: version {}, {}", pipeline.name, record.pipeline_version, record.digest);
        }
        before => {
            let version = before.map_or(1, |record| record.pipeline_version + 1);
            publisher.publish(&record(&pipeline, version))?;
            println!("applied pipeline {} version {version}, {}", pipeline.name, pipeline.digest);
        }
    }
    Ok(Exit::Ok)
}

fn draw(report: &Report) {
    let color = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    eprint!("{}", report.render(color));
}

/// Whether `new` may take the place of what `record` says; draws why not.
fn replaces(record: &records::Pipeline, new: &Pipeline, file: &str) -> anyhow::Result<bool> {
    let breaks = diff_breaks(&compile(record)?, new);
    if breaks.is_empty() {
        return Ok(true);
    }
    let color = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    eprint!("{}", render(&breaks, file, &new.text, color));
    eprintln!("error: {file} would break pipeline {} version {}, and nothing was changed", record.pipeline, record.pipeline_version);
    Ok(false)
}

fn record(pipeline: &Pipeline, version: i32) -> records::Pipeline {
    records::Pipeline {
        pipeline: pipeline.name.clone(),
        pipeline_version: version,
        digest: pipeline.digest.clone(),
        file: pipeline.text.clone(),
        event_schema: pipeline.source.schema_text.clone(),
        applied_at: SystemClock.now(),
    }
}

fn topics(pipeline: &Pipeline) -> Vec<TopicSpec> {
    let entities = &pipeline.layout.entities;
    let partitions = i32::try_from(pipeline.source.partitions).unwrap_or(i32::MAX);
    let spec = |topic: PerPipeline| TopicSpec { name: topic.name(&pipeline.name, entities), partitions, compacted: false };
    PerPipeline::all(entities.len()).map(spec).collect()
}

fn create_topics(cluster: &Cluster, specs: &[TopicSpec]) -> anyhow::Result<()> {
    let topics = cluster.block_on(cluster.admin.create_topics(specs))?;
    for (name, _) in topics.iter().filter(|(_, outcome)| *outcome == Outcome::Created) {
        println!("topic {name} created");
    }
    let existed = topics.iter().filter(|(_, outcome)| *outcome == Outcome::Existed).count();
    if existed == topics.len() && existed > 1 {
        println!("all {existed} topics are there");
    }
    Ok(())
}

/// Refuses a pipeline whose upstream's topic is not there: it is not ours to create.
fn check_upstream(cluster: &Cluster, pipeline: &Pipeline) -> anyhow::Result<()> {
    let Some(upstream) = &pipeline.source.upstream else { return Ok(()) };
    if cluster.admin.partitions(&upstream.topic)?.is_none() {
        bail!(
            "there is no topic `{}` at {}: `source.topic` names a topic that the upstream has already, so create it there first, or \
             put the name right; nothing was changed (tidemill explain TM0125)",
            upstream.topic,
            cluster.brokers
        );
    }
    Ok(())
}
