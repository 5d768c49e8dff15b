//! Codec of the outcomes: what was decided, and what came true.

use super::{AvroSchema, Error, binary, with_header};
use crate::topics::PerPipeline;
use crate::{Layout, PredictionOutcome};
use compact_str::CompactString;

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
        with_header(self.id, out, |out| {
            binary::text(outcome.event_id, out);
            binary::long(outcome.event_time, out);
            binary::source(outcome.source, out);
            binary::entities(&self.entities, outcome.entities, out)?;
            binary::double(outcome.label, out);
            binary::long(outcome.label_time, out);
            binary::double(outcome.score, out);
            binary::text(outcome.decision, out);
            binary::text(outcome.route, out);
            binary::model(outcome.model, out);
            Ok(())
        })
    }
}
