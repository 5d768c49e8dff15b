//! A hop made ready to run: what its features read, how long entries live, how its state is recognised.

use crate::column::{Cell, How, Kind, LABEL};
use crate::settle::usable;
use crate::{Aggregate, Error, FeatureSpec, HopSpec, Of};
use compact_str::CompactString;
use sha2::{Digest, Sha256};
use smallvec::SmallVec;
use tidemill_events::{Event, Outcome, RecordSchema, Type, Value};
use tidemill_expr::{Program, Ty};

/// A hop of a pipeline, resolved once against the event schema.
#[derive(Debug, Clone)]
pub struct Hop {
    spec: HopSpec,
    position: usize,
    horizon: i64,
    label_horizon: i64,
    fingerprint: u64,
    kinds: Vec<Kind>,
    windows: Vec<Window>,
    label_windows: Vec<Window>,
    features: Vec<Feature>,
}

/// A stretch of time before the moment of a read that at least one feature looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) delay: i64,
    pub(crate) length: i64,
}

/// A feature, with its window's and its column's index.
#[derive(Debug, Clone)]
pub(crate) struct Feature {
    pub(crate) take: Take,
    /// Among the windows of events or, for a label feature, those of labels.
    pub(crate) window: usize,
    pub(crate) fill: Option<f64>,
}

/// What a feature computes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Take {
    Count,
    Column(How, usize),
    Label(How),
}

impl Hop {
    /// The hop at place `position` among the pipeline's entities (0 is the first), over events of schema `event`.
    ///
    /// # Errors
    /// [`Error::Spec`] where a feature names no column, or a column is not a number.
    pub fn new(spec: HopSpec, position: usize, event: &RecordSchema) -> Result<Self, Error> {
        let fault = |what: String| Error::Spec { entity: spec.entity.to_string(), what };
        let kinds = spec.columns.iter().map(|p| kind(p, event)).collect::<Result<Vec<_>, _>>().map_err(fault)?;
        let (mut windows, mut label_windows) = (Vec::new(), Vec::new());
        let mut features = Vec::new();
        for feature in &spec.features {
            let take = take(feature, kinds.len()).map_err(fault)?;
            let windows = if feature.of == Of::Label { &mut label_windows } else { &mut windows };
            let window = Window { delay: feature.delay, length: feature.window };
            let known = windows.iter().position(|w| *w == window).unwrap_or_else(|| {
                windows.push(window);
                windows.len() - 1
            });
            features.push(Feature { take, window: known, fill: feature.fill });
        }
        let (horizon, label_horizon) = (horizon(&windows, spec.lateness), horizon(&label_windows, spec.lateness));
        let labels = (!label_windows.is_empty()).then_some(label_horizon);
        let fingerprint = fingerprint(&spec.columns, &kinds, horizon, labels);
        Ok(Self { spec, position, horizon, label_horizon, fingerprint, kinds, windows, label_windows, features })
    }

    /// What it was made from.
    #[must_use]
    pub fn spec(&self) -> &HopSpec {
        &self.spec
    }

    /// How long before the largest merge time an event is kept, microseconds.
    #[must_use]
    pub fn horizon(&self) -> i64 {
        self.horizon
    }

    /// How long before the largest merge time the outcome of an event is kept, microseconds.
    #[must_use]
    pub fn label_horizon(&self) -> i64 {
        self.label_horizon
    }

    /// Whether a feature looks at labels; if not, outcomes change nothing.
    #[must_use]
    pub fn reads_labels(&self) -> bool {
        !self.label_windows.is_empty()
    }

    /// Names what shapes a state: columns, horizons, whether it holds outcomes. States of another fingerprint are not read.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// The key of `event` here; empty where it has none.
    #[must_use]
    pub fn key<'a>(&self, event: &'a Event) -> &'a str {
        self.own(&event.entities)
    }

    /// The key of `outcome` here; empty where it has none, or where no feature looks at labels.
    #[must_use]
    pub fn outcome_key<'a>(&self, outcome: &'a Outcome) -> &'a str {
        if self.reads_labels() { self.own(&outcome.entities) } else { "" }
    }

    fn own<'a>(&self, entities: &'a [CompactString]) -> &'a str {
        entities.get(self.position).map_or("", |key| key.as_str())
    }

    /// The column values of `event`. Each that is an error, null, NaN, infinite or outside what the
    /// column can hold is null and adds one to `nulls`.
    #[must_use]
    pub fn cells(&self, event: &Event, nulls: &mut u64) -> SmallVec<[Cell; 2]> {
        let columns = self.spec.columns.iter().zip(&self.kinds);
        columns
            .map(|(program, kind)| {
                let value = usable(program.eval(&event.fields), nulls);
                if value.is_null() {
                    return Cell::Null;
                }
                kind.cell(&value).unwrap_or_else(|| {
                    *nulls += 1;
                    Cell::Null
                })
            })
            .collect()
    }

    /// The label of `outcome`. One that is NaN or infinite is null and adds one to `nulls`.
    pub(crate) fn label(&self, outcome: &Outcome, nulls: &mut u64) -> Cell {
        LABEL.cell(&Value::Double(outcome.label)).unwrap_or_else(|| {
            *nulls += 1;
            Cell::Null
        })
    }

    pub(crate) fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    pub(crate) fn windows(&self) -> &[Window] {
        &self.windows
    }

    pub(crate) fn label_windows(&self) -> &[Window] {
        &self.label_windows
    }

    pub(crate) fn features(&self) -> &[Feature] {
        &self.features
    }
}

fn take(feature: &FeatureSpec, columns: usize) -> Result<Take, String> {
    let how = match feature.aggregate {
        Aggregate::Count => None,
        Aggregate::Sum => Some(How::Sum),
        Aggregate::Mean => Some(How::Mean),
        Aggregate::Min => Some(How::Min),
        Aggregate::Max => Some(How::Max),
    };
    match (how, feature.of) {
        (None, Of::Events) => Ok(Take::Count),
        (Some(how), Of::Column(column)) if column < columns => Ok(Take::Column(how, column)),
        (Some(how), Of::Label) => Ok(Take::Label(how)),
        _ => Err(format!("feature `{}` cannot be the {:?} of {:?}", feature.name, feature.aggregate, feature.of)),
    }
}

/// How long entries that these windows look at are kept.
fn horizon(windows: &[Window], lateness: i64) -> i64 {
    let reach = windows.iter().map(|w| w.delay.saturating_add(w.length)).max().unwrap_or(0);
    reach.saturating_add(lateness)
}

/// How a column is kept. A decimal's scale is the largest among the decimal fields that the expression
/// reads: arithmetic makes doubles, so no result has more digits.
fn kind(program: &Program, event: &RecordSchema) -> Result<Kind, String> {
    match program.ty() {
        Ty::Double => Ok(Kind::Double),
        Ty::Int | Ty::Bool => Ok(Kind::Exact { scale: 0 }),
        Ty::Decimal => {
            let scales = program.slots().iter().filter_map(|slot| match event.fields.get(*slot)?.ty {
                Type::Decimal { scale, .. } => Some(scale),
                _ => None,
            });
            Ok(Kind::Exact { scale: scales.max().unwrap_or(0) })
        }
        ty @ (Ty::Null | Ty::String | Ty::Timestamp) => Err(format!("`{}` is a {ty}, which cannot be aggregated", program.source())),
    }
}

/// `labels` is the horizon of outcomes where a state holds them; where not, the fingerprint is what it was
/// before states could.
fn fingerprint(columns: &[Program], kinds: &[Kind], horizon: i64, labels: Option<i64>) -> u64 {
    let mut hash = Sha256::new();
    hash.update(horizon.to_le_bytes());
    for (program, kind) in columns.iter().zip(kinds) {
        hash.update((program.source().len() as u64).to_le_bytes());
        hash.update(program.source());
        hash.update(kind.tag().to_le_bytes());
    }
    if let Some(horizon) = labels {
        hash.update("labels");
        hash.update(horizon.to_le_bytes());
    }
    let digest = hash.finalize();
    digest.iter().take(8).fold(0, |acc, byte| (acc << 8) | u64::from(*byte))
}
