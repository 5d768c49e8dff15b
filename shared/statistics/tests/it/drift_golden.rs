//! Every figure of golden.json, and p-values over all regions of the distribution.

use crate::golden::{column, counts, floats, json, lines, same};
use serde_json::Value;
use tidemill_statistics::drift::{Category, Number, Values, jensen_shannon, ks, psi, wasserstein};

fn compare(name: &str, block: &Value, reference: &[f64], current: &[f64]) {
    let (before, now) = (Values::new(reference), Values::new(current));
    let number = Number::from(&before);
    let same = |what: &str, found: f64| same(&format!("{name}.{what}"), found, &block[what]);
    assert_eq!((before.rows(), now.rows()), (block["n_ref"].as_u64().unwrap(), block["n_cur"].as_u64().unwrap()));

    let edges = floats(&block["psi_edges"]);
    let ends = [edges[0], edges[10]];
    assert_eq!([before.present()[0], before.present()[before.present().len() - 1]], ends);
    assert_eq!(number.edges().len(), 9);
    number.edges().iter().zip(&edges[1..]).for_each(|(found, golden)| assert!((found - golden).abs() <= 1e-12, "{found} {golden}"));
    assert_eq!(number.counts(), counts(&block["psi_ref_counts"]));
    assert_eq!(number.count(&now), counts(&block["psi_cur_counts"]));
    same("psi", number.psi(&now).unwrap());

    let ks = ks(&before, &now).unwrap();
    assert_eq!(number.ks(&now), Some(ks));
    same("ks_statistic", ks.statistic);
    same("ks_location", ks.location);
    same("ks_sign", f64::from(ks.sign));
    same("ks_p_asymp", ks.p_asymptotic());
    same("ks_p_kolmogorov_series", ks.p_series());

    let js = jensen_shannon(&before, &now).unwrap();
    assert_eq!(number.jensen_shannon(&now), Some(js));
    same("js_distance", js.distance);
    same("js_divergence", js.divergence);
    same("js_lo", js.low);
    same("js_hi", js.high);
    assert_eq!(js.counts[0].to_vec(), counts(&block["js_ref_counts"]));
    assert_eq!(js.counts[1].to_vec(), counts(&block["js_cur_counts"]));

    same("wasserstein", wasserstein(&before, &now).unwrap());
    assert_eq!(number.wasserstein(&now), wasserstein(&before, &now));
    for (side, values) in [("ref", before), ("cur", now)] {
        same(&format!("mean_{side}"), values.mean().unwrap());
        same(&format!("std_{side}"), values.deviation().unwrap());
    }
}

#[test]
fn numbers_equal_numpy_and_scipy() {
    let golden = json("golden.json");
    let (reference, current) = (column("ref.csv"), column("cur.csv"));
    compare("full", &golden["full"], &reference, &current);
    compare("null_split", &golden["null_split"], &reference[..5000], &reference[5000..]);
    compare("small", &golden["small"], &reference[..100], &current[..80]);
}

#[test]
fn categories_equal_numpy_and_scipy() {
    let golden = &json("golden.json")["categorical"];
    let [reference, current] = ["cat_ref.csv", "cat_cur.csv"].map(|file| lines(file).into_iter().map(Some).collect::<Category>());
    for (side, what) in [(&reference, "ref_counts"), (&current, "cur_counts")] {
        let names = golden["categories"].as_array().unwrap();
        let found: Vec<u64> = names.iter().map(|n| side.counts().get(n.as_str().unwrap()).copied().unwrap_or(0)).collect();
        assert_eq!(found, counts(&golden[what]));
    }
    same("psi", reference.psi(&current).unwrap(), &golden["psi"]);
    same("js_distance", reference.jensen_shannon(&current).unwrap(), &golden["js_distance"]);
    same("linf", reference.greatest_difference(&current).unwrap(), &golden["linf"]);
    let test = reference.chi_square(&current).unwrap();
    same("chi2", test.statistic, &golden["chi2"]);
    same("chi2_dof", test.degrees as f64, &golden["chi2_dof"]);
    same("chi2_p", test.p, &golden["chi2_p"]);
    assert_eq!(psi(&counts(&golden["ref_counts"]), &counts(&golden["cur_counts"])), reference.psi(&current));
}

/// scipy itself says 1 - cdf where the tail is not small, so there 1e-9 is meant absolutely.
fn near(what: &str, found: f64, golden: f64) {
    assert!((found - golden).abs() <= 1e-9 * golden.max(1e-3), "{what}: {found:e}, golden {golden:e}");
}

#[test]
fn p_values_equal_scipy_in_every_region() {
    use tidemill_statistics::drift::Ks;
    let golden = json("statistics.json");
    for case in golden["ks_tails"].as_array().unwrap() {
        let (rows, statistic) = (case[0].as_u64().unwrap(), case[1].as_f64().unwrap());
        // n m / (n + m) rows: two sides of 2 n each
        let ks = Ks { statistic, location: 0.0, sign: 1, rows: (2 * rows, 2 * rows) };
        near(&format!("D of {rows} rows {statistic}"), ks.p_asymptotic(), case[2].as_f64().unwrap());
    }
    for case in golden["ks_limits"].as_array().unwrap() {
        let ks = Ks { statistic: case[0].as_f64().unwrap(), location: 0.0, sign: 1, rows: (2, 2) };
        near("limit", ks.p_series(), case[1].as_f64().unwrap());
    }
    for case in golden["chi_squares"].as_array().unwrap() {
        let side = |i: usize| -> Category {
            let counts = counts(&case["tables"][i]).into_iter().enumerate();
            counts.flat_map(|(name, n)| vec![Some(name.to_string()); n as usize]).collect()
        };
        let test = side(0).chi_square(&side(1)).unwrap();
        same("statistic", test.statistic, &case["statistic"]);
        same("degrees", test.degrees as f64, &case["degrees"]);
        same("p", test.p, &case["p"]);
    }
}
