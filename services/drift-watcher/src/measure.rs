//! How far a window's columns are from a model's references, and whether that is far.
//!
//! A column *exceeds* when a measure is farther than the file's threshold beyond what is usual from window to window of the
//! training (a flag of weekends is far from its mean every day), and chance does not explain it: with `n` columns the
//! probability of the difference under no change is below [`CHANCE`]` / n` (Bonferroni), by the Kolmogorov-Smirnov statistic
//! or, for missing values, by Hoeffding's bound on a difference of shares.

use crate::message::EXCESS;
use crate::policy::{CRITICAL, SCORE};
use crate::window::Window;
use compact_str::CompactString;
use std::collections::BTreeMap;
use tidemill_events::control::ColumnDrift;
use tidemill_pipeline::learning::Measure;
use tidemill_statistics::drift::{self, ColumnReference, Error, Ks, Reference, References, Usual, report};

/// Probability that some column of a window exceeds though nothing changed: a bound, over all columns.
const CHANCE: f64 = 1e-3;

/// The file's thresholds.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Thresholds {
    pub(crate) features: Vec<(Measure, f64)>,
    pub(crate) score: Vec<(Measure, f64)>,
}

/// The references of a model, in the order of a vector's numbers, then the score's.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    /// The place of each among the numbers; `None` for the score.
    places: Vec<Option<usize>>,
    references: Vec<ColumnReference>,
    usual: Vec<Usual>,
}

impl Known {
    /// Those of `stored` that vectors with numbers called `names` can be held against.
    #[must_use]
    pub fn new(stored: References, names: &[CompactString]) -> Self {
        let References { columns, usual } = stored;
        let usual = usual.into_iter().map(Some).chain(std::iter::repeat(None));
        let place = |name: &str| if name == SCORE { Some(None) } else { names.iter().position(|n| n == name).map(Some) };
        let mut all: Vec<(Option<usize>, ColumnReference, Usual)> = columns
            .into_iter()
            .zip(usual)
            .filter(|(column, _)| matches!(column.reference, Reference::Number(_)))
            .filter_map(|(column, usual)| Some((place(&column.name)?, column, usual.unwrap_or_default())))
            .collect();
        // `None` last
        all.sort_by_key(|(place, ..)| place.unwrap_or(usize::MAX));
        let mut known = Self { places: Vec::new(), references: Vec::new(), usual: Vec::new() };
        for (place, reference, usual) in all {
            known.places.push(place);
            known.references.push(reference);
            known.usual.push(usual);
        }
        known
    }
}

/// Measures every column of `window`.
///
/// # Errors
/// Never with references of numbers.
pub(crate) fn measure(window: &mut Window, known: &Known, thresholds: &Thresholds) -> Result<Vec<ColumnDrift>, Error> {
    let scores = window.scores();
    let columns = window.rows.columns();
    let values = known.places.iter().map(|place| drift::Window::Numbers(place.map_or(scores.as_slice(), |p| columns[p].as_slice())));
    let measured = report(&known.references, values)?;
    let chance = CHANCE / measured.len().max(1) as f64;
    let rows = measured.iter().zip(&known.references).zip(&known.usual).zip(&known.places);
    Ok(rows
        .map(|(((column, reference), usual), place)| {
            let thresholds = if place.is_some() { &thresholds.features } else { &thresholds.score };
            judge(column, reference, usual, thresholds, chance)
        })
        .collect())
}

fn judge(
    column: &drift::ColumnDrift,
    reference: &ColumnReference,
    usual: &Usual,
    thresholds: &[(Measure, f64)],
    chance: f64,
) -> ColumnDrift {
    let measures = [
        (Measure::Psi, "psi", column.psi, usual.psi),
        (Measure::Ks, "ks", column.ks, usual.ks),
        // the file and the record say the divergence, which is the distance squared
        (Measure::Js, "js", column.js.map(|d| d * d), usual.js * usual.js),
        (Measure::Missing, "missing", column.missing, usual.missing),
    ];
    let mut told: BTreeMap<String, f64> = measures.iter().filter_map(|(_, name, value, _)| Some(((*name).to_owned(), (*value)?))).collect();
    let mut excess: Option<f64> = None;
    let mut exceeded = false;
    for (kind, threshold) in thresholds {
        let Some((.., value, usual)) = measures.iter().find(|(measure, ..)| measure == kind) else { continue };
        let beyond = match value {
            Some(value) if *threshold > 0.0 => (value - usual) / threshold,
            Some(value) => f64::from(u8::from(value > usual)) * CRITICAL,
            // a shape that is not there any more is as far as can be
            None if is_gone(column, reference) => CRITICAL,
            None => continue,
        };
        excess = Some(excess.map_or(beyond, |e| e.max(beyond)));
        let of_shape = *kind != Measure::Missing && value.is_some();
        let by_chance = if of_shape { shape_by_chance(column, reference) } else { missing_by_chance(column, reference) };
        exceeded |= beyond > 1.0 && by_chance < chance;
    }
    told.extend(excess.map(|excess| (EXCESS.to_owned(), excess)));
    ColumnDrift { column: column.name.clone(), measures: told, exceeded }
}

/// Whether the training had values and the window has none.
fn is_gone(column: &drift::ColumnDrift, reference: &ColumnReference) -> bool {
    matches!(&reference.reference, Reference::Number(number) if !number.sample().is_empty()) && column.missing == Some(1.0)
}

/// Probability of such a Kolmogorov-Smirnov statistic if both sides are alike.
fn shape_by_chance(column: &drift::ColumnDrift, reference: &ColumnReference) -> f64 {
    let (Some(statistic), Reference::Number(reference)) = (column.ks, &reference.reference) else { return 1.0 };
    let current = column.rows as f64 * (1.0 - column.missing.unwrap_or(0.0));
    let rows = (reference.sample().len() as u64, current.round() as u64);
    Ks { statistic, location: 0.0, sign: 1, rows }.p_series()
}

/// Bound on the probability of such a difference of shares if both sides are alike: `2 exp(-2 d² nm / (n + m))`.
fn missing_by_chance(column: &drift::ColumnDrift, reference: &ColumnReference) -> f64 {
    let Reference::Number(reference) = &reference.reference else { return 1.0 };
    let difference = column.missing.unwrap_or(0.0) - reference.missing_share().unwrap_or(0.0);
    let (n, m) = (reference.rows() as f64, column.rows as f64);
    2.0 * (-2.0 * difference * difference * n * m / (n + m).max(1.0)).exp()
}

#[cfg(test)]
mod tests;
