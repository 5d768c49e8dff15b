//! Reads the topics of a pipeline, one after the other, and feeds the checkers.

use super::champions::Champions;
use super::fold::{Fold, Found};
use super::ledger::{Derived, Ledger};
use super::once::Once;
use super::outcomes::{self, Outcomes};
use super::report::{At, Section, Violation};
use super::upstream::Upstream;
use super::vectors::Vectors;
use crate::connect::Cluster;
use crate::decode::Decoder;
use crate::stages;
use anyhow::Context;
use indicatif::ProgressBar;
use std::collections::BTreeMap;
use std::sync::Arc;
use tidemill_events::control::RegistryEvent;
use tidemill_events::origin::{self, Origin};
use tidemill_events::records::{ModelRef, SourceRecord};
use tidemill_events::topics::{Control, PerPipeline};
use tidemill_events::{HopInput, Source};
use tidemill_expr::Program;
use tidemill_features::{Hop, HopState};
use tidemill_kafka::admin::Ends;
use tidemill_kafka::reader::{Isolation, Record, Scan};
use tidemill_pipeline::Pipeline;

/// The route of a pipeline that has one.
const DEFAULT_ROUTE: &str = "default";
/// Records between two updates of the progress bar.
const STEP: u64 = 4_096;

/// What reading needs.
pub(super) struct Pass<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) pipeline: &'a Pipeline,
    pub(super) version: i32,
    decoder: Decoder,
    bar: ProgressBar,
    raw: String,
}

impl<'a> Pass<'a> {
    /// Over version `version` of `pipeline`, whose raw topic is `raw`; `bar` counts offsets.
    ///
    /// # Errors
    /// When the registry does not know the pipeline's schemas.
    pub(super) fn new(cluster: &'a Cluster, pipeline: &'a Pipeline, version: i32, raw: &str, bar: ProgressBar) -> anyhow::Result<Self> {
        let decoder = Decoder::new(cluster.registry.clone(), &pipeline.layout)?;
        Ok(Self { cluster, pipeline, version, decoder, bar, raw: raw.to_owned() })
    }

    /// Reads `<p>.labels`; `None` where the pipeline has none.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn labels(&mut self) -> anyhow::Result<Option<Outcomes>> {
        let Some(labels) = &self.pipeline.learning.labels else { return Ok(None) };
        let topic = self.topic(PerPipeline::Labels);
        let rule = outcomes::Rule { horizon: labels.horizon, default: labels.default, slack: self.pipeline.source.lateness };
        let mut outcomes = Outcomes::new(&topic, &self.topic(PerPipeline::Predictions), rule);
        let decoder = &mut self.decoder;
        read(self.cluster, &self.bar, &topic, None, |record| {
            let label = decoder.label(record.payload())?;
            outcomes.label(record.partition(), record.offset(), label.as_ref());
            Ok(())
        })?;
        Ok(Some(outcomes))
    }

    /// Reads `<p>.outcomes`, and gives the verdict on them.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn outcomes(&mut self, mut outcomes: Outcomes) -> anyhow::Result<Section> {
        let topic = self.topic(PerPipeline::Outcomes);
        let decoder = &mut self.decoder;
        read(self.cluster, &self.bar, &topic, None, |record| {
            let outcome = decoder.outcome(record.payload())?;
            let source = self::source(outcome.source);
            let read = outcomes::Read { event_id: &outcome.event_id, label: outcome.label, label_time: outcome.label_time };
            outcomes.outcome(&derived(&topic, record, &source), &read);
            Ok(())
        })?;
        Ok(outcomes.finish())
    }

    /// Reads the upstream's own topic, as far as the ingestor has done it; `None` where the pipeline has none.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn upstream(&mut self) -> anyhow::Result<Option<Upstream>> {
        let Some(stage) = stages::upstream(self.pipeline) else { return Ok(None) };
        let ends = self.cluster.admin.ends(&stage.topic)?;
        let done = stages::stands(self.cluster, &stage)?;
        let mut upstream = Upstream::new(&stage.topic, ends.iter().zip(&done).map(|(ends, stand)| ends.start..stand.committed));
        read(self.cluster, &self.bar, &stage.topic, None, |record| {
            upstream.record(record.partition(), record.offset());
            Ok(())
        })?;
        Ok(Some(upstream))
    }

    /// Reads `<p>.raw` and `<p>.rejected` into a ledger, the rejected labels into `outcomes`, what came from the upstream's
    /// own topic into `upstream`; counts rejects by reason.
    ///
    /// # Errors
    /// When a topic cannot be read.
    pub(super) fn ledger(
        &mut self,
        ends: &[Ends],
        mut outcomes: Option<&mut Outcomes>,
        mut upstream: Option<&mut Upstream>,
    ) -> anyhow::Result<(Ledger, BTreeMap<String, u64>)> {
        let mut ledger = Ledger::new(&self.raw, ends, self.pipeline.source.dedupe);
        let (id, raw) = (self.pipeline.source.id, self.raw.clone());
        let decoder = &mut self.decoder;
        read(self.cluster, &self.bar, &self.raw, None, |record| {
            let row = decoder.raw(record.payload())?;
            let event_id = row.as_ref().and_then(|row| row.get(id)?.to_key());
            ledger.raw(record.partition(), record.offset(), record.key(), event_id.as_deref());
            if let (Some(upstream), Some(origin)) = (&mut upstream, record.header(origin::HEADER).and_then(Origin::parse)) {
                let at = At { topic: raw.clone(), partition: record.partition(), offset: record.offset() };
                upstream.raw(at, origin);
            }
            Ok(())
        })?;
        let mut reasons = BTreeMap::new();
        let topic = self.topic(PerPipeline::Rejected);
        let decoder = &mut self.decoder;
        read(self.cluster, &self.bar, &topic, None, |record| {
            let reject = decoder.reject(record.payload())?;
            let source = self::source(reject.source);
            let derived = derived(&topic, record, &source);
            ledger.rejected(&derived, &reject.reason);
            if let Some(outcomes) = &mut outcomes {
                outcomes.rejected(&derived);
            }
            if let Some(upstream) = &mut upstream {
                upstream.rejected(&derived);
            }
            *reasons.entry(reject.reason).or_default() += 1;
            Ok(())
        })?;
        Ok((ledger, reasons))
    }

    /// Reads `<p>.features`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn vectors(&mut self, ledger: &Ledger, ends: &[Ends]) -> anyhow::Result<(Vectors, Once)> {
        let layout = &self.pipeline.layout;
        let groups = layout.hop_features.iter().cloned().chain([layout.row_features()]).collect();
        let mut vectors = Vectors::new(groups, ends);
        let topic = self.topic(PerPipeline::Features);
        let mut once = Once::new(&topic, "vector", &self.raw, self.pipeline.source.partitions);
        let (decoder, version) = (&mut self.decoder, self.version);
        read(self.cluster, &self.bar, &topic, None, |record| {
            let vector = decoder.vector(record.payload())?;
            if once.record(ledger, &derived(&topic, record, &vector.source), &vector.event_id, &vector.event_id) {
                vectors.put(&vector.source, record.offset(), &vector.features, vector.pipeline_version == version);
            }
            Ok(())
        })?;
        Ok((vectors, once))
    }

    /// Reads `<p>.predictions`, also for `outcomes`; one checker per route, and the verdict on their models.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn predictions(&mut self, ledger: &Ledger, mut outcomes: Option<&mut Outcomes>) -> anyhow::Result<(Vec<Once>, Section)> {
        let deployed = self.deployed()?;
        let mut champions = Champions::new(&deployed);
        let topic = self.topic(PerPipeline::Predictions);
        let partitions = self.pipeline.source.partitions;
        let route = |name: &str| Once::new(&topic, &format!("prediction of route {name}"), &self.raw, partitions);
        let mut routes = BTreeMap::from([(DEFAULT_ROUTE.into(), route(DEFAULT_ROUTE))]);
        let decoder = &mut self.decoder;
        read(self.cluster, &self.bar, &topic, None, |record| {
            let prediction = decoder.prediction(record.payload())?;
            let once = routes.entry(prediction.route.clone()).or_insert_with(|| route(&prediction.route));
            let derived = derived(&topic, record, &prediction.source);
            once.record(ledger, &derived, &prediction.event_id, &prediction.event_id);
            champions.prediction(&derived, &prediction.event_id, &prediction.model);
            if let Some(outcomes) = &mut outcomes {
                outcomes.predicted((record.partition(), record.offset()), &prediction.event_id, prediction.event_time);
            }
            Ok(())
        })?;
        Ok((routes.into_values().collect(), champions.finish()))
    }

    /// The models that were deployed for the pipeline, in order.
    fn deployed(&mut self) -> anyhow::Result<Vec<ModelRef>> {
        let (name, decoder) = (&self.pipeline.name, &mut self.decoder);
        let mut deployed = Vec::new();
        read(self.cluster, &self.bar, Control::Registry.name(), None, |record| {
            let event: RegistryEvent = decoder.control(record.payload())?;
            if event.pipeline == *name && event.kind == "deployed" {
                deployed.push(event.model);
            }
            Ok(())
        })?;
        Ok(deployed)
    }

    /// Reads one partition of `<p>.valid` up to offset `until`: into the ledger, and through the fold of the first hop.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn first_hop(&mut self, ledger: &mut Ledger, vectors: &Vectors, at: (i32, i64)) -> anyhow::Result<(Found, HopState)> {
        self.fold(vectors, 0, at, |record, event_id, key, merge_time| ledger.valid(record, event_id, key, merge_time))
    }

    /// Reads one partition of `<p>.hop.<entity>` up to offset `until`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn next_hop(
        &mut self,
        ledger: &Ledger,
        once: &mut Once,
        vectors: &Vectors,
        hop: usize,
        at: (i32, i64),
    ) -> anyhow::Result<(Found, HopState)> {
        self.fold(vectors, hop, at, |record, event_id, key, _| once.record(ledger, record, event_id, key))
    }

    fn fold(
        &mut self,
        vectors: &Vectors,
        hop: usize,
        (partition, until): (i32, i64),
        mut take: impl FnMut(&Derived<'_>, &str, &str, i64) -> bool,
    ) -> anyhow::Result<(Found, HopState)> {
        let pipeline = self.pipeline;
        let topic = self.topic(PerPipeline::Hop(hop));
        let engine = Arc::new(Hop::new(pipeline.hops[hop].clone(), hop, &pipeline.layout.event)?);
        let row: Vec<Program> =
            if hop + 1 == pipeline.hops.len() { pipeline.row.iter().map(|f| f.program.clone()).collect() } else { Vec::new() };
        let mut fold = Fold::new(&pipeline.layout, vectors, hop, engine, &row);
        let decoder = &mut self.decoder;
        read(self.cluster, &self.bar, &topic, Some(partition), |record| {
            let event = match decoder.hop(hop, record.payload())? {
                HopInput::Event(event) => event,
                // it derives from a label: what is counted by raw record does not count it
                HopInput::Outcome(outcome) => {
                    if record.offset() < until {
                        fold.outcome(&outcome);
                    }
                    return Ok(());
                }
            };
            let derived = derived(&topic, record, &event.source);
            let key = event.entities.get(hop).filter(|key| !key.is_empty()).unwrap_or(&event.event_id);
            take(&derived, &event.event_id, key, event.merge_time);
            if record.offset() < until {
                fold.event(&derived, &event);
            }
            Ok(())
        })?;
        Ok(fold.finish())
    }

    /// Reads again what the vectors of `found` say, for the report.
    ///
    /// # Errors
    /// When a vector cannot be read.
    pub(super) fn explain(&mut self, found: Found) -> anyhow::Result<[Section; 2]> {
        let mut section = found.vectors;
        let topic = self.topic(PerPipeline::Features);
        for mismatch in found.mismatches {
            let partition = tidemill_events::partition::partition_of(mismatch.event_id.as_bytes(), self.pipeline.source.partitions);
            let mut scan = Scan::new(&self.cluster.brokers, &topic, &[(partition, mismatch.vector)], Isolation::ReadCommitted)?;
            let record = scan.next()?.with_context(|| format!("{topic} partition {partition} has lost offset {}", mismatch.vector))?;
            let vector = self.decoder.vector(record.payload())?;
            section.first.push(mismatch.violation(&self.pipeline.layout, &vector.features));
        }
        Ok([section, found.values])
    }

    /// Adds the event id to violations at raw records that lack it.
    ///
    /// # Errors
    /// When a record cannot be read.
    pub(super) fn name_events<'v>(&mut self, violations: impl Iterator<Item = &'v mut Violation>) -> anyhow::Result<()> {
        for violation in violations {
            let Some(at) = violation.at.as_ref().filter(|at| violation.event_id.is_none() && at.topic == self.raw) else { continue };
            let mut scan = Scan::new(&self.cluster.brokers, &at.topic, &[(at.partition, at.offset)], Isolation::ReadCommitted)?;
            if let Some(record) = scan.next()?.filter(|r| r.offset() == at.offset) {
                let row = self.decoder.raw(record.payload())?;
                violation.event_id = row.and_then(|row| row.get(self.pipeline.source.id)?.to_key()).map(Into::into);
            }
        }
        Ok(())
    }

    /// A checker of the input of hop `hop`.
    #[must_use]
    pub(super) fn once(&self, hop: usize) -> Once {
        Once::new(&self.topic(PerPipeline::Hop(hop)), "event", &self.raw, self.pipeline.source.partitions)
    }

    /// The name of one of the pipeline's topics.
    #[must_use]
    pub(super) fn topic(&self, topic: PerPipeline) -> String {
        topic.name(&self.pipeline.name, &self.pipeline.layout.entities)
    }
}

/// Hands every record of `topic`, or of one partition of it, to `each`.
fn read(
    cluster: &Cluster,
    bar: &ProgressBar,
    topic: &str,
    partition: Option<i32>,
    mut each: impl FnMut(&Record<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    bar.set_message(topic.to_owned());
    let mut scan = match partition {
        Some(partition) => Scan::new(&cluster.brokers, topic, &[(partition, 0)], Isolation::ReadCommitted)?,
        None => Scan::all(&cluster.brokers, topic, Isolation::ReadCommitted)?,
    };
    let mut records = 0;
    while let Some(record) = scan.next()? {
        each(&record).with_context(|| format!("{topic} partition {} offset {}", record.partition(), record.offset()))?;
        records += 1;
        if records % STEP == 0 {
            bar.inc(STEP);
        }
    }
    bar.inc(records % STEP);
    Ok(())
}

fn source(SourceRecord { topic, partition, offset }: SourceRecord) -> Source {
    Source { topic, partition, offset }
}

fn derived<'r>(topic: &'r str, record: &'r Record<'_>, source: &'r Source) -> Derived<'r> {
    Derived { topic, partition: record.partition(), offset: record.offset(), key: record.key(), source }
}
