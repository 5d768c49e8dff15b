//! Expressions as their callers see them.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod faults;
mod oracle;
mod semantics;
