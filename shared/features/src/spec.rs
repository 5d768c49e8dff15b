//! What a hop computes: compiled from the pipeline file.

use compact_str::CompactString;
use tidemill_events::{Value, partition};
use tidemill_expr::Program;

/// How a window's entries become one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Aggregate {
    /// Number of events.
    Count,
    /// Sum of the column.
    Sum,
    /// Arithmetic mean of the column.
    Mean,
    /// Smallest value of the column.
    Min,
    /// Largest value of the column.
    Max,
}

/// What a feature aggregates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Of {
    /// The events themselves: a count.
    Events,
    /// The values of one of [`HopSpec::columns`].
    Column(usize),
    /// The labels of outcomes, each at its event's time. They can be aggregated, not counted.
    Label,
}

/// One column of the feature vector: a feature over one of its windows.
#[derive(Debug, Clone)]
pub struct FeatureSpec {
    /// The vector's column: `<entity>_<feature>_<window>`.
    pub name: CompactString,
    /// How.
    pub aggregate: Aggregate,
    /// Of what.
    pub of: Of,
    /// Window length `w`, microseconds: the window is `(t-d-w, t-d]`.
    pub window: i64,
    /// Delay `d`, microseconds.
    pub delay: i64,
    /// What an empty window gives; null if `None`. (An empty count is 0 without it.)
    pub fill: Option<f64>,
}

/// An entity of the pipeline: a hop of the stream.
#[derive(Debug, Clone)]
pub struct HopSpec {
    /// The entity's name.
    pub entity: CompactString,
    /// Event fields whose text is the key; more than one make a composite key.
    pub key: Vec<usize>,
    /// What the features aggregate, over the event's fields; each distinct expression once.
    pub columns: Vec<Program>,
    /// The features, in vector order.
    pub features: Vec<FeatureSpec>,
    /// How late an event may come, microseconds: it widens what the state keeps.
    pub lateness: i64,
}

impl HopSpec {
    /// Whether a feature looks at labels: then the outcomes of the entity's events belong into the hop's input.
    #[must_use]
    pub fn reads_labels(&self) -> bool {
        self.features.iter().any(|feature| feature.of == Of::Label)
    }

    /// The key of this entity in an event's fields: the text of its field, or its fields' together; empty
    /// where one of them is missing.
    #[must_use]
    pub fn key_of(&self, fields: &[Value]) -> CompactString {
        let part = |slot: &usize| fields.get(*slot).and_then(Value::to_key);
        match &self.key[..] {
            [one] => part(one).unwrap_or_default(),
            several => several
                .iter()
                .map(part)
                .collect::<Option<Vec<_>>>()
                .map_or_else(CompactString::default, |parts| partition::composite_key(&parts).into()),
        }
    }
}
