//! A forest as plain as can be: the model that the real one is compared with, and a writer of LightGBM's text.

use proptest::prelude::*;

#[derive(Debug, Clone)]
pub(crate) enum Tree {
    Leaf { value: f64, count: u32 },
    Split { feature: usize, threshold: f64, missing: u8, default_left: bool, children: Box<[Tree; 2]> },
}

impl Tree {
    pub(crate) fn count(&self) -> u32 {
        match self {
            Self::Leaf { count, .. } => *count,
            Self::Split { children, .. } => children[0].count() + children[1].count(),
        }
    }

    /// `Tree::NumericalDecision` of LightGBM, word for word.
    pub(crate) fn goes_left(&self, row: &[f64]) -> bool {
        let Self::Split { feature, threshold, missing, default_left, .. } = self else { panic!("a leaf decides nothing") };
        let mut value = row[*feature];
        if value.is_nan() && *missing != 2 {
            value = 0.0;
        }
        let is_zero = value >= -f64::from(1e-35_f32) && value <= f64::from(1e-35_f32);
        if (*missing == 1 && is_zero) || (*missing == 2 && value.is_nan()) {
            return *default_left;
        }
        value <= *threshold
    }

    pub(crate) fn value(&self, row: &[f64]) -> f64 {
        match self {
            Self::Leaf { value, .. } => *value,
            Self::Split { children, .. } => children[usize::from(!self.goes_left(row))].value(row),
        }
    }

    /// The mean over the training rows of what the tree gives when only `known` features are.
    pub(crate) fn mean(&self, row: &[f64], known: u32) -> f64 {
        match self {
            Self::Leaf { value, .. } => *value,
            Self::Split { feature, children, .. } if known & (1 << feature) != 0 => {
                children[usize::from(!self.goes_left(row))].mean(row, known)
            }
            Self::Split { children, .. } => {
                let share = f64::from(children[0].count()) / f64::from(self.count());
                share * children[0].mean(row, known) + (1.0 - share) * children[1].mean(row, known)
            }
        }
    }
}

pub(crate) fn raw_score(trees: &[Tree], row: &[f64]) -> f64 {
    trees.iter().fold(0.0, |sum, tree| sum + tree.value(row))
}

#[derive(Default)]
struct Lists {
    splits: Vec<[String; 6]>,
    leaves: Vec<[String; 2]>,
}

impl Lists {
    fn add(&mut self, tree: &Tree) -> i64 {
        match tree {
            Tree::Leaf { value, count } => {
                self.leaves.push([value.to_string(), count.to_string()]);
                !(self.leaves.len() as i64 - 1)
            }
            Tree::Split { feature, threshold, missing, default_left, children } => {
                let index = self.splits.len();
                let decision = missing << 2 | u8::from(*default_left) << 1;
                let known = [feature.to_string(), threshold.to_string(), decision.to_string()];
                let [a, b, c] = known;
                self.splits.push([a, b, c, String::new(), String::new(), tree.count().to_string()]);
                // the right side first, so that children are not simply numbered in their order
                self.splits[index][4] = self.add(&children[1]).to_string();
                self.splits[index][3] = self.add(&children[0]).to_string();
                index as i64
            }
        }
    }
}

pub(crate) fn tree_text(index: usize, tree: &Tree) -> String {
    let mut lists = Lists::default();
    lists.add(tree);
    let splits = |i: usize| lists.splits.iter().map(|s| s[i].as_str()).collect::<Vec<_>>().join(" ");
    let leaves = |i: usize| lists.leaves.iter().map(|l| l[i].as_str()).collect::<Vec<_>>().join(" ");
    format!(
        "Tree={index}\nnum_leaves={}\nnum_cat=0\nsplit_feature={}\nsplit_gain={}\nthreshold={}\ndecision_type={}\nleft_child={}\nright_child={}\nleaf_value={}\nleaf_weight=\nleaf_count={}\ninternal_value=\ninternal_weight=\ninternal_count={}\nis_linear=0\nshrinkage=0.1\n\n\n",
        lists.leaves.len(),
        splits(0),
        splits(0),
        splits(1),
        splits(2),
        splits(3),
        splits(4),
        leaves(0),
        leaves(1),
        splits(5),
    )
}

/// A model's text around the texts of its trees.
pub(crate) fn with_trees(features: usize, trees: &[String]) -> String {
    let names: Vec<String> = (0..features).map(|f| format!("f{f}")).collect();
    let sizes: Vec<String> = trees.iter().map(|t| t.len().to_string()).collect();
    format!(
        "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\nmax_feature_idx={}\nobjective=binary sigmoid:1\nfeature_names={}\nfeature_infos=none\ntree_sizes={}\n\n{}end of trees\n\nfeature_importances:\n\nparameters:\n[boosting: gbdt]\nend of parameters\n",
        features - 1,
        names.join(" "),
        sizes.join(" "),
        trees.concat()
    )
}

pub(crate) fn text(features: usize, trees: &[Tree]) -> String {
    let trees: Vec<String> = trees.iter().enumerate().map(|(i, t)| tree_text(i, t)).collect();
    with_trees(features, &trees)
}

/// Few values, so that rows meet thresholds exactly.
pub(crate) fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => (-3i32..=3).prop_map(f64::from),
        1 => Just(-0.0),
        1 => Just(1e-36),
        1 => Just(f64::from(1e-35_f32)),
        1 => Just(-f64::MIN_POSITIVE),
        2 => -4.0..4.0f64,
    ]
}

pub(crate) fn row_value() -> impl Strategy<Value = f64> {
    prop_oneof![8 => number(), 3 => Just(f64::NAN), 1 => Just(f64::INFINITY), 1 => Just(f64::NEG_INFINITY), 1 => Just(f64::MAX)]
}

pub(crate) fn tree(features: usize) -> impl Strategy<Value = Tree> {
    let leaf = (-2.0..2.0f64, 1u32..50).prop_map(|(value, count)| Tree::Leaf { value, count });
    let threshold = prop_oneof![9 => number(), 1 => Just(f64::MAX), 1 => Just(-f64::MAX)];
    leaf.prop_recursive(7, 40, 2, move |inner| {
        (0..features, threshold.clone(), 0u8..3, any::<bool>(), inner.clone(), inner).prop_map(
            |(feature, threshold, missing, default_left, left, right)| Tree::Split {
                feature,
                threshold,
                missing,
                default_left,
                children: Box::new([left, right]),
            },
        )
    })
}
