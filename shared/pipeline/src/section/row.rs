//! `row`: features of one event, computed from its own fields.

use super::Events;
use crate::reader::Reader;
use crate::yaml::Entry;
use compact_str::CompactString;
use std::ops::Range;
use tidemill_events::layout::FeatureType;
use tidemill_expr::{Program, Ty};

/// A feature computed from the event alone.
#[derive(Debug, Clone, PartialEq)]
pub struct RowFeature {
    /// The vector's column.
    pub name: CompactString,
    /// What it is, over the event's fields. See [`RowFeature::column_type`] for what the vector holds.
    pub program: Program,
}

impl RowFeature {
    /// The type of the vector's column: texts stay texts; numbers become doubles, true 1.0 and false 0.0.
    #[must_use]
    pub fn column_type(&self) -> FeatureType {
        if self.program.ty() == Ty::String { FeatureType::String } else { FeatureType::Double }
    }
}

pub(crate) fn read(
    reader: &mut Reader<'_>,
    entry: &Entry,
    events: Option<&Events>,
    places: &mut Vec<(CompactString, Range<usize>)>,
) -> Vec<RowFeature> {
    let wanted = [Ty::Double, Ty::Decimal, Ty::Int, Ty::Bool, Ty::String];
    let mut features = Vec::new();
    for item in reader.entries(entry, "features").unwrap_or_default() {
        let named = reader.name(&item.key, '_', item.key_range.clone());
        let program = reader.expression(&item.value, events.map(|e| &e.scope), &wanted);
        let name = CompactString::from(item.key.as_str());
        places.push((name.clone(), item.key_range.clone()));
        if let (Some(()), Some(program)) = (named, program) {
            features.push(RowFeature { name, program });
        }
    }
    features
}
