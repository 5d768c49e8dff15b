//! CEL expressions of the pipeline file: type-checked against a scope, compiled once, evaluated over slots.
//!
//! Syntax and semantics are CEL's (`cel`'s interpreter is the oracle of the tests), with one addition:
//! decimals. A decimal compares exactly with numeric literals, integers and decimals, and becomes a double
//! in arithmetic and beside a double that is not a literal. What CEL decides while running is decided here
//! when the expression is read, so that a type error never reaches an event.

mod calendar;
mod check;
mod error;
mod functions;
mod operand;
mod parse;
mod program;
mod scope;
mod suggest;
mod tree;

pub use error::{Error, EvalError, codes};
pub use program::{Program, compile};
pub use scope::{Scope, Ty, Variable};
pub use suggest::did_you_mean;
