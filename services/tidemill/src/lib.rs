//! The command line: what people and scripts do with a running Tidemill.

pub mod apply;
pub mod check;
pub mod cli;
pub mod completions;
pub mod connect;
pub mod decode;
pub mod demo;
pub mod explain;
pub mod generate;
pub mod inject;
pub mod models;
pub mod output;
pub mod publish;
pub mod stages;
pub mod status;
pub mod trace;
pub mod train;
pub mod value;
pub mod verify;
pub mod wait;
