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
    let last = stage("predictor", "predictor".into(), PerPipeline::Features);
    std::iter::once(first).chain(hops).chain(std::iter::once(last)).collect()
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

/// Whether nothing is left to do there: no transaction is open, and no record lies at or after the committed offset.
///
/// # Errors
/// When the partition cannot be read.
pub fn is_done(cluster: &Cluster, stand: &Stand) -> anyhow::Result<bool> {
    if stand.stable < stand.high {
        return Ok(false);
    }
    if stand.committed >= stand.stable {
        return Ok(true);
    }
    // only transaction markers may be left, which no offset tells
    let from = [(stand.partition, stand.committed)];
    let mut rest = Scan::new(&cluster.brokers, &stand.topic, &from, Isolation::ReadCommitted)?;
    Ok(rest.next()?.is_none())
}

/// The first stage, in pipeline order, that has something left to do; `None` when all are done and
/// nothing came meanwhile.
///
/// # Errors
/// As [`stands`].
pub fn first_behind(cluster: &Cluster, stages: &[Stage]) -> anyhow::Result<Option<Stand>> {
    let raw = &stages[0].topic;
    let before = cluster.admin.ends(raw)?;
    for stage in stages {
        for stand in stands(cluster, stage)? {
            if !is_done(cluster, &stand)? {
                return Ok(Some(stand));
            }
        }
    }
    if cluster.admin.ends(raw)? == before {
        return Ok(None);
    }
    Ok(stands(cluster, &stages[0])?.into_iter().max_by_key(Stand::behind))
}
