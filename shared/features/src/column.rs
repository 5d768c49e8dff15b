//! One column of a key's entries, arranged so that sums of a window are a subtraction.

use crate::settle::number;
use std::ops::Range;
use tidemill_events::Value;
use tidemill_events::decimal::nearest_double;

/// A column's value at one entry.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell {
    /// None.
    Null,
    /// An exact number, in units of the column's scale.
    Exact(i128),
    /// A finite double.
    Double(f64),
}

/// How a column keeps its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Integers scaled by `10^scale`: decimals, integers, booleans.
    Exact { scale: u32 },
    /// Doubles.
    Double,
}

/// How outcomes keep their labels.
pub(crate) const LABEL: Kind = Kind::Double;

/// What a window's values become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    Sum,
    Mean,
    Min,
    Max,
}

/// Exact cells are below this: 2^31 of them cannot overflow a sum.
pub(crate) const EXACT_LIMIT: u128 = 1 << 96;

impl Kind {
    /// `value` in this column; `None` where it does not fit.
    pub(crate) fn cell(self, value: &Value) -> Option<Cell> {
        match self {
            // adding 0.0 makes -0.0 positive, so that no minimum depends on which zero came first
            Kind::Double => number(value).map(|v| Cell::Double(v + 0.0)),
            Kind::Exact { scale } => {
                let mantissa = match value {
                    Value::Decimal(v) if v.scale() == scale => v.mantissa(),
                    Value::Decimal(v) => {
                        let v = v.normalize();
                        scaled(v.mantissa(), scale.checked_sub(v.scale())?)?
                    }
                    Value::Long(v) => scaled(i128::from(*v), scale)?,
                    Value::Bool(v) => scaled(i128::from(*v), scale)?,
                    _ => return None,
                };
                (mantissa.unsigned_abs() < EXACT_LIMIT).then_some(Cell::Exact(mantissa))
            }
        }
    }

    /// A number that tells kinds apart.
    pub(crate) fn tag(self) -> u32 {
        match self {
            Kind::Double => u32::MAX,
            Kind::Exact { scale } => scale,
        }
    }
}

fn scaled(mantissa: i128, digits: u32) -> Option<i128> {
    mantissa.checked_mul(10i128.checked_pow(digits)?)
}

/// The values of a column. Indices are those of the entries.
#[derive(Debug, Clone)]
pub(crate) enum Column {
    /// Exact values as running sums, which may wrap: only differences are looked at.
    Exact {
        scale: u32,
        /// `sums[i + 1] - sums[i]` is value `i`, 0 where null; empty while there is no entry.
        sums: Vec<i128>,
        /// `present[i + 1] - present[i]` is 1 where value `i` is not null; empty while none is null.
        present: Vec<u32>,
    },
    /// Doubles; NaN is null.
    Double(Vec<f64>),
}

impl Column {
    pub(crate) fn new(kind: Kind) -> Self {
        match kind {
            Kind::Exact { scale } => Column::Exact { scale, sums: Vec::new(), present: Vec::new() },
            Kind::Double => Column::Double(Vec::new()),
        }
    }

    pub(crate) fn reserve(&mut self, additional: usize) {
        match self {
            Column::Exact { sums, .. } => sums.reserve(additional + 1),
            Column::Double(values) => values.reserve(additional),
        }
    }

    /// Appends `cell`. A cell of the other kind is null.
    pub(crate) fn push(&mut self, cell: Cell) {
        match self {
            Column::Double(values) => values.push(if let Cell::Double(v) = cell { v } else { f64::NAN }),
            Column::Exact { sums, present, .. } => {
                let value = if let Cell::Exact(v) = cell { Some(v) } else { None };
                let last = sums.last().copied().unwrap_or_else(|| {
                    sums.push(0);
                    0
                });
                if value.is_none() && present.is_empty() {
                    present.extend(0..sums.len() as u32);
                }
                sums.push(last.wrapping_add(value.unwrap_or(0)));
                if let Some(count) = present.last() {
                    present.push(count.wrapping_add(u32::from(value.is_some())));
                }
            }
        }
    }

    /// Puts `cell` before value `at`.
    pub(crate) fn insert(&mut self, at: usize, cell: Cell) {
        self.push(cell);
        match self {
            Column::Double(values) => values[at..].rotate_right(1),
            Column::Exact { sums, present, .. } => {
                move_last_step(sums, at, i128::wrapping_add, i128::wrapping_sub);
                if !present.is_empty() {
                    move_last_step(present, at, u32::wrapping_add, u32::wrapping_sub);
                }
            }
        }
    }

    /// Takes value `at` away.
    pub(crate) fn remove(&mut self, at: usize) {
        match self {
            Column::Double(values) => {
                values.remove(at);
            }
            Column::Exact { sums, present, .. } => {
                narrow(sums, at, i128::wrapping_sub);
                if !present.is_empty() {
                    narrow(present, at, u32::wrapping_sub);
                }
            }
        }
    }

    /// Takes the first `count` values away.
    pub(crate) fn drain(&mut self, count: usize) {
        match self {
            Column::Double(values) => drop(values.drain(..count)),
            Column::Exact { sums, present, .. } => {
                sums.drain(..count);
                if !present.is_empty() {
                    present.drain(..count);
                }
            }
        }
    }

    /// Whether one of the values in `entries` is null.
    pub(crate) fn any_null(&self, entries: Range<usize>) -> bool {
        match self {
            Column::Double(values) => values[entries].iter().any(|v| v.is_nan()),
            Column::Exact { present, .. } => {
                !present.is_empty() && present[entries.end].wrapping_sub(present[entries.start]) as usize != entries.len()
            }
        }
    }

    /// Value `at`.
    pub(crate) fn cell(&self, at: usize) -> Cell {
        match self {
            Column::Double(values) if values[at].is_nan() => Cell::Null,
            Column::Double(values) => Cell::Double(values[at]),
            Column::Exact { present, .. } if !present.is_empty() && present[at + 1] == present[at] => Cell::Null,
            Column::Exact { sums, .. } => Cell::Exact(sums[at + 1].wrapping_sub(sums[at])),
        }
    }

    /// The aggregate of the values in `entries`; `None` when all of them are null.
    pub(crate) fn aggregate(&self, how: How, entries: Range<usize>) -> Option<f64> {
        match self {
            Column::Double(values) => of_doubles(values[entries].iter().copied().filter(|v| !v.is_nan()), how),
            Column::Exact { scale, sums, present } => {
                let Range { start, end } = entries;
                let count = if present.is_empty() { (end - start) as u32 } else { present[end].wrapping_sub(present[start]) };
                if count == 0 {
                    return None;
                }
                let exact = match how {
                    How::Sum | How::Mean => sums[end].wrapping_sub(sums[start]),
                    How::Min => self.exact_values(start..end).min()?,
                    How::Max => self.exact_values(start..end).max()?,
                };
                let value = nearest_double(exact, *scale);
                Some(if how == How::Mean { value / f64::from(count) } else { value })
            }
        }
    }

    fn exact_values(&self, entries: Range<usize>) -> impl Iterator<Item = i128> {
        entries.filter_map(|at| match self.cell(at) {
            Cell::Exact(value) => Some(value),
            Cell::Null | Cell::Double(_) => None,
        })
    }
}

/// Left to right: the order of the set decides the last bits of a sum.
fn of_doubles(values: impl Iterator<Item = f64>, how: How) -> Option<f64> {
    match how {
        How::Sum => values.reduce(|a, b| a + b),
        How::Mean => {
            let (sum, count) = values.fold((None, 0u32), |(sum, n), v| (Some(sum.map_or(v, |s: f64| s + v)), n + 1));
            sum.map(|sum| sum / f64::from(count))
        }
        How::Min => values.reduce(f64::min),
        How::Max => values.reduce(f64::max),
    }
}

/// Moves the last step of a running sum before step `at`.
fn move_last_step<T: Copy>(sums: &mut [T], at: usize, add: fn(T, T) -> T, sub: fn(T, T) -> T) {
    let last = sums.len() - 1;
    let by = sub(sums[last], sums[last - 1]);
    for i in (at + 1..last).rev() {
        sums[i + 1] = add(sums[i], by);
    }
    sums[at + 1] = add(sums[at], by);
}

/// Removes step `at` of a running sum.
fn narrow<T: Copy>(sums: &mut Vec<T>, at: usize, sub: fn(T, T) -> T) {
    let by = sub(sums.remove(at + 1), sums[at]);
    for sum in &mut sums[at + 1..] {
        *sum = sub(*sum, by);
    }
}
