//! What the columns were like in training, for the drift-watcher.

use crate::files::row_major;
use crate::interrupted::Interrupted;
use crate::split::Split;
use std::ops::Range;
use tidemill_events::time::DAY;
use tidemill_model::Scorer;
use tidemill_statistics::drift::{References, Window, report};
use tidemill_training_set::Rows;

/// How much of the training's end tells what is usual from window to window: every day of the week.
const WEEK: i64 = 7 * DAY;

/// The references of every feature and of `score`, from the rows that are trained and chosen on, in the order of the vector; and
/// how far windows of `window` microseconds at their end are from them. For the score these are the held-back windows as well:
/// rows that a model has learned from are scored a little otherwise than those it has not seen.
pub(crate) fn references(rows: &Rows, split: &Split, window: i64, scorer: &Scorer) -> Result<Vec<u8>, Interrupted> {
    let trained = split.trained_rows();
    let mut scores = Vec::new();
    scorer.scores(&row_major(rows, trained.start..split.holdout.rows.end), &mut scores);
    let rows_of = |(from, to): (i64, i64)| {
        let found = rows.between(from, to);
        found.start - trained.start..found.end - trained.start
    };
    let windows_in = |from, to| windows(from, to, window).map(rows_of).filter(|rows| !rows.is_empty());

    let span = split.trained();
    let last_week: Vec<Range<usize>> = windows_in(span.from.max(span.to - WEEK.max(window)), span.to).collect();
    let features: Vec<(&str, &[f64])> =
        rows.columns.features.iter().zip(&rows.features).map(|(name, column)| (name.as_str(), &column[trained.clone()])).collect();
    let mut references = References::of(&features, last_week.iter().cloned());
    let mut score = References::of(&[("score", &scores[..trained.len()])], last_week);
    for unseen in windows_in(split.holdout.span.from, split.holdout.span.to) {
        let found = report(&score.columns, [Window::Numbers(&scores[unseen])]);
        score.allow_for(&found.map_err(|e| Interrupted::Failed(e.to_string()))?);
    }
    references.columns.append(&mut score.columns);
    references.usual.append(&mut score.usual);
    serde_json::to_vec(&references).map_err(|e| Interrupted::Failed(format!("the references cannot be written: {e}")))
}

/// The whole windows between `from` and `to`, the last first.
fn windows(from: i64, to: i64, length: i64) -> impl Iterator<Item = (i64, i64)> {
    let ends = std::iter::successors(Some(to), move |end| Some(end - length));
    ends.map(move |end| (end - length, end)).take_while(move |(start, _)| *start >= from)
}
