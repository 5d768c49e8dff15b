//! Pipeline files as authors write them, break them and change them.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod changes;
mod files;
mod golden;
mod hostile;
