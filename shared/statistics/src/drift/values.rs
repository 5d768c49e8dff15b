//! The values of one numeric column, sorted: what every measure starts from.

/// Values of a column: those at hand in ascending order, and how many are missing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Values {
    present: Vec<f64>,
    missing: u64,
}

impl Values {
    /// Sorts `values`; those that are not finite are missing.
    #[must_use]
    pub fn new(values: &[f64]) -> Self {
        let mut this = Self::default();
        this.refill(values, &mut Vec::new());
        this
    }

    /// Takes `values` instead of what is here, without a new allocation; `keys` is scratch space.
    pub(crate) fn refill(&mut self, values: &[f64], keys: &mut Vec<u64>) {
        keys.clear();
        keys.extend(values.iter().filter(|v| v.is_finite()).map(|v| key(*v)));
        self.missing = (values.len() - keys.len()) as u64;
        keys.sort_unstable();
        self.present.clear();
        self.present.extend(keys.iter().map(|k| value(*k)));
    }

    /// The values that are not missing, ascending.
    #[must_use]
    pub fn present(&self) -> &[f64] {
        &self.present
    }

    /// How many values are missing.
    #[must_use]
    pub fn missing(&self) -> u64 {
        self.missing
    }

    /// How many values there are, missing ones included.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.present.len() as u64 + self.missing
    }

    /// Missing values over rows, 0 to 1; `None` without rows.
    #[must_use]
    pub fn missing_share(&self) -> Option<f64> {
        share(self.missing, self.rows())
    }

    /// Mean of the values at hand; `None` if there are none.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        let n = self.present.len() as f64;
        // divided first: the sum of the greatest doubles is none
        (n > 0.0).then(|| self.present.iter().map(|v| v / n).sum())
    }

    /// Standard deviation of a sample (n - 1) of the values at hand; `None` for fewer than two.
    #[must_use]
    pub fn deviation(&self) -> Option<f64> {
        let mean = self.mean()?;
        let n = self.present.len() as f64;
        (n > 1.0).then(|| self.present.iter().map(|v| (v - mean).powi(2) / (n - 1.0)).sum::<f64>().sqrt())
    }
}

pub(crate) fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

const SIGN: u64 = 1 << 63;

/// An integer in the order of the doubles: integers sort twice as fast as doubles by `total_cmp`.
fn key(value: f64) -> u64 {
    // adding 0.0 makes -0.0 positive
    let bits = (value + 0.0).to_bits();
    if bits & SIGN == 0 { bits | SIGN } else { !bits }
}

fn value(key: u64) -> f64 {
    f64::from_bits(if key & SIGN == 0 { !key } else { key & !SIGN })
}
