//! Invariant 5: each vector equals a single-threaded fold of the hop's own input partition, in offset order.

use super::ledger::Derived;
use super::recount::Recount;
use super::report::{At, Invariant, Section, Violation};
use super::vectors::{Compared, Vectors};
use crate::value::show;
use std::sync::Arc;
use tidemill_events::{Event, Layout, Outcome, Value};
use tidemill_expr::Program;
use tidemill_features::{Hop, HopState, feature};

/// Mismatches kept for a closer look; all are counted.
const KEPT: usize = 10;

/// The fold of one input partition of one hop.
pub(super) struct Fold<'a> {
    layout: &'a Layout,
    vectors: &'a Vectors,
    /// The hop's place.
    hop: usize,
    /// Row features, if this is the last hop.
    row: &'a [Program],
    state: HopState,
    recount: Recount,
    found: Found,
    scratch: Vec<Value>,
}

/// What a fold found.
pub(super) struct Found {
    /// Invariant 5.
    pub(super) vectors: Section,
    /// Invariant 3.
    pub(super) values: Section,
    /// The first vectors that differ, to be read again for what they say.
    pub(super) mismatches: Vec<Mismatch>,
    /// Differences from vectors that another version of the pipeline computed: not judged.
    pub(super) outdated: u64,
}

/// Features that are not those of the vector.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Mismatch {
    /// The hop-input record.
    pub(super) at: At,
    /// The event.
    pub(super) event_id: String,
    /// First column of `expected`.
    pub(super) column: usize,
    /// What the fold gives.
    pub(super) expected: Vec<Value>,
    /// Offset of the vector in its partition of `<p>.features`.
    pub(super) vector: i64,
}

impl<'a> Fold<'a> {
    /// Of hop number `place`; `row` are the row features if it is the last.
    #[must_use]
    pub(super) fn new(layout: &'a Layout, vectors: &'a Vectors, place: usize, hop: Arc<Hop>, row: &'a [Program]) -> Self {
        let found = Found {
            vectors: Section::new(Invariant::Vectors),
            values: Section::new(Invariant::Values),
            mismatches: Vec::new(),
            outdated: 0,
        };
        let (state, recount) = (HopState::new(hop.clone()), Recount::new(hop));
        Self { layout, vectors, hop: place, row, state, recount, found, scratch: Vec::new() }
    }

    /// Takes up the next record.
    pub(super) fn event(&mut self, record: &Derived<'_>, event: &Event) {
        for group in 0..self.hop {
            if let Some(carried) = event.features.get(self.vectors.group(group)) {
                self.compare(record, event, group, carried);
            }
        }
        let mut computed = std::mem::take(&mut self.scratch);
        computed.clear();
        self.state.process(event, &mut computed);
        self.state.commit();
        self.recounted(record, event, &computed);
        self.compare(record, event, self.hop, &computed);
        if !self.row.is_empty() {
            let mut nulls = 0;
            let row: Vec<Value> = self.row.iter().map(|program| feature(program.eval(&event.fields), &mut nulls)).collect();
            self.compare(record, event, self.layout.hop_features.len(), &row);
        }
        self.scratch = computed;
    }

    /// Takes up the next record, an outcome.
    pub(super) fn outcome(&mut self, outcome: &Outcome) {
        self.state.process_outcome(outcome);
        self.state.commit();
        self.recount.outcome(outcome);
    }

    /// What was found, and the state at the end.
    #[must_use]
    pub(super) fn finish(self) -> (Found, HopState) {
        (self.found, self.state)
    }

    fn compare(&mut self, record: &Derived<'_>, event: &Event, group: usize, expected: &[Value]) {
        match self.vectors.compare(&event.source, group, expected) {
            Compared::Missing => {}
            Compared::Outdated => self.found.outdated += 1,
            Compared::Equal => self.found.vectors.checked += 1,
            Compared::Differs(vector) => {
                self.found.vectors.checked += 1;
                self.found.vectors.violations += 1;
                if self.found.mismatches.len() < KEPT {
                    self.found.mismatches.push(Mismatch {
                        at: record.at(),
                        event_id: event.event_id.to_string(),
                        column: self.vectors.group(group).start,
                        expected: expected.to_vec(),
                        vector,
                    });
                }
            }
        }
    }

    fn recounted(&mut self, record: &Derived<'_>, event: &Event, computed: &[Value]) {
        let (checked, wrong) = self.recount.check(event, computed);
        self.found.values.checked += checked;
        for wrong in wrong {
            let name = &self.state.hop().spec().features[wrong.feature].name;
            self.found.values.violate(|| Violation {
                at: Some(record.at()),
                event_id: Some(event.event_id.to_string()),
                expected: format!("{name} = {}, added up from its window", show_double(wrong.expected)),
                found: format!("{name} = {}", show(&computed[wrong.feature])),
            });
        }
    }
}

impl Mismatch {
    /// The violation, given what the vector says. Names the columns that differ.
    #[must_use]
    pub(super) fn violation(&self, layout: &Layout, vector: &[Value]) -> Violation {
        let (mut expected, mut found) = (Vec::new(), Vec::new());
        for (i, value) in self.expected.iter().enumerate() {
            let column = self.column + i;
            let other = vector.get(column).unwrap_or(&Value::Null);
            if !value.bit_eq(other) {
                let name = layout.features.get(column).map_or("?", |c| c.name.as_str());
                expected.push(format!("{name} = {}", show(value)));
                found.push(format!("{name} = {}", show(other)));
            }
        }
        found.push(format!("on {}.features@{}", layout.pipeline, self.vector));
        Violation {
            at: Some(self.at.clone()),
            event_id: Some(self.event_id.clone()),
            expected: expected.join(", "),
            found: found.join(", "),
        }
    }
}

fn show_double(value: Option<f64>) -> String {
    value.map_or_else(|| "null".to_owned(), |v| v.to_string())
}
