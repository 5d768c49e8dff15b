//! Payments as a learner sees them: a few features that matter, holes, and few positives.

use tidemill_trainer::learner::Dataset;

/// splitmix64
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// A value of feature `index`: counts, amounts with holes, shares that are mostly 0.
fn value(index: usize, numbers: &mut Numbers) -> f64 {
    let unit = numbers.unit();
    match index % 4 {
        0 => (unit * 20.0).floor(),
        1 if numbers.unit() < 0.2 => f64::NAN,
        1 => -unit.max(1e-9).ln() * 50.0,
        2 if unit < 0.8 => 0.0,
        2 => unit,
        _ => unit * 2.0 - 1.0,
    }
}

pub(crate) fn dataset(rows: usize, features: usize, seed: u64) -> Dataset {
    let mut numbers = Numbers(seed);
    let mut values = Vec::with_capacity(rows * features);
    let mut labels = Vec::with_capacity(rows);
    for _ in 0..rows {
        let row: Vec<f64> = (0..features).map(|index| value(index, &mut numbers)).collect();
        let amount = if row[1].is_nan() { 1.5 } else { row[1] / 50.0 };
        let odds = -4.0 + row[0] / 10.0 + amount + 3.0 * row[2] * row[3 % features];
        labels.push(numbers.unit() < 1.0 / (1.0 + (-odds).exp()));
        values.extend(row);
    }
    Dataset::new((0..features).map(|i| format!("f{i}")).collect(), values, labels).unwrap()
}
