//! `tidemill verify`: nothing was lost, doubled or computed wrong.
//!
//! It reads only the topics, the online store and the acknowledgements a publisher wrote down, and
//! shares no state with the services. Each checker is fed by scans and knows no Kafka.

mod acks;
mod bits;
mod champions;
mod fold;
mod ledger;
mod once;
mod online;
mod outcomes;
mod pass;
mod recount;
mod report;
mod store;
#[cfg(test)]
mod tests;
mod upstream;
mod vectors;

use crate::connect::{self, Cluster};
use crate::output::{Exit, Output, count};
use crate::stages::{self, Stage, first_behind, stages, stands};
use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use online::Online;
use pass::Pass;
use report::{Invariant, Report, Section};
use std::path::{Path, PathBuf};
use std::time::Instant;
use store::Store;
use tidemill_events::topics::PerPipeline;
use tidemill_kafka::admin::Ends;
use tidemill_pipeline::Pipeline;
use upstream::Upstream;

/// `tidemill verify`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The applied pipeline's name
    pipeline: String,
    /// Acknowledged events, as `publish --acks FILE` wrote them: each must be in raw
    #[arg(long, value_name = "FILE")]
    acks: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    connection: connect::Flags,
    /// Redis, the online store
    #[arg(long, env = "TIDEMILL_REDIS", value_name = "HOST:PORT", help_heading = "Connection")]
    redis: String,
}

/// Verifies.
///
/// # Errors
/// When a topic or the store cannot be read, a stage lags, or records come in meanwhile. What does not
/// hold is a result.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let began = Instant::now();
    let cluster = Cluster::new(&args.connection)?;
    let (record, pipeline) = cluster.pipeline(&args.pipeline)?;
    let raw = PerPipeline::Raw.name(&pipeline.name, &pipeline.layout.entities);
    let ends = cluster.admin.ends(&raw)?;
    let stages = stages(&pipeline);
    if let Some(at) = first_behind(&cluster, &stages)? {
        bail!(
            "{} has at most {} records of {} partition {} to go: run `tidemill wait {}` first, and stop what publishes",
            at.stage,
            count(at.behind()),
            at.topic,
            at.partition,
            args.pipeline
        );
    }
    let bar = bar(&cluster, &pipeline)?;
    let store = Store::connect(&cluster, &args.redis)?;
    let mut pass = Pass::new(&cluster, &pipeline, record.pipeline_version, &raw, bar.clone())?;
    let mut report = examine(&mut pass, &stages, &ends, &store, args.acks.as_deref())?;
    if cluster.admin.ends(&raw)? != ends {
        bail!("records came in while {raw} was being verified: stop what publishes, and run it again");
    }
    pass.name_events(report.invariants.iter_mut().flat_map(|section| &mut section.first))?;
    bar.finish_and_clear();
    report.seconds = began.elapsed().as_secs_f64();
    args.output.show(&report)?;
    Ok(if report.ok { Exit::Ok } else { Exit::Failed })
}

/// Checks everything.
fn examine(pass: &mut Pass<'_>, stages: &[Stage], ends: &[Ends], store: &Store<'_>, acks: Option<&Path>) -> anyhow::Result<Report> {
    let mut sections = blank();
    let mut outcomes = pass.labels()?;
    let mut upstream = pass.upstream()?;
    let (mut ledger, reasons) = pass.ledger(ends, outcomes.as_mut(), upstream.as_mut())?;
    let (vectors, features) = pass.vectors(&ledger, ends)?;
    let mut once = vec![features];
    let (predictions, champions) = pass.predictions(&ledger, outcomes.as_mut())?;
    once.extend(predictions);
    let (mut online, mut outdated) = (Online::default(), 0);
    for hop in 0..pass.pipeline.hops.len() {
        let mut checker = (hop > 0).then(|| pass.once(hop));
        for stand in stands(pass.cluster, hop_stage(stages, &pass.topic(PerPipeline::Hop(hop)))?)? {
            let at = (stand.partition, stand.committed);
            let (found, state) = match &mut checker {
                None => pass.first_hop(&mut ledger, &vectors, at)?,
                Some(once) => pass.next_hop(&ledger, once, &vectors, hop, at)?,
            };
            outdated += found.outdated;
            merge(&mut sections, pass.explain(found)?);
            store.compare(pass.pipeline, hop, &stand, state, &mut online)?;
        }
        once.extend(checker);
    }
    store.scan(pass.pipeline, &mut online)?;
    let mut first = ledger.finish();
    if let Some(path) = acks {
        acks::check(path, &ledger.raw_ids(), &mut first)?;
    }
    let outcomes = outcomes.map(|outcomes| pass.outcomes(outcomes)).transpose()?;
    let rest = outcomes.into_iter().chain(upstream.map(Upstream::finish));
    merge(&mut sections, [first, online.finish(), champions].into_iter().chain(rest));
    merge(&mut sections, once.into_iter().map(|once| once.finish(&ledger)));
    let (raw, valid, rejected) = ledger.counts();
    Ok(Report {
        pipeline: pass.pipeline.name.clone(),
        pipeline_version: pass.version,
        ok: sections.iter().all(|section| section.violations == 0),
        raw,
        valid,
        rejected,
        reasons,
        outdated,
        seconds: 0.0,
        invariants: sections.to_vec(),
    })
}

/// A section of every invariant, nothing checked.
fn blank() -> [Section; 6] {
    use Invariant::{Champion, Ledger, Online, Predictions, Values, Vectors};
    [Ledger, Predictions, Values, Online, Vectors, Champion].map(Section::new)
}

/// The stage that reads the topic `input`, which a hop does.
fn hop_stage<'s>(stages: &'s [Stage], input: &str) -> anyhow::Result<&'s Stage> {
    stages.iter().find(|stage| stage.topic == input).with_context(|| format!("no stage reads {input}"))
}

fn merge(sections: &mut [Section], found: impl IntoIterator<Item = Section>) {
    for found in found {
        if let Some(section) = sections.iter_mut().find(|s| s.invariant == found.invariant) {
            section.merge(found);
        }
    }
}

/// Counts the offsets of all topics that are read; on standard error, and only where that is a terminal.
fn bar(cluster: &Cluster, pipeline: &Pipeline) -> anyhow::Result<ProgressBar> {
    let entities = &pipeline.layout.entities;
    let topics = PerPipeline::all(entities.len()).filter(|topic| *topic != PerPipeline::Quality);
    let mut total = 0;
    for topic in topics.map(|topic| topic.name(&pipeline.name, entities)).chain(stages::upstream(pipeline).map(|stage| stage.topic)) {
        let ends = cluster.admin.ends(&topic)?;
        total += ends.iter().map(|e| u64::try_from(e.stable - e.start).unwrap_or(0)).sum::<u64>();
    }
    let bar = ProgressBar::new(total);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {human_pos}/{human_len} offsets, {per_sec}, {msg}") {
        bar.set_style(style);
    }
    Ok(bar)
}
