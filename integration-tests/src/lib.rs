//! What tests and benchmarks need to run the platform's own binaries on real Kafka, registry and Redis.
//!
//! `infra/local/test.sh` starts the infrastructure and tells its addresses in the environment; each test
//! applies a pipeline of its own and starts the services it needs. What a [`Stack`] started ends with it.

pub mod admin;
pub mod command;
pub mod committed;
pub mod environment;
pub mod faults;
pub mod groups;
pub mod hostile;
pub mod http;
pub mod infrastructure;
pub mod injector;
pub mod machine;
pub mod payments;
pub mod pipeline;
pub mod process;
pub mod producer;
pub mod progress;
pub mod report;
pub mod services;
pub mod spans;
pub mod stack;
pub mod topics;
pub mod until;
pub mod upstream;
pub mod watch;
pub mod watermarks;

pub use environment::Environment;
pub use pipeline::Pipeline;
pub use services::{Service, Services};
pub use stack::Stack;
