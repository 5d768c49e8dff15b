//! Metrics of a binary classifier from its scores and the labels that came later.
//!
//! A row is (score, label). The label is positive from 0.5 on. Rows with a score or a label that is not
//! finite take no part. Score ties are no order: a metric never depends on which of two equal scores came
//! first.

mod cards;
mod histogram;
mod metrics;
mod ranking;

pub use cards::{CardPrecision, card_precision_at};
pub use histogram::{BUCKETS, Histogram};
pub use metrics::{CALIBRATION_BINS, LOG_LOSS_FLOOR, Metrics, evaluate};
