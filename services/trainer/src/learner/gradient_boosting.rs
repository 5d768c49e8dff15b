//! Gradient boosting by LightGBM: the settings that make it deterministic and silent.

use super::{Dataset, Fitted, NotFitted, PATIENCE, Parameters};
use lightgbm3::Booster;
use serde_json::{Map, Value, json};
use tidemill_model::{Forest, Learner, Scorer};

/// Trees where none are asked for: LightGBM's default.
pub const DEFAULT_ITERATIONS: f64 = 100.0;
/// Rows of the training set that LightGBM itself scores, for golden rows.
pub(super) const LIBRARY_ROWS: usize = 100;
/// LightGBM's default, the only one that the crate's safe functions give.
const MAX_BIN: f64 = 255.0;

/// Parameters that LightGBM reads as whole numbers.
const WHOLE: [&str; 5] = ["num_leaves", "num_iterations", "max_depth", "min_data_in_leaf", "bagging_freq"];
/// The others.
const REAL: [&str; 5] = ["learning_rate", "feature_fraction", "bagging_fraction", "lambda_l1", "lambda_l2"];

/// Trains on `data`.
pub(super) fn fit(data: &Dataset, parameters: &Parameters, seed: u32) -> Result<Fitted, NotFitted> {
    let booster = Booster::train(table(data, None)?, &settings(parameters, seed)?).map_err(library)?;
    let bytes = booster.save_string().map_err(library)?.into_bytes();
    let width = data.features().len();
    let first = &data.values()[..data.values().len().min(LIBRARY_ROWS * width)];
    let library_scores = booster.predict(first, width as i32, true).map_err(library)?;
    let scorer = Scorer::read(Learner::Lightgbm, &bytes)?;
    Ok(Fitted { learner: Learner::Lightgbm, bytes, scorer, library_scores })
}

/// Trains on `data` for at most the `num_iterations` of `parameters`, and stops when `validation` has not got
/// better for [`PATIENCE`] of them. Where the best was is for the caller to see.
pub(super) fn fit_watched(data: &Dataset, validation: &Dataset, parameters: &Parameters, seed: u32) -> Result<Forest, NotFitted> {
    let mut settings = settings(parameters, seed)?;
    settings["early_stopping_rounds"] = json!(PATIENCE);
    let train = table(data, None)?;
    let watched = table(validation, Some(&train))?;
    let booster = Booster::train_with_valid(train, Some(watched), &settings).map_err(library)?;
    Ok(Forest::read(booster.save_string().map_err(library)?.as_bytes())?)
}

fn table(data: &Dataset, reference: Option<&lightgbm3::Dataset>) -> Result<lightgbm3::Dataset, NotFitted> {
    let labels: Vec<f32> = data.labels().iter().map(|label| f32::from(u8::from(*label))).collect();
    let width = data.features().len() as i32;
    let mut table = lightgbm3::Dataset::from_slice_with_reference(data.values(), &labels, width, true, reference).map_err(library)?;
    if reference.is_none() {
        table.set_feature_names(data.features()).map_err(library)?;
    }
    Ok(table)
}

/// Everything that LightGBM is told.
fn settings(parameters: &Parameters, seed: u32) -> Result<Value, NotFitted> {
    let refuse = |name: &str, why| Err(NotFitted::Parameter { name: name.to_owned(), why });
    let mut settings: Map<String, Value> = Map::new();
    for (name, value) in parameters {
        let set = match name.as_str() {
            "max_bin" if *value == MAX_BIN => continue,
            "max_bin" => return refuse(name, "only LightGBM's default of 255 is possible"),
            whole if WHOLE.contains(&whole) && value.fract() == 0.0 && value.abs() < 1e9 => json!(*value as i64),
            whole if WHOLE.contains(&whole) => return refuse(name, "this must be a whole number"),
            real if REAL.contains(&real) && value.is_finite() => json!(value),
            _ => return refuse(name, "this cannot be set"),
        };
        settings.insert(name.clone(), set);
    }
    settings.entry("num_iterations").or_insert(json!(DEFAULT_ITERATIONS as i64));
    let fixed = json!({
        "objective": "binary",
        "metric": "binary_logloss",
        "verbosity": -1,
        "deterministic": true,
        // a choice that LightGBM would else make by measuring time
        "force_col_wise": true,
        "num_threads": 1,
        // LightGBM's other seeds follow from it
        "seed": seed & 0x7fff_ffff,
    });
    let Value::Object(fixed) = fixed else { return refuse("settings", "these are no object") };
    settings.extend(fixed);
    Ok(Value::Object(settings))
}

fn library(error: lightgbm3::Error) -> NotFitted {
    NotFitted::Library { library: "LightGBM", why: error.to_string() }
}
