//! Reading, field by field, what was written under our own schema.

use super::super::{Error, MAX_SEQUENCE};
use super::{NULL, SOME};
use crate::layout::{FeatureColumn, FeatureType};
use crate::records::Reason;
use crate::views::ModelView;
use crate::{Source, Stage, Value};
use compact_str::CompactString;

/// What is left of a datum.
pub(in super::super) struct Reader<'de>(&'de [u8]);

fn fault(why: &str) -> Error {
    Error::Datum(why.to_owned())
}

fn ends() -> Error {
    fault("the record ends too early")
}

impl<'de> Reader<'de> {
    pub(in super::super) fn new(datum: &'de [u8]) -> Self {
        Self(datum)
    }

    /// What follows, for the library to read; it is then what `read` leaves.
    pub(in super::super) fn with<T>(&mut self, read: impl FnOnce(&'de [u8]) -> Result<(T, &'de [u8]), Error>) -> Result<T, Error> {
        let (value, rest) = read(self.0)?;
        self.0 = rest;
        Ok(value)
    }

    /// Nothing may be left.
    pub(in super::super) fn end(self) -> Result<(), Error> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::Trailing(self.0.len())) }
    }

    /// A `long`; also the position of a union's branch.
    #[inline]
    pub(in super::super) fn long(&mut self) -> Result<i64, Error> {
        let (mut value, mut shift) = (0_u64, 0);
        loop {
            let (byte, rest) = self.0.split_first().ok_or_else(ends)?;
            self.0 = rest;
            // nine bytes carry 63 bits
            if shift == 63 && *byte > 1 {
                return Err(fault("a number of more than 64 bits"));
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed());
            }
            shift += 7;
        }
    }

    /// An `int`.
    pub(in super::super) fn int(&mut self) -> Result<i32, Error> {
        self.long()?.try_into().map_err(|_| fault("a number of more than 32 bits"))
    }

    fn bytes(&mut self) -> Result<&'de [u8], Error> {
        let length = usize::try_from(self.long()?).map_err(|_| fault("a length below zero"))?;
        let (bytes, rest) = self.0.split_at_checked(length).ok_or_else(ends)?;
        self.0 = rest;
        Ok(bytes)
    }

    /// A `string`.
    pub(in super::super) fn text(&mut self) -> Result<&'de str, Error> {
        std::str::from_utf8(self.bytes()?).map_err(|e| Error::Datum(e.to_string()))
    }

    /// A `double`.
    pub(in super::super) fn double(&mut self) -> Result<f64, Error> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or_else(ends)?;
        self.0 = rest;
        Ok(f64::from_le_bytes(*bytes))
    }

    /// Record `Source`.
    pub(in super::super) fn source(&mut self) -> Result<Source, Error> {
        Ok(Source { topic: self.text()?.into(), partition: self.int()?, offset: self.long()? })
    }

    /// Record `Source`, of which only the partition is wanted.
    pub(in super::super) fn source_partition(&mut self) -> Result<i32, Error> {
        self.text()?;
        let partition = self.int()?;
        self.long().map(|_| partition)
    }

    /// Record `Stage`.
    pub(in super::super) fn stage(&mut self) -> Result<Stage, Error> {
        Ok(Stage { stage: self.text()?.into(), partition: self.int()? })
    }

    /// Record `Stage`, of which only the partition is wanted.
    pub(in super::super) fn stage_partition(&mut self) -> Result<i32, Error> {
        self.text()?;
        self.int()
    }

    /// So many strings that are not wanted.
    pub(in super::super) fn pass_texts(&mut self, count: usize) -> Result<(), Error> {
        (0..count).try_for_each(|_| self.bytes().map(drop))
    }

    /// Record `Model`.
    pub(in super::super) fn model(&mut self) -> Result<ModelView<'de>, Error> {
        Ok(ModelView { name: self.text()?, version: self.int()?, digest: self.text()?, stage: self.text()? })
    }

    /// Record `Entities` of as many strings.
    pub(in super::super) fn entities(&mut self, count: usize) -> Result<Vec<CompactString>, Error> {
        (0..count).map(|_| self.text().map(CompactString::from)).collect()
    }

    /// Whether a nullable value is there.
    fn is_some(&mut self) -> Result<bool, Error> {
        match self.long()? {
            NULL => Ok(false),
            SOME => Ok(true),
            other => Err(Error::Datum(format!("a nullable value has no branch {other}"))),
        }
    }

    /// Record `Features`.
    pub(in super::super) fn features(&mut self, columns: &[FeatureColumn]) -> Result<Vec<Value>, Error> {
        let value = |column: &FeatureColumn| {
            Ok(match (self.is_some()?, column.ty) {
                (false, _) => Value::Null,
                (true, FeatureType::Double) => Value::Double(self.double()?),
                (true, FeatureType::String) => Value::String(self.text()?.into()),
            })
        };
        columns.iter().map(value).collect()
    }

    /// Record `Features`, of which only numbers are wanted: NaN where there is none.
    pub(in super::super) fn numbers(&mut self, types: &[FeatureType], row: &mut Vec<f64>) -> Result<(), Error> {
        for ty in types {
            match (self.is_some()?, ty) {
                (true, FeatureType::String) => drop(self.text()?),
                (false, FeatureType::String) => (),
                (true, FeatureType::Double) => row.push(self.double()?),
                (false, FeatureType::Double) => row.push(f64::NAN),
            }
        }
        Ok(())
    }

    /// An array of `Reason`.
    pub(in super::super) fn reasons(&mut self) -> Result<Vec<Reason>, Error> {
        let mut reasons = Vec::new();
        loop {
            let mut block = self.long()?;
            if block == 0 {
                return Ok(reasons);
            }
            if block < 0 {
                // the block's size in bytes stands between, for those who would skip it
                block = block.saturating_neg();
                self.long()?;
            }
            if usize::try_from(block).is_ok_and(|items| reasons.len() + items > MAX_SEQUENCE) {
                return Err(Error::Datum(format!("an array of more than {MAX_SEQUENCE} items")));
            }
            for _ in 0..block {
                reasons.push(Reason { feature: self.text()?.into(), contribution: self.double()? });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::write;
    use super::*;

    #[test]
    fn what_is_no_number_is_refused() {
        for value in [0, -1, 1, 63, -64, 64, i64::MAX, i64::MIN] {
            let mut bytes = Vec::new();
            write::long(value, &mut bytes);
            assert_eq!(Reader::new(&bytes).long(), Ok(value));
            let fits = i32::try_from(value).map_err(|_| fault("a number of more than 32 bits"));
            assert_eq!(Reader::new(&bytes).int(), fits);
        }
        assert_eq!(Reader::new(&[0xff; 11]).long(), Err(fault("a number of more than 64 bits")));
        assert_eq!(Reader::new(&[0xff; 9]).long(), Err(ends()));
    }

    #[test]
    fn lengths_that_cannot_be_are_refused() {
        assert_eq!(Reader::new(&[0x01]).text(), Err(fault("a length below zero")));
        assert_eq!(Reader::new(&[0x06, b'a', b'b']).text(), Err(ends()));
        let mut huge = Vec::new();
        write::long(i64::MAX, &mut huge);
        assert_eq!(Reader::new(&huge).text(), Err(ends()));
        assert_eq!(Reader::new(&huge).reasons(), Err(fault("an array of more than 10000 items")));
        let mut huge = Vec::new();
        write::long(i64::MIN, &mut huge);
        write::long(0, &mut huge);
        assert_eq!(Reader::new(&huge).reasons(), Err(fault("an array of more than 10000 items")));
    }

    #[test]
    fn an_array_may_come_in_blocks_that_tell_their_size() {
        let mut bytes = Vec::new();
        for (count, items) in [(1, 1), (-2, 2)] {
            write::long(count, &mut bytes);
            if count < 0 {
                write::long(20, &mut bytes);
            }
            for _ in 0..items {
                write::text("a", &mut bytes);
                write::double(0.5, &mut bytes);
            }
        }
        write::long(0, &mut bytes);
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.reasons().map(|reasons| reasons.len()), Ok(3));
        assert_eq!(reader.end(), Ok(()));
    }
}
