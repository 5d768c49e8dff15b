//! Why a file is no training set.

use parquet::errors::ParquetError;

/// Why a training set could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The bytes are no Parquet file, or a damaged one.
    #[error("the Parquet file cannot be read: {0}")]
    Parquet(#[from] ParquetError),
    /// It is a Parquet file, but not of a training set.
    #[error("the Parquet file is no training set: {0}")]
    NotOurs(String),
    /// Two sets have other columns.
    #[error("the columns are {found:?}, not {expected:?}")]
    Columns {
        /// Those of the first.
        expected: Vec<String>,
        /// Those of the other.
        found: Vec<String>,
    },
}
