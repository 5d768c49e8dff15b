//! The online feature store: what the feature-builder writes after each commit and REST reads.
//!
//! Only this crate names redis. [`FeatureStore`] says what a store promises; [`RedisStore`] and
//! [`MemoryStore`] keep it, and one test-suite runs on both. A [`Writer`] carries a task's states into
//! a store without ever holding the task up.

mod error;
mod memory;
mod partition;
mod redis;
mod stats;
mod store;
mod writer;

pub use error::Error;
pub use memory::MemoryStore;
pub use partition::Partition;
pub use redis::RedisStore;
pub use stats::Stats;
pub use store::{Batch, End, Entry, FeatureStore, Lookup, Mark, Outcome, Read, Start};
pub use writer::{Pace, PartitionWriter, Source, Writer};
