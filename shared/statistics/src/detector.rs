//! Detectors of a change in a stream of numbers, fed one at a time, as in river 0.26.1.
//!
//! They depend on the order of the values: that is what they look at. A value that is not finite is no
//! observation and changes nothing. After an alarm the next observation starts from nothing.

mod adwin;
mod page_hinkley;

pub use adwin::{Adwin, AdwinSettings};
pub use page_hinkley::{Direction, PageHinkley, PageHinkleySettings};
