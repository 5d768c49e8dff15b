//! One JSON value, already known to be well-formed, as a value of a field.

use super::decimal::{NotExact, exact};
use super::error::{Malformed, Problem, shown};
use crate::schema::{Field, Type};
use crate::{Value, time};
use std::borrow::Cow;

/// Deepest nesting that is still answered as a wrong type.
const MAX_DEPTH: usize = 128;

/// What is wrong with a value.
pub(super) enum Fault {
    Malformed(Malformed),
    Problem(Problem),
}

impl From<Problem> for Fault {
    fn from(problem: Problem) -> Self {
        Fault::Problem(problem)
    }
}

/// Reads `raw` (one JSON value, without space around it) as a value of `field`.
pub(super) fn scalar(raw: &str, field: &Field) -> Result<Value, Fault> {
    match raw.as_bytes().first() {
        Some(b'"') => text(&unescaped(raw)?, field),
        Some(b'-' | b'0'..=b'9') => number(raw, &field.ty).map_err(Fault::Problem),
        Some(b't') if field.ty == Type::Bool => Ok(Value::Bool(true)),
        Some(b'f') if field.ty == Type::Bool => Ok(Value::Bool(false)),
        Some(b't' | b'f') => Err(wrong("a boolean", &field.ty).into()),
        Some(b'n') if field.nullable => Ok(Value::Null),
        Some(b'n') => Err(Problem::Null { wanted: field.ty.to_string() }.into()),
        _ => Err(container(raw).unwrap_or_else(|| wrong("an array or object", &field.ty).into())),
    }
}

/// The fault of a value for being nested too deep, if it is.
pub(super) fn container(raw: &str) -> Option<Fault> {
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for byte in raw.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Some(Fault::Malformed(Malformed::Depth(MAX_DEPTH)));
        }
    }
    None
}

/// The text of a JSON string with its quotes.
fn unescaped(raw: &str) -> Result<Cow<'_, str>, Fault> {
    match raw.get(1..raw.len() - 1) {
        Some(plain) if !plain.contains('\\') => Ok(Cow::Borrowed(plain)),
        // only here does a lone surrogate show
        _ => serde_json::from_str(raw).map(Cow::Owned).map_err(|e| Fault::Malformed(Malformed::syntax(&e))),
    }
}

fn text(text: &str, field: &Field) -> Result<Value, Fault> {
    match &field.ty {
        Type::String => Ok(Value::String(text.into())),
        Type::Enum(symbols) => match symbols.iter().find(|s| *s == text) {
            Some(symbol) => Ok(Value::String(symbol.clone())),
            None => Err(Problem::Symbol { text: shown(text), symbols: symbols.join(", ") }.into()),
        },
        Type::Decimal { precision, scale } => Ok(Value::Decimal(exact(text, *precision, *scale).map_err(|e| inexact(e, text, &field.ty))?)),
        Type::TimestampMicros | Type::TimestampMillis => instant(text, &field.ty).map_err(Fault::Problem),
        Type::Bool | Type::Int | Type::Long | Type::Float | Type::Double => Err(wrong("a string", &field.ty).into()),
    }
}

fn instant(text: &str, ty: &Type) -> Result<Value, Problem> {
    let micros = time::parse_instant(text).map_err(|_| Problem::NotInstant { text: shown(text) })?;
    Ok(Value::Timestamp(if *ty == Type::TimestampMillis { micros.div_euclid(1000) * 1000 } else { micros }))
}

fn number(raw: &str, ty: &Type) -> Result<Value, Problem> {
    let beyond = || Problem::OutOfRange { number: shown(raw), wanted: ty.to_string() };
    match ty {
        Type::Int => Ok(Value::Long(integer(raw, ty)?.filter(|v| i32::try_from(*v).is_ok()).ok_or_else(beyond)?)),
        Type::Long => Ok(Value::Long(integer(raw, ty)?.ok_or_else(beyond)?)),
        Type::TimestampMicros => Ok(Value::Timestamp(integer(raw, ty)?.ok_or_else(beyond)?)),
        Type::TimestampMillis => Ok(Value::Timestamp(integer(raw, ty)?.and_then(|ms| ms.checked_mul(1000)).ok_or_else(beyond)?)),
        Type::Double => Ok(Value::Double(raw.parse().ok().filter(|v: &f64| v.is_finite()).ok_or_else(beyond)?)),
        // the double that every later reader will see, not a finer one
        Type::Float => Ok(Value::Double(f64::from(raw.parse().ok().filter(|v: &f32| v.is_finite()).ok_or_else(beyond)?))),
        Type::Decimal { precision, scale } => exact(raw, *precision, *scale).map(Value::Decimal).map_err(|e| inexact(e, raw, ty)),
        Type::Bool | Type::String | Type::Enum(_) => Err(wrong("a number", ty)),
    }
}

/// `None` when it is an integer, but beyond 64 bits.
fn integer(raw: &str, ty: &Type) -> Result<Option<i64>, Problem> {
    if raw.contains(['.', 'e', 'E']) {
        return Err(wrong("a number with a point or exponent", ty));
    }
    Ok(raw.parse().ok())
}

fn inexact(error: NotExact, text: &str, ty: &Type) -> Problem {
    match error {
        NotExact::Number => Problem::NotDecimal { text: shown(text) },
        NotExact::Digits => Problem::Digits { number: shown(text), wanted: ty.to_string() },
    }
}

fn wrong(found: &'static str, ty: &Type) -> Problem {
    let wanted = match ty {
        Type::String => "string: ids and keys are strings, so write it in quotes".into(),
        Type::TimestampMillis => "timestamp: write RFC 3339 text, or whole milliseconds since 1970".into(),
        Type::TimestampMicros => "timestamp: write RFC 3339 text, or whole microseconds since 1970".into(),
        other => other.to_string(),
    };
    Problem::WrongType { wanted, found }
}

/// The `NaN` or infinity that the syntax error at `line` and `column` (from 1, in bytes) is about, where
/// a value should stand: what Python and others write for them.
pub(super) fn not_finite_at(text: &str, line: usize, column: usize) -> Option<&'static str> {
    let line_start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let near = line_start + column.saturating_sub(1);
    [near, near + 1].into_iter().find_map(|at| {
        let (before, after) = (text.get(..at)?, text.get(at..)?);
        let (negative, before) = before.strip_suffix('-').map_or((false, before), |b| (true, b));
        if !before.trim_ascii_end().ends_with([':', '[', ',']) {
            return None;
        }
        match (after, negative) {
            (a, false) if a.starts_with("NaN") => Some("NaN"),
            (a, false) if a.starts_with("Infinity") => Some("Infinity"),
            (a, true) if a.starts_with("Infinity") => Some("-Infinity"),
            _ => None,
        }
    })
}
