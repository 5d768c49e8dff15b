//! What REST needs of a pipeline: how to read a request, which states to ask for, how to finish a vector.

use crate::score::Scorer;
use compact_str::CompactString;
use std::sync::Arc;
use tidemill_events::json::Reader;
use tidemill_events::partition::partition_of;
use tidemill_events::{Event, Source, Stage, Value, records};
use tidemill_features::{Hop, KeyState, Place, feature};
use tidemill_online_store::Partition;
use tidemill_pipeline::{Diagnostic, Pipeline};

/// Generation of topics and states, until pipelines can be backfilled into another.
const GENERATION: u32 = 1;

/// A pipeline, ready to answer.
pub(crate) struct Serving {
    pub(crate) pipeline: Arc<Pipeline>,
    pub(crate) version: i32,
    pub(crate) scorer: Scorer,
    reader: Reader,
    hops: Vec<Hop>,
}

/// An entity that the request names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entity {
    /// Empty where the request has none.
    pub(crate) key: CompactString,
    /// Where its state lives.
    pub(crate) partition: Partition,
}

/// A state that was found for an entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Found {
    /// Event time of its newest event, microseconds since 1970; `None` where the entity is unknown.
    pub(crate) last_event: Option<i64>,
}

impl Serving {
    pub(crate) fn new(record: &records::Pipeline) -> Result<Self, Vec<Diagnostic>> {
        let pipeline = Arc::new(tidemill_pipeline::from_record(record)?);
        let hops = pipeline.hops.iter().enumerate();
        let hops = hops.map(|(position, spec)| Hop::new(spec.clone(), position, &pipeline.layout.event));
        // a hop that cannot be made was refused when the file was checked
        let hops = hops.collect::<Result<Vec<_>, _>>().map_err(|_| Vec::new())?;
        let mut schema = pipeline.layout.event.clone();
        // a request may be about an event that has no id yet, and is about now unless it says when
        for slot in [pipeline.source.id, pipeline.source.time] {
            schema.fields[slot].nullable = true;
        }
        Ok(Self {
            version: record.pipeline_version,
            scorer: Scorer::bootstrap(pipeline.clone()),
            reader: Reader::new(schema),
            hops,
            pipeline,
        })
    }

    /// The event of a request, at `now` (microseconds since 1970) unless it has a time of its own.
    pub(crate) fn event(&self, body: &[u8], now: i64) -> Result<Event, tidemill_events::json::Error> {
        let mut fields = self.reader.read(body)?;
        let source = &self.pipeline.source;
        let event_time = if let Value::Timestamp(t) = fields[source.time] { t } else { now };
        fields[source.time] = Value::Timestamp(event_time);
        Ok(Event {
            event_id: fields[source.id].to_key().unwrap_or_default(),
            event_time,
            source: Source::default(),
            ingested_at: now,
            from: Stage::default(),
            merge_time: event_time,
            entities: self.pipeline.hops.iter().map(|hop| hop.key_of(&fields)).collect(),
            fields,
            features: Vec::new(),
        })
    }

    /// Where the states of the event's entities live.
    pub(crate) fn entities(&self, event: &Event) -> Vec<Entity> {
        let Pipeline { name, source, .. } = &*self.pipeline;
        let hops = self.hops.iter().zip(&event.entities);
        hops.map(|(hop, key)| Entity {
            key: key.clone(),
            partition: Partition {
                pipeline: name.as_str().into(),
                generation: GENERATION,
                entity: hop.spec().entity.clone(),
                partition: partition_of(key.as_bytes(), source.partitions),
            },
        })
        .collect()
    }

    /// The vector that the stream would give the event if it came next, from its entities' packed states.
    pub(crate) fn vector(&self, event: &Event, states: &[Option<Vec<u8>>]) -> Result<(Vec<Value>, Vec<Found>), String> {
        let (mut features, mut found, mut nulls) = (Vec::new(), Vec::new(), 0);
        for (hop, packed) in self.hops.iter().zip(states) {
            let entity = &hop.spec().entity;
            let mut state = match packed {
                Some(bytes) => KeyState::unpack(bytes, hop).map_err(|e| format!("the state of {entity} in the online store: {e}"))?,
                None => KeyState::new(hop),
            };
            found.push(Found { last_event: state.last_event_time() });
            if !hop.key(event).is_empty() {
                let cells = hop.cells(event, &mut nulls);
                // after everything that has the same time
                let place = Place { event_time: event.event_time, partition: i32::MAX, offset: i64::MAX };
                state.insert(hop, place, event.merge_time, &cells);
            }
            state.read(hop, event.event_time, &mut features);
        }
        features.extend(self.pipeline.row.iter().map(|row| feature(row.program.eval(&event.fields), &mut nulls)));
        Ok((features, found))
    }
}
