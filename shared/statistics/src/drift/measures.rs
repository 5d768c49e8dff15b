//! The measures between two sorted columns, each linear in their length.

use super::Values;
use super::kolmogorov;

/// Shares below this count as this in the population stability index, so that an empty bin is finite.
pub const PSI_FLOOR: f64 = 1e-4;
/// Bins of equal width under the Jensen-Shannon distance.
pub const HISTOGRAM_BINS: usize = 30;

/// Population stability index of two histograms over the same bins.
///
/// `Σ (q - p) ln(q / p)` with the shares p and q of the bins, each raised to [`PSI_FLOOR`] if below it and
/// not normalised again. `None` if one histogram is empty; bins that only one of them has are empty in the
/// other.
#[must_use]
pub fn psi(reference: &[u64], current: &[u64]) -> Option<f64> {
    let totals = (reference.iter().sum::<u64>() as f64, current.iter().sum::<u64>() as f64);
    if totals.0 == 0.0 || totals.1 == 0.0 {
        return None;
    }
    let count = |bins: &[u64], i: usize| bins.get(i).copied().unwrap_or(0) as f64;
    let term = |i| {
        let p = (count(reference, i) / totals.0).max(PSI_FLOOR);
        let q = (count(current, i) / totals.1).max(PSI_FLOOR);
        (q - p) * (q / p).ln()
    };
    Some((0..reference.len().max(current.len())).map(term).sum())
}

/// Two-sample Kolmogorov-Smirnov test of a reference (first) and a window (second).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ks {
    /// The greatest distance between the two empirical distribution functions, 0 to 1.
    pub statistic: f64,
    /// The smallest value at which that distance is reached.
    pub location: f64,
    /// 1 if the reference's distribution function is the upper one there (the window's values are
    /// larger), else -1. If both are ever the upper one by the same distance, -1 (as in scipy).
    pub sign: i8,
    /// Values at hand in the reference and in the window.
    pub rows: (u64, u64),
}

impl Ks {
    /// The p-value of the two-sided test by the exact one-sample distribution with
    /// `round(n m / (n + m))` rows: scipy's `ks_2samp(method="asymp")`.
    #[must_use]
    pub fn p_asymptotic(&self) -> f64 {
        let rows = self.effective_rows().round_ties_even().max(1.0);
        kolmogorov::tail(rows as u64, self.statistic)
    }

    /// The p-value by Kolmogorov's limit distribution `2 Σ (-1)^(k-1) exp(-2 k² x²)` at
    /// `x = D sqrt(n m / (n + m))`: scipy's `kstwobign.sf`.
    #[must_use]
    pub fn p_series(&self) -> f64 {
        kolmogorov::limit_tail(self.effective_rows().sqrt() * self.statistic)
    }

    fn effective_rows(&self) -> f64 {
        let (n, m) = (self.rows.0 as f64, self.rows.1 as f64);
        n * m / (n + m)
    }
}

/// The two-sample Kolmogorov-Smirnov statistic; `None` if one side has no values.
#[must_use]
pub fn ks(reference: &Values, current: &Values) -> Option<Ks> {
    ks_of(reference.present(), current.present())
}

pub(crate) fn ks_of(reference: &[f64], current: &[f64]) -> Option<Ks> {
    if reference.is_empty() || current.is_empty() {
        return None;
    }
    // distances times n m: integers, so that ties are ties
    let (n, m) = (reference.len() as i128, current.len() as i128);
    let (mut above, mut below) = ((0, reference[0].min(current[0])), (0, reference[0].min(current[0])));
    walk(reference, current, |value, i, j| {
        let distance = i as i128 * m - j as i128 * n;
        if distance > above.0 {
            above = (distance, value);
        }
        if -distance > below.0 {
            below = (-distance, value);
        }
    });
    let ((distance, location), sign) = if below.0 >= above.0 { (below, -1) } else { (above, 1) };
    Some(Ks { statistic: distance as f64 / (n * m) as f64, location, sign, rows: (n as u64, m as u64) })
}

/// First Wasserstein (earth mover's) distance, in units of the column: the area between the two empirical
/// distribution functions. `None` if one side has no values.
#[must_use]
pub fn wasserstein(reference: &Values, current: &Values) -> Option<f64> {
    wasserstein_of(reference.present(), current.present())
}

pub(crate) fn wasserstein_of(reference: &[f64], current: &[f64]) -> Option<f64> {
    if reference.is_empty() || current.is_empty() {
        return None;
    }
    let (n, m) = (reference.len() as f64, current.len() as f64);
    let (mut sum, mut last, mut height) = (0.0, 0.0, 0.0);
    walk(reference, current, |value, i, j| {
        let gap = value - last;
        // two finite values can be further apart than the greatest double
        sum += if gap.is_finite() { height * gap } else { height * value - height * last };
        last = value;
        height = (i as f64 / n - j as f64 / m).abs();
    });
    Some(sum)
}

/// Calls `at(value, i, j)` for each value of either side, ascending: `i` and `j` values are at most `value`.
fn walk(a: &[f64], b: &[f64], mut at: impl FnMut(f64, usize, usize)) {
    let (mut i, mut j) = (0, 0);
    while i < a.len() || j < b.len() {
        let value = match (a.get(i), b.get(j)) {
            (Some(x), Some(y)) => x.min(*y),
            (Some(x), None) | (None, Some(x)) => *x,
            (None, None) => return,
        };
        i += a[i..].iter().take_while(|v| **v == value).count();
        j += b[j..].iter().take_while(|v| **v == value).count();
        at(value, i, j);
    }
}

/// Jensen-Shannon distance over [`HISTOGRAM_BINS`] bins of equal width between the least and the greatest
/// value of both sides.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct JensenShannon {
    /// Square root of the divergence, 0 to 1.
    pub distance: f64,
    /// The divergence with logarithms to base 2, 0 to 1.
    pub divergence: f64,
    /// The least value.
    pub low: f64,
    /// The greatest value.
    pub high: f64,
    /// Values of the reference and of the window by bin. A bin has its lower edge, the last its upper too.
    pub counts: [[u64; HISTOGRAM_BINS]; 2],
}

/// The Jensen-Shannon distance as `scipy.spatial.distance.jensenshannon(base=2)` of `numpy.histogram`s has
/// it; 0 if all values are one. `None` if one side has no values.
#[must_use]
pub fn jensen_shannon(reference: &Values, current: &Values) -> Option<JensenShannon> {
    jensen_shannon_of(reference.present(), current.present())
}

pub(crate) fn jensen_shannon_of(reference: &[f64], current: &[f64]) -> Option<JensenShannon> {
    let low = reference.first()?.min(*current.first()?);
    let high = reference.last()?.max(*current.last()?);
    let counts = [reference, current].map(|side| histogram(side, low, high));
    let divergence = divergence(&counts[0], &counts[1])?;
    Some(JensenShannon { distance: divergence.sqrt(), divergence, low, high, counts })
}

fn histogram(sorted: &[f64], low: f64, high: f64) -> [u64; HISTOGRAM_BINS] {
    let bins = HISTOGRAM_BINS as f64;
    let width = if (high - low).is_finite() { (high - low) / bins } else { high / bins - low / bins };
    let mut counts = [0; HISTOGRAM_BINS];
    let mut before = 0;
    for (i, count) in counts.iter_mut().enumerate() {
        let edge = (i + 1) as f64 * width + low;
        let until = if i + 1 == HISTOGRAM_BINS { sorted.len() } else { sorted.partition_point(|v| *v < edge) };
        *count = (until - before) as u64;
        before = until;
    }
    counts
}

/// Jensen-Shannon divergence to base 2 of two histograms over the same bins; `None` if one is empty.
pub(crate) fn divergence(reference: &[u64], current: &[u64]) -> Option<f64> {
    let totals = (reference.iter().sum::<u64>() as f64, current.iter().sum::<u64>() as f64);
    if totals.0 == 0.0 || totals.1 == 0.0 {
        return None;
    }
    let relative = |p: f64, middle: f64| if p > 0.0 { p * (p / middle).log2() } else { 0.0 };
    let terms = reference.iter().zip(current).map(|(r, c)| {
        let (p, q) = (*r as f64 / totals.0, *c as f64 / totals.1);
        let middle = f64::midpoint(p, q);
        relative(p, middle) + relative(q, middle)
    });
    Some((terms.sum::<f64>() / 2.0).clamp(0.0, 1.0))
}
