//! The handbook's three fraud scenarios, marked on payments that are already in order.

use super::draws::{Draws, Purpose};
use super::process::{Payment, Process};
use std::ops::Range;
use tidemill_events::time::DAY;

/// Payments of more than this are fraudulent, cents.
const SUSPICIOUS_CENTS: i64 = 22_000;
/// Terminals compromised a day, and for how long.
const TERMINALS_A_DAY: usize = 2;
const TERMINAL_DAYS: usize = 28;
/// Customers compromised a day, for how long, which share of their payments, and how much dearer those get.
const CUSTOMERS_A_DAY: usize = 3;
const CUSTOMER_DAYS: usize = 14;
const ONE_IN: usize = 3;
const DEARER: i64 = 5;

/// Marks the frauds among `payments`, which are in the order of time. A later scenario overwrites an earlier one.
pub(super) fn mark(process: &Process, payments: &mut [Payment]) {
    for payment in payments.iter_mut().filter(|p| p.cents > SUSPICIOUS_CENTS) {
        payment.fraud_scenario = 1;
    }
    let days = days(process, payments);
    // as in the book, nothing is drawn on the last day
    for day in 0..days.len().saturating_sub(1) {
        compromise_terminals(process, day, &mut payments[span(&days, day, TERMINAL_DAYS)]);
    }
    for day in 0..days.len().saturating_sub(1) {
        compromise_customers(process, day, &mut payments[span(&days, day, CUSTOMER_DAYS)]);
    }
}

fn compromise_terminals(process: &Process, day: usize, payments: &mut [Payment]) {
    let mut draws = Draws::new(process.seed, Purpose::CompromisedTerminals, day as u32);
    let mut terminals: Vec<u32> = (0..process.terminals).collect();
    let compromised = draws.sample(&mut terminals, TERMINALS_A_DAY);
    for payment in payments.iter_mut().filter(|p| compromised.contains(&p.terminal_id)) {
        payment.fraud_scenario = 2;
    }
}

fn compromise_customers(process: &Process, day: usize, payments: &mut [Payment]) {
    let mut draws = Draws::new(process.seed, Purpose::CompromisedCustomers, day as u32);
    let mut customers: Vec<u32> = (0..process.customers).collect();
    let compromised = draws.sample(&mut customers, CUSTOMERS_A_DAY).to_vec();
    let mut theirs: Vec<&mut Payment> = payments.iter_mut().filter(|p| compromised.contains(&p.customer_id)).collect();
    let frauds = theirs.len() / ONE_IN;
    for payment in draws.sample(&mut theirs, frauds) {
        payment.cents *= DEARER;
        payment.fraud_scenario = 3;
    }
}

/// Where each day's payments lie.
fn days(process: &Process, payments: &[Payment]) -> Vec<Range<usize>> {
    let first_from = |day: u32| payments.partition_point(|p| p.event_time < process.start + i64::from(day) * DAY);
    (0..process.days).map(|day| first_from(day)..first_from(day + 1)).collect()
}

fn span(days: &[Range<usize>], from: usize, length: usize) -> Range<usize> {
    days[from].start..days[(from + length).min(days.len()) - 1].end
}
