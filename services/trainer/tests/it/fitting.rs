//! One model: the same bytes every time, and the same scores as LightGBM's own.

use crate::sample::dataset;
use lightgbm3::Booster;
use tidemill_model::artefact::Golden;
use tidemill_model::{Learner, Scorer};
use tidemill_trainer::learner::{Dataset, NotFitted, Parameters, fit, libraries};

fn parameters(pairs: &[(&str, f64)]) -> Parameters {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
}

fn booster(bytes: &[u8]) -> Booster {
    Booster::from_string(std::str::from_utf8(bytes).unwrap()).unwrap()
}

/// Settings that use what differs between forests: sampling, depth, penalties.
fn settings() -> Vec<Parameters> {
    vec![
        parameters(&[]),
        parameters(&[("num_iterations", 30.0), ("num_leaves", 63.0), ("learning_rate", 0.3), ("min_data_in_leaf", 5.0)]),
        parameters(&[("num_iterations", 20.0), ("bagging_fraction", 0.6), ("bagging_freq", 1.0), ("feature_fraction", 0.5)]),
        parameters(&[("num_iterations", 20.0), ("max_depth", 3.0), ("lambda_l1", 0.5), ("lambda_l2", 2.0), ("max_bin", 255.0)]),
    ]
}

#[test]
fn the_same_rows_parameters_and_seed_give_the_same_bytes() {
    let data = dataset(2_000, 8, 1);
    for parameters in settings() {
        let first = fit(Learner::Lightgbm, &data, &parameters, 7).unwrap();
        assert_eq!(fit(Learner::Lightgbm, &data, &parameters, 7).unwrap(), first, "{parameters:?}");
    }
    let sampled = &settings()[2];
    assert_ne!(fit(Learner::Lightgbm, &data, sampled, 7).unwrap().bytes, fit(Learner::Lightgbm, &data, sampled, 8).unwrap().bytes);
    let baseline = |seed| fit(Learner::Logistic, &data, &parameters(&[]), seed).unwrap();
    assert_eq!(baseline(1), baseline(2));
}

#[test]
fn scores_and_contributions_are_lightgbms() {
    let features = 8;
    let unseen = dataset(1_000, features, 99);
    for parameters in settings() {
        let fitted = fit(Learner::Lightgbm, &dataset(2_000, features, 1), &parameters, 7).unwrap();
        let theirs = booster(&fitted.bytes);
        let raw = theirs.raw_scores(unseen.values(), features as i32, true).unwrap();
        let scores = theirs.predict(unseen.values(), features as i32, true).unwrap();
        let contributions = theirs.predict_contrib(unseen.values(), features as i32, true).unwrap();
        let mut batch = Vec::new();
        fitted.scorer.scores(unseen.values(), &mut batch);
        for (i, row) in unseen.rows().enumerate() {
            assert_eq!(fitted.scorer.raw_score(row).to_bits(), raw[i].to_bits(), "row {i}");
            assert!((fitted.scorer.score(row) - scores[i]).abs() <= 1e-12, "row {i}");
            assert!((batch[i] - scores[i]).abs() <= 1e-12, "row {i}");
            let theirs = &contributions[i * (features + 1)..(i + 1) * (features + 1)];
            let ours = fitted.scorer.contributions(row);
            for (ours, theirs) in ours.iter().chain([&fitted.scorer.expected_value()]).zip(theirs) {
                assert!((ours - theirs).abs() <= 1e-6, "row {i}: {ours} and {theirs}");
            }
        }
    }
}

#[test]
fn the_librarys_scores_make_golden_rows() {
    let data = dataset(500, 4, 3);
    for learner in [Learner::Lightgbm, Learner::Logistic] {
        let fitted = fit(learner, &data, &parameters(&[]), 1).unwrap();
        assert_eq!(fitted.library_scores.len(), 100);
        let rows = data.rows().take(100).map(|row| row.iter().map(|v| (!v.is_nan()).then_some(*v)).collect()).collect();
        let golden = Golden { rows, scores: fitted.library_scores.clone() };
        let read = Golden::read(&golden.to_bytes().unwrap()).unwrap();
        read.check(&Scorer::read(learner, &fitted.bytes).unwrap()).unwrap();
    }
}

#[test]
fn both_learners_beat_a_guess_on_what_they_have_not_seen() {
    let (data, unseen) = (dataset(4_000, 4, 1), dataset(2_000, 4, 2));
    let share = data.positives() as f64 / data.labels().len() as f64;
    let guess = (share / (1.0 - share)).ln();
    let loss = |raw: &dyn Fn(&[f64]) -> f64| tidemill_trainer::learner::log_loss(unseen.rows().map(raw), unseen.labels());
    let guessed = loss(&|_| guess);
    for learner in [Learner::Lightgbm, Learner::Logistic] {
        let parameters = if learner == Learner::Lightgbm { parameters(&[("num_iterations", 40.0)]) } else { parameters(&[]) };
        let scorer = fit(learner, &data, &parameters, 1).unwrap().scorer;
        let learned = loss(&|row| scorer.raw_score(row));
        assert!(learned < guessed * 0.95, "{learner:?}: {learned} and {guessed}");
    }
}

#[test]
fn names_are_kept_in_the_model() {
    let data = dataset(100, 4, 1);
    let names: Vec<String> = ["amount", "card.count_1h", "a-b", "x_y"].map(str::to_owned).to_vec();
    let named = Dataset::new(names.clone(), data.values().to_vec(), data.labels().to_vec()).unwrap();
    for learner in [Learner::Lightgbm, Learner::Logistic] {
        assert_eq!(fit(learner, &named, &parameters(&[]), 1).unwrap().scorer.features(), names);
    }
}

#[test]
fn what_nothing_can_be_learned_from_is_said_with_its_counts() {
    let data = dataset(1_000, 3, 1);
    let some = |count: usize, label: &dyn Fn(usize) -> bool| {
        Dataset::new(data.features().to_vec(), data.values()[..count * 3].to_vec(), (0..count).map(label).collect()).unwrap()
    };
    for learner in [Learner::Lightgbm, Learner::Logistic] {
        let fit = |data: &Dataset| fit(learner, data, &parameters(&[]), 1);
        assert!(matches!(fit(&some(39, &|i| i % 2 == 0)), Err(NotFitted::NotEnough { rows: 39, positives: 20, negatives: 19 })));
        assert!(matches!(fit(&some(500, &|_| false)), Err(NotFitted::NotEnough { rows: 500, positives: 0, negatives: 500 })));
        assert!(matches!(fit(&some(500, &|_| true)), Err(NotFitted::NotEnough { positives: 500, negatives: 0, .. })));
        assert!(matches!(fit(&some(500, &|i| i == 0)), Err(NotFitted::NotEnough { positives: 1, .. })));
        assert!(fit(&some(40, &|i| i % 2 == 0)).is_ok());
        assert!(matches!(fit(&some(0, &|_| true)), Err(NotFitted::NotEnough { rows: 0, .. })));
    }
}

#[test]
fn features_that_say_nothing_still_give_a_model() {
    let labels: Vec<bool> = (0..100).map(|i| i % 4 == 0).collect();
    let holes = Dataset::new(vec!["a".to_owned(), "b".to_owned()], [f64::NAN, 3.0].repeat(100), labels).unwrap();
    for learner in [Learner::Lightgbm, Learner::Logistic] {
        let score = fit(learner, &holes, &parameters(&[]), 1).unwrap().scorer.score(&[f64::NAN, 3.0]);
        assert!((score - 0.25).abs() < 1e-6, "{learner:?}: {score}");
    }
}

#[test]
fn parameters_that_cannot_be_set_are_refused() {
    let data = dataset(100, 3, 1);
    for (learner, name, value) in [
        (Learner::Lightgbm, "num_leaves", 7.5),
        (Learner::Lightgbm, "max_bin", 63.0),
        (Learner::Lightgbm, "learning_rate", f64::NAN),
        (Learner::Lightgbm, "objective", 1.0),
        (Learner::Lightgbm, "num_threads", 4.0),
        (Learner::Logistic, "num_leaves", 7.0),
    ] {
        let refused = fit(learner, &data, &parameters(&[(name, value)]), 1);
        assert!(matches!(refused, Err(NotFitted::Parameter { name: found, .. }) if found == name));
    }
}

#[test]
fn tables_that_are_none_are_refused() {
    let names = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
    let new = |features: &[&str], rows: &[f64]| Dataset::new(names(features), rows.to_vec(), vec![true; 2]);
    assert!(matches!(new(&["a"], &[1.0, 2.0, 3.0]), Err(NotFitted::Shape { values: 3, labels: 2, features: 1 })));
    assert!(matches!(new(&[], &[]), Err(NotFitted::Shape { .. })));
    assert!(matches!(new(&["a", "a"], &[1.0; 4]), Err(NotFitted::Name(_))));
    assert!(matches!(new(&["a b"], &[1.0; 2]), Err(NotFitted::Name(_))));
    assert!(matches!(new(&["a\n[objective: none]"], &[1.0; 2]), Err(NotFitted::Name(_))));
    assert!(matches!(new(&["a"], &[1.0, f64::NEG_INFINITY]), Err(NotFitted::Value { row: 1, .. })));
    assert!(new(&["a"], &[1.0, f64::NAN]).is_ok());
}

#[test]
fn the_manifest_names_the_versions_that_are_linked() {
    let lock = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.lock")).unwrap();
    let named = libraries(Learner::Lightgbm);
    for name in ["lightgbm3", "lightgbm3-sys"] {
        let entry = format!("name = \"{name}\"\nversion = \"{}\"\n", named[name]);
        assert!(lock.contains(&entry), "Cargo.lock does not have {entry}");
    }
}
