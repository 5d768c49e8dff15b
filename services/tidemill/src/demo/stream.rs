//! The demo's events: generated payments, and among them a few that are bad on purpose.

use crate::generate::Payment;
use crate::publish::{Cell, Row, Source, SourceError};
use compact_str::{CompactString, format_compact};
use std::sync::Arc;
use tidemill_events::RecordSchema;
use tidemill_events::time::HOUR;

/// One bad record after so many payments: 0.1 %.
const BAD_EVERY: usize = 1_000;
/// How late a late payment is, microseconds: beyond any `lateness` that the example has.
const LATE: i64 = HOUR;

/// What is wrong with a bad record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// An amount below zero: a violation of the pipeline's expectation.
    Negative,
    /// An hour older than its customer's last payment.
    Late,
    /// An amount that is no number: not even an event.
    NoNumber,
}

const FAULTS: [Fault; 3] = [Fault::Negative, Fault::Late, Fault::NoNumber];

/// How many bad records [`Stream`] adds to `payments` payments.
pub(super) fn bad_records(payments: usize) -> usize {
    payments / BAD_EVERY
}

/// Payments in order, with bad records in between. A bad record is a copy of the payment before it, with
/// an id of its own and one fault.
pub(super) struct Stream {
    payments: Arc<[Payment]>,
    /// What each column is.
    columns: Vec<Column>,
    /// Payments given out.
    given: usize,
    bad: Option<(CompactString, Fault)>,
}

#[derive(Debug, Clone, Copy)]
enum Column {
    Id,
    Time,
    Customer,
    Terminal,
    Amount,
    Label,
    Unknown,
}

impl Stream {
    /// A stream whose columns are the fields of `schema`, and the label after them; a field that payments do not have
    /// is null, and so is the label of a bad record.
    pub(super) fn new(payments: Arc<[Payment]>, schema: &RecordSchema) -> Self {
        let column = |name: &str| match name {
            "transaction_id" => Column::Id,
            "event_time" => Column::Time,
            "customer_id" => Column::Customer,
            "terminal_id" => Column::Terminal,
            "amount" => Column::Amount,
            _ => Column::Unknown,
        };
        Self { payments, columns: schema.fields.iter().map(|f| column(&f.name)).chain([Column::Label]).collect(), given: 0, bad: None }
    }
}

impl Source for Stream {
    fn rows(&self) -> Option<u64> {
        Some((self.payments.len() + bad_records(self.payments.len())) as u64)
    }

    fn advance(&mut self) -> Result<Row, SourceError> {
        if self.bad.is_none() && self.given > 0 && self.given.is_multiple_of(BAD_EVERY) {
            let number = self.given / BAD_EVERY;
            self.bad = Some((format_compact!("bad-{number}"), FAULTS[number % FAULTS.len()]));
            return Ok(Row::Ready);
        }
        if self.given == self.payments.len() {
            return Ok(Row::End);
        }
        self.bad = None;
        self.given += 1;
        Ok(Row::Ready)
    }

    fn cell(&self, column: usize) -> Cell<'_> {
        let Some(payment) = self.given.checked_sub(1).and_then(|i| self.payments.get(i)) else { return Cell::Null };
        let fault = self.bad.as_ref().map(|(_, fault)| *fault);
        match (self.columns.get(column).copied().unwrap_or(Column::Unknown), &self.bad) {
            (Column::Id, Some((id, _))) => Cell::Text(id),
            (Column::Id, None) => Cell::Integer(payment.transaction_id.into()),
            (Column::Time, _) => Cell::Instant(payment.event_time - if fault == Some(Fault::Late) { LATE } else { 0 }),
            (Column::Customer, _) => Cell::Integer(payment.customer_id.into()),
            (Column::Terminal, _) => Cell::Integer(payment.terminal_id.into()),
            (Column::Amount, _) => match fault {
                Some(Fault::Negative) => Cell::Decimal { unscaled: -1 - i128::from(payment.cents), scale: 2 },
                Some(Fault::NoNumber) => Cell::Text("a lot"),
                _ => Cell::Decimal { unscaled: payment.cents.into(), scale: 2 },
            },
            (Column::Label, None) => Cell::Integer(payment.is_fraud().into()),
            (Column::Label, Some(_)) | (Column::Unknown, _) => Cell::Null,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::Process;

    #[test]
    fn every_payment_comes_once_with_one_bad_record_after_each_thousand() {
        let schema = RecordSchema::parse(include_str!("../../../../examples/payments/payment.avsc")).unwrap();
        let payments: Arc<[Payment]> = Process { customers: 200, ..Process::handbook(15) }.payments().into();
        let (mut good, mut bad) = (0, Vec::new());
        let mut stream = Stream::new(payments.clone(), &schema);
        let rows = stream.rows().unwrap();
        while stream.advance().unwrap() == Row::Ready {
            match stream.cell(0) {
                Cell::Integer(id) => {
                    assert_eq!(id, good);
                    assert_eq!(stream.cell(4), Cell::Decimal { unscaled: payments[good as usize].cents.into(), scale: 2 });
                    assert_eq!(stream.cell(5), Cell::Integer(payments[good as usize].is_fraud().into()));
                    good += 1;
                }
                Cell::Text(id) => {
                    assert_eq!(stream.cell(5), Cell::Null, "nobody labels what is no event");
                    bad.push((id.to_owned(), format!("{:?}", stream.cell(4))));
                }
                other => panic!("{other:?} is no id"),
            }
        }
        assert_eq!(good as usize, payments.len());
        assert_eq!(bad.len(), payments.len() / 1_000);
        assert_eq!(good as u64 + bad.len() as u64, rows);
        assert!(bad[0].0 == "bad-1" && bad[1].1.contains("a lot") && bad[2].1.contains("unscaled: -"), "{bad:?}");
    }
}
