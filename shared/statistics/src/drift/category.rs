//! A column of categories: its counts are both reference and window.

use super::chi_square::ChiSquare;
use super::measures;
use super::values::share;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How often each category occurred. Two of them are compared over the categories of both; a missing value
/// is no category.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Category {
    missing: u64,
    counts: BTreeMap<String, u64>,
}

impl<T: AsRef<str>> FromIterator<Option<T>> for Category {
    fn from_iter<I: IntoIterator<Item = Option<T>>>(values: I) -> Self {
        let mut this = Self::default();
        values.into_iter().for_each(|value| this.add(value.as_ref().map(T::as_ref)));
        this
    }
}

impl Category {
    /// Counts one row.
    pub fn add(&mut self, value: Option<&str>) {
        match value {
            None => self.missing += 1,
            Some(value) => match self.counts.get_mut(value) {
                Some(count) => *count += 1,
                None => drop(self.counts.insert(value.to_owned(), 1)),
            },
        }
    }

    /// Rows, missing values included.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.counts.values().fold(self.missing, |sum, c| sum.saturating_add(*c))
    }

    /// Rows without a value.
    #[must_use]
    pub fn missing(&self) -> u64 {
        self.missing
    }

    /// Missing values over rows, 0 to 1; `None` without rows.
    #[must_use]
    pub fn missing_share(&self) -> Option<f64> {
        share(self.missing, self.rows())
    }

    /// Rows by category.
    #[must_use]
    pub fn counts(&self) -> &BTreeMap<String, u64> {
        &self.counts
    }

    /// Population stability index over the categories (see [`super::psi`]).
    #[must_use]
    pub fn psi(&self, current: &Self) -> Option<f64> {
        let (reference, current) = self.beside(current);
        measures::psi(&reference, &current)
    }

    /// Jensen-Shannon distance to base 2, 0 to 1.
    #[must_use]
    pub fn jensen_shannon(&self, current: &Self) -> Option<f64> {
        let (reference, current) = self.beside(current);
        measures::divergence(&reference, &current).map(f64::sqrt)
    }

    /// The greatest difference between the shares of one category, 0 to 1.
    #[must_use]
    pub fn greatest_difference(&self, current: &Self) -> Option<f64> {
        let (reference, current) = self.beside(current);
        let (n, m) = (reference.iter().sum::<u64>() as f64, current.iter().sum::<u64>() as f64);
        let difference = |(r, c): (&u64, &u64)| (*r as f64 / n - *c as f64 / m).abs();
        (n > 0.0 && m > 0.0).then(|| reference.iter().zip(&current).map(difference).fold(0.0, f64::max))
    }

    /// Test whether both have one distribution; `None` if one has no values or both have one category only.
    #[must_use]
    pub fn chi_square(&self, current: &Self) -> Option<ChiSquare> {
        let (reference, current) = self.beside(current);
        ChiSquare::of(&reference, &current)
    }

    /// Counts of both over the categories that either has, in one order.
    fn beside(&self, current: &Self) -> (Vec<u64>, Vec<u64>) {
        let names: BTreeSet<&String> = self.counts.keys().chain(current.counts.keys()).collect();
        let of = |side: &Self| names.iter().map(|name| side.counts.get(*name).copied().unwrap_or(0)).collect();
        (of(self), of(current))
    }
}
