//! Text that is no forest is refused by name; nothing in it makes the reader panic, hang or take much memory.

use crate::naive::{self, Tree, tree_text, with_trees};
use proptest::prelude::*;
use tidemill_model::{Forest, Learner, Reason, Scorer};

/// Three leaves under two splits: split 0 has leaf 0 right and split 1 left.
fn tree() -> Tree {
    let leaf = |value, count| Tree::Leaf { value, count };
    let split = |feature, children| Tree::Split { feature, threshold: 1.5, missing: 2, default_left: true, children: Box::new(children) };
    split(0, [split(1, [leaf(0.5, 30), leaf(-0.25, 20)]), leaf(0.125, 50)])
}

/// A model with one tree, some lines of which read otherwise.
fn changed(changes: &[(&str, &str)]) -> String {
    let mut tree = tree_text(0, &tree());
    for (line, instead) in changes {
        assert!(tree.contains(&format!("\n{line}\n")), "{line} is not in\n{tree}");
        tree = tree.replace(&format!("\n{line}\n"), &format!("\n{instead}\n"));
    }
    with_trees(2, &[tree])
}

fn reason(text: &str) -> Reason {
    Forest::read(text.as_bytes()).expect_err("this should be refused").reason
}

#[test]
fn the_tree_they_are_made_from_is_read() {
    let forest = Forest::read(changed(&[]).as_bytes()).unwrap();
    assert_eq!((forest.trees(), forest.leaves(), forest.features()), (1, 3, &["f0".to_owned(), "f1".to_owned()][..]));
}

#[test]
fn trees_that_are_none() {
    let cases: [(&[(&str, &str)], Reason); 24] = [
        (&[("left_child=1 -3", "left_child=0 -3")], Reason::TreeCycle),
        (&[("left_child=1 -3", "left_child=1 1")], Reason::TreeCycle),
        (&[("left_child=1 -3", "left_child=1 -1")], Reason::TreeCycle),
        (&[("left_child=1 -3", "left_child=2 -3")], Reason::ChildOutOfRange),
        (&[("left_child=1 -3", "left_child=2147483647 -3")], Reason::ChildOutOfRange),
        (&[("left_child=1 -3", "left_child=1 -4")], Reason::LeafOutOfRange),
        (&[("left_child=1 -3", "left_child=1 -2147483648")], Reason::LeafOutOfRange),
        (&[("left_child=1 -3", "left_child=1 -99999999999")], Reason::BadNumber),
        (&[("left_child=1 -3", "left_child=-3 -3")], Reason::Unreachable),
        (&[("left_child=1 -3", "left_child=1")], Reason::WrongCount),
        (&[("left_child=1 -3", "left_child=1 -3 0")], Reason::WrongCount),
        (&[("split_feature=0 1", "split_feature=0 2")], Reason::FeatureOutOfRange),
        (&[("split_feature=0 1", "split_feature=0 -1")], Reason::BadNumber),
        (&[("threshold=1.5 1.5", "threshold=1.5 nan")], Reason::BadNumber),
        (&[("threshold=1.5 1.5", "threshold=1.5 -inf")], Reason::BadNumber),
        (&[("leaf_value=0.125 -0.25 0.5", "leaf_value=0.125 NaN 0.5")], Reason::BadNumber),
        (&[("leaf_value=0.125 -0.25 0.5", "leaf_value=0.125 -0.25")], Reason::WrongCount),
        (&[("leaf_count=50 20 30", "leaf_count=50 0 30")], Reason::BadNumber),
        (&[("internal_count=100 50", "internal_count=100 51")], Reason::WrongCount),
        (&[("decision_type=10 10", "decision_type=10 1")], Reason::Unsupported),
        (&[("decision_type=10 10", "decision_type=10 14")], Reason::Unsupported),
        (&[("num_cat=0", "num_cat=1")], Reason::Unsupported),
        (&[("is_linear=0", "is_linear=1")], Reason::Unsupported),
        (&[("is_linear=0", "is_linear=0\nis_linear=0")], Reason::Malformed),
    ];
    for (changes, expected) in cases {
        assert_eq!(reason(&changed(changes)), expected, "{changes:?}");
    }
    assert_eq!(reason(&changed(&[("num_leaves=3", "num_leaves=1000000000")])), Reason::TooLarge);
    assert_eq!(reason(&changed(&[("num_leaves=3", "num_leaves=30000")])), Reason::WrongCount);
    assert_eq!(reason(&changed(&[("num_leaves=3", "num_leaves=0")])), Reason::TooLarge);
    assert_eq!(reason(&changed(&[("num_leaves=3", "num_leaves=-1")])), Reason::BadNumber);
    assert_eq!(reason(&changed(&[("is_linear=0", "leaf_const=1 2 3")])), Reason::Unsupported);
    assert_eq!(reason(&changed(&[("is_linear=0", "cat_threshold=1")])), Reason::Unsupported);
    assert_eq!(reason(&changed(&[("is_linear=0", "surprise=1")])), Reason::Malformed);
}

#[test]
fn headers_that_are_none() {
    let good = changed(&[]);
    for (from, to, expected) in [
        ("tree\n", "trees\n", Reason::UnknownFormat),
        ("version=v4", "version=v5", Reason::UnknownFormat),
        ("version=v4", "version=v2", Reason::UnknownFormat),
        ("num_class=1", "num_class=3", Reason::OtherObjective),
        ("num_tree_per_iteration=1", "num_tree_per_iteration=3", Reason::OtherObjective),
        ("objective=binary sigmoid:1", "objective=regression", Reason::OtherObjective),
        ("objective=binary sigmoid:1", "objective=binary", Reason::OtherObjective),
        ("objective=binary sigmoid:1", "objective=binary sigmoid:nan", Reason::BadNumber),
        ("objective=binary sigmoid:1", "objective=binary sigmoid:0", Reason::BadNumber),
        ("objective=binary sigmoid:1\n", "", Reason::Malformed),
        ("max_feature_idx=1", "max_feature_idx=1000000000", Reason::WrongCount),
        ("max_feature_idx=1", "max_feature_idx=18446744073709551615", Reason::WrongCount),
        ("feature_names=f0 f1", "feature_names=f0 f0", Reason::Malformed),
        ("feature_names=f0 f1", "feature_names=f0", Reason::WrongCount),
        ("feature_infos=none", "average_output", Reason::Unsupported),
        ("tree_sizes=", "tree_sizes=9", Reason::WrongCount),
        ("\n\nTree=0", " 77\n\nTree=0", Reason::WrongCount),
        ("Tree=0", "Tree=1", Reason::Malformed),
        ("end of trees", "end of three", Reason::Malformed),
    ] {
        assert!(good.contains(from), "{from}");
        assert_eq!(reason(&good.replacen(from, to, 1)), expected, "{from} -> {to}");
    }
    let sizes = (0..1_000_000).map(|_| "1").collect::<Vec<_>>().join(" ");
    assert_eq!(reason(&good.replace("tree_sizes=", &format!("tree_sizes={sizes} "))), Reason::WrongCount);
}

#[test]
fn a_cut_text_is_refused_at_every_byte() {
    let good = changed(&[]);
    let needed = good.find("end of trees\n").unwrap() + "end of trees\n".len();
    for end in 0..needed {
        assert!(Forest::read(&good.as_bytes()[..end]).is_err(), "cut after {end} bytes");
    }
    let cut = good.find("shrinkage").unwrap();
    assert_eq!(reason(&good[..cut]), Reason::Truncated);
}

#[test]
fn a_chain_that_is_too_deep_is_refused_without_a_deep_stack() {
    let chain = |leaves: usize| {
        let words = |from: usize, to: usize, word: &dyn Fn(usize) -> String| (from..to).map(word).collect::<Vec<_>>().join(" ");
        let splits = leaves - 1;
        let last = |s: usize| if s + 1 < splits { (s + 1).to_string() } else { (!(leaves as i64 - 1)).to_string() };
        let tree = format!(
            "Tree=0\nnum_leaves={leaves}\nnum_cat=0\nsplit_feature={}\nthreshold={}\ndecision_type={}\nleft_child={}\nright_child={}\nleaf_value={}\nleaf_count={}\ninternal_count={}\nis_linear=0\n\n\n",
            words(0, splits, &|s| (s % 2).to_string()),
            words(0, splits, &|s| s.to_string()),
            words(0, splits, &|_| "0".to_owned()),
            words(0, splits, &|s| (!(s as i64)).to_string()),
            words(0, splits, &last),
            words(0, leaves, &|_| "1".to_owned()),
            words(0, leaves, &|_| "1".to_owned()),
            words(0, splits, &|s| (leaves - s).to_string()),
        );
        with_trees(2, &[tree])
    };
    let deepest = Forest::read(chain(513).as_bytes()).unwrap();
    let sum = deepest.contributions(&[7.5, 3.5]).iter().sum::<f64>() + deepest.expected_value();
    assert!((sum - deepest.raw_score(&[7.5, 3.5])).abs() < 1e-9);
    assert_eq!(reason(&chain(514)), Reason::TooLarge);
    assert_eq!(reason(&chain(32_768)), Reason::TooLarge);
    assert_eq!(reason(&chain(32_769)), Reason::TooLarge);
}

#[test]
fn leaves_whose_sum_could_overflow_are_refused() {
    let leaf = Tree::Leaf { value: f64::MAX, count: 1 };
    assert!(Forest::read(naive::text(1, std::slice::from_ref(&leaf)).as_bytes()).is_ok());
    assert_eq!(reason(&naive::text(1, &[leaf.clone(), leaf])), Reason::BadNumber);
}

#[test]
fn files_of_other_formats_are_never_loaded() {
    let strangers: [&[u8]; 9] = [
        b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00\x8c\x08builtins",
        b"\x80\x03csklearn.ensemble",
        b"PK\x03\x04\x14\x00model.joblib",
        b"\x1f\x8b\x08\x00",
        b"\x78\x9c\xed\xbd",
        b"\x08\x07\x12\x07skl2onnx",
        b"",
        b"\xff\xfe\x00",
        b"{\"format\": \"tree\"}",
    ];
    for bytes in strangers {
        for learner in [Learner::Lightgbm, Learner::Logistic] {
            assert!(Scorer::read(learner, bytes).is_err(), "{learner:?} took {bytes:?}");
        }
    }
    assert_eq!(Scorer::read(Learner::Lightgbm, strangers[0]).unwrap_err().reason, Reason::UnknownFormat);
    assert_eq!(Forest::read(b"tree\nversion=v4\n\xff").unwrap_err().reason, Reason::NotUtf8);
}

proptest! {
    #[test]
    fn a_damaged_text_is_refused_or_scores_numbers(
        trees in prop::collection::vec(naive::tree(3), 1..4),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        row in prop::collection::vec(naive::row_value(), 3),
    ) {
        let mut bytes = naive::text(3, &trees).into_bytes();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(forest) = Forest::read(&bytes) {
            prop_assert!((0.0..=1.0).contains(&forest.score(&row)));
            prop_assert!(forest.contributions(&row).len() == forest.features().len());
        }
    }

    #[test]
    fn any_lists_are_refused_or_a_tree(
        left in prop::collection::vec(-5i32..4, 3),
        right in prop::collection::vec(-5i32..4, 3),
    ) {
        let list = |l: &[i32]| l.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let tree = format!(
            "Tree=0\nnum_leaves=4\nnum_cat=0\nsplit_feature=0 1 0\nthreshold=1 2 3\ndecision_type=10 0 4\nleft_child={}\nright_child={}\nleaf_value=1 2 3 4\nleaf_count=1 1 1 1\ninternal_count=4 3 2\nis_linear=0\n\n\n",
            list(&left), list(&right)
        );
        if let Ok(forest) = Forest::read(with_trees(2, &[tree]).as_bytes()) {
            let mut children: Vec<i32> = left.iter().chain(&right).copied().collect();
            children.sort_unstable();
            prop_assert_eq!(children, [-4, -3, -2, -1, 1, 2]);
            prop_assert!((1.0..=4.0).contains(&forest.raw_score(&[0.0, 0.0])));
        }
    }
}
