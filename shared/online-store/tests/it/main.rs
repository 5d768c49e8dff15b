//! What a store promises, on the one in memory and on a real Redis; and what a writer makes of it.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod conformance;
mod redis_server;
mod writer;
