//! Codec of the outcomes: what was decided, and what came true.

use super::hop::{EntitiesRef, SourceRef};
use super::{AvroSchema, Error};
use crate::topics::PerPipeline;
use crate::{Layout, PredictionOutcome};
use compact_str::CompactString;
use serde::ser::{Serialize, SerializeStruct, Serializer};

/// Writes the records of `<p>.outcomes`.
#[derive(Clone)]
pub struct OutcomeCodec {
    entities: Vec<CompactString>,
    own: AvroSchema,
    id: u32,
}

impl OutcomeCodec {
    /// The codec of the layout's outcomes, whose schema is registered as `id`.
    ///
    /// # Errors
    /// [`Error::Schema`], which would be a fault in `schemas/`.
    pub fn new(layout: &Layout, id: u32) -> Result<Self, Error> {
        Ok(Self { entities: layout.entities.clone(), own: AvroSchema::parse(&layout.avro(PerPipeline::Outcomes))?, id })
    }

    /// The registered id that this codec writes.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The schema that this codec writes.
    #[must_use]
    pub fn schema(&self) -> &AvroSchema {
        &self.own
    }

    /// Appends header and datum of `outcome` to `out`.
    ///
    /// # Errors
    /// [`Error::Value`] when a value does not fit its field.
    pub fn encode(&self, outcome: &PredictionOutcome<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
        self.own.encode(self.id, &OutcomeRef(&self.entities, outcome), out)
    }
}

struct OutcomeRef<'a>(&'a [CompactString], &'a PredictionOutcome<'a>);

impl Serialize for OutcomeRef<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(names, o) = self;
        let mut s = serializer.serialize_struct("PredictionOutcome", 10)?;
        s.serialize_field("event_id", o.event_id)?;
        s.serialize_field("event_time", &o.event_time)?;
        s.serialize_field("source", &SourceRef(o.source))?;
        s.serialize_field("entities", &EntitiesRef(names, o.entities))?;
        s.serialize_field("label", &o.label)?;
        s.serialize_field("label_time", &o.label_time)?;
        s.serialize_field("score", &o.score)?;
        s.serialize_field("decision", o.decision)?;
        s.serialize_field("route", o.route)?;
        s.serialize_field("model", o.model)?;
        s.end()
    }
}
