//! What an expression's result means for a model: one place where errors, nulls and NaN become null.

use tidemill_events::Value;
use tidemill_events::decimal::nearest_double;
use tidemill_expr::EvalError;

/// The feature that a row expression's result is: numbers and booleans (1 and 0) as doubles, text as it is.
///
/// An error, null, NaN, an infinity or an instant is null, and adds one to `nulls`.
#[must_use]
pub fn feature(result: Result<Value, EvalError>, nulls: &mut u64) -> Value {
    match usable(result, nulls) {
        same @ (Value::String(_) | Value::Null) => same,
        value => number(&value).map_or_else(
            || {
                *nulls += 1;
                Value::Null
            },
            Value::Double,
        ),
    }
}

/// A number or boolean as the nearest double; `None` for the rest and for NaN and infinities.
pub(crate) fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Double(v) => v.is_finite().then_some(*v),
        Value::Decimal(v) => Some(nearest_double(v.mantissa(), v.scale())),
        Value::Long(v) => Some(*v as f64),
        Value::Bool(v) => Some(f64::from(u8::from(*v))),
        Value::Null | Value::String(_) | Value::Timestamp(_) => None,
    }
}

/// The result, or null (and one more in `nulls`) where it is an error, null, NaN or infinite.
pub(crate) fn usable(result: Result<Value, EvalError>, nulls: &mut u64) -> Value {
    match result {
        Ok(Value::Double(v)) if !v.is_finite() => {}
        Ok(Value::Null) | Err(_) => {}
        Ok(value) => return value,
    }
    *nulls += 1;
    Value::Null
}

#[cfg(test)]
mod tests {
    use super::*;
    use rust_decimal::Decimal;

    #[test]
    fn what_a_model_cannot_take_is_null_and_counted() {
        let mut nulls = 0;
        for result in [
            Err(EvalError::DivisionByZero),
            Ok(Value::Null),
            Ok(Value::Double(f64::NAN)),
            Ok(Value::Double(f64::NEG_INFINITY)),
            Ok(Value::Timestamp(7)),
        ] {
            assert_eq!(feature(result, &mut nulls), Value::Null);
        }
        assert_eq!(nulls, 5);
    }

    #[test]
    fn numbers_become_doubles_and_text_stays() {
        let mut nulls = 0;
        let mut of = |value| feature(Ok(value), &mut nulls);
        assert_eq!(of(Value::Decimal(Decimal::new(1999, 2))), Value::Double(19.99));
        assert_eq!(of(Value::Long(-3)), Value::Double(-3.0));
        assert_eq!(of(Value::Bool(true)), Value::Double(1.0));
        assert_eq!(of(Value::String("card".into())), Value::String("card".into()));
        assert_eq!(nulls, 0);
    }
}
