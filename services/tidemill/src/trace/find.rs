//! Which raw records an event id names.

use crate::connect::Cluster;
use crate::decode::Decoder;
use tidemill_events::Source;
use tidemill_events::partition::partition_of;
use tidemill_events::topics::PerPipeline;
use tidemill_kafka::reader::{Isolation, Record, Scan};
use tidemill_pipeline::Pipeline;

/// Finds raw records by event id.
pub(super) struct Finder<'a> {
    cluster: &'a Cluster,
    pipeline: &'a Pipeline,
    decoder: Decoder,
}

impl<'a> Finder<'a> {
    pub(super) fn new(cluster: &'a Cluster, pipeline: &'a Pipeline) -> anyhow::Result<Self> {
        Ok(Self { cluster, pipeline, decoder: Decoder::new(cluster.registry.clone(), &pipeline.layout)? })
    }

    /// The raw records of event `id`. Predictions and vectors are keyed by it, so one partition tells; an
    /// event without either was rejected or is on its way, and raw has to be read, all of it.
    pub(super) fn sources(&mut self, id: &str) -> anyhow::Result<Vec<Source>> {
        let predicted = self.keyed(PerPipeline::Predictions, id, |d, payload| Ok(d.prediction(payload)?.source))?;
        if !predicted.is_empty() {
            return Ok(predicted);
        }
        let vectors = self.keyed(PerPipeline::Features, id, |d, payload| Ok(d.vector(payload)?.source))?;
        if vectors.is_empty() { self.raw(id) } else { Ok(vectors) }
    }

    /// The sources of the records of `topic` that are keyed by `id`, each once.
    fn keyed(
        &mut self,
        topic: PerPipeline,
        id: &str,
        source: impl Fn(&mut Decoder, Option<&[u8]>) -> anyhow::Result<Source>,
    ) -> anyhow::Result<Vec<Source>> {
        let topic = topic.name(&self.pipeline.name, &self.pipeline.layout.entities);
        let partition = partition_of(id.as_bytes(), self.pipeline.source.partitions);
        let mut scan = Scan::new(&self.cluster.brokers, &topic, &[(partition, 0)], Isolation::ReadCommitted)?;
        let mut sources = Vec::new();
        while let Some(record) = scan.next()? {
            if record.key() == Some(id.as_bytes()) {
                let source = source(&mut self.decoder, record.payload())?;
                if !sources.contains(&source) {
                    sources.push(source);
                }
            }
        }
        Ok(sources)
    }

    fn raw(&mut self, id: &str) -> anyhow::Result<Vec<Source>> {
        let topic = PerPipeline::Raw.name(&self.pipeline.name, &self.pipeline.layout.entities);
        let mut scan = Scan::all(&self.cluster.brokers, &topic, Isolation::ReadCommitted)?;
        let mut sources = Vec::new();
        while let Some(record) = scan.next()? {
            if self.has_id(&record, id)? {
                sources.push(Source { topic: topic.as_str().into(), partition: record.partition(), offset: record.offset() });
            }
        }
        Ok(sources)
    }

    fn has_id(&mut self, record: &Record<'_>, id: &str) -> anyhow::Result<bool> {
        // most records are ruled out without being decoded: text ids lie in the bytes as they are
        let slot = self.pipeline.source.id;
        let text = matches!(self.pipeline.layout.event.fields[slot].ty, tidemill_events::Type::String);
        let payload = record.payload().unwrap_or_default();
        if text && !payload.windows(id.len().max(1)).any(|part| part == id.as_bytes()) {
            return Ok(false);
        }
        let row = self.decoder.raw(record.payload())?;
        Ok(row.and_then(|row| row.get(slot)?.to_key()).is_some_and(|found| found == id))
    }
}
