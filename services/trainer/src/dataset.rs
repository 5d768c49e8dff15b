//! The join of vectors and outcomes by event id: pure, and the same rows whatever the order they come in.
//!
//! First the outcomes of a span of event time, then the vectors of the same span: an outcome is written after the
//! vector of its event, so where the outcomes end, all their vectors are there.

use compact_str::CompactString;
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use tidemill_events::control::Span;
use tidemill_events::layout::FeatureType;
use tidemill_events::{Layout, Source, Value, Vector};
use tidemill_training_set::{Columns, Row, Rows};

/// The label of one event.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Label {
    label: f64,
    label_time: i64,
    /// The row of its event's vector.
    row: Option<usize>,
}

/// A training set in the making.
pub struct Dataset {
    span: Span,
    /// Label of events that have none, and how long after the event it holds.
    default: Option<(f64, i64)>,
    /// Positions in the vector of the features that are numbers.
    numbers: Vec<usize>,
    labels: HashMap<CompactString, Label>,
    rows: Rows,
    /// Coordinates of each row's raw record: of two vectors of one event the one from the first record stands.
    places: Vec<(i64, i32, i64)>,
    values: Vec<f64>,
}

/// The features of `layout` that a model can learn from, and those that it cannot: text.
#[must_use]
pub fn columns(layout: &Layout) -> (Columns, Vec<CompactString>) {
    let (numbers, text) = layout.features.iter().partition::<Vec<_>, _>(|c| c.ty == FeatureType::Double);
    let names = |columns: Vec<&tidemill_events::layout::FeatureColumn>| columns.into_iter().map(|c| c.name.clone()).collect();
    (Columns { entities: layout.entities.clone(), features: names(numbers) }, names(text))
}

impl Dataset {
    /// An empty set of events in `span`; those without a label have `default` (the label, and after which time), if there is one.
    #[must_use]
    pub fn new(layout: &Layout, span: Span, default: Option<(f64, i64)>) -> Self {
        let numbers = layout.features.iter().enumerate().filter(|(_, c)| c.ty == FeatureType::Double).map(|(i, _)| i).collect();
        let rows = Rows::new(columns(layout).0);
        Self { span, default, numbers, labels: HashMap::new(), rows, places: Vec::new(), values: Vec::new() }
    }

    /// Takes up an outcome. There is one for each event; were there two, the earlier label would stand.
    pub fn outcome(&mut self, event_id: &str, event_time: i64, label: f64, label_time: i64) {
        if !self.holds(event_time) {
            return;
        }
        let new = Label { label, label_time, row: None };
        match self.labels.entry(event_id.into()) {
            Entry::Vacant(vacant) => {
                vacant.insert(new);
            }
            Entry::Occupied(mut known) => {
                let order = |l: &Label| (l.label_time, l.label.to_bits());
                if order(&new) < order(known.get()) {
                    known.insert(new);
                }
            }
        }
    }

    /// Takes up a vector, once all outcomes are there. One whose event is not in the span, or has no label, will be no row.
    pub fn vector(&mut self, vector: &Vector) {
        if !self.holds(vector.event_time) {
            return;
        }
        let default = self.default.map(|(label, after)| Label { label, label_time: vector.event_time.saturating_add(after), row: None });
        let entry = self.labels.entry(vector.event_id.clone());
        let label = match (entry, default) {
            (Entry::Occupied(known), _) => known.into_mut(),
            (Entry::Vacant(vacant), Some(default)) => vacant.insert(default),
            (Entry::Vacant(_), None) => return,
        };
        self.values.clear();
        self.values.extend(self.numbers.iter().map(|i| if let Some(Value::Double(v)) = vector.features.get(*i) { *v } else { f64::NAN }));
        let row = Row {
            event_id: &vector.event_id,
            event_time: vector.event_time,
            label: label.label,
            label_time: label.label_time,
            entities: &vector.entities,
            features: &self.values,
        };
        let place = place(vector.event_time, &vector.source);
        match label.row {
            None => {
                label.row = Some(self.rows.len());
                self.rows.push(&row);
                self.places.push(place);
            }
            Some(known) if place < self.places[known] => {
                self.rows.replace(known, &row);
                self.places[known] = place;
            }
            Some(_) => {}
        }
    }

    /// Events with a label so far, whether their vector has come or not.
    #[must_use]
    pub fn labelled(&self) -> usize {
        self.labels.len()
    }

    /// Rows so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The rows, by event time and, where that is the same, by event id.
    #[must_use]
    pub fn finish(self) -> Rows {
        let Self { rows, labels, places, .. } = self;
        // the rows are about to be there twice
        drop((labels, places));
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_unstable_by(|a, b| {
            let key = |row: usize| (rows.event_time[row], &rows.event_id[row]);
            key(*a).cmp(&key(*b))
        });
        rows.select(&order)
    }

    fn holds(&self, event_time: i64) -> bool {
        (self.span.from..self.span.to).contains(&event_time)
    }
}

fn place(event_time: i64, source: &Source) -> (i64, i32, i64) {
    (event_time, source.partition, source.offset)
}

#[cfg(test)]
mod tests;
