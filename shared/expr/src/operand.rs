//! A value while an expression is evaluated: borrowed from the slots where it can be, never allocated for
//! numbers.

use crate::EvalError;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use std::borrow::Cow;
use std::cmp::Ordering;
use tidemill_events::Value;

#[derive(Debug, Clone)]
pub(crate) enum Operand<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Decimal(Decimal),
    Text(Cow<'a, str>),
    Timestamp(i64),
}

impl<'a> From<&'a Value> for Operand<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::Null => Operand::Null,
            Value::Bool(v) => Operand::Bool(*v),
            Value::Long(v) => Operand::Int(*v),
            Value::Double(v) => Operand::Double(*v),
            Value::Decimal(v) => Operand::Decimal(*v),
            Value::String(v) => Operand::Text(Cow::Borrowed(v)),
            Value::Timestamp(v) => Operand::Timestamp(*v),
        }
    }
}

impl From<Operand<'_>> for Value {
    fn from(operand: Operand<'_>) -> Self {
        match operand {
            Operand::Null => Value::Null,
            Operand::Bool(v) => Value::Bool(v),
            Operand::Int(v) => Value::Long(v),
            Operand::Double(v) => Value::Double(v),
            Operand::Decimal(v) => Value::Decimal(v),
            Operand::Text(v) => Value::String(v.into()),
            Operand::Timestamp(v) => Value::Timestamp(v),
        }
    }
}

impl Operand<'_> {
    /// Why this operand is not what an operator takes: it is null, or a slot lied about its type.
    pub(crate) fn unfit(&self) -> EvalError {
        if matches!(self, Operand::Null) { EvalError::NullOperand } else { EvalError::Slot }
    }

    pub(crate) fn bool(&self) -> Result<bool, EvalError> {
        if let Operand::Bool(v) = self { Ok(*v) } else { Err(self.unfit()) }
    }

    pub(crate) fn text(&self) -> Result<&str, EvalError> {
        if let Operand::Text(v) = self { Ok(v) } else { Err(self.unfit()) }
    }

    /// The number as a double.
    pub(crate) fn double(&self) -> Result<f64, EvalError> {
        match self {
            Operand::Double(v) => Ok(*v),
            Operand::Int(v) => Ok(*v as f64),
            Operand::Decimal(v) => v.to_f64().ok_or(EvalError::Conversion),
            _ => Err(self.unfit()),
        }
    }

    /// Which of two values of one family is larger. Decimals, and decimals and integers, compare exactly;
    /// whatever meets a double is compared as a double.
    pub(crate) fn order(&self, other: &Self) -> Result<Ordering, EvalError> {
        use Operand::{Bool, Decimal, Double, Int, Text, Timestamp};
        match (self, other) {
            (Int(a), Int(b)) => Ok(a.cmp(b)),
            (Decimal(a), Decimal(b)) => Ok(a.cmp(b)),
            (Decimal(a), Int(b)) => Ok(a.cmp(&rust_decimal::Decimal::from(*b))),
            (Int(a), Decimal(b)) => Ok(rust_decimal::Decimal::from(*a).cmp(b)),
            (Double(_), Int(_) | Double(_) | Decimal(_)) | (Int(_) | Decimal(_), Double(_)) => {
                self.double()?.partial_cmp(&other.double()?).ok_or(EvalError::NotANumber)
            }
            (Text(a), Text(b)) => Ok(a.cmp(b)),
            (Timestamp(a), Timestamp(b)) => Ok(a.cmp(b)),
            (Bool(a), Bool(b)) => Ok(a.cmp(b)),
            _ => Err(if matches!(self, Operand::Null) { self.unfit() } else { other.unfit() }),
        }
    }

    /// CEL equality: null equals null and nothing else, NaN equals nothing.
    pub(crate) fn equals(&self, other: &Self) -> bool {
        matches!((self, other), (Operand::Null, Operand::Null)) || self.order(other) == Ok(Ordering::Equal)
    }
}
