//! Nodes, and the walk through them: 16 bytes each, no branch on data, eight walks at a time.
//!
//! A step is `children[(value[slot] > bound) as usize]`; a comparison with NaN is false, so the side that
//! missing values take is `children[0]`. To make that so whichever side it is, each feature has slots for
//! itself and for its negative ([`super::row`]): `x <= t` is `-x > next_down(-t)`. A leaf leads to itself, so
//! all walks of a tree take as many steps as it is deep.

use super::Forest;
use super::row::{LANES, Values};

/// A split or a leaf.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Node {
    /// A finite number; infinity in a leaf.
    pub(super) bound: f64,
    /// Which value of the row is compared.
    pub(super) slot: u16,
    /// Where to go if the value is not greater than the bound (or missing), and if it is: indices in the tree.
    pub(super) children: [u16; 2],
}

/// Where a tree's nodes are; the first is the root.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tree {
    pub(super) start: usize,
    pub(super) end: usize,
    /// Most steps from the root to a leaf.
    pub(super) depth: usize,
}

impl Tree {
    pub(super) fn leaves(&self) -> usize {
        (self.end - self.start).div_ceil(2)
    }
}

impl Node {
    #[inline]
    fn step(&self, value: f64) -> u16 {
        self.children[usize::from(value > self.bound)]
    }
}

/// Adds each row's leaves to `sums`, tree by tree.
pub(super) fn sum_block(forest: &Forest, rows: &Values, sums: &mut [f64]) {
    for tree in &forest.trees {
        let nodes = &forest.nodes[tree.start..tree.end];
        let values = &forest.values[tree.start..tree.end];
        for (group, sums) in sums.chunks_mut(LANES).enumerate() {
            let lanes = rows.lanes(group);
            let mut at = [0u16; LANES];
            for _ in 0..tree.depth {
                for (lane, at) in at.iter_mut().enumerate() {
                    let node = &nodes[usize::from(*at)];
                    *at = node.step(lanes[usize::from(node.slot)][lane]);
                }
            }
            for (sum, at) in sums.iter_mut().zip(at) {
                *sum += values[usize::from(at)];
            }
        }
    }
}

/// The leaf of one row in each tree, in the order of the trees; eight trees at a time.
pub(super) fn leaves(forest: &Forest, row: &[[f64; LANES]], mut each: impl FnMut(f64)) {
    for trees in forest.trees.chunks(LANES) {
        let mut at = [0u16; LANES];
        let mut starts = [0usize; LANES];
        starts.iter_mut().zip(trees).for_each(|(start, tree)| *start = tree.start);
        for _ in 0..trees.iter().map(|t| t.depth).max().unwrap_or(0) {
            for (at, start) in at.iter_mut().zip(starts) {
                let node = &forest.nodes[start + usize::from(*at)];
                *at = node.step(row[usize::from(node.slot)][0]);
            }
        }
        for (at, tree) in at.iter().zip(trees) {
            each(forest.values[tree.start + usize::from(*at)]);
        }
    }
}
