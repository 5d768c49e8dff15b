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
    /// Both are there, and their outcome is still to be told.
    Met(Arc<Awaiting>, Arc<Label>),
    Joined {
        label: f64,
        event_time: i64,
    },
    Defaulted {
        event_time: i64,
    },
}

/// Bytes of a place in the table and in a queue, with their slack: measured by `join_costs`.
const PLACE: usize = 176;
/// Bytes of an allocation beyond what was asked for.
const ALLOCATION: usize = 16;

fn boxed(bytes: usize) -> usize {
    if bytes == 0 { 0 } else { bytes + ALLOCATION }
}

fn text(text: &CompactString) -> usize {
    if text.is_heap_allocated() { boxed(text.len()) } else { 0 }
}

fn trace(trace: Option<&[u8]>) -> usize {
    trace.map_or(0, |trace| boxed(trace.len()))
}

impl Awaiting {
    /// Bytes of memory, about.
    fn size(&self) -> usize {
        let entities = boxed(size_of_val::<[CompactString]>(&self.entities)) + self.entities.iter().map(text).sum::<usize>();
        let texts = text(&self.event_id) + text(&self.decision) + text(&self.route);
        boxed(size_of::<Awaiting>()) + entities + texts + trace(self.trace.as_deref())
    }
}

impl Label {
    /// Bytes of memory, about.
    fn size(&self) -> usize {
        boxed(size_of::<Label>()) + text(&self.event_id) + boxed(self.payload.len()) + trace(self.trace.as_deref())
    }
}

impl Entry {
    /// Bytes of memory, about.
    pub(super) fn size(&self) -> usize {
        PLACE
            + match self {
                Entry::Predicted(awaiting) => awaiting.size(),
                Entry::Held(label) => label.size(),
                Entry::Met(awaiting, label) => awaiting.size() + label.size(),
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

/// An [`Awaiting`] as it lies on disk.
#[derive(Serialize, Deserialize)]
struct StoredAwaiting<'a> {
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
}

impl<'a> StoredAwaiting<'a> {
    fn of(awaiting: &'a Awaiting, models: &mut Models) -> Self {
        Self {
            event_id: awaiting.event_id.clone(),
            event_time: awaiting.event_time,
            offset: awaiting.offset,
            entities: awaiting.entities.clone(),
            score: awaiting.score,
            decision: awaiting.decision.clone(),
            route: awaiting.route.clone(),
            model: models.number(&awaiting.model),
            trace: awaiting.trace.as_deref(),
        }
    }

    fn load(self, models: &Models) -> Result<Arc<Awaiting>, postcard::Error> {
        let Self { event_id, event_time, offset, entities, score, decision, route, model, trace } = self;
        let model = models.0.get(model as usize).ok_or(postcard::Error::DeserializeBadEncoding)?.clone();
        let trace = trace.map(Box::from);
        Ok(Arc::new(Awaiting { event_id, event_time, offset, entities, score, decision, route, model, trace }))
    }
}

/// A [`Label`] as it lies on disk.
#[derive(Serialize, Deserialize)]
struct StoredLabel<'a> {
    event_id: CompactString,
    label: f64,
    label_time: i64,
    topic: CompactString,
    partition: i32,
    offset: i64,
    payload: &'a [u8],
    trace: Option<&'a [u8]>,
}

impl<'a> StoredLabel<'a> {
    fn of(label: &'a Label) -> Self {
        Self {
            event_id: label.event_id.clone(),
            label: label.label,
            label_time: label.label_time,
            topic: label.source.topic.clone(),
            partition: label.source.partition,
            offset: label.source.offset,
            payload: &label.payload,
            trace: label.trace.as_deref(),
        }
    }

    fn load(self) -> Arc<Label> {
        let Self { event_id, label, label_time, topic, partition, offset, payload, trace } = self;
        let source = Source { topic, partition, offset };
        Arc::new(Label { event_id, label, label_time, source, payload: payload.into(), trace: trace.map(Box::from) })
    }
}

/// An [`Entry`] as it lies on disk.
#[derive(Serialize, Deserialize)]
enum Stored<'a> {
    Predicted(#[serde(borrow)] StoredAwaiting<'a>),
    Held(#[serde(borrow)] StoredLabel<'a>),
    Met(#[serde(borrow)] StoredAwaiting<'a>, #[serde(borrow)] StoredLabel<'a>),
    Joined { label: f64, event_time: i64 },
    Defaulted { event_time: i64 },
}

impl Entry {
    pub(super) fn encode(&self, models: &mut Models) -> Result<Vec<u8>, postcard::Error> {
        let stored = match self {
            Entry::Predicted(awaiting) => Stored::Predicted(StoredAwaiting::of(awaiting, models)),
            Entry::Held(label) => Stored::Held(StoredLabel::of(label)),
            Entry::Met(awaiting, label) => Stored::Met(StoredAwaiting::of(awaiting, models), StoredLabel::of(label)),
            Entry::Joined { label, event_time } => Stored::Joined { label: *label, event_time: *event_time },
            Entry::Defaulted { event_time } => Stored::Defaulted { event_time: *event_time },
        };
        postcard::to_allocvec(&stored)
    }

    pub(super) fn decode(bytes: &[u8], models: &Models) -> Result<Self, postcard::Error> {
        Ok(match postcard::from_bytes(bytes)? {
            Stored::Predicted(awaiting) => Entry::Predicted(awaiting.load(models)?),
            Stored::Held(label) => Entry::Held(label.load()),
            Stored::Met(awaiting, label) => Entry::Met(awaiting.load(models)?, label.load()),
            Stored::Joined { label, event_time } => Entry::Joined { label, event_time },
            Stored::Defaulted { event_time } => Entry::Defaulted { event_time },
        })
    }
}
