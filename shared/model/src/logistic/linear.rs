//! Linear equations with a symmetric positive definite matrix.

/// Solves `matrix * x = right` by Cholesky's decomposition; of `matrix` (row-major) only the lower triangle is
/// looked at. None if it is not positive definite.
pub(super) fn solve(mut matrix: Vec<f64>, mut right: Vec<f64>) -> Option<Vec<f64>> {
    let size = right.len();
    for i in 0..size {
        for j in 0..=i {
            let dot: f64 = (0..j).map(|k| matrix[i * size + k] * matrix[j * size + k]).sum();
            let rest = matrix[i * size + j] - dot;
            if i == j {
                if !(rest.is_finite() && rest > 0.0) {
                    return None;
                }
                matrix[i * size + i] = rest.sqrt();
            } else {
                matrix[i * size + j] = rest / matrix[j * size + j];
            }
        }
    }
    for i in 0..size {
        let dot: f64 = (0..i).map(|k| matrix[i * size + k] * right[k]).sum();
        right[i] = (right[i] - dot) / matrix[i * size + i];
    }
    for i in (0..size).rev() {
        let dot: f64 = (i + 1..size).map(|k| matrix[k * size + i] * right[k]).sum();
        right[i] = (right[i] - dot) / matrix[i * size + i];
    }
    right.iter().all(|x| x.is_finite()).then_some(right)
}

#[cfg(test)]
mod tests {
    use super::solve;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_solution_solves(cells in prop::collection::vec(-3.0..3.0f64, 16), right in prop::collection::vec(-5.0..5.0f64, 4)) {
            // M * M' + I is positive definite
            let product = |i: usize, j: usize| (0..4).map(|k| cells[i * 4 + k] * cells[j * 4 + k]).sum::<f64>() + f64::from(u8::from(i == j));
            let matrix: Vec<f64> = (0..16).map(|at| product(at / 4, at % 4)).collect();
            let x = solve(matrix.clone(), right.clone()).unwrap();
            for (i, expected) in right.iter().enumerate() {
                let found: f64 = (0..4).map(|k| matrix[i * 4 + k] * x[k]).sum();
                prop_assert!((found - expected).abs() < 1e-8, "{found} {expected}");
            }
        }
    }

    #[test]
    fn what_is_not_positive_definite_has_no_solution() {
        assert_eq!(solve(vec![1.0, 2.0, 2.0, 1.0], vec![1.0, 1.0]), None);
        assert_eq!(solve(vec![f64::NAN], vec![1.0]), None);
    }
}
