//! The command line: what people and scripts do with a running Tidemill.

pub mod generate;
pub mod publish;
