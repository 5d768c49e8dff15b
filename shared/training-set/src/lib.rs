//! A training set: labelled feature vectors in columns, and as Parquet files of a day of event time each.
//!
//! Pure: bytes in, bytes out. The same rows give the same bytes, so a file is known by its digest. Anybody can read
//! the files: `event_id`, `event_time`, `label`, `label_time`, then a column for each entity and for each feature.

mod error;
mod read;
mod rows;
mod schema;
mod write;

pub use error::Error;
pub use read::read;
pub use rows::{Columns, Row, Rows};
pub use write::write;

#[cfg(test)]
mod tests;
