//! The name of a union's branch, read without a copy.

use serde::de::{Deserialize, Deserializer, Visitor};
use std::fmt;

/// Which of the union's records a datum is.
pub(super) enum Branch {
    Event,
    Outcome,
}

impl<'de> Deserialize<'de> for Branch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_identifier(BranchVisitor)
    }
}

struct BranchVisitor;

impl Visitor<'_> for BranchVisitor {
    type Value = Branch;
    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("the name of Event or Outcome")
    }
    /// Names arrive with their namespace.
    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Branch, E> {
        match name.rsplit('.').next() {
            Some("Event") => Ok(Branch::Event),
            Some("Outcome") => Ok(Branch::Outcome),
            _ => Err(E::custom(format_args!("`{name}` is neither Event nor Outcome"))),
        }
    }
}
