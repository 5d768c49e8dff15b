//! What is wrong with an expression: when it is read, and when it is evaluated.

use std::ops::Range;

/// A fault found when an expression is compiled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// Its code, `TM02xx`; `tidemill explain` tells more.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// Where, in bytes of the source.
    pub range: Range<usize>,
    /// What to do about it.
    pub help: Option<String>,
}

/// Why an expression has no value for the slots it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum EvalError {
    /// An operator or function was given null.
    #[error("an operand is null")]
    NullOperand,
    /// An integer left the 64-bit range, or an instant the calendar.
    #[error("the result is out of range")]
    Overflow,
    /// An integer was divided by zero.
    #[error("division by zero")]
    DivisionByZero,
    /// Text or number that does not convert to the type asked for.
    #[error("the value does not convert")]
    Conversion,
    /// A slot is missing or holds another type than the scope says.
    #[error("a slot does not hold the type it was declared with")]
    Slot,
}
