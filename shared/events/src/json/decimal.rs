//! Decimals from their digits, exactly.

use rust_decimal::Decimal;

/// Why text is not a decimal of the wanted size.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotExact {
    /// Not a number in JSON's grammar.
    Number,
    /// More digits than precision and scale allow.
    Digits,
}

/// Reads `text`, a number in JSON's grammar, as a decimal with exactly `scale` digits after the point
/// and at most `precision` (28 or fewer) in all.
pub(super) fn exact(text: &str, precision: u32, scale: u32) -> Result<Decimal, NotExact> {
    let (negative, unsigned) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (number, exponent) = split_exponent(unsigned)?;
    let (whole, fraction) = match number.split_once('.') {
        Some((_, "")) => return Err(NotExact::Number),
        Some(parts) => parts,
        None => (number, ""),
    };
    if whole.is_empty() || (whole.len() > 1 && whole.starts_with('0')) {
        return Err(NotExact::Number);
    }
    // zeros at the end carry no digits: 1.500 has one after the point
    let (digits, fraction_len) = (whole.bytes().chain(fraction.bytes()), fraction.len());
    let mut mantissa: i128 = 0;
    let mut trailing_zeros: i64 = 0;
    for digit in digits {
        match digit {
            b'0' => trailing_zeros += 1,
            b'1'..=b'9' => {
                mantissa = shift(mantissa, trailing_zeros + 1)? + i128::from(digit - b'0');
                trailing_zeros = 0;
            }
            _ => return Err(NotExact::Number),
        }
    }
    if mantissa == 0 {
        return Ok(Decimal::new(0, scale));
    }
    let zeros = i64::from(scale) - fraction_len as i64 + trailing_zeros + exponent;
    let mantissa = shift(mantissa, zeros)?;
    if mantissa >= 10i128.pow(precision) {
        return Err(NotExact::Digits);
    }
    Decimal::try_from_i128_with_scale(if negative { -mantissa } else { mantissa }, scale).map_err(|_| NotExact::Digits)
}

/// `mantissa` with `zeros` more zeros at its end; fewer than none, or too many, do not fit.
fn shift(mantissa: i128, zeros: i64) -> Result<i128, NotExact> {
    if mantissa == 0 {
        return Ok(0);
    }
    let zeros = u32::try_from(zeros).map_err(|_| NotExact::Digits)?;
    10i128.checked_pow(zeros).and_then(|p| mantissa.checked_mul(p)).ok_or(NotExact::Digits)
}

fn split_exponent(text: &str) -> Result<(&str, i64), NotExact> {
    let Some((number, exponent)) = text.split_once(['e', 'E']) else {
        return Ok((text, 0));
    };
    let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(NotExact::Number);
    }
    // beyond 64 bits it is beyond every decimal too
    let size = digits.parse::<i64>().unwrap_or(i64::MAX / 4).min(i64::MAX / 4);
    Ok((number, if exponent.starts_with('-') { -size } else { size }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_every_way_of_writing_a_number() {
        for (text, expected) in [
            ("12.5", "12.50"),
            ("12.50000000000000000000000000000000000", "12.50"),
            ("-0", "0.00"),
            ("-0.01", "-0.01"),
            ("1e2", "100.00"),
            ("1.5E+1", "15.00"),
            ("1234.5e-1", "123.45"),
            ("0e99999999999999999999", "0.00"),
            ("9999999999999999.99", "9999999999999999.99"),
        ] {
            assert_eq!(exact(text, 18, 2).unwrap().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn refuses_what_it_would_have_to_round_or_guess() {
        for text in ["12.345", "1e-3", "10000000000000000", "1e400", "1e-99999999999999999999", "1e99999999999999999999"] {
            assert_eq!(exact(text, 18, 2), Err(NotExact::Digits), "{text}");
        }
        for text in ["", "-", "+1", ".5", "5.", "01", "1_000", "1,5", "0x10", "NaN", "1e", "1e+", " 1", "1 ", "٣", "--1"] {
            assert_eq!(exact(text, 18, 2), Err(NotExact::Number), "{text}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_rust_decimal(mantissa in -999_999_999_999_999_999i128..=999_999_999_999_999_999, written in 0u32..=6) {
            let text = Decimal::from_i128_with_scale(mantissa, written).to_string();
            let model = Decimal::from_str_exact(&text).unwrap();
            let fits = model.normalize().scale() <= 2 && model.abs() < Decimal::from_i128_with_scale(10i128.pow(18), 2);
            prop_assert_eq!(exact(&text, 18, 2).ok(), fits.then_some(model), "{}", text);
        }
    }
}
