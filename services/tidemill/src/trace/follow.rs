//! Follows one raw record through the topics after it.

use super::report::{Detail, Stop, Way};
use crate::connect::Cluster;
use crate::decode::Decoder;
use tidemill_events::partition::partition_of;
use tidemill_events::records::SourceRecord;
use tidemill_events::topics::PerPipeline;
use tidemill_events::{Event, HopInput, Prediction, Source, Value, Vector};
use tidemill_kafka::reader::{Isolation, Record, Scan};
use tidemill_pipeline::Pipeline;

/// Clocks of brokers may differ by this much, microseconds: a record that derives from another is looked
/// for from that much before the other was appended.
const CLOCK_SLACK: i64 = 5_000_000;

/// Follows raw records of one pipeline.
pub(super) struct Follower<'a> {
    cluster: &'a Cluster,
    pipeline: &'a Pipeline,
    decoder: Decoder,
}

/// A partition to look into, from an append time on.
#[derive(Clone, Copy)]
struct Place {
    topic: PerPipeline,
    partition: i32,
    /// Microseconds since 1970.
    since: i64,
}

impl<'a> Follower<'a> {
    pub(super) fn new(cluster: &'a Cluster, pipeline: &'a Pipeline) -> anyhow::Result<Self> {
        Ok(Self { cluster, pipeline, decoder: Decoder::new(cluster.registry.clone(), &pipeline.layout)? })
    }

    /// The way of the raw record at `source`, as far as it went.
    pub(super) fn follow(&mut self, source: &Source) -> anyhow::Result<Way> {
        let mut way = Way::default();
        let mut since = self.raw(source, &mut way)?;
        let place = |topic, partition, since| Place { topic, partition, since };
        let rejected = place(PerPipeline::Rejected, source.partition, since);
        let reject = |d: &mut Decoder, r: &Record<'_>| {
            let reject = d.reject(r.payload())?;
            let SourceRecord { topic, partition, offset } = &reject.source;
            // a rejected label has the coordinates of its own topic
            let own = (topic, *partition, *offset) == (&source.topic, source.partition, source.offset);
            Ok(own.then_some(reject))
        };
        if let Some((reject, stop)) = self.look(rejected, reject)? {
            way.stops.push(stop.with([detail("reason", &reject.reason), detail("detail", &reject.detail)]));
            return Ok(way);
        }
        for hop in 0..self.pipeline.hops.len() {
            let partition = if hop == 0 { source.partition } else { self.partition(hop, &way) };
            let event = |d: &mut Decoder, r: &Record<'_>| match d.hop(hop, r.payload())? {
                HopInput::Event(event) if event.source == *source => Ok(Some(event)),
                _ => Ok(None),
            };
            let topic = if hop == 0 { PerPipeline::Valid } else { PerPipeline::Hop(hop) };
            let Some((event, stop)) = self.look(place(topic, partition, since), event)? else { return Ok(self.lost(way, topic)) };
            since = stop.appended_at;
            way.stops.push(stop.with(self.event(hop, &event)));
            way.entities = event.entities.iter().map(ToString::to_string).collect();
            way.event_id = event.event_id.to_string();
        }
        self.scored(source, since, way)
    }

    /// Vector, prediction, and the outcome if the label is known.
    fn scored(&mut self, source: &Source, since: i64, mut way: Way) -> anyhow::Result<Way> {
        let partition = partition_of(way.event_id.as_bytes(), self.pipeline.source.partitions);
        let place = Place { topic: PerPipeline::Features, partition, since };
        let vector = |d: &mut Decoder, r: &Record<'_>| Ok(Some(d.vector(r.payload())?).filter(|v| v.source == *source));
        let Some((vector, stop)) = self.look(place, vector)? else { return Ok(self.lost(way, place.topic)) };
        let place = Place { topic: PerPipeline::Predictions, partition, since: stop.appended_at };
        way.stops.push(stop.with(self.vector(&vector)));
        let prediction = |d: &mut Decoder, r: &Record<'_>| Ok(Some(d.prediction(r.payload())?).filter(|p| p.source == *source));
        let Some((prediction, stop)) = self.look(place, prediction)? else { return Ok(self.lost(way, place.topic)) };
        let place = Place { topic: PerPipeline::Outcomes, partition, since: stop.appended_at };
        way.stops.push(stop.with(decided(&prediction)));
        let event_id = way.event_id.clone();
        let outcome = |d: &mut Decoder, r: &Record<'_>| Ok(Some(d.outcome(r.payload())?).filter(|o| o.event_id == event_id));
        if let Some((outcome, stop)) = self.look(place, outcome)? {
            let label = [("label", Value::Double(outcome.label)), ("label_time", Value::Timestamp(outcome.label_time))];
            way.stops.push(stop.with(label.iter().map(|(name, value)| Detail::of(name, value))));
        }
        Ok(way)
    }

    /// The raw record itself; its append time.
    fn raw(&mut self, source: &Source, way: &mut Way) -> anyhow::Result<i64> {
        let from = [(source.partition, source.offset)];
        let mut scan = Scan::new(&self.cluster.brokers, &source.topic, &from, Isolation::ReadCommitted)?;
        let Some(record) = scan.next()?.filter(|r| r.offset() == source.offset) else {
            anyhow::bail!("{} partition {} has no record at offset {}", source.topic, source.partition, source.offset)
        };
        let row = self.decoder.raw(record.payload())?.unwrap_or_default();
        let fields = self.pipeline.layout.event.fields.iter().map(|f| f.name.as_str()).zip(&row);
        let stop = stop(&source.topic, &record);
        let appended_at = stop.appended_at;
        way.stops.push(stop.with(fields.map(|(name, value)| Detail::of(name, value))));
        Ok(appended_at)
    }

    /// The first record at or after `place` of which `wanted` makes something.
    fn look<T>(
        &mut self,
        place: Place,
        wanted: impl Fn(&mut Decoder, &Record<'_>) -> anyhow::Result<Option<T>>,
    ) -> anyhow::Result<Option<(T, Stop)>> {
        let topic = self.topic(place.topic);
        let offsets = self.cluster.admin.offsets_at(&topic, place.since - CLOCK_SLACK)?;
        let from = usize::try_from(place.partition).ok().and_then(|p| offsets.get(p).copied().flatten());
        let Some(from) = from else { return Ok(None) };
        let mut scan = Scan::new(&self.cluster.brokers, &topic, &[(place.partition, from)], Isolation::ReadCommitted)?;
        while let Some(record) = scan.next()? {
            if let Some(found) = wanted(&mut self.decoder, &record)? {
                return Ok(Some((found, stop(&topic, &record))));
            }
        }
        Ok(None)
    }

    fn lost(&self, mut way: Way, topic: PerPipeline) -> Way {
        let name = &self.pipeline.name;
        way.missing = Some(format!(
            "not on {} yet: `tidemill wait {name}` says whether its stage has done all its input; if it has, the event is lost",
            self.topic(topic)
        ));
        way
    }

    /// The partition of hop `hop` to which the event went.
    fn partition(&self, hop: usize, way: &Way) -> i32 {
        let key = way.entities.get(hop).filter(|key| !key.is_empty()).unwrap_or(&way.event_id);
        partition_of(key.as_bytes(), self.pipeline.source.partitions)
    }

    fn event(&self, hop: usize, event: &Event) -> Vec<Detail> {
        let layout = &self.pipeline.layout;
        if hop == 0 {
            let entities = layout.entities.iter().zip(&event.entities);
            return entities.map(|(name, key)| detail(name, key)).collect();
        }
        // the earlier hops' features came with the earlier hops' records
        let before = layout.features_before(hop - 1);
        self.features(before, &event.features[before.min(event.features.len())..])
    }

    fn vector(&self, vector: &Vector) -> Vec<Detail> {
        let before = self.pipeline.layout.features_before(self.pipeline.hops.len().saturating_sub(1));
        self.features(before, &vector.features[before.min(vector.features.len())..])
    }

    fn features(&self, first: usize, values: &[Value]) -> Vec<Detail> {
        let columns = self.pipeline.layout.features.iter().skip(first);
        columns.zip(values).map(|(column, value)| Detail::of(&column.name, value)).collect()
    }

    fn topic(&self, topic: PerPipeline) -> String {
        topic.name(&self.pipeline.name, &self.pipeline.layout.entities)
    }
}

fn decided(prediction: &Prediction) -> Vec<Detail> {
    let Prediction { route, model, score, decision, .. } = prediction;
    let mut details = vec![Detail::of("score", &Value::Double(*score)), detail("decision", decision), detail("route", route)];
    details.push(detail("model", &format!("{} version {} ({})", model.name, model.version, model.stage)));
    details.extend(prediction.reasons.iter().map(|r| Detail::of(&r.feature, &Value::Double(r.contribution))));
    details
}

fn detail(name: &str, text: &str) -> Detail {
    Detail::of(name, &Value::String(text.into()))
}

fn stop(topic: &str, record: &Record<'_>) -> Stop {
    let key = record.key().map(|key| String::from_utf8_lossy(key).into_owned());
    Stop {
        topic: topic.to_owned(),
        partition: record.partition(),
        offset: record.offset(),
        key,
        appended_at: record.appended_at(),
        details: Vec::new(),
    }
}
