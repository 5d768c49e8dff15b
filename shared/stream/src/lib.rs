//! The transactional loop: poll, process, produce, commit offsets and metadata in one transaction,
//! then apply the state change, then side effects.
//!
//! It exists once, around different pure [`Task`]s (validator, feature-builder hop, predictor, later
//! the evaluator's join), and knows a broker only by the [`Broker`] trait: `shared/kafka` implements
//! it with rdkafka, [`memory`] in memory with the same transactions, for tests and simulations.
//!
//! Invariants, also under a crash between any two steps:
//! - a record's outputs, its offset and the task's metadata become visible together or not at all;
//! - a task's state is the fold of exactly the records below its committed offset: state that was
//!   changed for a batch is kept when the batch's commit returned, and thrown away otherwise;
//! - no transaction is open while waiting for records, so an idle or stuck task never holds back
//!   read_committed readers.
#[cfg(all(feature = "fault-injection", not(debug_assertions)))]
compile_error!("fault-injection breaks exactly-once on purpose and is refused in release builds");

pub mod broker;
pub mod error;
pub mod fault;
pub mod limits;
pub mod memory;
pub mod metadata;
pub mod outputs;
pub mod runner;
pub mod spans;
pub mod stats;
pub mod task;

pub use broker::{Broker, Committed, Delivered, Input, Polled, Record};
pub use error::Error;
pub use limits::{Limits, Linger};
pub use metadata::Metadata;
pub use outputs::{Output, Outputs};
pub use runner::Runner;
pub use spans::{Spans, Traceparent};
pub use stats::Stats;
pub use task::{Restore, Stage, Task};
