//! Rows of an event file, changed as they are read.

use super::injection::{Injection, Kind, times};
use crate::publish::{Cell, Row, Source, SourceError};
use rust_decimal::Decimal;
use tidemill_events::schema::{Field, Type};

/// A source in which the world changes.
pub struct Injected {
    source: Box<dyn Source>,
    injection: Injection,
    /// Places of the time, of what is looked at (a key), and of what is changed.
    time: usize,
    look: usize,
    change: usize,
    row: u64,
    /// What stands in the changed column of this row, if another value does.
    now: Option<Value>,
    changed: u64,
}

enum Value {
    Null,
    One,
    Number(String),
}

impl Injected {
    /// Changes `source`, whose columns are `columns`, of which `time` is the time.
    ///
    /// # Errors
    /// A column that is not there.
    pub fn new(source: Box<dyn Source>, columns: &[&str], time: &str, injection: Injection) -> anyhow::Result<Self> {
        let place = |name: &str| columns.iter().position(|c| *c == name).ok_or_else(|| anyhow::anyhow!("there is no column `{name}`"));
        let (look, change) = match &injection.kind {
            Kind::Drift { column, .. } | Kind::MissingField { column, .. } => (place(column)?, place(column)?),
            Kind::FraudWave { key, label, .. } => (place(key)?, place(label)?),
        };
        let time = place(time)?;
        Ok(Self { source, injection, time, look, change, row: 0, now: None, changed: 0 })
    }

    /// Rows changed so far.
    #[must_use]
    pub fn changed(&self) -> u64 {
        self.changed
    }

    fn value(&self) -> Option<Value> {
        let time = self.source.cell(self.time).instant(&Type::TimestampMillis)?;
        if time < self.injection.from {
            return None;
        }
        match &self.injection.kind {
            Kind::Drift { factor, .. } => {
                let number = Decimal::from_str_exact(&text(self.source.cell(self.look))).ok()?;
                times(number, *factor).map(|product| Value::Number(product.to_string()))
            }
            Kind::FraudWave { share, .. } => {
                let key = text(self.source.cell(self.look));
                (!key.is_empty() && self.injection.hits(key.as_bytes(), *share)).then_some(Value::One)
            }
            Kind::MissingField { share, .. } => self.injection.hits(&self.row.to_le_bytes(), *share).then_some(Value::Null),
        }
    }
}

impl Source for Injected {
    fn rows(&self) -> Option<u64> {
        self.source.rows()
    }

    fn advance(&mut self) -> Result<Row, SourceError> {
        let row = self.source.advance()?;
        self.row += 1;
        self.now = if row == Row::Ready { self.value() } else { None };
        self.changed += u64::from(self.now.is_some());
        Ok(row)
    }

    fn cell(&self, column: usize) -> Cell<'_> {
        match &self.now {
            Some(value) if column == self.change => match value {
                Value::Null => Cell::Null,
                Value::One => Cell::Integer(1),
                Value::Number(text) => Cell::Text(text),
            },
            _ => self.source.cell(column),
        }
    }
}

/// A cell as JSON: numbers bare, text quoted.
pub(super) fn json(cell: Cell<'_>, out: &mut Vec<u8>) {
    // the type of a field that takes everything as it is
    cell.write(&Field { name: Default::default(), ty: Type::Double, nullable: true, default: None }, out);
}

/// A cell as text; nothing if it is null.
pub(super) fn text(cell: Cell<'_>) -> String {
    if let Cell::Text(text) = cell {
        return text.to_owned();
    }
    let mut bytes = Vec::new();
    json(cell, &mut bytes);
    if cell == Cell::Null {
        return String::new();
    }
    serde_json::from_slice::<String>(&bytes).unwrap_or_else(|_| String::from_utf8_lossy(&bytes).into_owned())
}
