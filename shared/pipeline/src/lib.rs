//! The pipeline file: read with positions, checked as a whole, compiled.
//!
//! [`load`] is for the command line, [`from_record`] for services, [`compile`] for whoever has
//! the text. Whatever is wrong comes back at once, as [`Diagnostic`]s with a place, a code and a fix;
//! [`diff_breaks`] tells what a new version of a running pipeline must not change.

mod breaks;
mod codes;
mod compile;
mod diagnostic;
mod load;
mod pipeline;
mod reader;
mod render;
mod section;
mod yaml;

pub use breaks::diff_breaks;
pub use codes::explain;
pub use compile::compile;
pub use diagnostic::{Diagnostic, Label, Severity};
pub use load::{Report, from_record, load};
pub use pipeline::Pipeline;
pub use render::render;
pub use section::decision::Decision;
pub use section::expect::{Expectation, RESERVED_REASONS};
pub use section::learning;
pub use section::row::RowFeature;
pub use section::source::{Format, SourceSpec, Upstream};
