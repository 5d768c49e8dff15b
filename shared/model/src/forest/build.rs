//! From the text's lists to nodes: every index is checked, every node is reached exactly once.

use super::nodes::{Node, Tree};
use super::row::{self, Form};
use super::text::{Fields, Text};
use super::{Forest, MAX_DEPTH, MAX_LEAVES};
use crate::{Reason, Refused};

/// `decision_type`: bit 0 is categorical, bit 1 sends missing values left, bits 2 and 3 say what is missing.
const CATEGORICAL: u8 = 1;
const DEFAULT_LEFT: u8 = 2;

/// Builds the forest that `text` describes.
pub(super) fn forest(text: &Text<'_>) -> Result<Forest, Refused> {
    let trees: Vec<Lists> = text.trees.iter().map(|tree| lists(tree, text.features.len())).collect::<Result<_, _>>()?;
    let zero_missing = trees.iter().flat_map(|t| &t.splits).any(|s| s.missing == Missing::Zero);
    let mut forest = Forest {
        features: text.features.iter().map(|name| (*name).to_owned()).collect(),
        steepness: text.steepness,
        expected: 0.0,
        zero_missing,
        nodes: Vec::new(),
        values: Vec::new(),
        counts: Vec::new(),
        trees: Vec::with_capacity(trees.len()),
    };
    let mut most = 0.0;
    for (tree, fields) in trees.iter().zip(&text.trees) {
        let start = forest.nodes.len();
        let depth = place(tree, &mut forest, &fields.place)?;
        forest.trees.push(Tree { start, end: forest.nodes.len(), depth });
        forest.expected += expected(tree);
        most += tree.leaves.iter().fold(0.0, |most: f64, leaf| most.max(leaf.value.abs()));
    }
    if !f64::is_finite(most) {
        return Err(Refused::new(Reason::BadNumber, "the leaves", "their sum can overflow"));
    }
    Ok(forest)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Missing {
    None,
    Zero,
    Nan,
}

struct Split {
    feature: usize,
    threshold: f64,
    missing: Missing,
    default_left: bool,
    /// As in the text: a split, or the complement of a leaf's index.
    children: [i32; 2],
    count: u64,
}

struct Leaf {
    value: f64,
    count: u64,
}

/// A tree as the text lists it.
struct Lists {
    splits: Vec<Split>,
    leaves: Vec<Leaf>,
}

/// Reads the lists of a tree; that they form a tree is for [`place`] to find out.
fn lists(fields: &Fields<'_>, features: usize) -> Result<Lists, Refused> {
    let count: usize = fields.number("num_leaves")?;
    if count == 0 || count > MAX_LEAVES {
        let (reason, what) = (Reason::TooLarge, format!("{count} leaves; 1 to {MAX_LEAVES} are possible"));
        return Err(Refused::new(reason, fields.at("num_leaves"), what));
    }
    if fields.number::<u64>("num_cat")? != 0 {
        return Err(Refused::new(Reason::Unsupported, fields.at("num_cat"), "categorical splits are not supported"));
    }
    if fields.optional("is_linear").is_some_and(|linear| linear != "0") {
        return Err(Refused::new(Reason::Unsupported, fields.at("is_linear"), "linear leaves are not supported"));
    }
    let values = fields.finite("leaf_value", count)?;
    if count == 1 {
        return Ok(Lists { splits: Vec::new(), leaves: vec![Leaf { value: values[0], count: 1 }] });
    }
    let counts = fields.numbers::<u32>("leaf_count", count)?;
    if counts.contains(&0) {
        return Err(Refused::new(Reason::BadNumber, fields.at("leaf_count"), "a leaf without training rows"));
    }
    let leaves = values.iter().zip(&counts).map(|(value, count)| Leaf { value: *value, count: u64::from(*count) }).collect();
    Ok(Lists { splits: splits(fields, count - 1, features)?, leaves })
}

fn splits(fields: &Fields<'_>, count: usize, features: usize) -> Result<Vec<Split>, Refused> {
    let split_features = fields.numbers::<usize>("split_feature", count)?;
    if let Some(feature) = split_features.iter().find(|f| **f >= features) {
        let what = format!("feature {feature} of {features}");
        return Err(Refused::new(Reason::FeatureOutOfRange, fields.at("split_feature"), what));
    }
    let thresholds = fields.thresholds(count)?;
    let decisions = fields.numbers::<u8>("decision_type", count)?;
    let left = fields.numbers::<i32>("left_child", count)?;
    let right = fields.numbers::<i32>("right_child", count)?;
    let counts = fields.numbers::<u32>("internal_count", count)?;
    let split = |i: usize| {
        let (missing, default_left) = missing(decisions[i], fields)?;
        let (feature, threshold) = (split_features[i], thresholds[i]);
        Ok(Split { feature, threshold, missing, default_left, children: [left[i], right[i]], count: u64::from(counts[i]) })
    };
    (0..count).map(split).collect()
}

fn missing(decision: u8, fields: &Fields<'_>) -> Result<(Missing, bool), Refused> {
    if decision & CATEGORICAL != 0 {
        return Err(Refused::new(Reason::Unsupported, fields.at("decision_type"), "categorical splits are not supported"));
    }
    let missing = match decision >> 2 {
        0 => Missing::None,
        1 => Missing::Zero,
        2 => Missing::Nan,
        _ => return Err(Refused::new(Reason::Unsupported, fields.at("decision_type"), format!("decision type {decision}"))),
    };
    Ok((missing, decision & DEFAULT_LEFT != 0))
}

/// Appends the tree's nodes to the forest, each split before what is below it, and says how deep it is.
fn place(tree: &Lists, forest: &mut Forest, place: &str) -> Result<usize, Refused> {
    let start = forest.nodes.len();
    let per_feature = row::per_feature(forest.zero_missing);
    let (mut seen_splits, mut seen_leaves) = (vec![false; tree.splits.len()], vec![false; tree.leaves.len()]);
    let mut deepest = 0;
    let root = if tree.splits.is_empty() { !0 } else { 0 };
    // What is still to be placed: the text's index, the depth, and which child of which placed node it is.
    let mut waiting = vec![(root, 0usize, None::<(usize, usize)>)];
    while let Some((child, depth, parent)) = waiting.pop() {
        let at = forest.nodes.len() - start;
        let index = u16::try_from(at).map_err(|_| Refused::new(Reason::TooLarge, place, format!("more than {at} nodes")))?;
        if let Some((parent, side)) = parent {
            forest.nodes[parent].children[side] = index;
        }
        if depth > MAX_DEPTH {
            return Err(Refused::new(Reason::TooLarge, place, format!("more than {MAX_DEPTH} splits deep")));
        }
        deepest = deepest.max(depth);
        if child < 0 {
            let leaf = take(!child, &tree.leaves, &mut seen_leaves, Reason::LeafOutOfRange, place)?;
            forest.push(Node { bound: f64::INFINITY, slot: 0, children: [index; 2] }, leaf.value, leaf.count);
        } else {
            let split = take(child, &tree.splits, &mut seen_splits, Reason::ChildOutOfRange, place)?;
            let (node, missing_left) = node(split, per_feature);
            let here = Some(forest.nodes.len());
            forest.push(node, 0.0, split.count);
            let [left, right] = split.children;
            let (left_side, right_side) = if missing_left { (0, 1) } else { (1, 0) };
            waiting.push((right, depth + 1, here.map(|h| (h, right_side))));
            waiting.push((left, depth + 1, here.map(|h| (h, left_side))));
        }
    }
    let reached = forest.nodes.len() - start;
    let all = tree.splits.len() + tree.leaves.len();
    if reached != all {
        return Err(Refused::new(Reason::Unreachable, place, format!("{reached} of {all} nodes can be reached")));
    }
    tree.splits.iter().try_for_each(|split| check_counts(split, tree, place))?;
    Ok(deepest)
}

impl Forest {
    fn push(&mut self, node: Node, value: f64, count: u64) {
        self.nodes.push(node);
        self.values.push(value);
        self.counts.push(count as f64);
    }
}

/// Item `index`, which nobody may have taken before.
fn take<'a, T>(index: i32, items: &'a [T], seen: &mut [bool], out_of_range: Reason, place: &str) -> Result<&'a T, Refused> {
    let place_of = || format!("{place}, node {index}");
    let found = usize::try_from(index).ok().and_then(|i| items.get(i).zip(seen.get_mut(i)));
    let (item, seen) = found.ok_or_else(|| Refused::new(out_of_range, place_of(), format!("there are {}", items.len())))?;
    if std::mem::replace(seen, true) {
        return Err(Refused::new(Reason::TreeCycle, place_of(), "two ways lead to it"));
    }
    Ok(item)
}

/// Refuses a split through which other rows went than through its children: reasons would not add up.
fn check_counts(split: &Split, tree: &Lists, place: &str) -> Result<(), Refused> {
    // All children are there by now.
    let count = |child: i32| match usize::try_from(child) {
        Ok(split) => tree.splits[split].count,
        Err(_) => tree.leaves[!child as usize].count,
    };
    let [left, right] = split.children.map(count);
    if left + right != split.count {
        let what = format!("{} rows went in, {left} left and {right} right", split.count);
        return Err(Refused::new(Reason::WrongCount, format!("{place}, internal_count"), what));
    }
    Ok(())
}

/// The node of a split, and whether missing values go left. Its children are set when they are placed.
fn node(split: &Split, per_feature: usize) -> (Node, bool) {
    // Where LightGBM sees nothing missing it takes NaN for 0.
    let missing_left = if split.missing == Missing::None { 0.0 <= split.threshold } else { split.default_left };
    let bound = if missing_left { split.threshold } else { (-split.threshold).next_down() };
    let form = Form { negative: !missing_left, zero_missing: split.missing == Missing::Zero };
    // At most 4 * MAX_FEATURES slots.
    let slot = row::slot(split.feature, form, per_feature) as u16;
    (Node { bound, slot, children: [0; 2] }, missing_left)
}

/// The mean of the leaves, weighted by their training rows, as LightGBM's `Tree::ExpectedValue`.
fn expected(tree: &Lists) -> f64 {
    let total: u64 = tree.leaves.iter().map(|l| l.count).sum();
    tree.leaves.iter().map(|l| l.count as f64 / total as f64 * l.value).sum()
}
