//! From an exact decimal to the nearest double: one conversion for fields, sums and expressions.

/// Powers of ten that are doubles exactly.
const EXACT_POWERS: [f64; 23] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22];

/// Integers up to here are doubles exactly.
const EXACT_INTEGER: u128 = 1 << 53;

/// The double nearest to `mantissa / 10^scale`, ties to even.
#[must_use]
pub fn nearest_double(mantissa: i128, scale: u32) -> f64 {
    match EXACT_POWERS.get(scale as usize) {
        // both operands are exact, so the one rounding of the division is the right one
        Some(power) if mantissa.unsigned_abs() <= EXACT_INTEGER => mantissa as i64 as f64 / power,
        _ => by_text(mantissa, scale),
    }
}

/// Reading decimal text rounds correctly, at the cost of an allocation.
#[cold]
fn by_text(mantissa: i128, scale: u32) -> f64 {
    format!("{mantissa}e-{scale}").parse().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn both_ways_agree(mantissa in -(1i128 << 53)..(1i128 << 53), scale in 0u32..=22) {
            prop_assert_eq!(nearest_double(mantissa, scale).to_bits(), (by_text(mantissa, scale) + 0.0).to_bits());
        }

        #[test]
        fn large_sums_are_read_as_text_is(mantissa in any::<i128>(), scale in 0u32..=28) {
            let text: f64 = format!("{mantissa}e-{scale}").parse().unwrap();
            prop_assert_eq!(nearest_double(mantissa, scale).to_bits(), text.to_bits());
        }
    }
}
