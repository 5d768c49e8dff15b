//! Where events come from: rows of named columns, read one after the other.

mod csv;
mod ndjson;
mod parquet;

use super::cell::Cell;
use std::path::{Path, PathBuf};

/// Rows in the order in which they are published.
pub trait Source: Send {
    /// Rows in all, where that is known.
    fn rows(&self) -> Option<u64>;

    /// Goes to the next row.
    ///
    /// # Errors
    /// When the file cannot be read any further.
    fn advance(&mut self) -> Result<Row, Error>;

    /// The current row's value in the `column`-th of the wanted columns.
    fn cell(&self, column: usize) -> Cell<'_>;
}

/// What [`Source::advance`] came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Row {
    /// A row.
    Ready,
    /// Something in a row's place that cannot be read, and why.
    Unreadable(String),
    /// Nothing more.
    End,
}

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}", path.display())]
pub struct Error {
    path: PathBuf,
    why: String,
}

impl Error {
    fn new(path: &Path, why: impl ToString) -> Self {
        Self { path: path.to_owned(), why: why.to_string() }
    }
}

#[derive(Debug, Clone, Copy)]
enum Format {
    Csv,
    Ndjson,
    Parquet,
}

/// An event file whose columns are known.
#[derive(Debug)]
pub struct EventFile {
    path: PathBuf,
    format: Format,
    /// Its columns; of NDJSON, those of the first object.
    pub columns: Vec<String>,
}

impl EventFile {
    /// Looks at the file at `path`, whose name ends in `.parquet`, `.csv`, `.ndjson` or `.jsonl`.
    ///
    /// # Errors
    /// When it is of no known kind or cannot be read.
    pub fn find(path: &Path) -> Result<Self, Error> {
        let format = match path.extension().and_then(|e| e.to_str()) {
            Some("csv") => Format::Csv,
            Some("ndjson" | "jsonl") => Format::Ndjson,
            Some("parquet") => Format::Parquet,
            _ => return Err(Error::new(path, "an event file ends in .parquet, .csv, .ndjson or .jsonl")),
        };
        let columns = match format {
            Format::Csv => csv::columns(path),
            Format::Ndjson => ndjson::columns(path),
            Format::Parquet => parquet::columns(path),
        }?;
        Ok(Self { path: path.to_owned(), format, columns })
    }

    /// Whether the file has no such column.
    #[must_use]
    pub fn lacks(&self, column: &str) -> bool {
        !self.columns.iter().any(|c| c == column)
    }

    /// Whether every row has the same columns.
    #[must_use]
    pub fn is_table(&self) -> bool {
        !matches!(self.format, Format::Ndjson)
    }

    /// Opens the file for reading the `wanted` columns; one that the file has not is null in every row.
    ///
    /// # Errors
    /// When the file cannot be read or a wanted column is of a kind that events cannot have.
    pub fn open(&self, wanted: &[&str]) -> Result<Box<dyn Source>, Error> {
        Ok(match self.format {
            Format::Csv => Box::new(csv::Csv::open(&self.path, wanted)?),
            Format::Ndjson => Box::new(ndjson::Ndjson::open(&self.path, wanted)?),
            Format::Parquet => Box::new(parquet::Parquet::open(&self.path, wanted)?),
        })
    }
}
