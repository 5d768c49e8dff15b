//! How rows are split by time: trained on, parameters chosen on, judged by. Pure.

use std::ops::Range;
use tidemill_events::control::Span;
use tidemill_events::time::format_duration;
use tidemill_training_set::Rows;

/// Rows with label 1 that the held-back part should have, and is made longer for.
const HOLDOUT_POSITIVES: usize = 50;
/// Rows that the part trained on must have.
const LEAST_ROWS: usize = 200;
/// Rows of each label that the part trained on must have.
const LEAST_OF_EACH: usize = 20;
/// Rows of each label that the part parameters are chosen on must have.
const LEAST_TO_CHOOSE: usize = 5;

/// Spans of a training, microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lengths {
    /// All of it.
    pub history: i64,
    /// What parameters are chosen on.
    pub validation: i64,
    /// A performance window.
    pub window: i64,
}

/// A part of the rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Event time.
    pub span: Span,
    /// The rows in it.
    pub rows: Range<usize>,
}

/// The parts, one after the other in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// What is trained on.
    pub train: Part,
    /// What parameters are chosen on.
    pub validation: Part,
    /// What nothing is chosen on.
    pub holdout: Part,
}

impl Split {
    /// Splits `rows`, in order of event time, that end at `end`. The newest window is held back, or as many as have
    /// fifty rows with label 1, at most as many as fit into the length of the validation part.
    #[must_use]
    pub fn new(rows: &Rows, end: i64, lengths: Lengths) -> Self {
        let Lengths { history, validation, window } = lengths;
        let part = |from: i64, to: i64| Part { span: Span { from, to }, rows: rows.between(from, to) };
        let start = end - history;
        let most = (validation / window).max(1);
        let windows = (1..=most).find(|n| rows.positives(part(end - n * window, end).rows) >= HOLDOUT_POSITIVES).unwrap_or(most);
        let holdout = (end - windows * window).max(start);
        let chosen = (holdout - validation).max(start);
        Self { train: part(start, chosen), validation: part(chosen, holdout), holdout: part(holdout, end) }
    }

    /// Event time of what is trained and chosen on.
    #[must_use]
    pub fn trained(&self) -> Span {
        Span { from: self.train.span.from, to: self.validation.span.to }
    }

    /// Rows that are trained and chosen on.
    #[must_use]
    pub fn trained_rows(&self) -> Range<usize> {
        self.train.rows.start..self.validation.rows.end
    }

    /// Whether that is enough to learn from.
    ///
    /// # Errors
    /// What is missing, for people.
    pub fn check(&self, rows: &Rows) -> Result<(), String> {
        let parts = [("trained", &self.train, LEAST_ROWS, LEAST_OF_EACH), ("chosen", &self.validation, 0, LEAST_TO_CHOOSE)];
        for (verb, part, least, of_each) in parts {
            let all = part.rows.len();
            let positives = rows.positives(part.rows.clone());
            let length = format_duration((part.span.to - part.span.from).max(0));
            if all < least {
                return Err(format!("the {length} that are {verb} on have {all} labelled events; {least} are the least"));
            }
            if positives < of_each || all - positives < of_each {
                let rest = all - positives;
                return Err(format!(
                    "the {length} that are {verb} on have {positives} events with label 1 and {rest} with 0; {of_each} of each are the least"
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidemill_events::time::{DAY, HOUR};
    use tidemill_training_set::{Columns, Row};

    const LENGTHS: Lengths = Lengths { history: 28 * DAY, validation: 7 * DAY, window: DAY };

    /// An event each hour; `positive` says which have label 1.
    fn rows(days: i64, positive: impl Fn(i64) -> bool) -> Rows {
        let mut rows = Rows::new(Columns::default());
        for hour in 0..days * 24 {
            let event_id = &format!("{hour:06}").into();
            let label = f64::from(u8::from(positive(hour)));
            rows.push(&Row { event_id, event_time: hour * HOUR, label, label_time: 0, entities: &[], features: &[] });
        }
        rows
    }

    #[test]
    fn the_parts_follow_each_other() {
        let rows = rows(40, |hour| hour % 2 == 0);
        let split = Split::new(&rows, 35 * DAY, LENGTHS);
        // a window has 12 rows with label 1: five windows have fifty
        assert_eq!(split.holdout.span, Span { from: 30 * DAY, to: 35 * DAY });
        assert_eq!(split.validation.span, Span { from: 23 * DAY, to: 30 * DAY });
        assert_eq!(split.train.span, Span { from: 7 * DAY, to: 23 * DAY });
        assert_eq!((split.trained().from, split.trained_rows()), (7 * DAY, 7 * 24..30 * 24));
        assert_eq!((split.train.rows.end, split.validation.rows.end), (split.validation.rows.start, split.holdout.rows.start));
        assert_eq!(split.check(&rows), Ok(()));
    }

    #[test]
    fn the_held_back_part_is_at_most_as_long_as_validation() {
        let rows = rows(40, |hour| hour % 240 == 0);
        assert_eq!(Split::new(&rows, 35 * DAY, LENGTHS).holdout.span, Span { from: 28 * DAY, to: 35 * DAY });
        let long = Lengths { window: 10 * DAY, ..LENGTHS };
        assert_eq!(Split::new(&rows, 35 * DAY, long).holdout.span, Span { from: 25 * DAY, to: 35 * DAY });
    }

    #[test]
    fn it_says_what_is_missing() {
        let few = rows(20, |hour| hour % 2 == 0);
        let why = Split::new(&few, 20 * DAY, LENGTHS).check(&few).unwrap_err();
        assert!(why.contains("192 labelled events; 200 are the least"), "{why}");
        let rare = rows(40, |hour| hour % 100 == 0);
        let why = Split::new(&rare, 35 * DAY, LENGTHS).check(&rare).unwrap_err();
        assert!(why.contains("events with label 1 and"), "{why}");
    }
}
