//! What is stored with a model: its references, and how far the training's own windows are from them.

use super::{ColumnDrift, ColumnReference, Number, Reference, Window, report};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// The references of a model's columns.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct References {
    /// One for each column.
    pub columns: Vec<ColumnReference>,
    /// How far a window of the training itself is from each of them, at most; empty where that is not known.
    #[serde(default)]
    pub usual: Vec<Usual>,
}

/// How far a column of a window may be from its reference though nothing has changed.
///
/// The whole of a training mixes weekdays and weekends, nights and days, early and late; no window of it does. A flag of
/// weekends is far from its mean every day. So a distance says something only where it is beyond these.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Usual {
    /// Greatest population stability index.
    pub psi: f64,
    /// Greatest Kolmogorov-Smirnov statistic.
    pub ks: f64,
    /// Greatest Jensen-Shannon distance.
    pub js: f64,
    /// Greatest share of missing values.
    pub missing: f64,
}

impl References {
    /// The references of `columns` of numbers (name and values, all in the same order of rows), allowing for each of `windows`,
    /// ranges of their rows: see [`References::allow_for`].
    #[must_use]
    pub fn of(columns: &[(&str, &[f64])], windows: impl IntoIterator<Item = Range<usize>>) -> Self {
        let reference = |(name, values): &(&str, &[f64])| ColumnReference {
            name: (*name).to_owned(),
            reference: Reference::Number(Number::new(values)),
        };
        let mut references = Self::new(columns.iter().map(reference).collect());
        for rows in windows {
            let window = columns.iter().filter_map(|(_, values)| values.get(rows.clone())).map(Window::Numbers);
            // a range beyond the rows is no window
            if let Ok(found) = report(&references.columns, window) {
                references.allow_for(&found);
            }
        }
        references
    }

    /// References of which nothing is usual yet.
    #[must_use]
    pub fn new(columns: Vec<ColumnReference>) -> Self {
        let usual = vec![Usual::default(); columns.len()];
        Self { columns, usual }
    }

    /// Notes that a window of the training is as far as `report` says: a window as long as those that will be watched, all
    /// those of the training's last week at least.
    pub fn allow_for(&mut self, report: &[ColumnDrift]) {
        let most = |a: &mut f64, b: Option<f64>| *a = a.max(b.unwrap_or(0.0));
        for (usual, column) in self.usual.iter_mut().zip(report) {
            most(&mut usual.psi, column.psi);
            most(&mut usual.ks, column.ks);
            most(&mut usual.js, column.js);
            most(&mut usual.missing, column.missing);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_is_the_farthest_window_of_the_training() {
        let weekend: Vec<f64> = (0..700).map(|row| f64::from(u8::from(row >= 500))).collect();
        let same = vec![f64::NAN; 700];
        let columns = [("weekend", weekend.as_slice()), ("same", same.as_slice())];
        let references = References::of(&columns, (0..7).map(|day| day * 100..(day + 1) * 100));
        assert_eq!(references.usual[0].ks, 5.0 / 7.0);
        assert_eq!(references.usual[1], Usual { missing: 1.0, ..Usual::default() });
        assert_eq!(References::of(&columns, std::iter::once(0..701)).usual, [Usual::default(); 2], "there are no such rows");
        let without: References = serde_json::from_str(r#"{"columns":[]}"#).unwrap();
        assert!(without.usual.is_empty());
        let text = serde_json::to_string(&references).unwrap();
        assert_eq!(serde_json::from_str::<References>(&text).unwrap(), references);
    }
}
