//! The functions expressions may call: one table for the checker, and what each does.

use crate::calendar::Part;
use crate::operand::Operand;
use crate::{EvalError, Ty};
use std::borrow::Cow;
use std::cmp::Ordering;
use tidemill_events::time::{format_instant, parse_instant};

/// A function, apart from `matches`, whose pattern is compiled with the expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Function {
    Size,
    Contains,
    StartsWith,
    EndsWith,
    ToInt,
    ToDouble,
    ToString,
    ToTimestamp,
    Calendar(Part),
    Abs,
    Greatest,
    Least,
    Ceil,
    Floor,
    Round,
    Sqrt,
}

/// How a function is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// `f(x)`; `math.f(x)` counts as this.
    Global,
    /// `x.f()`
    Member,
    /// Both.
    Either,
}

/// What a function takes and gives. The receiver of a member call is the first parameter.
#[derive(Debug)]
pub(crate) struct Signature {
    pub(crate) name: &'static str,
    pub(crate) function: Function,
    pub(crate) style: Style,
    /// The types each parameter takes. Where a double is taken and a decimal is not, a decimal becomes one.
    pub(crate) parameters: &'static [&'static [Ty]],
    /// More arguments of the last parameter's types may follow, all of one type.
    pub(crate) variadic: bool,
    /// The result's type; that of the arguments if `None`.
    pub(crate) gives: Option<Ty>,
}

const STRING: &[Ty] = &[Ty::String];
const INSTANT: &[Ty] = &[Ty::Timestamp];
const NUMBER: &[Ty] = &[Ty::Int, Ty::Double];
const DOUBLE: &[Ty] = &[Ty::Double];

const fn global(name: &'static str, function: Function, parameters: &'static [&'static [Ty]], gives: Option<Ty>) -> Signature {
    Signature { name, function, style: Style::Global, parameters, variadic: false, gives }
}

const fn member(name: &'static str, function: Function, parameters: &'static [&'static [Ty]], gives: Ty) -> Signature {
    Signature { name, function, style: Style::Member, parameters, variadic: false, gives: Some(gives) }
}

const fn calendar(name: &'static str, part: Part) -> Signature {
    member(name, Function::Calendar(part), &[INSTANT], Ty::Int)
}

pub(crate) const SIGNATURES: &[Signature] = &[
    Signature { style: Style::Either, ..global("size", Function::Size, &[STRING], Some(Ty::Int)) },
    member("contains", Function::Contains, &[STRING, STRING], Ty::Bool),
    member("startsWith", Function::StartsWith, &[STRING, STRING], Ty::Bool),
    member("endsWith", Function::EndsWith, &[STRING, STRING], Ty::Bool),
    global("int", Function::ToInt, &[&[Ty::Int, Ty::Double, Ty::Decimal, Ty::String, Ty::Timestamp]], Some(Ty::Int)),
    global("double", Function::ToDouble, &[&[Ty::Double, Ty::Int, Ty::Decimal, Ty::String]], Some(Ty::Double)),
    global("string", Function::ToString, &[&[Ty::String, Ty::Int, Ty::Double, Ty::Decimal, Ty::Bool, Ty::Timestamp]], Some(Ty::String)),
    global("timestamp", Function::ToTimestamp, &[&[Ty::String, Ty::Int, Ty::Timestamp]], Some(Ty::Timestamp)),
    calendar("getFullYear", Part::FullYear),
    calendar("getMonth", Part::Month),
    calendar("getDayOfYear", Part::DayOfYear),
    calendar("getDayOfMonth", Part::DayOfMonth),
    calendar("getDate", Part::Date),
    calendar("getDayOfWeek", Part::DayOfWeek),
    calendar("getHours", Part::Hours),
    calendar("getMinutes", Part::Minutes),
    calendar("getSeconds", Part::Seconds),
    calendar("getMilliseconds", Part::Milliseconds),
    global("math.abs", Function::Abs, &[NUMBER], None),
    Signature { variadic: true, ..global("math.greatest", Function::Greatest, &[NUMBER], None) },
    Signature { variadic: true, ..global("math.least", Function::Least, &[NUMBER], None) },
    global("math.ceil", Function::Ceil, &[DOUBLE], Some(Ty::Double)),
    global("math.floor", Function::Floor, &[DOUBLE], Some(Ty::Double)),
    global("math.round", Function::Round, &[DOUBLE], Some(Ty::Double)),
    global("math.sqrt", Function::Sqrt, &[NUMBER], Some(Ty::Double)),
];

impl Function {
    /// Calls it with `arguments`, which are evaluated as they are asked for.
    pub(crate) fn call<'a>(
        self,
        mut arguments: impl ExactSizeIterator<Item = Result<Operand<'a>, EvalError>>,
    ) -> Result<Operand<'a>, EvalError> {
        let mut argument = || arguments.next().ok_or(EvalError::Slot)?;
        let first = argument()?;
        Ok(match self {
            Function::Size => Operand::Int(first.text()?.chars().count() as i64),
            Function::Contains => Operand::Bool(first.text()?.contains(argument()?.text()?)),
            Function::StartsWith => Operand::Bool(first.text()?.starts_with(argument()?.text()?)),
            Function::EndsWith => Operand::Bool(first.text()?.ends_with(argument()?.text()?)),
            Function::ToInt => Operand::Int(to_int(&first)?),
            Function::ToDouble => Operand::Double(match &first {
                Operand::Text(text) => text.parse().map_err(|_| EvalError::Conversion)?,
                number => number.double()?,
            }),
            Function::ToString => to_string(first)?,
            Function::ToTimestamp => Operand::Timestamp(match &first {
                Operand::Timestamp(t) => *t,
                Operand::Int(seconds) => seconds.checked_mul(1_000_000).ok_or(EvalError::Overflow)?,
                other => parse_instant(other.text()?).map_err(|_| EvalError::Conversion)?,
            }),
            Function::Calendar(part) => match first {
                Operand::Timestamp(t) => Operand::Int(part.of(t)),
                other => return Err(other.view().unfit()),
            },
            Function::Abs => match first {
                Operand::Int(v) => Operand::Int(v.checked_abs().ok_or(EvalError::Overflow)?),
                other => Operand::Double(other.double()?.abs()),
            },
            Function::Greatest => extreme(first, arguments, Ordering::Greater)?,
            Function::Least => extreme(first, arguments, Ordering::Less)?,
            Function::Ceil => Operand::Double(first.double()?.ceil()),
            Function::Floor => Operand::Double(first.double()?.floor()),
            Function::Round => Operand::Double(first.double()?.round()),
            Function::Sqrt => Operand::Double(first.double()?.sqrt()),
        })
    }
}

/// The greatest or least of `first` and the others, the first of equal ones.
fn extreme<'a>(
    first: Operand<'a>,
    mut others: impl ExactSizeIterator<Item = Result<Operand<'a>, EvalError>>,
    wanted: Ordering,
) -> Result<Operand<'a>, EvalError> {
    if others.len() == 0 {
        first.double()?;
    }
    others.try_fold(first, |best, next| {
        let next = next?;
        Ok(if next.view().order(best.view())? == wanted { next } else { best })
    })
}

/// Truncates towards zero; instants become seconds since 1970, towards the past.
fn to_int(operand: &Operand<'_>) -> Result<i64, EvalError> {
    match operand {
        Operand::Int(v) => Ok(*v),
        // as CEL: both bounds exclusive, so that no double that saturates passes
        Operand::Double(v) if *v > i64::MIN as f64 && *v < i64::MAX as f64 => Ok(*v as i64),
        Operand::Double(_) => Err(EvalError::Overflow),
        Operand::Decimal(v) => i64::try_from(v.trunc()).map_err(|_| EvalError::Overflow),
        Operand::Timestamp(v) => Ok(v.div_euclid(1_000_000)),
        other => other.text()?.parse().map_err(|_| EvalError::Conversion),
    }
}

fn to_string(operand: Operand<'_>) -> Result<Operand<'_>, EvalError> {
    Ok(Operand::Text(match operand {
        Operand::Text(v) => v,
        Operand::Int(v) => Cow::Owned(v.to_string()),
        Operand::Double(v) => Cow::Owned(v.to_string()),
        Operand::Decimal(v) => Cow::Owned(v.to_string()),
        Operand::Bool(v) => Cow::Owned(v.to_string()),
        Operand::Timestamp(v) => Cow::Owned(format_instant(v)),
        Operand::Null => return Err(EvalError::NullOperand),
    }))
}
