//! The baseline: logistic regression.

use super::{Dataset, Fitted, NotFitted, Parameters};
use tidemill_model::logistic;
use tidemill_model::{Learner, Scorer};

/// The penalty where none is given.
const DEFAULT_L2: f64 = 1.0;

pub(super) fn fit(data: &Dataset, parameters: &Parameters) -> Result<Fitted, NotFitted> {
    if let Some(name) = parameters.keys().find(|name| *name != "lambda_l2") {
        return Err(NotFitted::Parameter { name: name.clone(), why: "logistic regression knows lambda_l2 alone" });
    }
    let l2 = parameters.get("lambda_l2").copied().unwrap_or(DEFAULT_L2);
    let library = |e: logistic::NotFitted| NotFitted::Library { library: "logistic regression", why: e.to_string() };
    let model = logistic::fit(data.features(), data.values(), data.labels(), l2).map_err(library)?;
    let bytes = model.to_bytes()?;
    let scorer = Scorer::read(Learner::Logistic, &bytes)?;
    let library_scores = data.rows().take(super::gradient_boosting::LIBRARY_ROWS).map(|row| model.score(row)).collect();
    Ok(Fitted { learner: Learner::Logistic, bytes, scorer, library_scores })
}
