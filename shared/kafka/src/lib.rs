//! Kafka and the schema registry: the only crate that knows rdkafka and schema_registry_converter.

pub mod admin;
pub mod append;
mod consumer;
mod context;
mod delivery;
pub mod pipelines;
pub mod reader;
pub mod registry;
mod trace;
pub mod transactional;
