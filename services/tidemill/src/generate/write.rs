//! Payments as CSV or NDJSON.

use super::process::Payment;
use std::io::{self, Write};
use std::path::Path;
use tidemill_events::time::format_instant;

/// How payments are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated, with a header.
    Csv,
    /// One JSON object a line; ids are strings, amounts are numbers with two decimals.
    Ndjson,
}

impl Format {
    /// The format that the name of `path` asks for.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "csv" => Some(Format::Csv),
            "ndjson" | "jsonl" => Some(Format::Ndjson),
            _ => None,
        }
    }

    /// Writes `payments` to `out`.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(self, payments: &[Payment], out: &mut impl Write) -> io::Result<()> {
        if self == Format::Csv {
            writeln!(out, "transaction_id,event_time,customer_id,terminal_id,amount,fraud,fraud_scenario")?;
        }
        for payment in payments {
            self.row(payment, out)?;
        }
        Ok(())
    }

    fn row(self, payment: &Payment, out: &mut impl Write) -> io::Result<()> {
        let Payment { transaction_id, customer_id, terminal_id, fraud_scenario, .. } = payment;
        let time = format_instant(payment.event_time);
        let (units, cents) = (payment.cents / 100, payment.cents % 100);
        let fraud = u8::from(payment.is_fraud());
        match self {
            Format::Csv => {
                writeln!(out, "{transaction_id},{time},{customer_id},{terminal_id},{units}.{cents:02},{fraud},{fraud_scenario}")
            }
            Format::Ndjson => writeln!(
                out,
                "{{\"transaction_id\":\"{transaction_id}\",\"event_time\":\"{time}\",\"customer_id\":\"{customer_id}\",\
                 \"terminal_id\":\"{terminal_id}\",\"amount\":{units}.{cents:02},\"fraud\":{fraud},\"fraud_scenario\":{fraud_scenario}}}"
            ),
        }
    }
}
