//! The measure that parameters are chosen by.

/// The mean negative log likelihood of `labels` (whether it is 1) under raw scores (log odds); less is better.
///
/// A proper scoring rule: it is least for the true probabilities. It is chosen before average precision because it
/// uses every row, so it is steady where positives are few, and its ties are real ones.
#[must_use]
pub fn log_loss(raw_scores: impl Iterator<Item = f64>, labels: &[bool]) -> f64 {
    let loss = |(raw, label): (f64, &bool)| {
        // log(1 + exp(-z)), without overflow
        let z = if *label { raw } else { -raw };
        (-z).max(0.0) + libm::log1p(libm::exp(-z.abs()))
    };
    raw_scores.zip(labels).map(loss).sum::<f64>() / labels.len() as f64
}

#[cfg(test)]
mod tests {
    use super::log_loss;

    #[test]
    fn certainty_costs_nothing_where_it_is_right_and_is_finite_where_it_is_wrong() {
        assert_eq!(log_loss([800.0, -800.0].into_iter(), &[true, false]), 0.0);
        assert_eq!(log_loss([800.0, -800.0].into_iter(), &[false, true]), 800.0);
        assert!((log_loss([0.0, 0.0].into_iter(), &[false, true]) - std::f64::consts::LN_2).abs() < 1e-15);
    }
}
