//! LightGBM's model text, cut into the header's facts and the fields of each tree.
//!
//! ```text
//! tree
//! version=v4
//! num_class=1 … objective=binary sigmoid:1 … feature_names=a b … tree_sizes=512 498
//!
//! Tree=0
//! num_leaves=4 …
//!
//!
//! end of trees
//! ```
//! What follows `end of trees` (importances, the training's parameters) does not take part in scores and is
//! not read.

use super::{MAX_FEATURES, check_names};
use crate::{Reason, Refused, shown};

/// The keys before the first tree; LightGBM writes no others.
const HEADER: [&str; 10] = [
    "version",
    "num_class",
    "num_tree_per_iteration",
    "label_index",
    "max_feature_idx",
    "objective",
    "feature_names",
    "monotone_constraints",
    "feature_infos",
    "tree_sizes",
];
/// The keys of a tree without categorical splits and linear leaves.
const TREE: [&str; 16] = [
    "num_leaves",
    "num_cat",
    "split_feature",
    "split_gain",
    "threshold",
    "decision_type",
    "left_child",
    "right_child",
    "leaf_value",
    "leaf_weight",
    "leaf_count",
    "internal_value",
    "internal_weight",
    "internal_count",
    "is_linear",
    "shrinkage",
];

/// A model's text, cut into pieces.
pub(super) struct Text<'a> {
    /// Names, in the order of a row.
    pub(super) features: Vec<&'a str>,
    /// `sigmoid:` of the objective.
    pub(super) steepness: f64,
    pub(super) trees: Vec<Fields<'a>>,
}

/// `key=value` lines that belong together.
pub(super) struct Fields<'a> {
    /// What they describe: `the header`, `tree 7`.
    pub(super) place: String,
    known: &'static [&'static str],
    values: Vec<Option<&'a str>>,
}

impl<'a> Fields<'a> {
    fn new(place: String, known: &'static [&'static str]) -> Self {
        Self { place, known, values: vec![None; known.len()] }
    }

    fn add(&mut self, line: &Line<'a>) -> Result<(), Refused> {
        let place = || format!("line {}, {}", line.number, self.place);
        let Some((key, value)) = line.text.split_once('=') else {
            return match line.text {
                "average_output" => Err(Refused::new(Reason::Unsupported, place(), "the trees are averaged, not summed")),
                other => Err(Refused::new(Reason::Malformed, place(), format!("`{}` is no key=value", shown(other)))),
            };
        };
        let Some(index) = self.known.iter().position(|k| *k == key) else {
            let reason = if key.starts_with("cat_") || key.starts_with("leaf_") { Reason::Unsupported } else { Reason::Malformed };
            return Err(Refused::new(reason, place(), format!("the key `{}` is not known", shown(key))));
        };
        if self.values[index].replace(value).is_some() {
            return Err(Refused::new(Reason::Malformed, place(), format!("`{key}` is there twice")));
        }
        Ok(())
    }

    /// The value of `key`, if it is there.
    pub(super) fn optional(&self, key: &str) -> Option<&'a str> {
        self.known.iter().position(|k| *k == key).and_then(|index| self.values[index])
    }

    /// The value of `key`.
    pub(super) fn get(&self, key: &str) -> Result<&'a str, Refused> {
        self.optional(key).ok_or_else(|| Refused::new(Reason::Malformed, &self.place, format!("there is no `{key}`")))
    }

    /// The value of `key` as one number.
    pub(super) fn number<T: std::str::FromStr>(&self, key: &str) -> Result<T, Refused> {
        let value = self.get(key)?;
        value.parse().map_err(|_| Refused::new(Reason::BadNumber, self.at(key), format!("`{}`", shown(value))))
    }

    /// The value of `key` as exactly `count` numbers.
    pub(super) fn numbers<T: std::str::FromStr>(&self, key: &str, count: usize) -> Result<Vec<T>, Refused> {
        let value = self.get(key)?;
        let found = value.split_ascii_whitespace().count();
        if found != count {
            return Err(Refused::new(Reason::WrongCount, self.at(key), format!("{found} numbers, {count} were announced")));
        }
        let read = |word: &str| word.parse().map_err(|_| Refused::new(Reason::BadNumber, self.at(key), format!("`{}`", shown(word))));
        value.split_ascii_whitespace().map(read).collect()
    }

    /// The value of `key` as exactly `count` finite numbers.
    pub(super) fn finite(&self, key: &str, count: usize) -> Result<Vec<f64>, Refused> {
        let numbers = self.numbers::<f64>(key, count)?;
        match numbers.iter().find(|n| !n.is_finite()) {
            Some(number) => Err(Refused::new(Reason::BadNumber, self.at(key), number.to_string())),
            None => Ok(numbers),
        }
    }

    /// The thresholds of `count` splits. LightGBM writes `inf` where a split parts what is missing from everything else:
    /// the largest number does the same, since no feature is infinite.
    pub(super) fn thresholds(&self, count: usize) -> Result<Vec<f64>, Refused> {
        let numbers = self.numbers::<f64>("threshold", count)?;
        if let Some(number) = numbers.iter().find(|n| n.is_nan() || **n == f64::NEG_INFINITY) {
            return Err(Refused::new(Reason::BadNumber, self.at("threshold"), number.to_string()));
        }
        Ok(numbers.into_iter().map(|n| n.min(f64::MAX)).collect())
    }

    pub(super) fn at(&self, key: &str) -> String {
        format!("{}, {key}", self.place)
    }

    fn expect(&self, key: &str, wanted: &str, reason: Reason) -> Result<(), Refused> {
        match self.get(key)? {
            found if found == wanted => Ok(()),
            found => Err(Refused::new(reason, self.at(key), format!("`{}`, only {wanted} is read here", shown(found)))),
        }
    }
}

struct Line<'a> {
    number: usize,
    /// Where it begins, in bytes.
    start: usize,
    text: &'a str,
}

/// The lines of a text; the last one counts only if it is ended.
struct Lines<'a> {
    rest: &'a str,
    number: usize,
    start: usize,
}

impl<'a> Lines<'a> {
    fn next(&mut self) -> Result<Line<'a>, Refused> {
        let Some((text, rest)) = self.rest.split_once('\n') else {
            return Err(Refused::new(Reason::Truncated, format!("line {}", self.number + 1), "the text ends before `end of trees`"));
        };
        self.number += 1;
        let line = Line { number: self.number, start: self.start, text };
        self.start += text.len() + 1;
        self.rest = rest;
        Ok(line)
    }
}

/// Cuts `text` into pieces.
pub(super) fn read(text: &str) -> Result<Text<'_>, Refused> {
    let mut lines = Lines { rest: text, number: 0, start: 0 };
    let is_ours = text.strip_prefix("tree\n").is_some_and(|rest| rest.is_empty() || rest.starts_with("version=v"));
    if !is_ours {
        return Err(Refused::new(Reason::UnknownFormat, "line 1", "this is no LightGBM model text"));
    }
    lines.next()?;
    let mut header = Fields::new("the header".to_owned(), &HEADER);
    loop {
        let line = lines.next()?;
        if line.text.is_empty() {
            break;
        }
        header.add(&line)?;
    }
    let (features, steepness) = facts(&header)?;
    let trees = trees(&mut lines, &header)?;
    Ok(Text { features, steepness, trees })
}

/// What the header says, as far as scores depend on it.
fn facts<'a>(header: &Fields<'a>) -> Result<(Vec<&'a str>, f64), Refused> {
    let version = header.get("version")?;
    if !matches!(version, "v3" | "v4") {
        let what = format!("version `{}`, only v3 and v4 are read here", shown(version));
        return Err(Refused::new(Reason::UnknownFormat, header.at("version"), what));
    }
    header.expect("num_class", "1", Reason::OtherObjective)?;
    header.expect("num_tree_per_iteration", "1", Reason::OtherObjective)?;
    let objective = header.get("objective")?;
    let other =
        || Refused::new(Reason::OtherObjective, header.at("objective"), format!("`{}`, only binary is read here", shown(objective)));
    let steepness = objective.strip_prefix("binary sigmoid:").ok_or_else(other)?;
    let steepness: f64 = steepness.parse().map_err(|_| other())?;
    if !(steepness.is_finite() && steepness > 0.0) {
        return Err(Refused::new(Reason::BadNumber, header.at("objective"), format!("sigmoid {steepness}")));
    }
    let features: Vec<&str> = header.get("feature_names")?.split(' ').collect();
    let announced = header.number::<usize>("max_feature_idx")?.saturating_add(1);
    if features.len() != announced {
        let what = format!("{} names, {announced} were announced", features.len());
        return Err(Refused::new(Reason::WrongCount, header.at("feature_names"), what));
    }
    if features.len() > MAX_FEATURES {
        let what = format!("{} features, {MAX_FEATURES} are most", features.len());
        return Err(Refused::new(Reason::TooLarge, header.at("feature_names"), what));
    }
    check_names(&features, &header.at("feature_names"))?;
    Ok((features, steepness))
}

fn trees<'a>(lines: &mut Lines<'a>, header: &Fields<'a>) -> Result<Vec<Fields<'a>>, Refused> {
    let sizes = header.get("tree_sizes")?;
    let mut sizes = sizes.split_ascii_whitespace();
    let mut trees = Vec::new();
    let mut line = lines.next()?;
    while line.text != "end of trees" {
        let index = trees.len();
        if line.text.strip_prefix("Tree=").and_then(|n| n.parse().ok()) != Some(index) {
            let what = format!("`{}` where tree {index} should begin", shown(line.text));
            return Err(Refused::new(Reason::Malformed, format!("line {}", line.number), what));
        }
        let start = line.start;
        let mut tree = Fields::new(format!("tree {index}"), &TREE);
        line = lines.next()?;
        while !line.text.is_empty() {
            tree.add(&line)?;
            line = lines.next()?;
        }
        while line.text.is_empty() {
            line = lines.next()?;
        }
        // LightGBM finds its trees by these sizes: if they lie, it would read another forest than this one.
        let size = sizes.next().and_then(|s| s.parse::<usize>().ok());
        if size != Some(line.start - start) {
            let what = format!("the header announces {size:?} bytes, there are {}", line.start - start);
            return Err(Refused::new(Reason::WrongCount, tree.place, what));
        }
        trees.push(tree);
    }
    let left = sizes.count();
    if left > 0 || trees.is_empty() {
        let what = format!("{} trees, {} were announced", trees.len(), trees.len() + left);
        return Err(Refused::new(Reason::WrongCount, header.at("tree_sizes"), what));
    }
    Ok(trees)
}
