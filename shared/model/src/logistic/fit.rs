//! Fits a logistic regression by Newton's method: no randomness, the same bytes on every machine.

use super::linear::solve;
use super::{FORMAT, LARGEST, Logistic, Term};
use crate::sigmoid;

/// Newton steps at most; ten are usual.
const STEPS: usize = 100;
/// Halvings of a step that makes the loss larger.
const HALVINGS: usize = 40;
/// The fit is found when the largest entry of the gradient is below this share of the rows.
const TOLERANCE: f64 = 1e-10;

/// Why no regression was fitted.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum NotFitted {
    /// The rows, labels and names do not fit together.
    #[error("{values} values and {labels} labels are no rows of {features} features")]
    Shape {
        /// Values given.
        values: usize,
        /// Labels given.
        labels: usize,
        /// Features named.
        features: usize,
    },
    /// A value is infinite or larger than is read back.
    #[error("row {row}, feature {feature}: {value} is not possible here")]
    Value {
        /// The row, from 0.
        row: usize,
        /// The feature, from 0.
        feature: usize,
        /// What is there.
        value: f64,
    },
    /// The penalty is not above 0, or the equations have no solution.
    #[error("the regression has no solution with an L2 penalty of {0}")]
    Singular(f64),
}

/// Fits `labels` (row by row whether the label is 1) to `rows` (row-major, NaN is missing).
///
/// Minimises `sum(log loss) + l2 / 2 * sum(weight^2)` over the standardised features; the intercept is not
/// penalised. `l2` must be above 0: it keeps the weights finite where the classes can be told apart.
/// Source: Hastie, Tibshirani, Friedman, "The Elements of Statistical Learning", 2nd edition, 4.4.1.
///
/// # Errors
/// Input that is no table of numbers, or equations without a solution.
pub fn fit(names: &[String], rows: &[f64], labels: &[bool], l2: f64) -> Result<Logistic, NotFitted> {
    let width = names.len();
    if width == 0 || labels.is_empty() || width.checked_mul(labels.len()) != Some(rows.len()) {
        return Err(NotFitted::Shape { values: rows.len(), labels: labels.len(), features: width });
    }
    if let Some(at) = rows.iter().position(|v| !v.is_nan() && v.abs() > LARGEST) {
        return Err(NotFitted::Value { row: at / width, feature: at % width, value: rows[at] });
    }
    if !(l2.is_finite() && l2 > 0.0) {
        return Err(NotFitted::Singular(l2));
    }
    let mut features: Vec<Term> = names.iter().enumerate().map(|(i, name)| term(name, rows[i..].iter().step_by(width))).collect();
    let standard: Vec<f64> = rows.chunks(width).flat_map(|row| row.iter().zip(&features).map(|(v, t)| standardised(t, *v))).collect();
    let problem = Problem { rows: &standard, labels, width, l2 };
    let weights = problem.minimum().ok_or(NotFitted::Singular(l2))?;
    features.iter_mut().zip(&weights[1..]).for_each(|(term, weight)| term.weight = *weight);
    Ok(Logistic { format: FORMAT.to_owned(), intercept: weights[0], features, names: names.to_vec() })
}

fn standardised(term: &Term, value: f64) -> f64 {
    if value.is_nan() { 0.0 } else { term.standard(value) }
}

/// Mean and standard deviation of a column's values that are there.
fn term<'a>(name: &str, column: impl Iterator<Item = &'a f64> + Clone) -> Term {
    let there = column.filter(|v| !v.is_nan());
    let count = there.clone().count().max(1) as f64;
    let mean = there.clone().map(|v| v / count).sum::<f64>();
    let variance = there.map(|v| (v - mean) * ((v - mean) / count)).sum::<f64>();
    let scale = if variance > 0.0 && variance.is_finite() { variance.sqrt() } else { 1.0 };
    Term { name: name.to_owned(), mean, scale, weight: 0.0 }
}

struct Problem<'a> {
    /// Standardised, row-major.
    rows: &'a [f64],
    labels: &'a [bool],
    width: usize,
    l2: f64,
}

impl Problem<'_> {
    /// The intercept and weights with the least loss.
    fn minimum(&self) -> Option<Vec<f64>> {
        let mut weights = vec![0.0; self.width + 1];
        let mut loss = self.loss(&weights);
        for _ in 0..STEPS {
            let (gradient, hessian) = self.derivatives(&weights);
            let largest = gradient.iter().fold(0.0, |most: f64, g| most.max(g.abs()));
            if largest <= TOLERANCE * self.labels.len() as f64 {
                break;
            }
            let step = solve(hessian, gradient)?;
            let Some((better, less)) = self.along(&weights, &step, loss) else { break };
            (weights, loss) = (better, less);
        }
        weights.iter().all(|w| w.abs() <= LARGEST).then_some(weights)
    }

    /// The first of step, step / 2, step / 4… that makes the loss smaller.
    fn along(&self, weights: &[f64], step: &[f64], loss: f64) -> Option<(Vec<f64>, f64)> {
        let mut length = 1.0;
        for _ in 0..HALVINGS {
            let moved: Vec<f64> = weights.iter().zip(step).map(|(w, s)| w - length * s).collect();
            let less = self.loss(&moved);
            if less < loss {
                return Some((moved, less));
            }
            length /= 2.0;
        }
        None
    }

    fn raw(&self, row: &[f64], weights: &[f64]) -> f64 {
        row.iter().zip(&weights[1..]).fold(weights[0], |sum, (x, w)| sum + x * w)
    }

    fn loss(&self, weights: &[f64]) -> f64 {
        let penalty = weights[1..].iter().map(|w| w * w).sum::<f64>() * self.l2 / 2.0;
        let row_loss = |(row, label): (&[f64], &bool)| {
            let raw = self.raw(row, weights);
            // log(1 + exp(-z)), without overflow
            let z = if *label { raw } else { -raw };
            (-z).max(0.0) + libm::log1p(libm::exp(-z.abs()))
        };
        self.rows.chunks(self.width).zip(self.labels).map(row_loss).sum::<f64>() + penalty
    }

    /// The gradient and the (symmetric, row-major) Hessian of the loss.
    fn derivatives(&self, weights: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let size = self.width + 1;
        let mut gradient = vec![0.0; size];
        let mut hessian = vec![0.0; size * size];
        let mut extended = vec![1.0; size];
        for (row, label) in self.rows.chunks(self.width).zip(self.labels) {
            extended[1..].copy_from_slice(row);
            let score = sigmoid(self.raw(row, weights));
            let (error, curvature) = (score - f64::from(u8::from(*label)), score * (1.0 - score));
            for (i, x) in extended.iter().enumerate() {
                gradient[i] += error * x;
                let part = curvature * x;
                for (cell, y) in hessian[i * size..].iter_mut().zip(&extended[..=i]) {
                    *cell += part * y;
                }
            }
        }
        for i in 1..size {
            gradient[i] += self.l2 * weights[i];
            hessian[i * size + i] += self.l2;
        }
        (gradient, hessian)
    }
}
