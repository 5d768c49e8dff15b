//! `model`: what is learned, how, and when again.

use super::{SPAN, optional};
use crate::codes;
use crate::reader::Reader;
use crate::yaml::{Content, Entry, Node};
use std::ops::RangeInclusive;
use tidemill_expr::did_you_mean;

/// What a model predicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Objective {
    /// The probability that the label is 1.
    Binary,
}

/// What trains it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Learner {
    /// Gradient boosting by LightGBM.
    Lightgbm,
    /// Logistic regression: the baseline.
    Logistic,
}

/// Values that a search may try for a parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// One of these.
    OneOf(Vec<f64>),
    /// As many as help, at most this.
    AtMost(f64),
}

/// A search over parameters, in file order.
pub type Search = Vec<(String, Values)>;

/// Why to train again before the schedule says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// Drift was found.
    Drift,
    /// The pipeline file changed.
    SpecChange,
}

/// When and on what to train.
#[derive(Debug, Clone, PartialEq)]
pub struct Train {
    /// The schedule, microseconds of event time.
    pub every: Option<i64>,
    /// What else starts a training.
    pub on: Vec<Trigger>,
    /// How much history is trained on, microseconds.
    pub history: i64,
    /// How much of its end is for validation, microseconds; shorter than `history`.
    pub validation: i64,
}

/// `model`
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// What it predicts.
    pub objective: Objective,
    /// What trains it.
    pub learner: Learner,
    /// What the search tries.
    pub search: Search,
    /// When and on what.
    pub train: Option<Train>,
}

/// LightGBM's name of a parameter, its bounds, and whether it is a whole number.
type Parameter = (&'static str, RangeInclusive<f64>, bool);

const PARAMETERS: [Parameter; 11] = [
    ("num_leaves", 2.0..=4_096.0, true),
    ("learning_rate", 1e-6..=1.0, false),
    ("num_iterations", 1.0..=10_000.0, true),
    ("max_depth", -1.0..=64.0, true),
    ("min_data_in_leaf", 1.0..=1e6, true),
    ("feature_fraction", 1e-3..=1.0, false),
    ("bagging_fraction", 1e-3..=1.0, false),
    ("bagging_freq", 0.0..=1_000.0, true),
    ("lambda_l1", 0.0..=1e6, false),
    ("lambda_l2", 0.0..=1e6, false),
    ("max_bin", 2.0..=65_535.0, true),
];
/// Most combinations a search may have.
const MAX_COMBINATIONS: usize = 1_000;

pub(super) fn read(reader: &mut Reader<'_>, entry: &Entry) -> Option<Model> {
    let learners = [("lightgbm", Learner::Lightgbm), ("logistic", Learner::Logistic)];
    let mut fields = reader.fields(&entry.value, &entry.key, entry.key_range.clone())?;
    let objective = fields.required(reader, "objective").and_then(|e| reader.choice(&e.value, &[("binary", Objective::Binary)]));
    let learner = fields.required(reader, "learner").and_then(|e| reader.choice(&e.value, &learners));
    let search = fields.optional("search").map_or(Some(Vec::new()), |e| search(reader, e));
    let train = fields.optional("train").map(|e| train(reader, e));
    fields.finish(reader);
    Some(Model { objective: objective?, learner: learner?, search: search?, train: optional(train)? })
}

fn search(reader: &mut Reader<'_>, entry: &Entry) -> Option<Search> {
    let entries = reader.entries(entry, "parameters")?;
    let read: Vec<Option<(String, Values)>> = entries.iter().map(|e| parameter(reader, e)).collect();
    let search = read.into_iter().collect::<Option<Search>>()?;
    let choices = |values: &Values| if let Values::OneOf(values) = values { values.len() } else { 1 };
    let combinations = search.iter().try_fold(1usize, |product, (_, values)| product.checked_mul(choices(values)));
    if combinations.is_none_or(|c| c > MAX_COMBINATIONS) {
        let message = format!("the search has more than {MAX_COMBINATIONS} combinations");
        reader.error(codes::TOO_MANY, entry.key_range.clone(), message).help("leave some values out");
        return None;
    }
    Some(search)
}

fn parameter(reader: &mut Reader<'_>, entry: &Entry) -> Option<(String, Values)> {
    let Some((name, bounds, whole)) = PARAMETERS.iter().find(|(name, ..)| *name == entry.key) else {
        let names = || PARAMETERS.iter().map(|(name, ..)| *name);
        let help =
            did_you_mean(&entry.key, names()).unwrap_or_else(|| format!("possible here: {}", names().collect::<Vec<_>>().join(", ")));
        let message = format!("there is no parameter `{}`", entry.key.escape_debug());
        reader.error(codes::UNKNOWN_KEY, entry.key_range.clone(), message).help(help);
        return None;
    };
    let values = match &entry.value.content {
        Content::List(items) if !items.is_empty() => {
            let values: Vec<Option<f64>> = items.iter().map(|item| bounded(reader, item, bounds, *whole)).collect();
            Values::OneOf(values.into_iter().collect::<Option<_>>()?)
        }
        Content::Map(_) => {
            let mut fields = reader.fields(&entry.value, &entry.key, entry.key_range.clone())?;
            let max = fields.required(reader, "max").and_then(|e| bounded(reader, &e.value, bounds, *whole));
            fields.finish(reader);
            Values::AtMost(max?)
        }
        _ => Values::OneOf(vec![bounded(reader, &entry.value, bounds, *whole)?]),
    };
    Some(((*name).to_owned(), values))
}

fn bounded(reader: &mut Reader<'_>, node: &Node, bounds: &RangeInclusive<f64>, whole: bool) -> Option<f64> {
    if whole {
        return reader.integer(node, *bounds.start() as i64..=*bounds.end() as i64).map(|v| v as f64);
    }
    reader.number(node, bounds.clone())
}

fn train(reader: &mut Reader<'_>, entry: &Entry) -> Option<Train> {
    let mut fields = reader.fields(&entry.value, &entry.key, entry.key_range.clone())?;
    let every = fields.optional("every").map(|e| reader.duration(&e.value, SPAN));
    let on = fields.optional("on").map_or(Some(Vec::new()), |e| triggers(reader, e));
    let history = fields.required(reader, "history").and_then(|e| reader.duration(&e.value, SPAN));
    let validation_at = fields.required(reader, "validation");
    let validation = validation_at.and_then(|e| reader.duration(&e.value, SPAN));
    fields.finish(reader);
    let (history, validation) = (history?, validation?);
    if validation >= history {
        let place = validation_at.map_or(entry.key_range.clone(), |e| e.value.range.clone());
        reader.error(codes::DURATION, place, "validation takes all of the history").help("make it shorter than `history`");
        return None;
    }
    Some(Train { every: optional(every)?, on: on?, history, validation })
}

fn triggers(reader: &mut Reader<'_>, entry: &Entry) -> Option<Vec<Trigger>> {
    let known = [("drift", Trigger::Drift), ("spec_change", Trigger::SpecChange)];
    let items = reader.list(&entry.value, "triggers such as [drift, spec_change]")?;
    let triggers: Vec<Option<Trigger>> = items.iter().map(|item| reader.choice(item, &known)).collect();
    triggers.into_iter().collect()
}
