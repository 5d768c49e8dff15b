//! Exact Shapley values of a forest: TreeSHAP, path-dependent.
//!
//! Source: Lundberg, Erion, Lee, "Consistent Individualized Feature Attribution for Tree Ensembles" (2018),
//! algorithm 2, as `Tree::TreeSHAP` of LightGBM. One thing is done otherwise: at a leaf the features that lead
//! away from it all have the same weighted sum, so it is computed once for all of them.

use super::nodes::Node;
use super::row::{LANES, per_feature};
use super::{Forest, MAX_DEPTH};

/// A feature on the way from the root.
#[derive(Clone, Copy)]
struct Step {
    feature: usize,
    /// Share of the training rows that go this way when the feature is not known.
    zero: f64,
    /// 1 if the row itself goes this way, else 0.
    one: f64,
    /// Of the subsets of the way's features, by size: the weight of those that lead here.
    weight: f64,
}

/// Unwound sums that are computed at a time.
const SIDE_BY_SIDE: usize = 4;

/// 1 / n: divisions are most of the work otherwise.
const INVERSE: [f64; MAX_DEPTH + 3] = inverses();

const fn inverses() -> [f64; MAX_DEPTH + 3] {
    let mut inverses = [f64::INFINITY; MAX_DEPTH + 3];
    let mut n = 1;
    while n < inverses.len() {
        inverses[n] = 1.0 / n as f64;
        n += 1;
    }
    inverses
}

const ROOT: Step = Step { feature: usize::MAX, zero: 1.0, one: 1.0, weight: 1.0 };

/// By how much each feature moves the row's raw score from the expected one.
pub(super) fn of(forest: &Forest, row: &[[f64; LANES]]) -> Vec<f64> {
    let mut sums = vec![0.0; forest.features.len()];
    let mut path = Vec::new();
    for tree in &forest.trees {
        let walk = Walk {
            nodes: &forest.nodes[tree.start..tree.end],
            values: &forest.values[tree.start..tree.end],
            counts: &forest.counts[tree.start..tree.end],
            row,
            per_feature: per_feature(forest.zero_missing),
        };
        if tree.depth > 0 {
            path.clear();
            path.push(ROOT);
            walk.below(0, &mut path, 0, &mut sums);
        }
    }
    sums
}

struct Walk<'a> {
    nodes: &'a [Node],
    values: &'a [f64],
    counts: &'a [f64],
    row: &'a [[f64; LANES]],
    per_feature: usize,
}

impl Walk<'_> {
    /// Adds what the leaves below `at` give. The way to `at` is `path[from..]`; what is pushed here is taken off
    /// again. Recursion is bounded by [`MAX_DEPTH`].
    fn below(&self, at: usize, path: &mut Vec<Step>, from: usize, sums: &mut [f64]) {
        let node = &self.nodes[at];
        if usize::from(node.children[0]) == at {
            return leaf(&path[from..], self.values[at], sums);
        }
        debug_assert!(path.len() - from <= MAX_DEPTH + 1, "trees are refused beyond this depth");
        let feature = usize::from(node.slot) / self.per_feature;
        let hot = usize::from(self.row[usize::from(node.slot)][0] > node.bound);
        let end = path.len();
        // A feature that was split on before: its two steps are one.
        let before = path[from..].iter().position(|s| s.feature == feature);
        let (zero, one) = before.map_or((1.0, 1.0), |i| (path[from + i].zero, path[from + i].one));
        for (side, one) in [(hot, one), (1 - hot, 0.0)] {
            let child = usize::from(node.children[side]);
            let share = self.counts[child] / self.counts[at];
            path.extend_from_within(from..end);
            if let Some(i) = before {
                unwind(path, end, i);
            }
            extend(path, end, Step { feature, zero: zero * share, one, weight: 0.0 });
            self.below(child, path, end, sums);
            path.truncate(end);
        }
    }
}

/// Appends a step to the way `path[from..]` (EXTEND).
fn extend(path: &mut Vec<Step>, from: usize, step: Step) {
    path.push(step);
    let way = &mut path[from..];
    let depth = way.len() - 1;
    let (one, zero) = (step.one * INVERSE[depth + 1], step.zero * INVERSE[depth + 1]);
    for i in (0..depth).rev() {
        let weight = way[i].weight;
        way[i + 1].weight += one * weight * (i + 1) as f64;
        way[i].weight = zero * weight * (depth - i) as f64;
    }
}

/// Takes step `index` off the way `path[from..]` (UNWIND).
fn unwind(path: &mut Vec<Step>, from: usize, index: usize) {
    let way = &mut path[from..];
    let depth = way.len() - 1;
    let size = (depth + 1) as f64;
    let Step { zero, one, .. } = way[index];
    let mut next = way[depth].weight;
    for i in (0..depth).rev() {
        if one == 0.0 {
            way[i].weight *= size * INVERSE[depth - i] / zero;
        } else {
            let weight = way[i].weight;
            way[i].weight = next * size * INVERSE[i + 1];
            next = weight - way[i].weight * zero * (depth - i) as f64 * INVERSE[depth + 1];
        }
    }
    for i in index..depth {
        way[i] = Step { weight: way[i].weight, ..way[i + 1] };
    }
    path.pop();
}

/// Adds what a leaf of this `value` at the end of `way` gives to each feature of the way.
fn leaf(way: &[Step], value: f64, sums: &mut [f64]) {
    let depth = way.len() - 1;
    let size = (depth + 1) as f64;
    let away = value * size * way[..depth].iter().enumerate().map(|(i, s)| s.weight * INVERSE[depth - i]).sum::<f64>();
    // The steps that the row itself takes: unwound sums (UNWOUND SUM) of several at a time.
    let mut hot = [0; SIDE_BY_SIDE];
    let mut count = 0;
    for (i, step) in way.iter().enumerate().skip(1) {
        if step.one == 0.0 {
            // away / zero * (0 - zero)
            sums[step.feature] -= away;
            continue;
        }
        hot[count] = i;
        count += 1;
        if count == SIDE_BY_SIDE {
            unwound(way, &hot, value, sums);
            count = 0;
        }
    }
    unwound(way, &hot[..count], value, sums);
}

/// Adds what a leaf gives to the features of the steps `hot`, which the row takes.
fn unwound(way: &[Step], hot: &[usize], value: f64, sums: &mut [f64]) {
    if hot.is_empty() {
        return;
    }
    let depth = way.len() - 1;
    let size = (depth + 1) as f64;
    let mut zeros = [0.0; SIDE_BY_SIDE];
    zeros.iter_mut().zip(hot).for_each(|(zero, step)| *zero = way[*step].zero * INVERSE[depth + 1]);
    let (mut next, mut totals) = ([way[depth].weight; SIDE_BY_SIDE], [0.0; SIDE_BY_SIDE]);
    for (i, step) in way[..depth].iter().enumerate().rev() {
        let (down, up) = (size * INVERSE[i + 1], (depth - i) as f64);
        for lane in 0..SIDE_BY_SIDE {
            let part = next[lane] * down;
            totals[lane] += part;
            next[lane] = step.weight - part * (zeros[lane] * up);
        }
    }
    for (step, total) in hot.iter().zip(totals) {
        let Step { feature, zero, .. } = way[*step];
        sums[feature] += total * (1.0 - zero) * value;
    }
}
