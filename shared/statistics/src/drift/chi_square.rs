//! The chi-square test of two rows of counts.

use std::f64::consts::PI;

/// Pearson's chi-square test of homogeneity, without continuity correction
/// (`scipy.stats.chi2_contingency(correction=False)`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChiSquare {
    /// `Σ (observed - expected)² / expected` over both rows.
    pub statistic: f64,
    /// Categories less one.
    pub degrees: u64,
    /// Probability of such a statistic or a greater one if the distributions are the same.
    pub p: f64,
}

impl ChiSquare {
    pub(crate) fn of(reference: &[u64], current: &[u64]) -> Option<Self> {
        let sides = [reference, current];
        let totals = sides.map(|side| side.iter().sum::<u64>() as f64);
        let columns = reference.iter().zip(current).map(|(r, c)| (*r as f64, *c as f64)).filter(|(r, c)| r + c > 0.0);
        let terms = columns.map(|(r, c)| {
            let part = (r + c) / (totals[0] + totals[1]);
            let term = |observed: f64, total: f64| (observed - part * total).powi(2) / (part * total);
            term(r, totals[0]) + term(c, totals[1])
        });
        let (categories, statistic) = terms.fold((0u64, 0.0), |(n, sum), term| (n + 1, sum + term));
        (totals.iter().all(|t| *t > 0.0) && categories > 1).then(|| Self {
            statistic,
            degrees: categories - 1,
            p: upper_gamma((categories - 1) as f64 / 2.0, statistic / 2.0),
        })
    }
}

/// The regularised upper incomplete gamma function Q(a, x) for a = 1/2, 1, 3/2, …: the series of P below
/// a + 1, Lentz's continued fraction above (Numerical Recipes, 6.2).
fn upper_gamma(a: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 1.0;
    }
    let front = (a * x.ln() - x - log_gamma(a)).exp();
    if x < a + 1.0 {
        let (mut term, mut sum, mut n) = (1.0 / a, 1.0 / a, a);
        while term > sum * f64::EPSILON / 4.0 {
            n += 1.0;
            term *= x / n;
            sum += term;
        }
        return (1.0 - front * sum).clamp(0.0, 1.0);
    }
    let mut b = x + 1.0 - a;
    let (mut c, mut d) = (f64::MAX, 1.0 / b);
    let mut fraction = d;
    for i in 1..100_000 {
        let i = f64::from(i);
        let factor = -i * (i - a);
        b += 2.0;
        d = 1.0 / (factor * d + b);
        c = b + factor / c;
        fraction *= c * d;
        if (c * d - 1.0).abs() < f64::EPSILON {
            break;
        }
    }
    (front * fraction).clamp(0.0, 1.0)
}

/// ln Γ(a) for a = 1/2, 1, 3/2, …, by Γ(a + 1) = a Γ(a).
fn log_gamma(a: f64) -> f64 {
    let (mut at, mut sum) = if a.fract() == 0.0 { (1.0, 0.0) } else { (0.5, PI.ln() / 2.0) };
    while at < a {
        sum += f64::ln(at);
        at += 1.0;
    }
    sum
}
