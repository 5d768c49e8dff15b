//! The search picks what trying everything by hand picks, and can be stopped.

use crate::sample::dataset;
use std::cell::RefCell;
use tidemill_model::{Learner, Scorer};
use tidemill_pipeline::learning::Values::{AtMost, OneOf};
use tidemill_trainer::learner::{Found, NotFitted, Parameters, Progress, Trial, fit, log_loss, search};

fn space(parameters: &[(&str, tidemill_pipeline::learning::Values)]) -> Vec<(String, tidemill_pipeline::learning::Values)> {
    parameters.iter().map(|(name, values)| ((*name).to_owned(), values.clone())).collect()
}

#[test]
fn it_finds_what_brute_force_finds() {
    let (train, validation) = (dataset(1_500, 4, 1), dataset(500, 4, 2));
    let space =
        space(&[("num_leaves", OneOf(vec![31.0, 4.0])), ("learning_rate", OneOf(vec![0.3, 0.1])), ("num_iterations", AtMost(45.0))]);
    let found = search(Learner::Lightgbm, (&train, &validation), &space, 3, &|_| true).unwrap();
    let mut best: Option<(f64, f64, Parameters)> = None;
    for leaves in [31.0, 4.0] {
        for rate in [0.3, 0.1] {
            for trees in 1..=45 {
                let parameters: Parameters = [("num_leaves", leaves), ("learning_rate", rate), ("num_iterations", f64::from(trees))]
                    .map(|(n, v)| (n.to_owned(), v))
                    .into();
                let scorer = fit(Learner::Lightgbm, &train, &parameters, 3).unwrap().scorer;
                let loss = log_loss(validation.rows().map(|row| scorer.raw_score(row)), validation.labels());
                if best.as_ref().is_none_or(|(least, ..)| loss < *least) {
                    best = Some((loss, leaves, parameters));
                }
            }
        }
    }
    let (loss, _, parameters) = best.unwrap();
    assert_eq!((found.parameters.clone(), found.metric), (parameters, loss));
    assert_eq!(found.trials.len(), 4);
    assert!(found.trials.iter().all(|t: &Trial| t.metric >= loss && t.parameters["num_iterations"] <= 45.0));
    assert!(found.trials.iter().any(|t| t.parameters["num_iterations"] < 45.0), "some should stop early: {:?}", found.trials);
    let both = train.followed_by(&validation).unwrap();
    assert_eq!(found.fitted, fit(Learner::Lightgbm, &both, &found.parameters, 3).unwrap());
}

#[test]
fn a_search_is_the_same_every_time() {
    let (train, validation) = (dataset(800, 4, 1), dataset(300, 4, 2));
    let space =
        space(&[("bagging_fraction", OneOf(vec![0.5, 0.9])), ("bagging_freq", OneOf(vec![1.0])), ("num_iterations", AtMost(200.0))]);
    let run = || -> Found { search(Learner::Lightgbm, (&train, &validation), &space, 3, &|_| true).unwrap() };
    assert_eq!(run(), run());
}

#[test]
fn of_equals_the_smaller_model_wins() {
    let (train, validation) = (dataset(400, 4, 1), dataset(200, 4, 2));
    // a depth of 1 makes stumps of both; of the same size, the first is taken
    let same = space(&[("num_leaves", OneOf(vec![16.0, 8.0])), ("max_depth", OneOf(vec![1.0])), ("num_iterations", OneOf(vec![5.0]))]);
    let found = search(Learner::Lightgbm, (&train, &validation), &same, 3, &|_| true).unwrap();
    assert_eq!(found.trials[0].metric, found.trials[1].metric);
    assert_eq!(found.parameters["num_leaves"], 16.0);
    // no split leaves 500 rows on each side, so more trees say the same
    let constant = space(&[("min_data_in_leaf", OneOf(vec![500.0])), ("num_iterations", OneOf(vec![9.0, 2.0, 5.0]))]);
    let found = search(Learner::Lightgbm, (&train, &validation), &constant, 3, &|_| true).unwrap();
    assert_eq!(found.trials[0].metric, found.trials[1].metric);
    let Scorer::Forest(forest) = &found.fitted.scorer else { panic!("this is LightGBM's") };
    assert_eq!(forest.leaves(), forest.trees());
}

#[test]
fn it_says_how_far_it_is_and_can_be_stopped() {
    let (train, validation) = (dataset(400, 3, 1), dataset(200, 3, 2));
    let space = space(&[("num_leaves", OneOf(vec![4.0, 8.0, 16.0])), ("num_iterations", OneOf(vec![5.0]))]);
    let seen = RefCell::new(Vec::<Progress>::new());
    let watch = |stop_at: usize| {
        seen.borrow_mut().clear();
        let go_on = |progress: Progress| {
            seen.borrow_mut().push(progress);
            progress.done < stop_at
        };
        search(Learner::Lightgbm, (&train, &validation), &space, 3, &go_on)
    };
    assert!(watch(99).is_ok());
    assert_eq!(seen.borrow().iter().map(|p| (p.done, p.of)).collect::<Vec<_>>(), [(0, 3), (1, 3), (2, 3), (3, 3)]);
    assert!(seen.borrow()[0].best.is_none() && seen.borrow().windows(2).skip(1).all(|p| p[1].best <= p[0].best));
    for stop_at in [0, 2, 3] {
        assert!(matches!(watch(stop_at), Err(NotFitted::Stopped)));
        assert_eq!(seen.borrow().len(), stop_at + 1);
    }
}

#[test]
fn the_baseline_is_searched_too() {
    let (train, validation) = (dataset(400, 3, 1), dataset(200, 3, 2));
    let penalties = space(&[("lambda_l2", OneOf(vec![1e4, 1.0]))]);
    let found = search(Learner::Logistic, (&train, &validation), &penalties, 3, &|_| true).unwrap();
    assert_eq!(found.parameters["lambda_l2"], 1.0);
    assert_eq!(found.trials.len(), 2);
}

#[test]
fn spaces_and_parts_that_are_none_are_refused() {
    let (train, validation) = (dataset(400, 3, 1), dataset(200, 3, 2));
    let most = space(&[("num_leaves", AtMost(31.0))]);
    assert!(matches!(search(Learner::Lightgbm, (&train, &validation), &most, 3, &|_| true), Err(NotFitted::Parameter { .. })));
    let others = dataset(200, 4, 2);
    assert!(matches!(search(Learner::Lightgbm, (&train, &others), &Vec::new(), 3, &|_| true), Err(NotFitted::Shape { .. })));
    let few = dataset(10, 3, 2);
    assert!(matches!(
        search(Learner::Lightgbm, (&few, &validation), &Vec::new(), 3, &|_| true),
        Err(NotFitted::NotEnough { rows: 10, .. })
    ));
}
