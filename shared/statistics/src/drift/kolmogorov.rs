//! Tail probabilities of the two-sided Kolmogorov statistic, by the regions of Simard and L'Ecuyer,
//! "Computing the two-sided Kolmogorov-Smirnov distribution", J. Stat. Software 39(11), 2011.

use std::f64::consts::PI;

/// `P(D_n >= d)` for `n` rows, n >= 1.
pub(crate) fn tail(n: u64, d: f64) -> f64 {
    let rows = n as f64;
    let t = rows * d;
    let squared = t * d;
    let tail = if d >= 1.0 {
        0.0
    } else if t <= 0.5 {
        1.0
    } else if t <= 1.0 {
        // Ruben and Gambino: n!/n^n (2t - 1)^n
        1.0 - (1..=n).map(|i| i as f64 / rows * (2.0 * t - 1.0)).try_fold(1.0, |p, f| (p > 0.0).then_some(p * f)).unwrap_or(0.0)
    } else if d >= 0.5 || squared >= if n <= 140 { 4.0 } else { 2.2 } {
        2.0 * one_sided_tail(n, d)
    } else if n <= 140 || (n <= 100_000 && rows * d.powf(1.5) <= 1.4) {
        1.0 - durbin(n, d)
    } else {
        1.0 - pelz_good(rows, d)
    };
    tail.clamp(0.0, 1.0)
}

/// `P(sqrt(n) D_n >= x)` for n without bound: both forms of Kolmogorov's series, each where it converges
/// at once.
pub(crate) fn limit_tail(x: f64) -> f64 {
    let odd = |k: u32| f64::from(2 * k - 1);
    let tail = if x <= 0.0 {
        1.0
    } else if x < 0.8 {
        let sum: f64 = (1..=8).map(|k| (-(odd(k) * PI / x).powi(2) / 8.0).exp()).sum();
        1.0 - (2.0 * PI).sqrt() / x * sum
    } else {
        let term = |k: u32| if k % 2 == 1 { 1.0 } else { -1.0 } * (-2.0 * (f64::from(k) * x).powi(2)).exp();
        2.0 * (1..=8).map(term).sum::<f64>()
    };
    tail.clamp(0.0, 1.0)
}

/// `P(D_n+ >= d)`, Birnbaum and Tingey's sum of positive terms, by logarithms.
fn one_sided_tail(n: u64, d: f64) -> f64 {
    let rows = n as f64;
    let mut log_choose = 0.0;
    let mut sum = 0.0;
    for j in 0..=(rows * (1.0 - d)) as u64 {
        let at = d + j as f64 / rows;
        if at >= 1.0 {
            break;
        }
        sum += (log_choose + (j as f64 - 1.0) * at.ln() + (n - j) as f64 * (-at).ln_1p()).exp();
        log_choose += ((n - j) as f64 / (j + 1) as f64).ln();
    }
    d * sum
}

/// `P(D_n < d)` by Durbin's matrix: Marsaglia, Tsang and Wang, J. Stat. Software 8(18), 2003.
fn durbin(n: u64, d: f64) -> f64 {
    let t = n as f64 * d;
    let k = t.ceil() as usize;
    let h = k as f64 - t;
    let m = 2 * k - 1;
    let mut inverse_factorial = vec![1.0; m + 1];
    for i in 1..=m {
        inverse_factorial[i] = inverse_factorial[i - 1] / i as f64;
    }
    let mut matrix = Matrix::zero(m);
    for row in 0..m {
        for column in 0..m.min(row + 2) {
            matrix.cells[row * m + column] = inverse_factorial[row + 1 - column];
        }
    }
    for i in 0..m {
        let less = h.powi(i as i32 + 1) * inverse_factorial[i + 1];
        matrix.cells[i * m] -= less;
        matrix.cells[(m - 1) * m + (m - 1 - i)] -= less;
    }
    matrix.cells[(m - 1) * m] += (2.0 * h - 1.0).max(0.0).powi(m as i32) * inverse_factorial[m];

    let (power, mut exponent) = matrix.power(n);
    let mut p = power.cells[(k - 1) * m + k - 1];
    for i in 1..=n {
        p *= i as f64 / n as f64;
        if p < 1e-140 && p > 0.0 {
            p *= 1e140;
            exponent -= 140;
        }
    }
    p * 10f64.powi(exponent)
}

/// A square matrix, row by row.
struct Matrix {
    size: usize,
    cells: Vec<f64>,
}

impl Matrix {
    fn zero(size: usize) -> Self {
        Self { size, cells: vec![0.0; size * size] }
    }

    fn times(&self, other: &Self) -> Self {
        let mut result = Self::zero(self.size);
        for (row, out) in self.cells.chunks_exact(self.size).zip(result.cells.chunks_exact_mut(self.size)) {
            for (factor, line) in row.iter().zip(other.cells.chunks_exact(self.size)) {
                out.iter_mut().zip(line).for_each(|(o, l)| *o += factor * l);
            }
        }
        result
    }

    /// Divides by 10^140 if the middle cell is large; how often is added to `exponent`.
    fn scale(&mut self, exponent: &mut i32) {
        if self.cells[self.cells.len() / 2] > 1e140 {
            self.cells.iter_mut().for_each(|c| *c *= 1e-140);
            *exponent += 140;
        }
    }

    /// The `n`-th power over 10^exponent, and the exponent.
    fn power(mut self, mut n: u64) -> (Self, i32) {
        let mut result = Self::zero(self.size);
        (0..self.size).for_each(|i| result.cells[i * (self.size + 1)] = 1.0);
        let (mut exponent, mut own) = (0, 0);
        while n > 0 {
            if n % 2 == 1 {
                result = result.times(&self);
                exponent += own;
                result.scale(&mut exponent);
            }
            self = self.times(&self);
            own *= 2;
            self.scale(&mut own);
            n /= 2;
        }
        (result, exponent)
    }
}

/// `P(D_n <= d)` by Pelz and Good's expansion in 1/sqrt(n), J. Royal Statistical Society B 38, 1976.
fn pelz_good(n: f64, d: f64) -> f64 {
    let z = n.sqrt() * d;
    let z2 = z * z;
    let weight = |squared: f64| (-squared / (2.0 * z2)).exp();
    let mut k = [0.0; 4];
    for i in 0..=(16.0 * z / PI).ceil() as u32 {
        // x² for the odd halves of π, y² for its multiples; each twice, for i and -i
        let x = (PI * (f64::from(i) + 0.5)).powi(2);
        let y = (PI * f64::from(i)).powi(2);
        let second = 6.0 * z2.powi(3) + 2.0 * z2 * z2 + x * (2.0 * z2 * z2 - 5.0 * z2) + x * x * (1.0 - 2.0 * z2);
        let third = x.powi(3) * (5.0 - 30.0 * z2) + x * x * (212.0 * z2 * z2 - 60.0 * z2) + x * (135.0 * z2 * z2 - 96.0 * z2.powi(3))
            - 30.0 * z2.powi(3)
            - 90.0 * z2.powi(4);
        k[0] += 2.0 * weight(x) / z;
        k[1] += 2.0 * weight(x) * (x - z2) / (6.0 * z2 * z2);
        k[2] += 2.0 * weight(x) * second / (72.0 * z.powi(7)) - 2.0 * weight(y) * y / (36.0 * z.powi(3));
        k[3] += 2.0 * weight(x) * third / (6480.0 * z.powi(10)) + 2.0 * weight(y) * y * (3.0 * z2 - y) / (216.0 * z2.powi(3));
    }
    // K0 carries sqrt(2π), the others sqrt(π/2): a sum over all integers is twice that over the positive ones
    (PI / 2.0).sqrt() * (k[0] + k[1] / n.sqrt() + k[2] / n + k[3] / n.powf(1.5))
}
