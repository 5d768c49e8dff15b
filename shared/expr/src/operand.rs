//! A value while an expression is evaluated.

use crate::EvalError;
use rust_decimal::Decimal;
use std::borrow::Cow;
use std::cmp::Ordering;
use tidemill_events::Value;
use tidemill_events::decimal::nearest_double;

/// What a part of an expression gives: borrowed where it can be, never allocated for numbers.
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

/// A look at an operand, or right at a slot: copied for free, compared without a detour.
#[derive(Debug, Clone, Copy)]
pub(crate) enum View<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Decimal(&'a Decimal),
    Text(&'a str),
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

impl<'a> From<&'a Value> for View<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::Null => View::Null,
            Value::Bool(v) => View::Bool(*v),
            Value::Long(v) => View::Int(*v),
            Value::Double(v) => View::Double(*v),
            Value::Decimal(v) => View::Decimal(v),
            Value::String(v) => View::Text(v),
            Value::Timestamp(v) => View::Timestamp(*v),
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
    pub(crate) fn view(&self) -> View<'_> {
        match self {
            Operand::Null => View::Null,
            Operand::Bool(v) => View::Bool(*v),
            Operand::Int(v) => View::Int(*v),
            Operand::Double(v) => View::Double(*v),
            Operand::Decimal(v) => View::Decimal(v),
            Operand::Text(v) => View::Text(v),
            Operand::Timestamp(v) => View::Timestamp(*v),
        }
    }

    pub(crate) fn text(&self) -> Result<&str, EvalError> {
        if let Operand::Text(v) = self { Ok(v) } else { Err(self.view().unfit()) }
    }

    /// The number as a double.
    pub(crate) fn double(&self) -> Result<f64, EvalError> {
        self.view().double()
    }
}

impl View<'_> {
    /// Why this is not what an operator takes: it is null, or a slot lied about its type.
    #[cold]
    pub(crate) fn unfit(self) -> EvalError {
        if matches!(self, View::Null) { EvalError::NullOperand } else { EvalError::Slot }
    }

    pub(crate) fn bool(self) -> Result<bool, EvalError> {
        if let View::Bool(v) = self { Ok(v) } else { Err(self.unfit()) }
    }

    pub(crate) fn int(self) -> Result<i64, EvalError> {
        if let View::Int(v) = self { Ok(v) } else { Err(self.unfit()) }
    }

    /// The number as a double, the nearest one to a decimal.
    pub(crate) fn double(self) -> Result<f64, EvalError> {
        match self {
            View::Double(v) => Ok(v),
            View::Int(v) => Ok(v as f64),
            View::Decimal(v) => Ok(nearest_double(v.mantissa(), v.scale())),
            _ => Err(self.unfit()),
        }
    }

    /// Which of two values of one family is larger. Decimals, and decimals and integers, compare exactly;
    /// whatever meets a double is compared as a double.
    pub(crate) fn order(self, other: Self) -> Result<Ordering, EvalError> {
        match (self, other) {
            (View::Decimal(a), View::Decimal(b)) => Ok(a.cmp(b)),
            (View::Int(a), View::Int(b)) => Ok(a.cmp(&b)),
            (View::Decimal(a), View::Int(b)) => Ok(a.cmp(&Decimal::from(b))),
            (View::Int(a), View::Decimal(b)) => Ok(Decimal::from(a).cmp(b)),
            (View::Double(_), View::Int(_) | View::Double(_) | View::Decimal(_)) | (View::Int(_) | View::Decimal(_), View::Double(_)) => {
                self.double()?.partial_cmp(&other.double()?).ok_or(EvalError::NotANumber)
            }
            (View::Text(a), View::Text(b)) => Ok(a.cmp(b)),
            (View::Timestamp(a), View::Timestamp(b)) => Ok(a.cmp(&b)),
            (View::Bool(a), View::Bool(b)) => Ok(a.cmp(&b)),
            (View::Null, _) => Err(self.unfit()),
            _ => Err(other.unfit()),
        }
    }

    /// CEL equality: null equals null and nothing else, NaN equals nothing.
    pub(crate) fn equals(self, other: Self) -> bool {
        matches!((self, other), (View::Null, View::Null)) || self.order(other) == Ok(Ordering::Equal)
    }
}
