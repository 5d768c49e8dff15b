//! A model of random trees, for what asks only how fast it is.

use std::fmt::Write as _;

/// Trees that grow at a random leaf each time, as LightGBM's do at the best one.
pub(crate) fn model(trees: usize, leaves: usize, features: &[String]) -> String {
    let mut numbers = Numbers(1);
    let bodies: Vec<String> = (0..trees).map(|index| random_tree(index, leaves, features.len(), &mut numbers)).collect();
    let sizes: Vec<String> = bodies.iter().map(|b| b.len().to_string()).collect();
    format!(
        "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\nmax_feature_idx={}\nobjective=binary sigmoid:1\nfeature_names={}\nfeature_infos=\ntree_sizes={}\n\n{}end of trees\n",
        features.len() - 1,
        features.join(" "),
        sizes.join(" "),
        bodies.concat()
    )
}

fn random_tree(index: usize, leaves: usize, features: usize, numbers: &mut Numbers) -> String {
    let mut children: Vec<[i64; 2]> = vec![[!0, !1]];
    for split in 1..leaves - 1 {
        let leaf = numbers.below(split + 1) as i64;
        let parent = children.iter_mut().flatten().find(|child| **child == !leaf);
        if let Some(child) = parent {
            *child = split as i64;
        }
        children.push([!leaf, !(split as i64 + 1)]);
    }
    fn count(children: &[[i64; 2]], at: i64) -> u64 {
        if at < 0 { 10 } else { children[at as usize].iter().map(|c| count(children, *c)).sum() }
    }
    let counts: Vec<u64> = (0..children.len()).map(|s| count(&children, s as i64)).collect();
    let mut text = format!("Tree={index}\nnum_leaves={leaves}\nnum_cat=0\n");
    let mut line = |key: &str, words: Vec<String>| {
        let _ = writeln!(text, "{key}={}", words.join(" "));
    };
    line("split_feature", children.iter().map(|_| numbers.below(features).to_string()).collect());
    line("threshold", children.iter().map(|_| (numbers.unit() * 100.0).to_string()).collect());
    line("decision_type", children.iter().map(|_| ["2", "8", "10"][numbers.below(3)].to_owned()).collect());
    line("left_child", children.iter().map(|c| c[0].to_string()).collect());
    line("right_child", children.iter().map(|c| c[1].to_string()).collect());
    line("leaf_value", (0..leaves).map(|_| (numbers.unit() - 0.5).to_string()).collect());
    line("leaf_count", (0..leaves).map(|_| "10".to_owned()).collect());
    line("internal_count", counts.iter().map(u64::to_string).collect());
    text + "is_linear=0\nshrinkage=1\n\n\n"
}

/// splitmix64: the same forest and rows in every run.
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}
