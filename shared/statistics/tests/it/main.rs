//! Every figure against numpy, scipy, scikit-learn and river (tests/golden), and against naive versions.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod classification;
mod degenerate;
mod detector;
mod drift_golden;
mod drift_model;
mod golden;
mod histogram;
mod sample;
