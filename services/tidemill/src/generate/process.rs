//! What a world of card payments is made of, and what a payment is.

use tidemill_events::time::DAY;

/// What to generate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Process {
    /// Days.
    pub days: u32,
    /// Customers.
    pub customers: u32,
    /// Terminals.
    pub terminals: u32,
    /// A customer uses the terminals nearer than this; the plane is 100 × 100.
    pub radius: f64,
    /// Midnight of the first day, microseconds since 1970.
    pub start: i64,
    /// Same seed, same payments, on every machine.
    pub seed: u64,
}

/// One payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Payment {
    /// Position in the order of time, from 0.
    pub transaction_id: u32,
    /// Microseconds since 1970, whole seconds.
    pub event_time: i64,
    /// Customer, from 0.
    pub customer_id: u32,
    /// Terminal, from 0.
    pub terminal_id: u32,
    /// Amount in cents.
    pub cents: i64,
    /// 0 genuine; 1 by amount, 2 by compromised terminal, 3 by compromised customer.
    pub fraud_scenario: u8,
}

impl Payment {
    /// Whether the payment is fraudulent.
    #[must_use]
    pub fn is_fraud(&self) -> bool {
        self.fraud_scenario != 0
    }
}

impl Process {
    /// The handbook's population over `days` days from 2018-04-01.
    #[must_use]
    pub fn handbook(days: u32) -> Self {
        const APRIL_2018: i64 = 17_622;
        Self { days, customers: 5_000, terminals: 10_000, radius: 5.0, start: APRIL_2018 * DAY, seed: 0 }
    }
}
