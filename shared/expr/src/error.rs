//! What is wrong with an expression: when it is read, and when it is evaluated.

use std::ops::Range;

/// A fault found when an expression is compiled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// Its code, one of [`codes`]; `tidemill explain` tells more.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// Where, in bytes of the source.
    pub range: Range<usize>,
    /// What to do about it.
    pub help: Option<String>,
}

impl Error {
    pub(crate) fn new(code: &'static str, range: Range<usize>, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), range, help: None }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// The codes of [`Error`].
pub mod codes {
    /// Not a CEL expression.
    pub const SYNTAX: &str = "TM0201";
    /// Longer, larger or nested deeper than the limits.
    pub const TOO_LARGE: &str = "TM0202";
    /// A variable that is not in scope.
    pub const UNKNOWN_VARIABLE: &str = "TM0203";
    /// A function that does not exist.
    pub const UNKNOWN_FUNCTION: &str = "TM0204";
    /// Operands whose types the operator does not take.
    pub const OPERANDS: &str = "TM0205";
    /// A comparison with null of something that is never null.
    pub const NEVER_NULL: &str = "TM0206";
    /// Arguments that the function does not take.
    pub const ARGUMENTS: &str = "TM0207";
    /// A result of another type than the place needs.
    pub const RESULT: &str = "TM0208";
    /// A part of CEL that is not available here.
    pub const NOT_AVAILABLE: &str = "TM0209";
    /// A constant pattern or instant that cannot be read.
    pub const CONSTANT: &str = "TM0210";
}

/// Why an expression has no value for the slots it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum EvalError {
    /// An operator or function was given null.
    #[error("an operand is null")]
    NullOperand,
    /// An integer left the 64-bit range.
    #[error("an integer is out of range")]
    Overflow,
    /// An integer was divided by zero.
    #[error("division by zero")]
    DivisionByZero,
    /// Not a number was compared by size.
    #[error("NaN is neither smaller nor larger than anything")]
    NotANumber,
    /// Text or a number that does not convert to the type asked for.
    #[error("a value does not convert to the type asked for")]
    Conversion,
    /// A slot is missing or holds another type than the scope says: the caller's fault.
    #[error("a slot does not hold the type it was declared with")]
    Slot,
}
