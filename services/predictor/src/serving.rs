//! What REST needs of a pipeline: how to read a request, which states to ask for, how to finish a vector.

use crate::newest::Deployed;
use crate::score::Scorer;
use compact_str::CompactString;
use std::sync::Arc;
use tidemill_events::json::Reader;
use tidemill_events::partition::partition_of;
use tidemill_events::{Event, Source, Stage, Value, records};
use tidemill_features::{Hop, KeyState, Place, feature};
use tidemill_online_store::Partition;
use tidemill_pipeline::{Diagnostic, Pipeline};

/// A pipeline, ready to answer.
pub(crate) struct Serving {
    pub(crate) pipeline: Arc<Pipeline>,
    pub(crate) version: i32,
    /// Number of the deployment that answers; 0 is none, the bootstrap.
    pub(crate) deployment: i64,
    pub(crate) scorer: Scorer,
    /// Why a newer deployment does not answer.
    pub(crate) withheld: Option<String>,
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
    /// The pipeline of `record`, by what is `deployed`: the bootstrap, if nothing is.
    ///
    /// # Errors
    /// When this version cannot run the file, or the model does not fit it.
    pub(crate) fn new(record: &records::Pipeline, deployed: Option<&Deployed>, withheld: Option<&String>) -> Result<Self, String> {
        let told = |diagnostics: Vec<Diagnostic>| diagnostics.iter().map(|d| d.message.as_str()).collect::<Vec<_>>().join("; ");
        let pipeline = Arc::new(tidemill_pipeline::from_record(record).map_err(told)?);
        let hops = pipeline.hops.iter().enumerate();
        let hops = hops.map(|(position, spec)| Hop::new(spec.clone(), position, &pipeline.layout.event));
        let hops = hops.collect::<Result<Vec<_>, _>>().map_err(|e| e.to_string())?;
        let mut schema = pipeline.layout.event.clone();
        // a request may be about an event that has no id yet, and is about now unless it says when
        for slot in [pipeline.source.id, pipeline.source.time] {
            schema.fields[slot].nullable = true;
        }
        let scorer = deployed.map_or_else(|| Ok(Scorer::bootstrap(pipeline.clone())), |deployed| deployed.scorer(&pipeline))?;
        Ok(Self {
            version: record.pipeline_version,
            deployment: deployed.map_or(0, |d| d.number),
            scorer,
            withheld: withheld.cloned(),
            reader: Reader::new(schema),
            hops,
            pipeline,
        })
    }

    /// What a caller should know of who answers.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let missing = self.scorer.missing();
        let without = (!missing.is_empty()).then(|| format!("the pipeline no longer has features of the model: {}", missing.join(", ")));
        self.withheld.iter().cloned().chain(without).collect()
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
            partition: Partition::new(name.as_str(), &hop.spec().entity, partition_of(key.as_bytes(), source.partitions)),
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

#[cfg(test)]
mod tests {
    use super::*;
    use tidemill_events::Outcome;
    use tidemill_events::time::DAY;
    use tidemill_features::HopState;

    const T0: i64 = 17_000 * DAY;

    fn serving() -> Serving {
        let (file, event_schema) =
            (include_str!("../../../examples/payments/pipeline.yaml"), include_str!("../../../examples/payments/payment.avsc"));
        let record = records::Pipeline {
            pipeline: "payments-fraud".into(),
            pipeline_version: 1,
            digest: String::new(),
            file: file.into(),
            event_schema: event_schema.into(),
            applied_at: 0,
        };
        Serving::new(&record, None, None).unwrap()
    }

    fn outcome(offset: i64, event_time: i64, label: f64) -> Outcome {
        Outcome {
            event_id: "e".into(),
            event_time,
            source: Source { topic: "payments-fraud.labels".into(), partition: 0, offset },
            from: Stage::default(),
            merge_time: event_time + DAY,
            entities: vec!["c".into(), "t".into()],
            fields: Vec::new(),
            label,
            label_time: event_time + DAY,
        }
    }

    /// The shares of frauds among the terminal's events of 1, 7 and 30 days that ended 7 days before `t`.
    fn rates(serving: &Serving, terminal: Option<Vec<u8>>, t: i64) -> Vec<Value> {
        let body = format!(
            r#"{{"customer_id":"c","terminal_id":"t","amount":"1.00","event_time":"{}"}}"#,
            tidemill_events::time::format_instant(t)
        );
        let event = serving.event(body.as_bytes(), 0).unwrap();
        let (features, found) = serving.vector(&event, &[None, terminal]).unwrap();
        assert_eq!(found[1].last_event, None, "an outcome is no event of the terminal");
        features[9..12].to_vec()
    }

    #[test]
    fn label_windows_are_those_of_the_moment_that_is_asked_for() {
        let serving = serving();
        let mut state = HopState::new(Arc::new(serving.hops[1].clone()));
        state.restore_outcome(&outcome(0, T0, 1.0));
        state.restore_outcome(&outcome(1, T0 + DAY, 0.0));
        let packed = state.pack_from(0, usize::MAX).unwrap().0.remove(0).1;
        let rates = |terminal, t| rates(&serving, terminal, t);
        assert_eq!(rates(None, T0 + 8 * DAY), [0.0; 3].map(Value::Double), "no outcome is filled with 0");
        assert_eq!(rates(Some(packed.clone()), T0 + 7 * DAY - 1), [0.0; 3].map(Value::Double), "not a microsecond too early");
        assert_eq!(rates(Some(packed.clone()), T0 + 7 * DAY), [1.0; 3].map(Value::Double));
        assert_eq!(rates(Some(packed.clone()), T0 + 8 * DAY), [0.0, 0.5, 0.5].map(Value::Double), "the first has left the day");
        assert_eq!(rates(Some(packed), T0 + 14 * DAY), [0.0, 0.0, 0.5].map(Value::Double));
    }
}
