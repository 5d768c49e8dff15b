//! All columns of a window against the references of a model.

use super::{Category, Number, Values};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a column was like in training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reference {
    /// A numeric column; truth values are 0 and 1.
    Number(Number),
    /// A column of categories.
    Category(Category),
}

/// A column and its reference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnReference {
    /// Name of the column.
    pub name: String,
    /// What it was like.
    pub reference: Reference,
}

/// A column of a window.
#[derive(Debug, Clone, Copy)]
pub enum Window<'a> {
    /// One value per row, in any order; NaN and infinities are missing.
    Numbers(&'a [f64]),
    /// Rows by category.
    Categories(&'a Category),
}

impl<'a> From<&'a Vec<f64>> for Window<'a> {
    fn from(values: &'a Vec<f64>) -> Self {
        Self::Numbers(values)
    }
}

impl<'a> From<&'a Category> for Window<'a> {
    fn from(counts: &'a Category) -> Self {
        Self::Categories(counts)
    }
}

/// How far one column of the window is from its reference.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ColumnDrift {
    /// Name of the column.
    pub name: String,
    /// Rows of the window, missing values included.
    pub rows: u64,
    /// Missing values over rows, 0 to 1; `None` without rows.
    pub missing: Option<f64>,
    /// Population stability index, 0 or more; `None` if one side has no values (so the next two).
    pub psi: Option<f64>,
    /// Kolmogorov-Smirnov statistic, 0 to 1; `None` for categories.
    pub ks: Option<f64>,
    /// Jensen-Shannon distance to base 2, 0 to 1.
    pub js: Option<f64>,
}

/// The window does not fit the references.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// There are more or fewer columns than references.
    Columns {
        /// References.
        expected: usize,
        /// Columns of the window.
        found: usize,
    },
    /// The reference of this column is of numbers and the window of categories, or the other way round.
    Kind(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Columns { expected, found } => write!(f, "the window has {found} columns, the model's references {expected}"),
            Self::Kind(name) => write!(f, "column `{name}`: one of reference and window is numeric, the other categories"),
        }
    }
}

impl std::error::Error for Error {}

/// Compares each column of `window` with the reference at the same place.
///
/// A `&Vec<Vec<f64>>`, column by column, is a window of numbers. About 3 ms per column of 100,000 rows.
///
/// # Errors
/// The window has another number of columns, or a column is of another kind than its reference.
pub fn report<'a, W>(references: &[ColumnReference], window: W) -> Result<Vec<ColumnDrift>, Error>
where
    W: IntoIterator<Item: Into<Window<'a>>>,
{
    let window: Vec<Window<'a>> = window.into_iter().map(Into::into).collect();
    if window.len() != references.len() {
        return Err(Error::Columns { expected: references.len(), found: window.len() });
    }
    let (mut values, mut keys) = (Values::default(), Vec::new());
    let compare = |(column, window): (&ColumnReference, Window<'a>)| {
        let name = column.name.clone();
        match (&column.reference, window) {
            (Reference::Number(reference), Window::Numbers(rows)) => {
                values.refill(rows, &mut keys);
                Ok(ColumnDrift {
                    name,
                    rows: values.rows(),
                    missing: values.missing_share(),
                    psi: reference.psi(&values),
                    ks: reference.ks(&values).map(|ks| ks.statistic),
                    js: reference.jensen_shannon(&values).map(|js| js.distance),
                })
            }
            (Reference::Category(reference), Window::Categories(counts)) => Ok(ColumnDrift {
                name,
                rows: counts.rows(),
                missing: counts.missing_share(),
                psi: reference.psi(counts),
                ks: None,
                js: reference.jensen_shannon(counts),
            }),
            _ => Err(Error::Kind(name)),
        }
    };
    references.iter().zip(window).map(compare).collect()
}
