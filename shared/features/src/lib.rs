//! Feature definitions, windows and point-in-time state: one code for the stream, REST reads, `verify`
//! and (later) backfill and training.
//!
//! Pure: no I/O, no clock, no async.

pub mod spec;

pub use spec::{Aggregate, FeatureSpec, HopSpec};
