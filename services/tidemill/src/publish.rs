//! `tidemill publish`: event files through the ingestor's HTTP interface.

mod cell;
mod source;
