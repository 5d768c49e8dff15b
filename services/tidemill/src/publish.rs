//! `tidemill publish`: event files through the ingestor's HTTP interface, or straight to Kafka.

mod acks;
mod answer;
mod batch;
mod cell;
mod client;
mod command;
mod encode;
mod feed;
mod http;
mod job;
mod kafka;
mod labels;
mod lane;
mod pace;
mod progress;
mod report;
mod source;
mod tally;
#[cfg(test)]
mod tests;

pub use cell::Cell;
pub use command::{Args, Ingestor, run};
pub use encode::Shape;
pub use http::Endpoint;
pub use job::{Destination, Error, Job};
pub use kafka::Topics;
pub use pace::{Pace, Rate, Speed};
pub use report::Report;
pub use source::{Error as SourceError, EventFile, Row, Source};
pub use tally::{Refusals, Tally};
