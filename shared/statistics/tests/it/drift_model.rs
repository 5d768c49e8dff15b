//! The measures against naive versions, on columns with and without ties; and no order matters.

use proptest::prelude::*;
use tidemill_statistics::drift::{HISTOGRAM_BINS, Number, Values, jensen_shannon, ks, wasserstein};

/// Columns with heavy ties, few values, fine values, missing ones.
fn columns() -> impl Strategy<Value = Vec<f64>> {
    let tied = prop::collection::vec(
        prop_oneof![4 => Just(0.0), 1 => Just(-0.0), 2 => Just(1.0), 1 => (-3i32..4).prop_map(|v| f64::from(v) / 2.0)],
        1..80,
    );
    let fine = prop::collection::vec(-1e3..1e3f64, 1..80);
    let mixed = prop::collection::vec(prop_oneof![3 => Just(0.1), 2 => -1.0..1.0f64, 1 => Just(f64::NAN)], 1..80);
    prop_oneof![tied, fine, mixed]
}

fn present(values: &[f64]) -> Vec<f64> {
    values.iter().copied().filter(|v| v.is_finite()).collect()
}

/// Share of values at or below `x`.
fn distribution(values: &[f64], x: f64) -> f64 {
    values.iter().filter(|v| **v <= x).count() as f64 / values.len() as f64
}

/// Rows by bin: the bin of a value is the number of edges at or below it.
fn bins(values: &[f64], edges: &[f64]) -> Vec<u64> {
    let mut counts = vec![0; edges.len() + 1];
    values.iter().for_each(|v| counts[edges.iter().filter(|e| **e <= *v).count()] += 1);
    counts
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * b.abs().max(1.0)
}

proptest! {
    #[test]
    fn measures_equal_their_definitions(reference in columns(), current in columns()) {
        let (number, now) = (Number::new(&reference), Values::new(&current));
        let before = Values::new(&reference);
        let (p, q) = (present(&reference), present(&current));
        prop_assert_eq!(now.missing(), (current.len() - q.len()) as u64);
        prop_assert!(number.edges().is_sorted_by(|a, b| a < b));
        prop_assert_eq!(number.counts().to_vec(), bins(&p, number.edges()));
        prop_assert_eq!(number.count(&now), bins(&q, number.edges()));
        if p.is_empty() || q.is_empty() {
            prop_assert!(number.psi(&now).is_none() && number.ks(&now).is_none() && number.jensen_shannon(&now).is_none());
            return Ok(());
        }
        let shares = |counts: Vec<u64>, n: usize| counts.into_iter().map(move |c| (c as f64 / n as f64).max(1e-4));
        let psi: f64 = shares(bins(&p, number.edges()), p.len()).zip(shares(bins(&q, number.edges()), q.len()))
            .map(|(p, q)| (q - p) * (q / p).ln()).sum();
        prop_assert!(near(number.psi(&now).unwrap(), psi));

        let mut all = [&p[..], &q].concat();
        all.sort_by(f64::total_cmp);
        let gap = |x: f64| distribution(&p, x) - distribution(&q, x);
        let naive = all.iter().map(|x| gap(*x).abs()).fold(0.0, f64::max);
        let found = ks(&before, &now).unwrap();
        prop_assert!(near(found.statistic, naive));
        prop_assert!(near(gap(found.location) * f64::from(found.sign), naive));

        let area: f64 = all.windows(2).map(|w| (w[1] - w[0]) * gap(w[0]).abs()).sum();
        prop_assert!(near(wasserstein(&before, &now).unwrap(), area));

        let js = jensen_shannon(&before, &now).unwrap();
        prop_assert_eq!((js.low, js.high), (all[0], all[all.len() - 1]));
        let width = (js.high - js.low) / HISTOGRAM_BINS as f64;
        let inner: Vec<f64> = (1..HISTOGRAM_BINS).map(|i| i as f64 * width + js.low).collect();
        if width > 0.0 {
            prop_assert_eq!(js.counts[0].to_vec(), bins(&p, &inner));
            prop_assert_eq!(js.counts[1].to_vec(), bins(&q, &inner));
        }
        let entropy = |counts: &[f64]| -counts.iter().filter(|c| **c > 0.0).map(|c| c * c.log2()).sum::<f64>();
        let shares = [(0, p.len()), (1, q.len())].map(|(i, n)| js.counts[i].map(|c| c as f64 / n as f64));
        let middle: Vec<f64> = shares[0].iter().zip(&shares[1]).map(|(p, q)| (p + q) / 2.0).collect();
        let naive = entropy(&middle) - (entropy(&shares[0]) + entropy(&shares[1])) / 2.0;
        prop_assert!((js.divergence - naive).abs() < 1e-12);
        prop_assert!(js.distance >= 0.0 && js.distance <= 1.0);
    }

    #[test]
    fn no_order_matters(reference in columns(), current in columns(), seed in any::<u64>()) {
        let shuffled = |values: &[f64]| {
            let mut keyed: Vec<(u64, f64)> = values.iter().enumerate().map(|(i, v)| ((i as u64 + 1).wrapping_mul(seed | 1).rotate_left(29), *v)).collect();
            keyed.sort_by_key(|(key, _)| *key);
            keyed.into_iter().map(|(_, v)| v).collect::<Vec<f64>>()
        };
        let all = |reference: &[f64], current: &[f64]| {
            let (number, now) = (Number::new(reference), Values::new(current));
            let js = number.jensen_shannon(&now).map(|js| js.distance.to_bits());
            (number.clone(), number.psi(&now).map(f64::to_bits), number.ks(&now), js, number.wasserstein(&now).map(f64::to_bits), now.mean(), now.deviation())
        };
        prop_assert_eq!(all(&reference, &current), all(&shuffled(&reference), &shuffled(&current)));
    }

    #[test]
    fn a_value_on_which_two_deciles_fall_has_its_own_bin(values in columns()) {
        let sorted = Values::new(&values);
        let number = Number::from(&sorted);
        let sorted = sorted.present();
        for value in sorted {
            // a fifth of the values and one more always cover two deciles
            let ties = sorted.iter().filter(|v| *v == value).count();
            if ties * 5 > sorted.len() + 5 {
                let bin = number.edges().iter().filter(|e| *e <= value).count();
                prop_assert_eq!(number.counts()[bin], ties as u64, "{} of {:?}", value, sorted);
            }
        }
    }
}
