//! Statistics of the learning loop: drift against a reference, detectors on a stream, metrics of a
//! classifier, samples of rows.
//!
//! Pure: no I/O, no clock, no randomness, no domain type. Where nothing else is said a result depends on
//! the set of values only, not on their order, to the last bit: values are sorted before they are summed.
//! What is not defined is `None`, never NaN.

pub mod classification;
pub mod detector;
pub mod drift;
pub mod sample;
