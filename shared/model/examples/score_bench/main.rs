//! Rows a second that a forest of LightGBM's usual size scores on one core, and what reasons cost.
//!
//! `cargo run --release -p tidemill-model --example score_bench [MODEL.txt]`; without a model, 100 random trees
//! of 31 leaves over 15 features.

mod random;

use random::Numbers;
use std::hint::black_box;
use std::time::Instant;
use tidemill_model::Forest;

const ROWS: usize = 20_000;
const RUNS: usize = 5;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let text = match std::env::args().nth(1) {
        Some(path) => std::fs::read(path)?,
        None => random::model(100, 31, &(0..15).map(|f| format!("f{f}")).collect::<Vec<_>>()).into_bytes(),
    };
    let forest = Forest::read(&text)?;
    let width = forest.features().len();
    println!("{} trees, {} leaves, {width} features", forest.trees(), forest.leaves());
    let mut numbers = Numbers(7);
    let rows: Vec<f64> = (0..ROWS * width).map(|_| if numbers.below(20) == 0 { f64::NAN } else { numbers.unit() * 100.0 }).collect();

    let batch = median(|| {
        let mut scores = Vec::new();
        forest.scores(black_box(&rows), &mut scores);
        black_box(scores.len())
    });
    report("batch", batch);
    let mut out = Vec::with_capacity(32);
    report(
        "batches of 32",
        median(|| {
            rows.chunks(32 * width)
                .map(|rows| {
                    out.clear();
                    forest.scores(black_box(rows), &mut out);
                    out.len()
                })
                .sum()
        }),
    );
    report(
        "one row at a time",
        median(|| {
            rows.chunks(width)
                .map(|row| {
                    black_box(forest.score(black_box(row)));
                    1
                })
                .sum()
        }),
    );
    report(
        "contributions",
        median(|| {
            rows.chunks(width)
                .take(ROWS / 10)
                .map(|row| {
                    black_box(forest.contributions(black_box(row)));
                    1
                })
                .sum()
        }),
    );
    Ok(())
}

/// Rows done and seconds of the median run.
fn median(mut run: impl FnMut() -> usize) -> (usize, f64) {
    let mut runs: Vec<(usize, f64)> = (0..RUNS)
        .map(|_| {
            let begun = Instant::now();
            let rows = run();
            (rows, begun.elapsed().as_secs_f64())
        })
        .collect();
    runs.sort_by(|a, b| a.1.total_cmp(&b.1));
    runs[RUNS / 2]
}

fn report(what: &str, (rows, seconds): (usize, f64)) {
    println!("{what:18} {:>12.0} rows/s   {:>8.3} us a row", rows as f64 / seconds, seconds / rows as f64 * 1e6);
}
