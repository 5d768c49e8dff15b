//! A key's state as bytes: the same bytes for the same set of events and outcomes, and nothing trusted on
//! the way back.
//!
//! ```text
//! format: u8 · fingerprint: u64 · merge_time, merge_time - last_event_time: signed
//! events, then outcomes if a feature looks at labels, each:
//!   count; if it is not 0:
//!   unit: u8 (times are whole 10^unit µs) · first time: signed, then the steps
//!   per entry: offset step << 1 | partition changed, the partition if so: signed
//!   per column: 0, or 1 and a bit per entry that has a value; values: signed, or 8 bytes of a double
//! ```
//! Fixed numbers are little-endian, all others varints; a state without events and outcomes ends after
//! merge_time. Whether there are outcomes is in the fingerprint, so format 1 says no more about it.

use crate::column::{Cell, Column, EXACT_LIMIT, LABEL};
use crate::entries::{Entries, Origin};
use crate::varint::{Reader, put_signed, put_small};
use crate::{Error, Hop, KeyState, Place};

const OUTSIDE: Error = Error::Damaged("an entry is outside its time");

/// The format that this version writes and reads.
pub(crate) const FORMAT: u8 = 1;

impl KeyState {
    /// Appends the packed state to `out`.
    pub fn pack(&self, hop: &Hop, out: &mut Vec<u8>) {
        out.push(FORMAT);
        out.extend_from_slice(&hop.fingerprint().to_le_bytes());
        put_signed(out, i128::from(self.merge_time));
        if self.merge_time().is_none() {
            return;
        }
        put_signed(out, i128::from(self.merge_time) - i128::from(self.last_event_time));
        self.events.pack(out);
        if hop.reads_labels() {
            match &self.outcomes {
                Some(outcomes) => outcomes.pack(out),
                None => put_small(out, 0),
            }
        }
    }

    /// Reads what [`KeyState::pack`] wrote under the same hop. Every other input is an error; memory is
    /// bounded by a small multiple of the input's length.
    ///
    /// # Errors
    /// [`Error`] says what is wrong with the bytes.
    pub fn unpack(bytes: &[u8], hop: &Hop) -> Result<Self, Error> {
        let mut reader = Reader::new(bytes);
        let format = reader.byte()?;
        if format != FORMAT {
            return Err(Error::Format(format));
        }
        let (found, expected) = (u64::from_le_bytes(reader.array()?), hop.fingerprint());
        if found != expected {
            return Err(Error::OtherSpec { found, expected });
        }
        let mut state = KeyState::new(hop);
        state.merge_time = time(reader.signed()?)?;
        if state.merge_time().is_some() {
            state.last_event_time = time(i128::from(state.merge_time) - bounded(reader.signed()?)?)?;
            state.events.unpack(&mut reader)?;
            let (cutoff, label_cutoff) = (state.cutoff(hop), state.label_cutoff(hop));
            if !state.events.lie_in(cutoff, state.last_event_time) {
                return Err(OUTSIDE);
            }
            if hop.reads_labels() {
                let mut outcomes = Entries::new(&[LABEL]);
                outcomes.unpack(&mut reader)?;
                if !outcomes.lie_in(label_cutoff, i64::MAX) {
                    return Err(OUTSIDE);
                }
                state.outcomes = Some(Box::new(outcomes)).filter(|outcomes| !outcomes.is_empty());
            }
        }
        if reader.remaining() > 0 {
            return Err(Error::Damaged("bytes follow its end"));
        }
        Ok(state)
    }
}

impl Entries {
    fn pack(&self, out: &mut Vec<u8>) {
        put_small(out, self.len() as u64);
        if self.is_empty() {
            return;
        }
        self.pack_places(out);
        for column in &self.columns {
            self.pack_column(column, out);
        }
    }

    fn pack_places(&self, out: &mut Vec<u8>) {
        let times = &self.times[self.start..];
        let exponent = unit_of(times);
        out.push(exponent);
        match exponent {
            6 => put_times::<1_000_000>(times, out),
            3 => put_times::<1_000>(times, out),
            _ => put_times::<1>(times, out),
        }
        let (mut partition, mut offset) = (0, 0);
        for origin in &self.origins[self.start..] {
            let changed = origin.partition != partition;
            let step = i128::from(origin.offset) - i128::from(offset);
            put_signed(out, step << 1 | i128::from(changed));
            if changed {
                put_signed(out, i128::from(origin.partition));
            }
            (partition, offset) = (origin.partition, origin.offset);
        }
    }

    fn pack_column(&self, column: &Column, out: &mut Vec<u8>) {
        let entries = self.start..self.times.len();
        let nulls = column.any_null(entries.clone());
        out.push(u8::from(nulls));
        if nulls {
            let first = out.len();
            out.resize(first + self.len().div_ceil(8), 0);
            for (i, at) in entries.clone().enumerate() {
                out[first + i / 8] |= u8::from(column.cell(at) != Cell::Null) << (i % 8);
            }
        }
        for at in entries {
            match column.cell(at) {
                Cell::Null => {}
                Cell::Exact(value) => put_signed(out, value),
                Cell::Double(value) => out.extend_from_slice(&value.to_le_bytes()),
            }
        }
    }

    /// Reads entries into a set that has none.
    fn unpack(&mut self, reader: &mut Reader<'_>) -> Result<(), Error> {
        let count = reader.small()?;
        // an entry takes two bytes at least: a count beyond that is refused before anything is allocated
        let count = usize::try_from(count).ok().filter(|n| *n <= reader.remaining() / 2).ok_or(Error::Truncated)?;
        if count == 0 {
            return Ok(());
        }
        self.unpack_times(count, reader)?;
        let (mut partition, mut offset) = (0, 0i64);
        for _ in 0..count {
            let step = bounded(reader.signed()?)?;
            if step & 1 == 1 {
                let next = i32::try_from(reader.signed()?).map_err(|_| Error::Damaged("a partition is out of range"))?;
                if next == partition {
                    return Err(Error::Damaged("a partition is said twice"));
                }
                partition = next;
            }
            offset = time(i128::from(offset) + (step >> 1))?;
            self.origins.push(Origin { partition, offset });
        }
        if self.places().zip(self.places().skip(1)).any(|(a, b)| a > b) {
            return Err(Error::Damaged("its entries are out of order"));
        }
        self.columns.iter_mut().try_for_each(|column| unpack_column(column, count, reader))
    }

    fn unpack_times(&mut self, count: usize, reader: &mut Reader<'_>) -> Result<(), Error> {
        let exponent = reader.byte()?;
        let unit = match exponent {
            6 => 1_000_000,
            3 => 1_000,
            0 => 1,
            _ => return Err(Error::Damaged("its unit of time is unknown")),
        };
        self.times.reserve(count);
        self.origins.reserve(count);
        let mut last = bounded(reader.signed()?)?;
        self.times.push(time(last * unit)?);
        for _ in 1..count {
            last += i128::from(reader.small()?);
            self.times.push(time(last.saturating_mul(unit))?);
        }
        if unit_of(&self.times) != exponent {
            return Err(Error::Damaged("its unit of time is not the coarsest"));
        }
        Ok(())
    }

    /// Whether all times are after `cutoff`, and none is after `last`.
    fn lie_in(&self, cutoff: i64, last: i64) -> bool {
        self.times.first().is_none_or(|first| *first > cutoff) && self.times.last().is_none_or(|time| *time <= last)
    }

    fn places(&self) -> impl Iterator<Item = Place> + Clone {
        let origins = self.origins.iter();
        self.times.iter().zip(origins).map(|(time, o)| Place { event_time: *time, partition: o.partition, offset: o.offset })
    }
}

fn unpack_column(column: &mut Column, count: usize, reader: &mut Reader<'_>) -> Result<(), Error> {
    let bitmap = unpack_bitmap(count, reader)?;
    let present = |i: usize| bitmap.is_none_or(|bits| bits[i / 8] >> (i % 8) & 1 == 1);
    column.reserve(count);
    for i in 0..count {
        let cell = match column {
            _ if !present(i) => Cell::Null,
            Column::Exact { .. } => Cell::Exact(reader.signed()?),
            Column::Double(_) => Cell::Double(f64::from_le_bytes(reader.array()?)),
        };
        let valid = match cell {
            Cell::Null => true,
            Cell::Exact(value) => value.unsigned_abs() < EXACT_LIMIT,
            Cell::Double(value) => value.is_finite() && value.to_bits() != (-0.0f64).to_bits(),
        };
        if !valid {
            return Err(Error::Damaged("a value is out of range"));
        }
        column.push(cell);
    }
    Ok(())
}

/// Which of `count` entries have a value; `None` where all have.
fn unpack_bitmap<'a>(count: usize, reader: &mut Reader<'a>) -> Result<Option<&'a [u8]>, Error> {
    match reader.byte()? {
        0 => Ok(None),
        1 => {
            let bits = reader.take(count.div_ceil(8))?;
            let padding = bits.last().is_some_and(|last| !count.is_multiple_of(8) && last >> (count % 8) != 0);
            let values: usize = bits.iter().map(|byte| byte.count_ones() as usize).sum();
            if padding || values == count { Err(Error::Damaged("a column's nulls are inconsistent")) } else { Ok(Some(bits)) }
        }
        _ => Err(Error::Damaged("a column says neither that it has nulls nor that it has none")),
    }
}

/// The coarsest unit, as a power of ten, that all `times` are whole multiples of.
fn unit_of(times: &[i64]) -> u8 {
    // literal divisors compile to multiplications
    if times.iter().all(|time| time % 1_000_000 == 0) {
        6
    } else if times.iter().all(|time| time % 1_000 == 0) {
        3
    } else {
        0
    }
}

fn put_times<const UNIT: i64>(times: &[i64], out: &mut Vec<u8>) {
    put_signed(out, i128::from(times[0] / UNIT));
    for pair in times.windows(2) {
        put_small(out, pair[1].wrapping_sub(pair[0]) as u64 / UNIT as u64);
    }
}

/// A step that cannot overflow what it is added to.
fn bounded(step: i128) -> Result<i128, Error> {
    if step.unsigned_abs() < 1 << 100 { Ok(step) } else { Err(Error::Damaged("a step is out of range")) }
}

fn time(value: i128) -> Result<i64, Error> {
    i64::try_from(value).map_err(|_| Error::Damaged("a time or offset is out of range"))
}
