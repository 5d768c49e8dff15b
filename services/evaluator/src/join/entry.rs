//! What waits in a join, and how it lies on disk.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tidemill_events::Source;
use tidemill_events::records::ModelRef;
use xxhash_rust::xxh3::xxh3_128;

/// A hash of an event id. Two of 10^11 ids share one with a probability of 10^-17.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct IdHash(u128);

impl IdHash {
    /// As they sort.
    pub(super) fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    pub(super) fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }
}

impl From<&CompactString> for IdHash {
    fn from(id: &CompactString) -> Self {
        Self(xxh3_128(id.as_bytes()))
    }
}

/// What is kept of a prediction until its label comes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Awaiting {
    pub(crate) event_id: CompactString,
    pub(crate) event_time: i64,
    /// Offset of the prediction's record.
    pub(crate) offset: i64,
    pub(crate) entities: Box<[CompactString]>,
    pub(crate) score: f64,
    pub(crate) decision: CompactString,
    pub(crate) route: CompactString,
    pub(crate) model: Arc<ModelRef>,
    /// Where it is followed: the `traceparent` that the label's span links to.
    pub(crate) trace: Option<Box<[u8]>>,
}

/// A label, and the record that brought it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Label {
    pub(crate) event_id: CompactString,
    pub(crate) label: f64,
    pub(crate) label_time: i64,
    pub(crate) source: Source,
    /// The record's value, for its reject.
    pub(crate) payload: Box<[u8]>,
    /// Where it is followed: its `traceparent`.
    pub(crate) trace: Option<Box<[u8]>>,
}

/// What is known of an event id.
#[derive(Debug, Clone)]
pub(super) enum Entry {
    Predicted(Arc<Awaiting>),
    Held(Arc<Label>),
    Joined { label: f64, event_time: i64 },
    Defaulted { event_time: i64 },
}

/// Bytes of a place in the table and in a queue, with their slack: measured by `join_costs`.
const PLACE: usize = 176;
/// Bytes of an allocation beyond what was asked for.
const ALLOCATION: usize = 16;

impl Entry {
    /// Bytes of memory, about.
    pub(super) fn size(&self) -> usize {
        let boxed = |bytes: usize| if bytes == 0 { 0 } else { bytes + ALLOCATION };
        let text = |text: &CompactString| if text.is_heap_allocated() { boxed(text.len()) } else { 0 };
        let trace = |trace: &Option<Box<[u8]>>| trace.as_ref().map_or(0, |trace| boxed(trace.len()));
        PLACE
            + match self {
                Entry::Predicted(awaiting) => {
                    let Awaiting { event_id, entities, decision, route, trace: followed, .. } = &**awaiting;
                    let entities = boxed(size_of_val::<[CompactString]>(entities)) + entities.iter().map(text).sum::<usize>();
                    boxed(size_of::<Awaiting>()) + entities + text(event_id) + text(decision) + text(route) + trace(followed)
                }
                Entry::Held(label) => boxed(size_of::<Label>()) + text(&label.event_id) + boxed(label.payload.len()) + trace(&label.trace),
                Entry::Joined { .. } | Entry::Defaulted { .. } => 0,
            }
    }
}

/// The models that predictions on disk name by number.
#[derive(Debug, Default)]
pub(super) struct Models(Vec<Arc<ModelRef>>);

impl Models {
    fn number(&mut self, model: &Arc<ModelRef>) -> u32 {
        let known = self.0.iter().rposition(|known| known == model);
        let at = known.unwrap_or_else(|| {
            self.0.push(model.clone());
            self.0.len() - 1
        });
        u32::try_from(at).unwrap_or(u32::MAX)
    }
}

/// An [`Entry`] as it lies on disk.
#[derive(Serialize, Deserialize)]
enum Stored<'a> {
    Predicted {
        event_id: CompactString,
        event_time: i64,
        offset: i64,
        entities: Box<[CompactString]>,
        score: f64,
        decision: CompactString,
        route: CompactString,
        model: u32,
        #[serde(borrow)]
        trace: Option<&'a [u8]>,
    },
    Held {
        event_id: CompactString,
        label: f64,
        label_time: i64,
        topic: CompactString,
        partition: i32,
        offset: i64,
        payload: &'a [u8],
        trace: Option<&'a [u8]>,
    },
    Joined {
        label: f64,
        event_time: i64,
    },
    Defaulted {
        event_time: i64,
    },
}

impl Entry {
    pub(super) fn encode(&self, models: &mut Models) -> Result<Vec<u8>, postcard::Error> {
        let stored = match self {
            Entry::Predicted(awaiting) => Stored::Predicted {
                event_id: awaiting.event_id.clone(),
                event_time: awaiting.event_time,
                offset: awaiting.offset,
                entities: awaiting.entities.clone(),
                score: awaiting.score,
                decision: awaiting.decision.clone(),
                route: awaiting.route.clone(),
                model: models.number(&awaiting.model),
                trace: awaiting.trace.as_deref(),
            },
            Entry::Held(held) => Stored::Held {
                event_id: held.event_id.clone(),
                label: held.label,
                label_time: held.label_time,
                topic: held.source.topic.clone(),
                partition: held.source.partition,
                offset: held.source.offset,
                payload: &held.payload,
                trace: held.trace.as_deref(),
            },
            Entry::Joined { label, event_time } => Stored::Joined { label: *label, event_time: *event_time },
            Entry::Defaulted { event_time } => Stored::Defaulted { event_time: *event_time },
        };
        postcard::to_allocvec(&stored)
    }

    pub(super) fn decode(bytes: &[u8], models: &Models) -> Result<Self, postcard::Error> {
        Ok(match postcard::from_bytes(bytes)? {
            Stored::Predicted { event_id, event_time, offset, entities, score, decision, route, model, trace } => {
                let model = models.0.get(model as usize).ok_or(postcard::Error::DeserializeBadEncoding)?.clone();
                let trace = trace.map(Box::from);
                Entry::Predicted(Arc::new(Awaiting { event_id, event_time, offset, entities, score, decision, route, model, trace }))
            }
            Stored::Held { event_id, label, label_time, topic, partition, offset, payload, trace } => {
                let source = Source { topic, partition, offset };
                let (payload, trace) = (payload.into(), trace.map(Box::from));
                Entry::Held(Arc::new(Label { event_id, label, label_time, source, payload, trace }))
            }
            Stored::Joined { label, event_time } => Entry::Joined { label, event_time },
            Stored::Defaulted { event_time } => Entry::Defaulted { event_time },
        })
    }
}
