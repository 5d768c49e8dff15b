//! What the columns were like in training, for the drift-watcher.

use crate::files::row_major;
use crate::interrupted::Interrupted;
use std::ops::Range;
use tidemill_model::Scorer;
use tidemill_statistics::drift::{ColumnReference, Number, Reference};
use tidemill_training_set::Rows;

/// The references of every feature and of `score`, from the rows of `range`: JSON, a list in the order of the vector.
pub(crate) fn references(rows: &Rows, range: Range<usize>, scorer: &Scorer) -> Result<Vec<u8>, Interrupted> {
    let mut scores = Vec::with_capacity(range.len());
    scorer.scores(&row_major(rows, range.clone()), &mut scores);
    let reference =
        |name: &str, values: &[f64]| ColumnReference { name: name.to_owned(), reference: Reference::Number(Number::new(values)) };
    let features = rows.columns.features.iter().zip(&rows.features);
    let mut all: Vec<ColumnReference> = features.map(|(name, column)| reference(name, &column[range.clone()])).collect();
    all.push(reference("score", &scores));
    serde_json::to_vec(&all).map_err(|e| Interrupted::Failed(format!("the references cannot be written: {e}")))
}
