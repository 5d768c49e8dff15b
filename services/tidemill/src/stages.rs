//! Where each stage of a pipeline stands in its input: what `wait`, `verify` and `status` look at.

use crate::connect::Cluster;
use anyhow::Context;
use serde::Serialize;
use tidemill_events::topics::{PerPipeline, group};
use tidemill_kafka::reader::{Isolation, Scan};
use tidemill_pipeline::Pipeline;
use tidemill_stream::Metadata;

/// A consumer group and the topic it reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// Its name: the service's, with the entity where the service reads more than one topic.
    pub name: String,
    /// Its consumer group.
    pub group: String,
    /// Its input.
    pub topic: String,
}

/// Where a stage stands in one partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stand {
    /// The stage.
    pub stage: String,
    /// Its input topic.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// First offset that is not done; the partition's first where nothing was committed.
    pub committed: i64,
    /// Commits so far, from the offset's metadata; `None` before the first.
    pub commits: Option<u64>,
    /// The last stable offset.
    pub stable: i64,
    /// The high watermark.
    pub high: i64,
}

impl Stand {
    /// Offsets not done: records, and the transaction markers between them.
    #[must_use]
    pub fn behind(&self) -> u64 {
        u64::try_from(self.high - self.committed).unwrap_or(0)
    }
}

/// The stage that reads the upstream's own topic, where `pipeline` has one.
#[must_use]
pub fn upstream(pipeline: &Pipeline) -> Option<Stage> {
    let topic = pipeline.source.upstream.as_ref()?.topic.clone();
    Some(Stage { name: "ingestor".into(), group: group("ingestor", &pipeline.name), topic })
}

/// The stages of `pipeline` in its order.
#[must_use]
pub fn stages(pipeline: &Pipeline) -> Vec<Stage> {
    let name = &pipeline.name;
    let entities = &pipeline.layout.entities;
    let stage = |service: &str, label: String, topic: PerPipeline| Stage {
        name: label,
        group: group(service, name),
        topic: topic.name(name, entities),
    };
    let hops = entities.iter().enumerate();
    let hops = hops.map(|(hop, entity)| stage("feature-builder", format!("feature-builder.{entity}"), PerPipeline::Hop(hop)));
    let first = stage("validator", "validator".into(), PerPipeline::Raw);
    let predictor = stage("predictor", "predictor".into(), PerPipeline::Features);
    let joined = pipeline.learning.labels.iter().flat_map(|_| [("predictions", PerPipeline::Predictions), ("labels", PerPipeline::Labels)]);
    let joined = joined.map(|(of, topic)| stage("evaluator", format!("evaluator.{of}"), topic));
    upstream(pipeline).into_iter().chain([first]).chain(hops).chain(std::iter::once(predictor)).chain(joined).collect()
}

/// Where `stage` stands now, partition by partition.
///
/// # Errors
/// When the broker does not tell, or a commit of the group is not Tidemill's.
pub fn stands(cluster: &Cluster, stage: &Stage) -> anyhow::Result<Vec<Stand>> {
    // committed first: what is appended between the two questions then shows as not done
    let committed = cluster.admin.committed(&stage.group, &stage.topic)?;
    let ends = cluster.admin.ends(&stage.topic)?;
    let stands = committed.iter().zip(&ends).zip(0..).map(|((committed, ends), partition)| {
        let commits = match committed.offset {
            None => None,
            Some(_) => {
                let metadata = Metadata::decode(&committed.metadata);
                Some(metadata.with_context(|| format!("group {} at {} partition {partition}", stage.group, stage.topic))?.seq)
            }
        };
        Ok(Stand {
            stage: stage.name.clone(),
            topic: stage.topic.clone(),
            partition,
            committed: committed.offset.unwrap_or(ends.start),
            commits,
            stable: ends.stable,
            high: ends.high,
        })
    });
    stands.collect()
}

/// The first of `stands`, all of one stage, where something is left to do: a transaction is open, or a
/// record lies at or after the committed offset.
///
/// # Errors
/// When the topic cannot be read.
pub fn undone<'a>(cluster: &Cluster, stands: &'a [Stand]) -> anyhow::Result<Option<&'a Stand>> {
    if let Some(open) = stands.iter().find(|stand| stand.stable < stand.high) {
        return Ok(Some(open));
    }
    let Some(mut rest) = rest(cluster, stands)? else { return Ok(None) };
    let Some(record) = rest.next()? else { return Ok(None) };
    Ok(stands.iter().find(|stand| stand.partition == record.partition()))
}

/// How many records of `stands`, all of one stage, are not done; beyond some hundred, transaction markers
/// are counted with them.
///
/// # Errors
/// When the topic cannot be read.
pub fn behind(cluster: &Cluster, stands: &[Stand]) -> anyhow::Result<u64> {
    const COUNTED: u64 = 500;
    let bound = stands.iter().map(Stand::behind).sum();
    if bound > COUNTED {
        return Ok(bound);
    }
    let Some(mut rest) = rest(cluster, stands)? else { return Ok(0) };
    let mut records = 0;
    while rest.next()?.is_some() {
        records += 1;
    }
    Ok(records)
}

/// Reads on from where `stands`, all of one stage, are; `None` where all are at the end. Only transaction
/// markers may be left, which no offset tells.
fn rest(cluster: &Cluster, stands: &[Stand]) -> anyhow::Result<Option<Scan>> {
    let from: Vec<(i32, i64)> = stands.iter().filter(|s| s.committed < s.stable).map(|s| (s.partition, s.committed)).collect();
    let Some(stand) = stands.first().filter(|_| !from.is_empty()) else { return Ok(None) };
    Ok(Some(Scan::new(&cluster.brokers, &stand.topic, &from, Isolation::ReadCommitted)?))
}

/// The first stage, in pipeline order, that has something left to do; `None` when all are done and
/// nothing came meanwhile.
///
/// # Errors
/// As [`stands`].
pub fn first_behind(cluster: &Cluster, stages: &[Stage]) -> anyhow::Result<Option<Stand>> {
    // outcomes go back to the hops: that a stage is done says little as long as a later one still writes
    let ends = || stages.iter().map(|stage| cluster.admin.ends(&stage.topic)).collect::<Result<Vec<_>, _>>();
    let before = ends()?;
    for stage in stages {
        let stands = stands(cluster, stage)?;
        if let Some(stand) = undone(cluster, &stands)? {
            return Ok(Some(stand.clone()));
        }
    }
    let after = ends()?;
    let Some(grown) = before.iter().zip(&after).position(|(before, after)| before != after) else { return Ok(None) };
    Ok(stands(cluster, &stages[grown])?.into_iter().max_by_key(Stand::behind))
}
