//! CEL expressions of the pipeline file: type-checked against a scope, compiled once, evaluated over slots.
//!
//! Syntax and semantics are CEL's, with one addition: decimals. A decimal compares exactly with numeric
//! literals, integers and decimals, and becomes a double in arithmetic.

mod error;
mod program;
mod scope;

pub use error::{Error, EvalError};
pub use program::{Program, compile};
pub use scope::{Scope, Ty, Variable};
