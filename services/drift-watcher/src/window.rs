//! A window of event time while it fills: bounded samples of its vectors and scores, and who made its predictions.

use tidemill_events::control::Span;
use tidemill_events::records::ModelRef;
use tidemill_events::views::ModelView;
use tidemill_statistics::sample::Sample;

/// Most rows of a window that are measured.
pub(crate) const MAX_ROWS: usize = 100_000;

/// The window of length `length` that `time` lies in; windows are aligned to 1970.
pub(crate) fn window_of(time: i64, length: i64) -> Span {
    let from = time.div_euclid(length).saturating_mul(length);
    Span { from, to: from.saturating_add(length) }
}

/// Values of a bounded sample of rows, column by column: what a report reads, as it is.
#[derive(Debug)]
pub(crate) struct Rows {
    limit: usize,
    columns: Vec<Vec<f64>>,
    /// Where in the columns each row of the sample is. Those that were pushed out stay until the next compaction.
    places: Sample<u32>,
}

impl Rows {
    pub(crate) fn new(columns: usize, limit: usize) -> Self {
        Self { limit, columns: vec![Vec::new(); columns], places: Sample::new(limit) }
    }

    /// Offers the row of event `id`.
    pub(crate) fn offer(&mut self, id: &str, row: &[f64]) {
        let columns = &mut self.columns;
        self.places.offer(id, || {
            let place = columns.first().map_or(0, Vec::len) as u32;
            columns.iter_mut().zip(row).for_each(|(column, value)| column.push(*value));
            place
        });
        if self.columns.first().is_some_and(|c| c.len() >= 2 * self.limit) {
            self.compact();
        }
    }

    /// How many rows are in the sample.
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// The sample's columns, in no order of rows.
    pub(crate) fn columns(&mut self) -> &[Vec<f64>] {
        if self.columns.first().is_some_and(|c| c.len() != self.places.len()) {
            self.compact();
        }
        &self.columns
    }

    /// Forgets the rows that are not in the sample any more.
    fn compact(&mut self) {
        let mut kept = Sample::new(self.limit);
        let mut columns = vec![Vec::with_capacity(self.limit); self.columns.len()];
        for (place, (id, old)) in (0..).zip(self.places.iter()) {
            kept.offer(id, || place);
            columns.iter_mut().zip(&self.columns).for_each(|(new, column)| new.push(column[*old as usize]));
        }
        self.columns = columns;
        self.places = kept;
    }
}

/// A window that fills.
#[derive(Debug)]
pub(crate) struct Window {
    pub(crate) span: Span,
    /// Vectors in it.
    pub(crate) vectors: u64,
    /// Predictions in it.
    pub(crate) predictions: u64,
    pub(crate) rows: Rows,
    scores: Sample<(f64, u32)>,
    models: Vec<(ModelRef, u64)>,
}

impl Window {
    pub(crate) fn new(span: Span, columns: usize) -> Self {
        let rows = Rows::new(columns, MAX_ROWS);
        Self { span, vectors: 0, predictions: 0, rows, scores: Sample::new(MAX_ROWS), models: Vec::new() }
    }

    /// Takes up a vector.
    pub(crate) fn vector(&mut self, id: &str, row: &[f64]) {
        self.vectors += 1;
        self.rows.offer(id, row);
    }

    /// Takes up a prediction.
    pub(crate) fn prediction(&mut self, id: &str, score: f64, model: &ModelView<'_>) {
        self.predictions += 1;
        let place = place_of(&mut self.models, model);
        self.models[place].1 += 1;
        self.scores.offer(id, || (score, place as u32));
    }

    /// The model that made most of the predictions; of several, the one with the highest version.
    pub(crate) fn model(&self) -> Option<&ModelRef> {
        majority(&self.models).map(|place| &self.models[place].0)
    }

    /// The scores of that model.
    pub(crate) fn scores(&self) -> Vec<f64> {
        let of = majority(&self.models);
        self.scores.iter().filter(|(_, (_, model))| Some(*model as usize) == of).map(|(_, (score, _))| *score).collect()
    }
}

/// The place of `model` among `models`.
pub(crate) fn place_of(models: &mut Vec<(ModelRef, u64)>, model: &ModelView<'_>) -> usize {
    let known = models.iter().position(|(known, _)| known.digest == model.digest && known.version == model.version);
    known.unwrap_or_else(|| {
        models.push((model.to_owned(), 0));
        models.len() - 1
    })
}

/// The place of the model with the highest count; of several, the one with the highest version.
pub(crate) fn majority(models: &[(ModelRef, u64)]) -> Option<usize> {
    let rank = |place: &usize| (models[*place].1, models[*place].0.version, models[*place].0.digest.as_str());
    (0..models.len()).filter(|place| models[*place].1 > 0).max_by_key(rank)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_sample_is_the_same_in_every_order(mut ids in prop::collection::vec(0u32..500, 0..300), limit in 1usize..40) {
            let sample = |ids: &[u32]| {
                let mut rows = Rows::new(2, limit);
                for id in ids {
                    rows.offer(&id.to_string(), &[f64::from(*id), -f64::from(*id)]);
                }
                let mut pairs: Vec<(f64, f64)> = { let c = rows.columns(); c[0].iter().copied().zip(c[1].iter().copied()).collect() };
                assert_eq!(pairs.len(), rows.len());
                pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
                pairs
            };
            let one = sample(&ids);
            ids.reverse();
            prop_assert_eq!(&one, &sample(&ids));
            prop_assert!(one.iter().all(|(a, b)| *a == -*b), "rows stay together");
            ids.sort_unstable();
            ids.dedup();
            prop_assert_eq!(one.len(), ids.len().min(limit));
        }

        #[test]
        fn windows_are_aligned_to_1970(time in -1_000_000i64..1_000_000, length in 1i64..1_000) {
            let Span { from, to } = window_of(time, length);
            prop_assert!(from <= time && time < to && to - from == length && from % length == 0);
        }
    }

    fn view(version: i32, digest: &str) -> ModelView<'_> {
        ModelView { name: "p", version, digest, stage: "champion" }
    }

    #[test]
    fn scores_are_those_of_the_model_that_made_most() {
        let mut window = Window::new(Span { from: 0, to: 10 }, 0);
        assert_eq!(window.model(), None);
        for (id, version) in ["a", "b", "c", "d"].iter().zip([1, 2, 2, 1]) {
            window.prediction(id, f64::from(version), &view(version, "sha256:1"));
        }
        assert_eq!(window.model().map(|m| m.version), Some(2), "of two as frequent, the newer");
        assert_eq!(window.scores(), [2.0, 2.0]);
        window.prediction("e", 1.0, &view(1, "sha256:1"));
        assert_eq!(window.scores(), [1.0, 1.0, 1.0]);
    }
}
