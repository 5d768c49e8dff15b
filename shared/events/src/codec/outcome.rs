//! Codec of the outcomes: what was decided, and what came true.

use super::binary::{Reader, write};
use super::{AvroSchema, Error, with_header};
use crate::topics::PerPipeline;
use crate::views::OutcomeView;
use crate::{Layout, PredictionOutcome};
use compact_str::CompactString;

/// Writes the records of `<p>.outcomes`, and reads what judges and trains.
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
            write::text(outcome.event_id, out);
            write::long(outcome.event_time, out);
            write::source(outcome.source, out);
            write::entities(&self.entities, outcome.entities, out)?;
            write::double(outcome.label, out);
            write::long(outcome.label_time, out);
            write::double(outcome.score, out);
            write::text(outcome.decision, out);
            write::text(outcome.route, out);
            write::model(outcome.model, out);
            Ok(())
        })
    }

    /// Decodes what judges and trains of a datum that was written under `writer`.
    ///
    /// # Errors
    /// [`Error::Datum`] or [`Error::Trailing`].
    pub fn view<'de>(&self, writer: &AvroSchema, datum: &'de [u8]) -> Result<OutcomeView<'de>, Error> {
        if !writer.is(&self.own) {
            return writer.decode(datum);
        }
        let mut left = Reader::new(datum);
        let (event_id, event_time) = (left.text()?, left.long()?);
        left.source_partition()?;
        left.pass_texts(self.entities.len())?;
        let (label, label_time, score) = (left.double()?, left.long()?, left.double()?);
        let decision = left.text()?;
        left.pass_texts(1)?;
        let model = left.model()?;
        left.end().map(|()| OutcomeView { event_id, event_time, label, label_time, score, decision, model })
    }
}
