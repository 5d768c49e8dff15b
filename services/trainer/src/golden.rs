//! Golden rows: some of those trained on, with the scores that the learner's own library gives for them.

use crate::files::row_major;
use crate::interrupted::Interrupted;
use std::collections::BTreeSet;
use std::ops::Range;
use tidemill_model::artefact::Golden;
use tidemill_model::{Learner, Scorer};
use tidemill_training_set::Rows;

/// Golden rows of an artefact, at most.
const ROWS: usize = 64;
/// Of each kind that there must be some of: rows with a missing value, rows with label 1.
const OF_A_KIND: usize = 16;

/// The golden rows of a model, taken from `range`: always the same for the same rows.
pub(crate) fn golden(learner: Learner, model: &[u8], scorer: &Scorer, rows: &Rows, range: Range<usize>) -> Result<Golden, Interrupted> {
    let chosen = choose(rows, range);
    let values: Vec<f64> = chosen.iter().flat_map(|row| row_major(rows, *row..row + 1)).collect();
    let width = rows.features.len();
    let scores = match learner {
        Learner::Lightgbm => lightgbm(model, &values, width)?,
        Learner::Logistic => values.chunks(width).map(|row| scorer.score(row)).collect(),
    };
    let rows = values.chunks(width).map(|row| row.iter().map(|v| (!v.is_nan()).then_some(*v)).collect()).collect();
    Ok(Golden { rows, scores })
}

/// The scores that LightGBM gives, with the model as it is stored.
fn lightgbm(model: &[u8], values: &[f64], width: usize) -> Result<Vec<f64>, Interrupted> {
    let fault = |e: lightgbm3::Error| Interrupted::Failed(format!("LightGBM: {e}"));
    let text = std::str::from_utf8(model).map_err(|e| Interrupted::Failed(format!("LightGBM's model is no text: {e}")))?;
    let booster = lightgbm3::Booster::from_string(text).map_err(fault)?;
    booster.predict(values, i32::try_from(width).unwrap_or(i32::MAX), true).map_err(fault)
}

/// Rows with missing values and rows with label 1, as far as there are any, and the rest from all over the range.
fn choose(rows: &Rows, range: Range<usize>) -> Vec<usize> {
    let missing: Vec<usize> = range.clone().filter(|row| rows.features.iter().any(|column| column[*row].is_nan())).collect();
    let positive: Vec<usize> = range.clone().filter(|row| rows.label[*row] >= 0.5).collect();
    let all: Vec<usize> = range.collect();
    let mut chosen: BTreeSet<usize> = spread(&missing, OF_A_KIND).chain(spread(&positive, OF_A_KIND)).collect();
    chosen.extend(spread(&all, ROWS - chosen.len()));
    chosen.into_iter().collect()
}

/// At most `n` of `items`, evenly spread.
fn spread(items: &[usize], n: usize) -> impl Iterator<Item = usize> + '_ {
    let n = n.min(items.len());
    (0..n).map(move |i| items[i * items.len() / n])
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidemill_training_set::{Columns, Row};

    #[test]
    fn every_kind_of_row_is_among_them() {
        let mut rows = Rows::new(Columns { entities: vec![], features: vec!["a".into(), "b".into()] });
        for i in 0..5_000usize {
            let b = if i == 4_321 { f64::NAN } else { 1.0 };
            let label = f64::from(u8::from(i % 400 == 7));
            rows.push(&Row { event_id: &"e".into(), event_time: 0, label, label_time: 0, entities: &[], features: &[i as f64, b] });
        }
        let chosen = choose(&rows, 0..5_000);
        assert!(chosen.contains(&4_321) && chosen.is_sorted());
        assert_eq!(chosen.iter().filter(|row| rows.label[**row] == 1.0).count(), 13);
        assert!(chosen.len() <= ROWS && chosen.len() >= ROWS - 3, "{}", chosen.len());
        assert_eq!(choose(&rows, 10..12), [10, 11]);
    }
}
