//! What training costs on data of the payments' size, and scoring and reasons with the model that comes out.
//!
//! `cargo run --release -p tidemill-trainer --example fit_bench [MODEL.txt]` also writes the model there.

use std::hint::black_box;
use std::time::Instant;
use tidemill_model::Learner;
use tidemill_trainer::learner::{Dataset, Parameters, fit};

const ROWS: usize = 67_240;
const FEATURES: usize = 15;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let data = payments()?;
    println!("{ROWS} rows, {FEATURES} features, {} positives", data.positives());
    for learner in [Learner::Lightgbm, Learner::Logistic] {
        let mut seconds = Vec::new();
        for _ in 0..3 {
            let begun = Instant::now();
            black_box(fit(learner, &data, &Parameters::new(), 1)?);
            seconds.push(begun.elapsed().as_secs_f64());
        }
        seconds.sort_by(f64::total_cmp);
        println!("{learner:?}: fit {:.3} s (median of 3)", seconds[1]);
    }
    let fitted = fit(Learner::Lightgbm, &data, &Parameters::new(), 1)?;
    let booster = lightgbm3::Booster::from_string(std::str::from_utf8(&fitted.bytes)?)?;
    let some: Vec<&[f64]> = data.rows().take(5_000).collect();
    per_row("one-row score, ours", &some, |row| {
        black_box(fitted.scorer.score(row));
    });
    per_row("one-row score, LightGBM's", &some, |row| {
        let _ = black_box(booster.predict(row, FEATURES as i32, true));
    });
    per_row("contributions, ours", &some, |row| {
        black_box(fitted.scorer.contributions(row));
    });
    per_row("contributions, LightGBM's", &some, |row| {
        let _ = black_box(booster.predict_contrib(row, FEATURES as i32, true));
    });
    if let Some(path) = std::env::args().nth(1) {
        std::fs::write(path, &fitted.bytes)?;
    }
    Ok(())
}

fn per_row(what: &str, rows: &[&[f64]], run: impl Fn(&[f64])) {
    let mut micros: Vec<f64> = (0..5)
        .map(|_| {
            let begun = Instant::now();
            rows.iter().for_each(|row| run(row));
            begun.elapsed().as_secs_f64() * 1e6 / rows.len() as f64
        })
        .collect();
    micros.sort_by(f64::total_cmp);
    println!("{what:28} {:.2} us a row (median of 5)", micros[2]);
}

/// Amounts, counts and shares; about one row in a hundred is positive.
fn payments() -> Result<Dataset, Box<dyn std::error::Error>> {
    let mut state = 1u64;
    let mut unit = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    };
    let (mut values, mut labels) = (Vec::with_capacity(ROWS * FEATURES), Vec::with_capacity(ROWS));
    for _ in 0..ROWS {
        let row: [f64; FEATURES] = std::array::from_fn(|i| match i % 3 {
            0 => -unit().max(1e-12).ln() * 60.0,
            1 => (unit() * unit() * 40.0).floor(),
            _ if unit() < 0.3 => f64::NAN,
            _ => unit(),
        });
        let odds = -7.0 + row[0] / 60.0 + row[1] / 20.0 + if row[2] > 0.9 { 3.0 } else { 0.0 } + row[3] * row[4] / 4_000.0;
        labels.push(unit() < 1.0 / (1.0 + (-odds).exp()));
        values.extend(row);
    }
    Ok(Dataset::new((0..FEATURES).map(|i| format!("f{i}")).collect(), values, labels)?)
}
