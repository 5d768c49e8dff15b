//! Why a model is not accepted.

use std::fmt;

/// What is wrong, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The bytes are not text.
    NotUtf8,
    /// The text ends before the model does.
    Truncated,
    /// It is of another format or version than the one that is read here.
    UnknownFormat,
    /// It predicts something else than the probability of a binary label.
    OtherObjective,
    /// It uses what is not supported here: categorical splits, linear leaves, averaged trees.
    Unsupported,
    /// The text is not what the format says.
    Malformed,
    /// A list is shorter or longer than the number that announces it.
    WrongCount,
    /// A number is missing its bounds, NaN or infinite.
    BadNumber,
    /// A split looks at a feature that the model does not have.
    FeatureOutOfRange,
    /// A split leads to a node that the tree does not have.
    ChildOutOfRange,
    /// A split leads to a leaf that the tree does not have.
    LeafOutOfRange,
    /// A node is reached twice: no tree.
    TreeCycle,
    /// A node is never reached.
    Unreachable,
    /// Deeper, wider or larger than what is read here.
    TooLarge,
    /// The scores of the golden rows are not what the learner's own library gave.
    GoldenMismatch,
}

impl Reason {
    /// The reason's name in logs, metrics and answers.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NotUtf8 => "not_utf8",
            Self::Truncated => "truncated",
            Self::UnknownFormat => "unknown_format",
            Self::OtherObjective => "other_objective",
            Self::Unsupported => "unsupported",
            Self::Malformed => "malformed",
            Self::WrongCount => "wrong_count",
            Self::BadNumber => "bad_number",
            Self::FeatureOutOfRange => "feature_out_of_range",
            Self::ChildOutOfRange => "child_out_of_range",
            Self::LeafOutOfRange => "leaf_out_of_range",
            Self::TreeCycle => "tree_cycle",
            Self::Unreachable => "unreachable",
            Self::TooLarge => "too_large",
            Self::GoldenMismatch => "golden_mismatch",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A model, or a part of its artefact, that is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {place}: {what}")]
pub struct Refused {
    /// Why, by name.
    pub reason: Reason,
    /// Where: a line, a tree, a row.
    pub place: String,
    /// What was found there, for people.
    pub what: String,
}

impl Refused {
    pub(crate) fn new(reason: Reason, place: impl Into<String>, what: impl Into<String>) -> Self {
        Self { reason, place: place.into(), what: what.into() }
    }
}

/// At most 60 characters of what was found, without control characters: the text may be hostile.
pub(crate) fn shown(text: &str) -> String {
    let mut short: String = text.chars().take(60).flat_map(char::escape_debug).collect();
    if text.chars().nth(60).is_some() {
        short.push('…');
    }
    short
}
