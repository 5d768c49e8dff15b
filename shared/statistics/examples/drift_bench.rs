//! What a report of a window costs, in one thread:
//! `cargo run --release -p tidemill-statistics --example drift_bench`.
//!
//! 100,000 rows of 20 columns against references of as many rows: fine values, few values, zeros with a
//! tail, truth values; some missing. Median of 5 runs, in time on the processor.

use std::hint::black_box;
use tidemill_statistics::drift::{ColumnReference, Number, Reference, Values, report};

const ROWS: usize = 100_000;
const COLUMNS: usize = 20;
const RUNS: usize = 5;

/// Nanoseconds this thread was on a processor: a busy machine does not count.
fn on_cpu() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    stat.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0)
}

/// Even numbers from 0 to 1 (SplitMix64).
fn numbers(mut seed: u64) -> impl FnMut() -> f64 {
    move || {
        seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

fn column(kind: usize, seed: u64) -> Vec<f64> {
    let mut next = numbers(seed);
    let mut value = || match (kind % 4, next()) {
        (_, p) if p < 0.01 => f64::NAN,
        // about normal
        (0, p) => (0..6).map(|_| next()).sum::<f64>() + p,
        (1, p) => (p * 40.0).floor(),
        (2, p) => {
            if p < 0.8 {
                0.0
            } else {
                next() * 100.0
            }
        }
        (_, p) => f64::from(u8::from(p < 0.3)),
    };
    (0..ROWS).map(|_| value()).collect()
}

fn median(what: &str, mut work: impl FnMut()) {
    let mut times: Vec<u64> = (0..RUNS)
        .map(|_| {
            let started = on_cpu();
            work();
            on_cpu() - started
        })
        .collect();
    times.sort_unstable();
    println!("{what:<56} {:>8.2} ms", times[RUNS / 2] as f64 / 1e6);
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for (what, kinds) in [("of fine values", 0..1), ("of four kinds", 0..4)] {
        let kind = |i: usize| i % kinds.len();
        let references: Vec<ColumnReference> = (0..COLUMNS)
            .map(|i| ColumnReference { name: format!("f{i}"), reference: Reference::Number(Number::new(&column(kind(i), i as u64))) })
            .collect();
        let window: Vec<Vec<f64>> = (0..COLUMNS).map(|i| column(kind(i), 1_000 + i as u64)).collect();
        report(&references, &window)?;
        median(&format!("report, {COLUMNS} columns {what}, {ROWS} rows"), || drop(black_box(report(&references, &window))));
        median(&format!("references, {COLUMNS} columns {what}, {ROWS} rows"), || {
            window.iter().for_each(|values| drop(black_box(Number::new(values))));
        });
        median(&format!("of that: sorting, {COLUMNS} columns {what}"), || {
            window.iter().for_each(|values| drop(black_box(Values::new(values))));
        });
    }
    Ok(())
}
