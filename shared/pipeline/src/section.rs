//! The sections of a pipeline file, each read and checked by its own module.

pub(crate) mod decision;
pub(crate) mod entities;
pub(crate) mod expect;
pub mod learning;
pub(crate) mod row;
pub(crate) mod source;

use tidemill_events::RecordSchema;
use tidemill_expr::{Scope, did_you_mean};

use crate::codes;
use crate::reader::Reader;
use crate::yaml::Node;
use tidemill_events::time::DAY;

/// Longest duration a file may hold: ten years, in microseconds.
pub(crate) const LONGEST: i64 = 3_650 * DAY;

/// The event schema, and its fields as variables.
pub(crate) struct Events {
    pub(crate) schema: RecordSchema,
    pub(crate) scope: Scope,
}

/// The slot of the field that `node` names.
pub(crate) fn field(reader: &mut Reader<'_>, events: &Events, node: &Node) -> Option<usize> {
    let name = reader.text(node)?;
    let slot = events.schema.slot(name);
    if slot.is_none() {
        let names = || events.schema.fields.iter().map(|f| f.name.as_str());
        let help = did_you_mean(name, names()).unwrap_or_else(|| format!("its fields: {}", names().collect::<Vec<_>>().join(", ")));
        let message = format!("`{}` has no field `{}`", events.schema.name, name.escape_debug());
        reader.error(codes::UNKNOWN_FIELD, node.range.clone(), message).help(help);
    }
    slot
}

/// Refuses a field whose text cannot be an id or key.
pub(crate) fn keyable(reader: &mut Reader<'_>, events: &Events, slot: usize, node: &Node, what: &str) -> Option<usize> {
    use tidemill_events::Type;
    let field = &events.schema.fields[slot];
    if matches!(field.ty, Type::String | Type::Enum(_) | Type::Int | Type::Long) {
        return Some(slot);
    }
    let message = format!("`{}` is a {} and cannot be {what}", field.name, field.ty);
    reader.error(codes::FIELD_TYPE, node.range.clone(), message).help("string, enum, int and long can");
    None
}
