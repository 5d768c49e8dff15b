//! Figures of a test run, shown also when it passes.

use std::io::Write;

/// Writes a line to standard error itself: the test runner keeps what is printed of tests that pass to itself.
pub fn say(line: impl AsRef<str>) {
    // a closed standard error cannot be told to anybody
    let _ = writeln!(std::io::stderr().lock(), "    {}", line.as_ref());
}

/// The smallest value that `share` of `sorted` values do not exceed.
#[must_use]
pub fn percentile<T: Copy + Default>(sorted: &[T], share: f64) -> T {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_occurred() {
        let values: Vec<u32> = (1..=1000).collect();
        assert_eq!([0.5, 0.99, 0.999, 1.0].map(|p| percentile(&values, p)), [500, 990, 999, 1000]);
        assert_eq!(percentile(&[7], 0.5), 7);
        assert_eq!(percentile::<u32>(&[], 0.5), 0);
    }
}
