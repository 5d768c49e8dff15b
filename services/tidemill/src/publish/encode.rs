//! One row of a source as a line of JSON under the event schema.

use super::batch::Filling;
use super::cell;
use super::source::Source;
use tidemill_events::RecordSchema;
use tidemill_events::schema::Field;
use tidemill_pipeline::Pipeline;

/// What of an event the publisher has to know.
#[derive(Debug, Clone)]
pub struct Shape {
    /// The event schema: its fields are sent, in this order, and nothing else.
    pub schema: RecordSchema,
    /// Slot of the event id.
    pub id: usize,
    /// Slot of the event time.
    pub time: usize,
    /// Slots of the first entity's key.
    pub key: Vec<usize>,
    /// Partitions of `<p>.raw`.
    pub partitions: u32,
}

impl Shape {
    /// The shape of `pipeline`'s events.
    #[must_use]
    pub fn of(pipeline: &Pipeline) -> Self {
        Self {
            schema: pipeline.layout.event.clone(),
            id: pipeline.source.id,
            time: pipeline.source.time,
            key: pipeline.hops.first().map(|hop| hop.key.clone()).unwrap_or_default(),
            partitions: pipeline.source.partitions,
        }
    }
}

/// Writes rows whose columns are the schema's fields, in schema order.
pub(super) struct Encoder {
    /// Each field with what stands before its value: `,"name":`.
    fields: Vec<(Field, Vec<u8>)>,
    id: usize,
    time: usize,
    key: Vec<usize>,
}

impl Encoder {
    pub(super) fn new(shape: &Shape) -> Self {
        let with_prefix = |field: &Field| {
            let mut prefix = vec![b','];
            cell::string(&field.name, &mut prefix);
            prefix.push(b':');
            (field.clone(), prefix)
        };
        let fields = shape.schema.fields.iter().map(with_prefix).collect();
        Self { fields, id: shape.id, time: shape.time, key: shape.key.clone() }
    }

    /// Appends the current row of `source` to `batch`.
    ///
    /// An absent value is written as null where the field may be null and left out where it may not, so
    /// that the schema's default holds, or the ingestor names the field that is missing.
    pub(super) fn event(&self, source: &dyn Source, batch: &mut Filling) {
        batch.push(|body| {
            let open = body.len();
            let mut id = 0..0;
            for (slot, (field, prefix)) in self.fields.iter().enumerate() {
                let cell = source.cell(slot);
                if cell == cell::Cell::Null && !field.nullable {
                    continue;
                }
                body.extend_from_slice(prefix);
                let start = body.len();
                cell.write(field, body);
                if slot == self.id {
                    id = start..body.len();
                }
            }
            match body.get_mut(open) {
                Some(comma) => *comma = b'{',
                None => body.push(b'{'),
            }
            body.push(b'}');
            id
        });
    }

    /// The event time of the current row, microseconds since 1970, where it can be read.
    pub(super) fn time(&self, source: &dyn Source) -> Option<i64> {
        source.cell(self.time).instant(&self.fields[self.time].0.ty)
    }

    /// Puts the key of the row's first entity into `key`, the event id where the event has no such entity.
    pub(super) fn key(&self, source: &dyn Source, key: &mut Vec<u8>) {
        key.clear();
        for (i, &slot) in self.key.iter().enumerate() {
            if i > 0 {
                key.push(0);
            }
            source.cell(slot).key(key);
        }
        if key.is_empty() {
            source.cell(self.id).key(key);
        }
    }
}
