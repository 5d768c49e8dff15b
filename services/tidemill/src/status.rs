//! `tidemill status`: what is applied, how far it is, whether the services are well.

mod health;

use crate::connect::{self, Cluster, compile};
use crate::output::{self, Exit, Output, count, table};
use crate::stages::{behind, stages, stands};
use anyhow::bail;
use health::Health;
use serde::Serialize;
use serde_json::{Value as Json, json};
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use tidemill_events::codec::AvroSchema;
use tidemill_events::control::Deployment;
use tidemill_events::time::format_instant;
use tidemill_events::topics::{Control, PerPipeline};
use tidemill_events::{records, wire};
use tidemill_kafka::reader::{Isolation, Scan};

/// `tidemill status`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// One pipeline only, by its name
    pipeline: Option<String>,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    connection: connect::Flags,
    #[command(flatten)]
    services: health::Flags,
}

#[derive(Serialize)]
struct Report {
    pipelines: Vec<Pipeline>,
    services: Vec<Health>,
}

#[derive(Serialize)]
struct Pipeline {
    pipeline: String,
    version: i32,
    digest: String,
    applied_at: String,
    /// What is deployed: a version, or the file's `bootstrap` expression.
    model: String,
    topics: Vec<Topic>,
    stages: Vec<Stage>,
}

#[derive(Serialize)]
struct Topic {
    topic: String,
    partitions: usize,
    /// Offsets in use: records and transaction markers.
    offsets: u64,
}

#[derive(Serialize)]
struct Stage {
    stage: String,
    topic: String,
    /// Records not done.
    behind: u64,
}

/// Shows the status.
///
/// # Errors
/// When the cluster does not answer, or the pipeline named is not applied. A service that is not well is a result.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let cluster = Cluster::new(&args.connection)?;
    let mut applied = cluster.applied()?;
    if let Some(name) = &args.pipeline {
        applied.retain(|known, _| known == name);
        if applied.is_empty() {
            bail!("no pipeline `{name}` is applied: `tidemill status` lists those that are");
        }
    }
    // without a pipeline there may be no such topic yet
    let deployed = if applied.is_empty() { BTreeMap::new() } else { deployed(&cluster)? };
    let pipelines = applied.values().map(|record| pipeline(&cluster, record, &deployed)).collect::<anyhow::Result<_>>()?;
    let services = cluster.block_on(health::ask(&args.services))?;
    args.output.show(&Report { pipelines, services })?;
    Ok(Exit::Ok)
}

fn serving(deployment: &Deployment) -> String {
    if deployment.model.version == 0 { "bootstrap".into() } else { format!("version {}", deployment.model.version) }
}

/// The newest deployment of each pipeline.
fn deployed(cluster: &Cluster) -> anyhow::Result<BTreeMap<String, Deployment>> {
    let mut newest = BTreeMap::new();
    let mut writers = HashMap::new();
    let mut scan = Scan::all(&cluster.brokers, Control::Deployments.name(), Isolation::ReadCommitted)?;
    while let Some(record) = scan.next()? {
        let (id, datum) = wire::split(record.payload())?;
        let schema = match writers.entry(id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(AvroSchema::parse(&cluster.registry.schema(id)?)?),
        };
        let deployment: Deployment = schema.decode(datum)?;
        newest.insert(deployment.pipeline.clone(), deployment);
    }
    Ok(newest)
}

fn pipeline(cluster: &Cluster, record: &records::Pipeline, deployed: &BTreeMap<String, Deployment>) -> anyhow::Result<Pipeline> {
    let pipeline = compile(record)?;
    let entities = &pipeline.layout.entities;
    let topic = |topic: PerPipeline| {
        let topic = topic.name(&pipeline.name, entities);
        let ends = cluster.admin.ends(&topic)?;
        let offsets = ends.iter().map(|e| u64::try_from(e.stable - e.start).unwrap_or(0)).sum();
        Ok(Topic { topic, partitions: ends.len(), offsets })
    };
    let stage = |stage: crate::stages::Stage| {
        let behind = behind(cluster, &stands(cluster, &stage)?)?;
        Ok(Stage { stage: stage.name, topic: stage.topic, behind })
    };
    Ok(Pipeline {
        pipeline: record.pipeline.clone(),
        version: record.pipeline_version,
        digest: record.digest.clone(),
        applied_at: format_instant(record.applied_at),
        model: deployed.get(&record.pipeline).map_or("bootstrap".into(), serving),
        topics: PerPipeline::all(entities.len()).map(topic).collect::<anyhow::Result<_>>()?,
        stages: stages(&pipeline).into_iter().map(stage).collect::<anyhow::Result<_>>()?,
    })
}

impl output::Report for Report {
    fn rows(&self) -> Vec<Json> {
        let kind = |kind: &str, fields: Json| output::row(json!({"kind": kind}), fields);
        let pipelines = self.pipelines.iter().map(|p| kind("pipeline", json!(p)));
        pipelines.chain(self.services.iter().map(|s| kind("service", json!(s)))).collect()
    }

    fn table(&self) -> String {
        let mut out = String::new();
        if self.pipelines.is_empty() {
            out += "no pipeline is applied: tidemill apply FILE\n";
        }
        for p in &self.pipelines {
            out += &format!("{} version {} · {} · applied {} · model {}\n\n", p.pipeline, p.version, p.digest, p.applied_at, p.model);
            let mut stages = table(["stage", "reads", "behind"]);
            for s in &p.stages {
                stages.add_row([s.stage.clone(), s.topic.clone(), count(s.behind)]);
            }
            let mut topics = table(["topic", "partitions", "offsets"]);
            for t in &p.topics {
                topics.add_row([t.topic.clone(), t.partitions.to_string(), count(t.offsets)]);
            }
            out += &format!("{}\n\n{}\n\n", stages.trim_fmt(), topics.trim_fmt());
        }
        if !self.services.is_empty() {
            let mut services = table(["service", "ready", "address", "why not"]);
            for s in &self.services {
                services.add_row([s.service, if s.ready { "yes" } else { "no" }, &s.url, &s.reasons.join("; ")]);
            }
            out += &format!("{}\n", services.trim_fmt());
        }
        out
    }
}
