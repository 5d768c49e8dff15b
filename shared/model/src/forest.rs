//! A forest of binary decision trees, as LightGBM trains and writes it.
//!
//! [`Forest::read`] reads LightGBM's text format, versions v3 and v4 (LightGBM 3 and 4): binary objective,
//! numeric features, splits `<=` with LightGBM's three ways to treat missing values. Raw scores are the same
//! doubles that LightGBM gives: leaves are summed in tree order. Sources: `src/io/tree.cpp`,
//! `include/LightGBM/tree.h` and `src/boosting/gbdt_model_text.cpp` of LightGBM 4.5.

mod build;
mod contributions;
mod nodes;
mod row;
mod text;

use crate::{Reason, Refused, shown, sigmoid};
use nodes::{Node, Tree};

/// Most features of a forest.
pub const MAX_FEATURES: usize = 16_384;
/// Most leaves of a tree.
pub const MAX_LEAVES: usize = 32_768;
/// Most splits between a tree's root and a leaf: it bounds the memory and the stack that reasons take.
pub const MAX_DEPTH: usize = 512;
/// Rows that a batch scores at a time: their values stay in the first-level cache.
const BLOCK: usize = 64;

/// Trees in one array of 16-byte nodes.
#[derive(Debug, Clone, PartialEq)]
pub struct Forest {
    features: Vec<String>,
    /// `sigmoid:` of the objective: the score is `1 / (1 + exp(-sigmoid * raw))`.
    steepness: f64,
    /// What the log odds are when nothing is known: the mean of the leaves, weighted by their training rows.
    expected: f64,
    /// Whether some split treats zero as missing.
    zero_missing: bool,
    nodes: Vec<Node>,
    /// The value of each node of `nodes` that is a leaf.
    values: Vec<f64>,
    /// Rows of the training set that went through each node.
    counts: Vec<f64>,
    trees: Vec<Tree>,
}

impl Forest {
    /// Reads LightGBM's model text.
    ///
    /// # Errors
    /// Whatever is not a forest that this crate scores as LightGBM does, with the reason and the line or tree.
    pub fn read(bytes: &[u8]) -> Result<Self, Refused> {
        let text = std::str::from_utf8(bytes)
            .map_err(|e| Refused::new(Reason::NotUtf8, format!("byte {}", e.valid_up_to()), "the model is not text"))?;
        build::forest(&text::read(text)?)
    }

    /// The features' names, in the order of a row.
    #[must_use]
    pub fn features(&self) -> &[String] {
        &self.features
    }

    /// How many trees there are.
    #[must_use]
    pub fn trees(&self) -> usize {
        self.trees.len()
    }

    /// The leaves of all trees.
    #[must_use]
    pub fn leaves(&self) -> usize {
        self.trees.iter().map(Tree::leaves).sum()
    }

    /// The raw score (log odds) of no knowledge: what contributions are differences from.
    #[must_use]
    pub fn expected_value(&self) -> f64 {
        self.expected
    }

    /// The sum of the trees' leaves for a row of one value a feature, NaN where it is missing. A row that is
    /// too short counts as missing at its end.
    #[must_use]
    pub fn raw_score(&self, row: &[f64]) -> f64 {
        let mut values = row::Values::new(self, 1);
        values.set(0, row);
        let mut sum = 0.0;
        nodes::leaves(self, values.row(0), |leaf| sum += leaf);
        sum
    }

    /// The raw score that the first tree gives, the first two, and so on: what a forest of fewer trees would say.
    #[must_use]
    pub fn staged_raw_scores(&self, row: &[f64]) -> Vec<f64> {
        let mut values = row::Values::new(self, 1);
        values.set(0, row);
        let mut stages = Vec::with_capacity(self.trees.len());
        nodes::leaves(self, values.row(0), |leaf| stages.push(stages.last().copied().unwrap_or(0.0) + leaf));
        stages
    }

    /// The probability that the label is 1. See [`Forest::raw_score`].
    #[must_use]
    pub fn score(&self, row: &[f64]) -> f64 {
        sigmoid(self.steepness * self.raw_score(row))
    }

    /// Appends the score of each row to `scores`; `rows` are row-major and a whole number of rows. The same
    /// doubles as [`Forest::score`], several times as fast.
    pub fn scores(&self, rows: &[f64], scores: &mut Vec<f64>) {
        let width = self.features.len();
        let mut values = row::Values::new(self, BLOCK);
        scores.reserve(rows.len() / width);
        for block in rows.chunks(width * BLOCK) {
            let mut count = 0;
            for row in block.chunks(width) {
                values.set(count, row);
                count += 1;
            }
            let mut sums = [0.0; BLOCK];
            nodes::sum_block(self, &values, &mut sums[..count]);
            scores.extend(sums[..count].iter().map(|raw| sigmoid(self.steepness * raw)));
        }
    }

    /// By how much each feature moved the raw score from [`Forest::expected_value`]: exact Shapley values over
    /// the trees' paths, as LightGBM's `pred_contrib` without its last column.
    /// Source: Lundberg, Erion, Lee, "Consistent Individualized Feature Attribution for Tree Ensembles", 2018,
    /// algorithm 2.
    #[must_use]
    pub fn contributions(&self, row: &[f64]) -> Vec<f64> {
        let mut values = row::Values::new(self, 1);
        values.set(0, row);
        contributions::of(self, values.row(0))
    }
}

/// Refuses a `feature_names` that does not name each feature once.
pub(crate) fn check_names(names: &[&str], place: &str) -> Result<(), Refused> {
    let mut sorted = names.to_vec();
    sorted.sort_unstable();
    let twice = sorted.windows(2).find(|pair| pair[0] == pair[1]);
    twice.map_or(Ok(()), |pair| Err(Refused::new(Reason::Malformed, place, format!("two features are named `{}`", shown(pair[0])))))
}
