//! The search for parameters: every combination of the declared values is trained on the training part and
//! measured on the validation part, which is later in time.
//!
//! The measure is [`log_loss`]; less is better, and of equals the smaller model wins, then the one tried first.
//! `num_iterations: {max: n}` is no axis of the grid: each combination trains until [`PATIENCE`] trees have not
//! made the validation part better, and the number of trees with the least loss is taken. The model in the end is
//! trained anew on both parts with what was chosen, the number of trees included: a forest that has not seen the
//! newest data would be the older one.

use super::{DEFAULT_ITERATIONS, Dataset, Fitted, NotFitted, Parameters, fit, gradient_boosting, log_loss};
use tidemill_model::{Forest, Learner, Scorer};
use tidemill_pipeline::learning::{Search, Values};

/// Trees without a better validation part before a combination is given up.
pub const PATIENCE: usize = 20;

/// How far a search is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Combinations that are done.
    pub done: usize,
    /// Combinations in all.
    pub of: usize,
    /// The best measure so far.
    pub best: Option<f64>,
}

/// A combination that was tried.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// Its parameters, the number of trees included.
    pub parameters: Parameters,
    /// The log loss of the validation part.
    pub metric: f64,
}

/// What a search found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The best parameters.
    pub parameters: Parameters,
    /// The log loss they had on the validation part, when trained on the training part alone.
    pub metric: f64,
    /// All that were tried, in the order of the grid: the last parameter changes fastest.
    pub trials: Vec<Trial>,
    /// The model, trained on both parts.
    pub fitted: Fitted,
}

/// Finds the parameters in `space` that do best on `validation` when trained on `train`, and trains with them on
/// both. `go_on` is asked before every training.
///
/// # Errors
/// Too few rows, parameters that cannot be set, a fault of the library, or `go_on` said no.
pub fn search(
    learner: Learner,
    (train, validation): (&Dataset, &Dataset),
    space: &Search,
    seed: u32,
    go_on: &dyn Fn(Progress) -> bool,
) -> Result<Found, NotFitted> {
    train.check_enough()?;
    let both = train.followed_by(validation)?;
    if validation.labels().is_empty() {
        return Err(NotFitted::NotEnough { rows: 0, positives: 0, negatives: 0 });
    }
    let (grid, most_trees) = grid(space)?;
    let mut trials: Vec<(Trial, f64)> = Vec::with_capacity(grid.len());
    let best = |trials: &[(Trial, f64)]| {
        let order = |a: &&(Trial, f64), b: &&(Trial, f64)| a.0.metric.total_cmp(&b.0.metric).then(a.1.total_cmp(&b.1));
        trials.iter().min_by(order).map(|(trial, _)| trial.clone())
    };
    for parameters in &grid {
        ask(go_on, &trials, &grid, best(&trials))?;
        trials.push(attempt(learner, (train, validation), parameters, most_trees, seed)?);
    }
    let chosen = best(&trials);
    ask(go_on, &trials, &grid, chosen.clone())?;
    let chosen = chosen.ok_or(NotFitted::Stopped)?;
    let fitted = fit(learner, &both, &chosen.parameters, seed)?;
    let trials = trials.into_iter().map(|(trial, _)| trial).collect();
    Ok(Found { parameters: chosen.parameters, metric: chosen.metric, trials, fitted })
}

fn ask(go_on: &dyn Fn(Progress) -> bool, trials: &[(Trial, f64)], grid: &[Parameters], best: Option<Trial>) -> Result<(), NotFitted> {
    let progress = Progress { done: trials.len(), of: grid.len(), best: best.map(|b| b.metric) };
    if go_on(progress) { Ok(()) } else { Err(NotFitted::Stopped) }
}

/// All combinations of the values, and how many trees are possible if that is not one of them.
fn grid(space: &Search) -> Result<(Vec<Parameters>, Option<f64>), NotFitted> {
    let mut grid = vec![Parameters::new()];
    let mut most_trees = None;
    for (name, values) in space {
        match values {
            Values::OneOf(values) => {
                let with =
                    |base: &Parameters, value: &f64| base.iter().map(|(n, v)| (n.clone(), *v)).chain([(name.clone(), *value)]).collect();
                grid = grid.iter().flat_map(|base| values.iter().map(move |value| with(base, value))).collect();
            }
            Values::AtMost(most) if name == "num_iterations" => most_trees = Some(*most),
            Values::AtMost(_) => {
                return Err(NotFitted::Parameter { name: name.clone(), why: "only num_iterations may be given by its maximum" });
            }
        }
    }
    Ok((grid, most_trees))
}

/// Trains one combination and measures it; says how large the model is, too.
fn attempt(
    learner: Learner,
    (train, validation): (&Dataset, &Dataset),
    parameters: &Parameters,
    most_trees: Option<f64>,
    seed: u32,
) -> Result<(Trial, f64), NotFitted> {
    let mut parameters = parameters.clone();
    if let (Learner::Lightgbm, Some(most)) = (learner, most_trees) {
        parameters.insert("num_iterations".to_owned(), most);
        let forest = gradient_boosting::fit_watched(train, validation, &parameters, seed)?;
        let (trees, metric) = best_stage(&forest, validation);
        parameters.insert("num_iterations".to_owned(), trees as f64);
        let leaves = forest.leaves() as f64 * trees as f64 / forest.trees() as f64;
        return Ok((Trial { parameters, metric }, leaves));
    }
    if learner == Learner::Lightgbm {
        parameters.entry("num_iterations".to_owned()).or_insert(DEFAULT_ITERATIONS);
    }
    let scorer = fit(learner, train, &parameters, seed)?.scorer;
    let metric = log_loss(validation.rows().map(|row| scorer.raw_score(row)), validation.labels());
    let size = match &scorer {
        Scorer::Forest(forest) => forest.leaves() as f64,
        Scorer::Logistic(_) => 0.0,
    };
    Ok((Trial { parameters, metric }, size))
}

/// The number of trees with the least loss (of equals the smallest), and that loss.
fn best_stage(forest: &Forest, validation: &Dataset) -> (usize, f64) {
    let mut losses = vec![0.0; forest.trees()];
    for (row, label) in validation.rows().zip(validation.labels()) {
        for (loss, raw) in losses.iter_mut().zip(forest.staged_raw_scores(row)) {
            *loss += log_loss(std::iter::once(raw), &[*label]);
        }
    }
    let rows = validation.labels().len() as f64;
    let stages = losses.iter().enumerate().map(|(stage, loss)| (stage + 1, loss / rows));
    stages.min_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((1, f64::INFINITY))
}
