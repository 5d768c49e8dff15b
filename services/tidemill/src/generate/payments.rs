//! Card payments by the published process of the Fraud Detection Handbook.
//!
//! Le Borgne, Siblini, Lebichot, Bontempi: *Reproducible Machine Learning for Credit Card Fraud
//! Detection*, chapter 3, "Transaction data simulator". Same process, own random numbers: the statistics
//! are the book's, the rows are not.

use super::draws::{Draws, Purpose};
use super::frauds;
use super::process::{Payment, Process};
use tidemill_events::time::{DAY, SECOND};

/// Seconds in a day.
const DAY_SECONDS: f64 = 86_400.0;
/// Deviation of the time of day from noon, seconds.
const TIME_DEVIATION: f64 = 20_000.0;
/// Side of the plane that customers and terminals lie on.
const PLANE: f64 = 100.0;

impl Process {
    /// Every payment, in the order of time, ids ascending.
    #[must_use]
    pub fn payments(&self) -> Vec<Payment> {
        let terminals = self.places();
        let mut payments: Vec<Payment> = (0..self.customers).flat_map(|id| self.of_customer(id, &terminals)).collect();
        payments.sort_by_key(|p| p.event_time);
        for (id, payment) in (0..).zip(&mut payments) {
            payment.transaction_id = id;
        }
        frauds::mark(self, &mut payments);
        payments
    }

    fn places(&self) -> Vec<(f64, f64)> {
        (0..self.terminals)
            .map(|id| {
                let mut draws = Draws::new(self.seed, Purpose::Terminal, id);
                (draws.uniform(0.0, PLANE), draws.uniform(0.0, PLANE))
            })
            .collect()
    }

    fn of_customer(&self, customer_id: u32, terminals: &[(f64, f64)]) -> Vec<Payment> {
        let mut draws = Draws::new(self.seed, Purpose::Customer, customer_id);
        let (x, y) = (draws.uniform(0.0, PLANE), draws.uniform(0.0, PLANE));
        let mean_amount = draws.uniform(5.0, 100.0);
        let per_day = draws.uniform(0.0, 4.0);
        let near = |&(tx, ty): &(f64, f64)| (tx - x).powi(2) + (ty - y).powi(2) < self.radius.powi(2);
        let reach: Vec<u32> = (0..).zip(terminals).filter(|(_, place)| near(place)).map(|(id, _)| id).collect();
        let mut payments = Vec::new();
        if reach.is_empty() {
            return payments;
        }
        for day in 0..self.days {
            for _ in 0..draws.poisson(per_day) {
                let second = draws.normal(DAY_SECONDS / 2.0, TIME_DEVIATION).trunc();
                if second <= 0.0 || second >= DAY_SECONDS {
                    continue;
                }
                payments.push(Payment {
                    transaction_id: 0,
                    event_time: self.start + i64::from(day) * DAY + second as i64 * SECOND,
                    customer_id,
                    cents: cents(&mut draws, mean_amount),
                    terminal_id: reach[draws.below(reach.len())],
                    fraud_scenario: 0,
                });
            }
        }
        payments
    }
}

fn cents(draws: &mut Draws, mean: f64) -> i64 {
    let mut amount = draws.normal(mean, mean / 2.0);
    if amount < 0.0 {
        amount = draws.uniform(0.0, 2.0 * mean);
    }
    (amount * 100.0).round_ties_even() as i64
}
