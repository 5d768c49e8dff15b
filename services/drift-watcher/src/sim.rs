//! Simulated days of a payments-like pipeline, for tests: reproducible draws, and columns as the example has them.

use crate::measure::{Known, Thresholds, measure};
use crate::policy::SCORE;
use crate::window::Window;
use tidemill_events::control::{Drift, Span};
use tidemill_events::time::DAY;
use tidemill_events::views::ModelView;
use tidemill_pipeline::learning::Measure;
use tidemill_statistics::drift::References;

/// Uniform numbers by SplitMix64.
pub(crate) struct Draws(u64);

impl Draws {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1))
    }

    /// Uniform in [0, 1).
    pub(crate) fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Normal, near enough: a sum of twelve.
    pub(crate) fn normal(&mut self, mean: f64, deviation: f64) -> f64 {
        mean + deviation * ((0..12).map(|_| self.unit()).sum::<f64>() - 6.0)
    }
}

/// The columns of [`day`].
pub(crate) const NAMES: [&str; 15] = [
    "customer_tx_count_1d",
    "customer_tx_count_7d",
    "customer_tx_count_30d",
    "customer_amount_mean_1d",
    "customer_amount_mean_7d",
    "customer_amount_mean_30d",
    "terminal_tx_count_1d",
    "terminal_tx_count_7d",
    "terminal_tx_count_30d",
    "terminal_fraud_rate_1d",
    "terminal_fraud_rate_7d",
    "terminal_fraud_rate_30d",
    "amount",
    "is_night",
    "is_weekend",
];

/// How a day differs from a quiet one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct World {
    /// Amounts times this.
    pub(crate) amounts: f64,
    /// Share of rows without an amount.
    pub(crate) missing: f64,
    /// Days since the stream began: windows are not full before.
    pub(crate) age: f64,
}

pub(crate) const QUIET: World = World { amounts: 1.0, missing: 0.0, age: 1_000.0 };

/// The vectors of day `day` (0 is a Monday), row by row.
pub(crate) fn day(draws: &mut Draws, day: usize, rows: usize, world: World) -> Vec<[f64; 15]> {
    let weekend = f64::from(u8::from(day % 7 >= 5));
    (0..rows)
        .map(|_| {
            let rate = 4.0 * draws.unit().sqrt();
            let usual = 5.0 + 95.0 * draws.unit();
            let mut count = |days: f64, rate: f64| {
                let expected = rate * days.min(world.age + 1.0);
                (1.0 + draws.normal(expected, expected.sqrt())).round().max(1.0)
            };
            let (c1, c7, c30) = (count(1.0, rate), count(7.0, rate), count(30.0, rate));
            let (t1, t7, t30) = (count(1.0, 1.0) - 1.0, count(7.0, 1.0) - 1.0, count(30.0, 1.0) - 1.0);
            let compromised = draws.unit() < 0.005;
            let fraud = |rate: f64| if compromised { rate } else { 0.0 };
            let (f1, f7, f30) = (fraud(0.9), fraud(0.6), fraud(0.3));
            let mut mean = |n: f64| (draws.normal(usual, usual / 2.0 / n.sqrt()).abs() * 100.0).round() / 100.0 * world.amounts;
            let (m1, m7, m30) = (mean(c1), mean(c7), mean(c30));
            let amount = mean(1.0);
            let amount = if draws.unit() < world.missing { f64::NAN } else { amount };
            let night = f64::from(u8::from(draws.unit() < 0.18));
            [c1, c7, c30, m1, m7, m30, t1, t7, t30, f1, f7, f30, amount, night, weekend]
        })
        .collect()
}

/// A model's score of a row.
pub(crate) fn score(row: &[f64; 15]) -> f64 {
    let amount = if row[12].is_nan() { 50.0 } else { row[12] };
    1.0 / (1.0 + (4.0 - amount / 80.0 - 6.0 * row[10]).exp())
}

/// The references of a training on `days`, with what is usual in its last week.
pub(crate) fn references(days: &[Vec<[f64; 15]>]) -> References {
    let columns = columns_of(&days.concat());
    let columns: Vec<(&str, &[f64])> = names().zip(columns.iter().map(Vec::as_slice)).collect();
    let ends: Vec<usize> = days
        .iter()
        .scan(0, |end, day| {
            *end += day.len();
            Some(*end)
        })
        .collect();
    let windows = ends.iter().zip(days).map(|(end, day)| end - day.len()..*end).rev().take(7);
    References::of(&columns, windows)
}

fn names() -> impl Iterator<Item = &'static str> {
    NAMES.into_iter().chain([SCORE])
}

/// Row by row to column by column, and the score.
fn columns_of(rows: &[[f64; 15]]) -> Vec<Vec<f64>> {
    let mut columns: Vec<Vec<f64>> = (0..15).map(|c| rows.iter().map(|row| row[c]).collect()).collect();
    columns.push(rows.iter().map(score).collect());
    columns
}

/// The model of the simulation.
pub(crate) const MODEL: ModelView<'static> = ModelView { name: "payments-fraud", version: 1, digest: "sha256:1", stage: "champion" };

/// The drift record of day `number` with these rows.
pub(crate) fn drift(number: usize, rows: &[[f64; 15]], known: &Known, thresholds: &Thresholds) -> Drift {
    let span = Span { from: number as i64 * DAY, to: (number as i64 + 1) * DAY };
    let mut window = Window::new(span, NAMES.len());
    for (i, row) in rows.iter().enumerate() {
        let id = i.to_string();
        window.vector(&id, row);
        window.prediction(&id, score(row), &MODEL);
    }
    let columns = measure(&mut window, known, thresholds).unwrap();
    let (rows, sampled) = (rows.len() as i64, window.rows.len() as i64);
    let (kind, model) = ("data".to_owned(), MODEL.to_owned());
    Drift { kind, window: span, model, rows, sampled, columns, errors: 0, outcomes: 0, concept_alarm: false }
}

/// The example's thresholds, and one for missing values.
pub(crate) fn thresholds() -> Thresholds {
    Thresholds { features: vec![(Measure::Psi, 0.2), (Measure::Missing, 0.1)], score: vec![(Measure::Psi, 0.2)] }
}
