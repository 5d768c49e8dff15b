//! Windows, packing and transactions of state, against a model that keeps everything.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod labels;
mod model;
mod packing;
mod partition;
mod windows;
